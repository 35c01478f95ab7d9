import math

import pytest

from il_ros.ros.rates import Latency


def test_the_first_ones_do_not_count():
    latency = Latency(window=100, cold=2)
    for delay in (5.0, 4.0):
        latency.add(delay)
        assert math.isnan(latency.value)
    for i in range(101):
        latency.add(i / 1000)
    # 1 to 100 ms are left in the window; 95 % of the way between them.
    assert latency.value == pytest.approx(0.001 + 0.95 * 0.099)


def test_old_ones_are_forgotten_and_a_reset_is_cold_again():
    latency = Latency(window=3, cold=1)
    for delay in (9.0, 1.0, 0.1, 0.1, 0.1):
        latency.add(delay)
    assert latency.value == pytest.approx(0.1)
    latency.reset()
    latency.add(7.0)
    assert math.isnan(latency.value)
