"""From one driver to the next."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.monitors.handover import DriverHandover

HERE = np.array([1.0])


def made(duration, velocity=10.0):
    """Within a tick of 0.01 s the joint gets 0.1."""
    return DriverHandover(duration, np.array([velocity]), np.array([100.0]), 0.1 / velocity)


def apply(handover, target, at, velocity=0.0, there=HERE):
    position, speed = handover.apply(np.array([target]), np.array([velocity]), at, there)
    return position[0], speed[0]


def test_what_is_within_a_tick_is_taken_as_it_is():
    handover = made(0.5)
    handover.begin()
    assert apply(handover, 1.09, 10.0, 0.3) == (1.09, 0.3)
    assert apply(handover, 3.0, 10.05) == (3.0, 0.0)  # later jumps are the planner's to limit


def test_what_is_far_fades_in_from_where_the_arm_is():
    handover = made(0.5)
    handover.begin()
    assert apply(handover, 2.0, 10.0, 0.2) == (1.0, 0.2)  # the arm stays in the first tick
    # Half way in time: 3 / 4 - 2 / 8 = 1 / 2 of the way; slope 6 * 1/4 / 0.5 = 3 per second.
    position, speed = apply(handover, 2.0, 10.25)
    assert position == pytest.approx(1.5)
    assert speed == pytest.approx(3.0)
    assert apply(handover, 2.0, 10.5) == (2.0, 0.0)
    assert apply(handover, 5.0, 10.55) == (5.0, 0.0)


def test_the_clutch_keeps_the_distance():
    handover = made(0.5)
    handover.begin(clutch=True)
    assert apply(handover, 2.0, 10.0) == (1.0, 0.0)
    assert apply(handover, 2.2, 99.0, 0.4) == (pytest.approx(1.2), 0.4)
    handover.begin()
    assert apply(handover, 1.05, 100.0) == (1.05, 0.0)


@pytest.mark.parametrize(
    ('velocity', 'duration'),
    [
        (1.0, 3.0),  # 1.5 * 2 / 1
        (10.0, np.sqrt(12 * 2 / 100)),
    ],
)
def test_it_takes_longer_where_the_arm_could_not_follow(velocity, duration):
    handover = made(0.1, velocity)
    handover.begin()
    score_inputs = np.linspace(0, duration, 400)
    both = np.array([apply(handover, 3.0, t) for t in score_inputs])
    assert both[-1].tolist() == [3.0, 0.0]
    assert both[-2][0] < 3.0
    assert both[:, 1].max() <= velocity + 1e-9
    assert np.abs(np.diff(both[:-1, 1]) / score_inputs[1]).max() <= 50.0 + 1e-9


def test_without_a_duration_nothing_fades():
    handover = made(0.0)
    handover.begin()
    assert apply(handover, 2.0, 10.0) == (2.0, 0.0)


@given(st.floats(-3, 3), st.lists(st.floats(0.001, 0.2), min_size=1, max_size=20))
def test_a_still_driver_is_reached_without_overshoot(target, steps):
    handover = made(0.5)
    handover.begin()
    at, before = 0.0, None
    for step in steps:
        position, _ = apply(handover, target, at)
        low, high = sorted([1.0, target])
        assert low - 1e-9 <= position <= high + 1e-9
        if before is not None:
            assert abs(position - target) <= abs(before - target) + 1e-9
        before, at = position, at + step
    assert apply(handover, target, at + 0.7)[0] == target  # sqrt(12 * 4 / 100)
