"""Two simulated arms: what each observes, how they move, and what is counted of both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from il_ros.core.arm_geometry import Clearance
from il_ros.core.errors import IlRosError
from il_ros.core.robots.viperx_pair import VIPERX_PAIR
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.violations import Violations
from il_ros.sim.world import World

TASK = 'bimanual_handover'
SIDES = ('left', 'right')


@pytest.fixture(scope='module')
def world():
    return World(TASK)


def hold(world, ticks, target=None):
    target = world.posture() if target is None else target
    for _ in range(ticks):
        world.step(np.tile(target, (world.substeps, 1)))


def go(world, target, ticks=30):
    """Both arms at once, smoothly."""
    start = world.posture()
    share = np.linspace(0, 1, ticks * world.substeps)[:, None]
    way = start + (3 * share**2 - 2 * share**3) * (target - start)
    for block in np.split(way, ticks):
        world.step(block)


def joint(name):
    return (np.array(VIPERX_PAIR.names) == name).astype(float)


def test_each_arm_has_observations_of_its_own_and_no_wrench(world):
    world.reset(1)
    shapes = {key: value.shape for key, value in world.observe().items()}
    own = {'joint_position': (6,), 'joint_velocity': (6,), 'joint_effort': (7,),
           'gripper_position': (1,), 'gripper_velocity': (1,), 'tcp_pose': (7,)}  # fmt: skip
    each = {f'{side}_{key}': shape for side in SIDES for key, shape in own.items()}
    assert shapes == {**each, 'object_pose': (7,), 'goal_position': (3,)}
    assert world.names == VIPERX_PAIR.names


def test_the_posture_is_in_the_order_of_the_commands_and_the_tools_are_where_the_chains_are(world):
    world.reset(2)
    scene, q = world.privileged(), world.posture()
    for limb in VIPERX_PAIR.limbs:
        own = limb.columns(VIPERX_PAIR.names)
        np.testing.assert_array_equal(q[own], scene[f'{limb.prefix}joint_position'])
        assert q[own[-1] + 1] == scene[f'{limb.prefix}gripper_position'][0]
        tool = scene[f'{limb.prefix}tcp_pose'][:3]
        np.testing.assert_allclose(tool, limb.chain.forward(q[own])[0], atol=1e-9)


def test_every_start_is_near_home_with_both_grippers_in_their_range(world):
    arms = VIPERX_PAIR.moves
    for seed in range(20):
        world.reset(seed)
        q = world.posture()
        assert np.abs(q - VIPERX_PAIR.home)[arms].max() <= 0.05 + 1e-12
        assert np.all((q >= world.limits.position_min) & (q <= world.limits.position_max))
    assert abs(q[6] - q[13]) > 1e-3  # each is drawn for itself


def test_at_rest_both_arms_stay(world):
    world.reset(5)
    start = world.posture()
    hold(world, 20)
    np.testing.assert_allclose(world.posture(), start, atol=5e-4)
    assert not any(world.state().violations.values())


def test_the_servos_follow_every_joint_of_both_arms(world):
    for limb in VIPERX_PAIR.limbs:
        for name in limb.joints:
            world.reset(0)
            go(world, world.posture() + 0.5 * joint(name), ticks=11)  # up to 9.9 rad/s^2
            worst = np.abs(world.posture() - VIPERX_PAIR.home)[VIPERX_PAIR.moves]
            assert np.sort(worst)[-2] <= 0.06, name  # all others stayed
            assert not any(world.state().violations.values()), name


def test_arms_that_come_too_near_are_counted_and_nothing_else_is(world):
    world.reset(0)
    ahead = sum(joint(f'{side}_shoulder') - joint(f'{side}_elbow') for side in SIDES)
    clearance, target = Clearance(VIPERX_PAIR), VIPERX_PAIR.home.copy()
    while clearance.gaps(target[None]).min() > 0.01:
        target = target + 0.01 * ahead
    go(world, target, ticks=40)
    hold(world, 10, target)
    found = world.state().violations
    assert found.pop('separation') >= 10  # a period each
    assert not any(found.values())


def test_the_workspace_is_that_of_either_tool(world):
    narrow = np.array([0.4, 0.15, 0.45])
    world = World(TASK, limits=replace(world.limits, workspace_min=-narrow, workspace_max=narrow))
    for side in SIDES:
        world.reset(0)
        hold(world, 5)
        assert world.state().violations['workspace'] == 0
        go(world, world.posture() + 1.2 * joint(f'{side}_waist'))  # 0.25 m sin(1.2) = 0.23 m
        assert world.state().violations['workspace'] > 0, side


def test_what_is_counted_by_hand():
    limits = World(TASK).limits
    judge = Violations(limits, VIPERX_PAIR.home, 0.05, Clearance(VIPERX_PAIR))
    position = np.tile(VIPERX_PAIR.home, (3, 1))
    tool, wrench = np.full((3, 2, 3), 0.2), np.zeros((3, 2, 6))
    tool[1:, 1, 2] = -0.1  # the right one, twice
    wrench[0, 0, 0] = limits.force + 1.0  # the left one, once
    judge.motion(position, np.zeros((3, 14)), tool, wrench)
    assert judge.counts == {
        'position': 0, 'velocity': 0, 'acceleration': 0, 'workspace': 2, 'force': 1, 'torque': 0,
        'separation': 0,
    }  # fmt: skip
    far = Violations(
        replace(limits, separation=1.0), VIPERX_PAIR.home, 0.05, Clearance(VIPERX_PAIR)
    )
    far.motion(position, np.zeros((3, 14)), tool, wrench)
    assert far.counts['separation'] == 1


def test_noise_and_scale_of_commands_leave_both_grippers_alone(world):
    noise = Perturbation(kind='command_noise', value=(0.01,))
    lag = Perturbation(kind='action_scale', value=(0.5,))
    world.reset(3, [noise, lag])
    start = world.posture()
    hold(world, 20, start)
    moved = np.abs(world.posture() - start)
    assert np.all(moved[[6, 13]] < 1e-4)
    assert np.all(moved[VIPERX_PAIR.moves] > 1e-5)


def test_weaker_servos_are_those_of_both_arms(world):
    world.reset(0)
    model = world.plant.model
    stiff = model.actuator_gainprm[:, 0].copy()
    world.reset(0, [Perturbation(kind='gain_scale', value=(0.5,))])
    share = model.actuator_gainprm[:, 0] / stiff
    np.testing.assert_array_equal(share, np.where(VIPERX_PAIR.moves, 0.5, 1.0))


def test_each_hand_has_a_camera(world):
    assert world.cameras == ('front', 'left_wrist', 'right_wrist')


def test_a_task_and_an_arm_that_do_not_fit_are_refused():
    with pytest.raises(
        IlRosError, match=r"the task pick_place needs 'tcp_pose', which viperx_pair has not"
    ):
        World('pick_place', arm='viperx_pair')
    with pytest.raises(
        IlRosError, match=r"needs 'right_tcp_pose', which franka has not; allowed: tcp_pose, object"
    ):
        World(TASK, arm='franka')
