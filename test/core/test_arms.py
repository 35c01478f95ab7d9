"""The registry of arms, and the numbers of each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from il_ros.core.arms import ARMS, ArmPair, get_arm, require_single
from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.core.robots.franka import FRANKA
from il_ros.core.robots.ur5e import UR5E
from il_ros.core.robots.viperx_pair import VIPERX, VIPERX_PAIR
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


def test_an_arm_that_is_not_drawn_names_the_stand_ins_and_the_models():
    other = replace(FRANKA, name='fr3')
    with pytest.raises(UnknownNameError) as refused:
        make_robot(other)
    said = str(refused.value)
    for part in ("no model of the arm 'fr3'", 'franka, ur5e', 'driver:=NAME', 'model:=FILE'):
        assert part in said


def test_every_bound_has_one_number_for_each_joint(arm):
    for name in ('position_min', 'position_max', 'velocity', 'acceleration', 'jerk', 'home'):
        assert getattr(arm, name).shape == (len(arm.names),), name
    assert all(limb.torque.shape == (len(limb.names),) for limb in arm.limbs)
    assert np.all(arm.position_min < arm.position_max)
    if len(arm.limbs) == 1:
        assert arm.position_max[-1] == 0.04  # half of the opening that the tasks are made for


@pytest.mark.parametrize(
    ('limb', 'at', 'along'),
    [
        (FRANKA, [0.45, 0.0, 0.3], 1.0),
        (UR5E, [0.5, 0.0, 0.3], 1.0),
        (VIPERX, [0.25, 0.0, 0.23], 1.0),
        # 0.25 m from its own base at -0.469 m, and the other one the other way round
        (VIPERX_PAIR.limbs[0], [-0.219, 0.0, 0.25], 1.0),
        (VIPERX_PAIR.limbs[1], [0.219, 0.0, 0.25], -1.0),
    ],
    ids=['franka', 'ur5e', 'viperx', 'left', 'right'],
)
def test_home_is_inside_the_limits_and_points_straight_down(limb, at, along):
    assert np.all((limb.home >= limb.position_min) & (limb.home <= limb.position_max))
    position, rotation = limb.chain.forward(limb.home[:-1])
    np.testing.assert_allclose(position, at, atol=1e-3)
    np.testing.assert_allclose(rotation, np.diag([along, -along, -1.0]), atol=1e-3)


def test_a_viperx_at_zero_is_as_long_as_its_description_says():
    position, rotation = VIPERX.chain.forward(np.zeros(6))
    # Upper arm straight up, all else straight ahead: 59.55 mm of the elbow, 0.2 m and 0.1 m of the
    # forearm, 69.744 mm of the wrist, 0.15 m of the gripper; 0.079 m, 48.05 mm and 0.3 m up.
    np.testing.assert_allclose(position, [0.579294, 0.0, 0.42705], atol=1e-9)
    np.testing.assert_allclose(rotation[:, 2], [1.0, 0.0, 0.0], atol=1e-9)
    tipped = VIPERX.chain.forward(np.array([0.0, 0.3, 0.0, 0.0, 0.0, 0.0]))[0]
    assert tipped[2] < position[2]  # a positive shoulder leans forward, as in the description
    turned = VIPERX.chain.forward(np.array([np.pi / 2, 0.0, 0.0, 0.0, 0.0, 0.0]))[0]
    np.testing.assert_allclose(turned, [0.0, 0.579294, 0.42705], atol=1e-9)


def test_a_pair_is_two_arms_one_after_the_other():
    left, right = VIPERX_PAIR.limbs
    assert isinstance(get_arm('viperx_pair'), ArmPair)
    assert VIPERX_PAIR.names == left.names + right.names
    assert left.names[0] == 'left_waist'
    assert right.names[-2:] == ('right_wrist_rotate', 'right_left_finger')
    assert VIPERX_PAIR.joints == left.joints + right.joints
    assert VIPERX_PAIR.moves.tolist() == 2 * (6 * [True] + [False])
    q = np.arange(14.0)
    names = VIPERX_PAIR.names
    np.testing.assert_array_equal(q[left.columns(names)], np.arange(6.0))
    np.testing.assert_array_equal(q[right.columns(names)], np.arange(7.0, 13.0))
    np.testing.assert_array_equal(q[right.columns(names[::-1])], np.arange(6.0, 0.0, -1))
    np.testing.assert_array_equal(VIPERX_PAIR.home, np.tile(VIPERX.home, 2))
    assert (FRANKA.limbs, FRANKA.prefix, right.prefix) == ((FRANKA,), '', 'right_')


def test_each_arm_of_a_pair_is_the_arm_where_it_stands():
    q = np.random.default_rng(0).uniform(VIPERX.position_min, VIPERX.position_max)[:-1]
    here, turned = VIPERX.chain.forward(q)
    for limb in VIPERX_PAIR.limbs:
        base = limb.chain.base
        position, rotation = limb.chain.forward(q)
        np.testing.assert_allclose(position, base[:3, :3] @ here + base[:3, 3], atol=1e-12)
        np.testing.assert_allclose(rotation, base[:3, :3] @ turned, atol=1e-12)


def test_what_has_one_tool_refuses_a_pair():
    assert require_single(get_arm('ur5e'), where='mirror') is UR5E
    with pytest.raises(
        IlRosError, match=r'mirror: viperx_pair is a pair of arms; allowed: one arm'
    ):
        require_single(get_arm('viperx_pair'), where='mirror')


def test_limits_carry_the_workspace_and_the_arms_bounds(arm):
    limits = arm.limits(np.zeros(3), np.ones(3), force=40.0, torque=5.0)
    assert limits.names == arm.names
    assert limits.velocity is arm.velocity
    assert (limits.force, limits.torque) == (40.0, 5.0)
