"""The motions that the monitor makes by itself."""

import numpy as np
import pytest

from il_ros.core.contract import Fallback
from il_ros.core.limits import Limits
from il_ros.monitors.handover import ToPosture, Trail, fallback_motion

BOTH = np.array([True, True])
LIMITS = Limits(
    names=('a', 'b'),
    position_min=np.full(2, -2.0),
    position_max=np.full(2, 2.0),
    velocity=np.array([1.0, 2.0]),
    acceleration=np.full(2, 10.0),
    jerk=np.full(2, 100.0),
    workspace_min=np.full(3, -9.0),
    workspace_max=np.full(3, 9.0),
    force=1.0,
    torque=1.0,
)


def trail(seconds=1.0, steps=5):
    """0.1 rad of joint a every 0.1 s; joint b closes meanwhile."""
    found = Trail(seconds)
    for i in range(steps):
        found.add(10.0 + 0.1 * i, np.array([0.1 * i, 0.04 - 0.01 * i]))
    return found


def test_back_along_the_path_at_half_the_speed():
    way = trail().back(0.5, BOTH)
    assert way.duration == pytest.approx(0.8)
    for t, a, speed in [(0.0, 0.4, -0.5), (0.1, 0.35, -0.5), (0.5, 0.15, -0.5), (0.9, 0.0, 0.0)]:
        position, velocity = way.at(t)
        assert position[0] == pytest.approx(a)
        assert velocity[0] == pytest.approx(speed)


def test_what_the_gripper_holds_it_keeps():
    way = trail().back(1.0, np.array([True, False]))
    for t in (0.0, 0.2, 5.0):
        position, velocity = way.at(t)
        assert (position[1], velocity[1]) == (pytest.approx(0.0), 0.0)


def test_only_the_last_seconds_are_gone_back():
    way = trail(seconds=0.25, steps=50).back(1.0, BOTH)
    assert way.duration == pytest.approx(0.2)
    assert way.at(9.0)[0][0] == pytest.approx(4.7)


def test_without_a_path_there_is_no_way_back():
    assert Trail(1.0).back(1.0, BOTH) is None
    assert trail(steps=1).back(1.0, BOTH) is None
    found = trail()
    found.clear()
    assert found.back(1.0, BOTH) is None


def test_a_clock_that_jumped_back_begins_a_new_path():
    found = trail()
    found.add(3.0, np.zeros(2))
    found.add(3.1, np.ones(2))
    assert found.back(1.0, BOTH).duration == pytest.approx(0.1)


def test_to_a_posture_straight_and_within_the_speed():
    start, goal, speed = np.array([0.0, 1.0]), np.array([1.0, 0.0]), np.array([0.5, 0.5])
    way = ToPosture(start, goal, speed)
    assert way.duration == pytest.approx(1.875 / 0.5)
    score_inputs = np.linspace(0, way.duration, 200)
    both = [way.at(t) for t in score_inputs]
    for position, velocity in both:
        assert position.sum() == pytest.approx(1.0)  # on the line between the two
        assert (np.abs(velocity) <= speed + 1e-9).all()
    assert max(abs(v[0]) for _, v in both) == pytest.approx(0.5, rel=1e-3)
    np.testing.assert_allclose(way.at(way.duration)[0], goal)
    np.testing.assert_array_equal(way.at(way.duration + 1)[1], [0, 0])
    np.testing.assert_allclose(
        np.gradient([p[0] for p, _ in both], score_inputs)[50], both[50][1][0], rtol=1e-3
    )


def test_the_contract_chooses():
    def way(kind, **more):
        return fallback_motion(
            Fallback(kind=kind, speed=0.5, **more),
            trail=trail(),
            start=np.array([0.4, 0.0]),
            limits=LIMITS,
            move=np.array([True, False]),
        )

    assert way('hold') is None
    assert way('expert') is None
    assert way('retreat').duration == pytest.approx(0.8)
    posture = way('posture', posture=(1.4, 0.04))
    np.testing.assert_allclose(posture.at(99.0)[0], [1.4, 0.0])  # the gripper stays
    assert posture.duration == pytest.approx(1.875 * 1.0 / 0.5)
