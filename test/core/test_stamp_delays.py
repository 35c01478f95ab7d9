"""Clocks that differ are told from the way's delay, its jitter and its drift."""

import math

import numpy as np
import pytest

from il_ros.core.cdr import NS
from il_ros.core.stamp_delays import StampDelays


def of(seconds, rate=50.0, *, ahead=0.0, drift=0.0, jitter=0.0, way=0.001, seed=0):
    """Delays of a driver whose clock is `ahead`, gains `drift` [s/s], on a way of 1 ms or more."""
    rng, delays = np.random.default_rng(seed), StampDelays()
    for i in range(round(seconds * rate)):
        now = 100.0 + i / rate
        received = now + way + rng.uniform(0.0, jitter)
        delays.add(round(NS * (now + ahead + drift * i / rate)), round(NS * received))
    return delays


def test_nothing_is_known_before_the_first_message():
    delays = StampDelays()
    assert (delays.count, delays.least, delays.largest) == (0, math.inf, -math.inf)
    assert delays.drift == 0.0


@pytest.mark.parametrize('ahead', [-0.25, -0.05, 0.0, 0.05, 2.0])
def test_the_least_delay_is_the_way_less_what_the_sender_is_ahead(ahead):
    delays = of(10.0, ahead=ahead, jitter=0.004)
    assert delays.least == pytest.approx(0.001 - ahead, abs=3e-4)
    assert delays.largest == pytest.approx(0.005 - ahead, abs=3e-4)
    assert 50 <= delays.count <= 100


@pytest.mark.parametrize('seconds', [2.5, 10.0, 10.02])
def test_stamps_are_ahead_by_the_least_delay_of_two_buckets(seconds):
    assert StampDelays().ahead == -math.inf
    assert of(0.9, ahead=0.05).ahead == pytest.approx(0.049)  # till then, all are
    assert of(seconds, ahead=0.05, jitter=0.2).ahead == pytest.approx(0.049, abs=0.02)
    assert of(seconds, ahead=-0.05).ahead == pytest.approx(-0.051)


def test_a_single_bad_stamp_is_not_ahead():
    delays, worst = StampDelays(), -math.inf
    for i in range(500):
        now = 100.0 + i / 50
        delays.add(round(NS * (now + 7.0 * (i == 230))), round(NS * (now + 0.001)))
        worst = max(worst, delays.ahead)
    assert worst == pytest.approx(-0.001)


def test_what_is_older_than_two_seconds_is_forgotten():
    delays = of(5.0)
    for i in range(150):  # the driver came back with another clock
        now = 105.0 + i / 50
        delays.add(round(NS * (now - 0.3)), round(NS * now))
    assert delays.least == pytest.approx(0.3)


def test_a_receiver_whose_clock_went_back_begins_anew():
    delays = of(20.0, drift=0.01)
    delays.add(3 * NS, 3 * NS)
    assert (delays.count, delays.least, delays.drift) == (1, 0.0, 0.0)


def test_a_silence_is_no_drift():
    delays = of(12.0, jitter=0.002)
    for i in range(600):
        now = 500.0 + i / 50
        delays.add(round(NS * now), round(NS * (now + 0.001)))
    assert delays.drift == 0.0


@pytest.mark.parametrize('drift', [-1e-2, -2e-4, 2e-4, 1e-2])
@pytest.mark.parametrize('seed', range(5))
def test_a_drift_is_noticed_and_measured(drift, seed):
    assert of(40.0, drift=drift, jitter=0.005, seed=seed).drift == pytest.approx(drift, rel=0.2)


@pytest.mark.parametrize('seed', range(40))
def test_jitter_alone_is_no_drift(seed):
    assert of(30.0, rate=20.0, jitter=0.02, seed=seed).drift == 0.0


def test_a_ten_thousandth_is_noticed_within_a_minute():
    assert of(60.0, drift=5e-5, jitter=0.002).drift == pytest.approx(5e-5, rel=0.2)
