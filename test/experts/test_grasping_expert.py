"""Taking cubes: whichever side they lie on, whatever stands beside them, wherever they slip to."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.geometry import matrix_about, quaternion_from_matrix
from il_ros.experts import make_expert
from il_ros.experts.grasping_expert import turn_of
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.world import World

SIDES = [
    matrix_about(axis, math.pi / 2 * quarters) @ matrix_about(2, math.pi / 2 * other)
    for axis, quarters, other in product(range(3), range(4), range(4))
]


def around(angle, other):
    """Difference of two turns of a cube, which looks the same after a quarter [rad]."""
    return (angle - other + math.pi / 4) % (math.pi / 2) - math.pi / 4


@given(turn=st.floats(-math.pi, math.pi), side=st.sampled_from(range(len(SIDES))))
def test_a_cube_has_one_turn_whichever_side_it_lies_on(turn, side):
    quaternion = quaternion_from_matrix(matrix_about(2, turn) @ SIDES[side])
    found = turn_of(quaternion)
    assert abs(found) <= math.pi / 4 + 1e-9
    assert around(found, turn) == pytest.approx(0.0, abs=1e-6)


def scene_of(expert, **cubes):
    """A scene of `expert` in which the tool points straight down at 0.1 m."""
    observation = {
        'gripper_position': np.array([0.04]),
        'goal_position': np.array([0.5, 0.2, 0.02]),
        **{f'{name}_pose': np.array([*at, 0.0, 0.0, 0.0, 1.0]) for name, at in cubes.items()},
    }
    scene = expert.read(observation)
    scene.tool = np.array([0.5, 0.0, 0.1])
    return scene


def test_a_cube_that_slipped_in_the_fingers_is_carried_on_not_followed():
    expert = make_expert('pick_place')
    for slipped in (0.0, 0.015, 0.021, 0.023):
        scene = scene_of(expert, object=(0.5 + slipped, 0.0, 0.1 - expert.grip))
        scene.gripper = expert.half
        assert expert.decide(scene).linear @ (scene.goal - scene.cube) > 0.0
        before = scene.cube
        expert.roll(scene, np.array([0.0, 0.01, 0.0]), expert.half - expert.press)
        np.testing.assert_allclose(scene.cube - before, [0.0, 0.01, 0.0])
    scene = scene_of(expert, object=(0.54, 0.0, 0.1 - expert.grip))
    scene.gripper = expert.half
    assert expert.decide(scene).gripper == expert.arm.home[-1]  # lost: it opens again


def test_a_cube_is_put_down_where_the_base_is_now_and_turned_like_it():
    expert = make_expert('stack')
    turned = np.array([0.5, 0.1, 0.02, 0.0, 0.0, math.sin(0.1), math.cos(0.1)])
    observation = {
        'gripper_position': np.array([0.02]),
        'goal_position': np.array([0.5, 0.2, 0.06]),
        'object_pose': np.array([0.5, -0.1, 0.02, 0.0, 0.0, 0.0, 1.0]),
        'base_pose': turned,
    }
    scene = expert.read(observation)
    np.testing.assert_allclose(scene.goal, [0.5, 0.1, 0.06])
    assert scene.goal_yaw == pytest.approx(0.2)


@pytest.mark.parametrize(
    ('beside', 'across'),
    [((0.0, 0.05), True), ((0.0, -0.07), True), ((0.05, 0.0), False), ((0.0, 0.09), False)],
)
def test_the_fingers_keep_clear_of_a_base_beside_the_cube(beside, across):
    expert = make_expert('stack')
    base = np.array([0.5, 0.0, 0.02])
    cube = base - np.array([*beside, 0.0])
    scene = scene_of(expert, object=cube, base=base)
    assert abs(scene.cube_yaw) == pytest.approx(math.pi / 2 if across else 0.0)
    on_top = scene_of(expert, object=cube + np.array([0.0, 0.0, 0.04]), base=base)
    assert on_top.cube_yaw == 0.0


@pytest.mark.parametrize('beside', [(0.0, -0.05), (0.045, 0.0), (0.035, -0.04), (0.0, 0.03)])
def test_it_stacks_a_cube_that_lies_or_leans_beside_the_base(beside):
    world, expert = World('stack'), make_expert('stack')
    world.reset(1)
    scene = world.privileged()
    way = scene['base_pose'][:2] + beside - scene['object_pose'][:2]
    world.reset(1, [Perturbation(kind='object_moved', start=0.1, value=(*way, 0.02))])
    last = np.concatenate([scene['joint_position'], scene['gripper_position']])
    share = np.arange(1, world.substeps + 1)[:, None] / world.substeps
    while not world.state().done:
        target = expert.act(world.observe(), horizon=1, dt=world.period)[0]
        world.step(last + share * (target - last))
        last = target
    assert world.state().success
