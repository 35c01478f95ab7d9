"""The simulated controller follows splines, and refuses what a real one refuses."""

import numpy as np
import pytest

from il_ros.core.errors import IlRosError
from il_ros.sim.controller import Trajectory, TrajectoryController

NAMES = ('a', 'b')


def trajectory(**changes):
    fields = {
        'start': 1.0,
        'times': np.array([0.5, 1.0]),
        'positions': np.array([[0.5, 1.0], [1.0, 2.0]]),
        'velocities': np.array([[1.0, 2.0], [0.0, 0.0]]),
        'accelerations': np.zeros((2, 2)),
    }
    return Trajectory(**{**fields, **changes})


@pytest.fixture
def controller():
    return TrajectoryController(NAMES, np.zeros(2))


def test_holds_until_told(controller):
    np.testing.assert_array_equal(controller.positions(np.array([0.0, 9.0])), np.zeros((2, 2)))


def test_passes_through_every_point_and_rests_on_the_last(controller):
    controller.follow(NAMES, trajectory(), now=1.0)
    reached = controller.positions(np.array([1.0, 1.5, 2.0, 7.0]))
    np.testing.assert_allclose(reached, [[0, 0], [0.5, 1], [1, 2], [1, 2]], atol=1e-12)


def test_the_spline_is_a_quintic_with_the_given_ends(controller):
    # Rest to rest over one second by one unit: 10 t^3 - 15 t^4 + 6 t^5; at a quarter
    # 10/64 - 15/256 + 6/1024 = (160 - 60 + 6) / 1024.
    rest = {'velocities': np.zeros((1, 2)), 'accelerations': np.zeros((1, 2))}
    one = trajectory(times=np.array([1.0]), positions=np.array([[1.0, 2.0]]), **rest)
    controller.follow(NAMES, one, now=1.0)
    np.testing.assert_allclose(controller.positions(np.array([1.25]))[0, 0], 106 / 1024)


def test_a_replacement_continues_position_and_velocity(controller):
    controller.follow(NAMES, trajectory(), now=1.0)
    before = controller.positions(np.array([1.3 - 1e-4, 1.3]))
    controller.follow(NAMES, trajectory(start=1.3), now=1.3)
    after = controller.positions(np.array([1.3, 1.3 + 1e-4]))
    np.testing.assert_allclose(before[1], after[0], atol=1e-9)
    np.testing.assert_allclose(np.diff(before, axis=0), np.diff(after, axis=0), atol=1e-6)


def test_joints_are_found_by_name_not_by_place(controller):
    swapped = trajectory(positions=np.array([[1.0, 0.5], [2.0, 1.0]]))
    controller.follow(('b', 'a'), swapped, now=1.0)
    np.testing.assert_allclose(controller.positions(np.array([3.0]))[0], [1, 2])


def test_forward_command_steps_and_holds(controller):
    controller.command(np.array([0.3, 0.4]), now=2.0)
    np.testing.assert_array_equal(controller.positions(np.array([2.0, 5.0])), [[0.3, 0.4]] * 2)


@pytest.mark.parametrize(
    ('names', 'changes', 'text'),
    [
        (('a', 'c'), {}, r"joints \['a', 'c'\]; allowed: a, b"),
        (NAMES, {'positions': np.zeros((2, 3))}, 'points do not have 2 values each'),
        (NAMES, {'times': np.zeros(0)}, 'points do not have 2 values each'),
        (NAMES, {'positions': np.full((2, 2), np.nan)}, 'a value is not finite'),
        (NAMES, {'times': np.array([1.0, 0.5])}, 'times of the points do not increase'),
        (NAMES, {'start': -5.0}, 'it ends in the past'),
        (NAMES, {'velocities': np.ones((2, 2))}, 'the last point still moves'),
    ],
)
def test_refuses_what_a_joint_trajectory_controller_refuses(controller, names, changes, text):
    with pytest.raises(IlRosError, match=text):
        controller.follow(names, trajectory(**changes), now=1.0)
    np.testing.assert_array_equal(controller.positions(np.array([5.0])), np.zeros((1, 2)))
