"""The registry of arms, and the numbers of each."""

from __future__ import annotations

import numpy as np
import pytest

from il_ros.core.arms import ARMS, get_arm
from il_ros.core.errors import UnknownNameError
from il_ros.core.robots.franka import FRANKA
from il_ros.core.robots.ur5e import UR5E
from il_ros.sim.robots import MODELS, make_robot


@pytest.fixture(params=list(ARMS))
def arm(request):
    return get_arm(request.param)


def test_the_known_arms_have_their_drivers_joint_names():
    assert get_arm('franka') is FRANKA
    assert FRANKA.names[:2] == ('fr3_joint1', 'fr3_joint2')
    assert FRANKA.names[7:] == ('fr3_finger_joint1',)
    assert get_arm('ur5e') is UR5E
    assert UR5E.names == (
        'shoulder_pan_joint', 'shoulder_lift_joint', 'elbow_joint',
        'wrist_1_joint', 'wrist_2_joint', 'wrist_3_joint', 'gripper_finger_joint1',
    )  # fmt: skip


def test_an_unknown_arm_is_refused_by_name():
    with pytest.raises(UnknownNameError, match=r"unknown arm 'ur5'; allowed: franka, ur5e"):
        get_arm('ur5')


def test_every_arm_is_found_by_its_name_and_can_be_simulated(arm):
    assert ARMS.keys() == MODELS.keys()
    assert (make_robot(arm).name, make_robot(arm).names) == (arm.name, arm.names)


def test_every_bound_has_one_number_for_each_joint(arm):
    for name in ('position_min', 'position_max', 'velocity', 'acceleration', 'jerk', 'torque'):
        assert getattr(arm, name).shape == (len(arm.joints) + 1,), name
    assert np.all(arm.position_min < arm.position_max)
    assert arm.position_max[-1] == 0.04  # half of the opening that the tasks are made for


@pytest.mark.parametrize(('arm', 'over'), [(FRANKA, 0.45), (UR5E, 0.5)], ids=['franka', 'ur5e'])
def test_home_is_inside_the_limits_and_points_straight_down(arm, over):
    assert np.all((arm.home >= arm.position_min) & (arm.home <= arm.position_max))
    position, rotation = arm.chain.forward(arm.home[:-1])
    np.testing.assert_allclose(position, [over, 0.0, 0.3], atol=1e-3)
    np.testing.assert_allclose(rotation, np.diag([1.0, -1.0, -1.0]), atol=1e-3)


def test_limits_carry_the_workspace_and_the_arms_bounds(arm):
    limits = arm.limits(np.zeros(3), np.ones(3), force=40.0, torque=5.0)
    assert limits.names == arm.names
    assert limits.velocity is arm.velocity
    assert (limits.force, limits.torque) == (40.0, 5.0)
