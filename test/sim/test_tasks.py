"""What counts as success and progress, and how the things of the tasks behave."""

from __future__ import annotations

import math

import numpy as np
import pytest

from il_ros.sim.perturbations import Perturbation
from il_ros.sim.tasks import drawer_open, make_task
from il_ros.sim.world import World


def stacked(**changes):
    """A scene of `stack` that counts as done, with changes."""
    scene = {
        'object_pose': np.array([0.5, 0.15, 0.06, 0, 0, 0, 1.0]),
        'base_pose': np.array([0.5, 0.15, 0.02, 0, 0, 0, 1.0]),
        'goal_position': np.array([0.55, 0.2, 0.06]),  # where the base stood at the start
        'gripper_position': np.array([0.04]),
        'tcp_pose': np.array([0.5, 0.15, 0.14, 1.0, 0, 0, 0]),
    }
    for key, shift in changes.items():
        scene[key] = scene[key] + np.pad(
            np.atleast_1d(shift), (0, len(scene[key]) - np.size(shift))
        )
    return scene


@pytest.mark.parametrize(
    ('changes', 'success'),
    [
        ({}, True),
        ({'object_pose': (0.015, 0.0, 0.0)}, True),
        ({'object_pose': (0.025, 0.0, 0.0)}, False),  # about to fall
        ({'object_pose': (0.0, 0.0, 0.01)}, False),  # above the base
        ({'object_pose': (0.0, 0.0, -0.04)}, False),  # where the base is
        ({'object_pose': (0.0, 0.0, 0.1), 'base_pose': (0.0, 0.0, 0.1)}, False),  # both lifted
        ({'base_pose': (0.0, 0.03, 0.0)}, False),  # the base has gone away
        ({'gripper_position': -0.02}, False),
        ({'tcp_pose': (0.0, 0.0, -0.05)}, False),
    ],
)
def test_stacked_is_resting_on_the_base_as_it_is_now(changes, success):
    assert bool(make_task('stack').success(stacked(**changes))) is success


def test_progress_of_stacking_grows_with_every_part_of_it():
    task = make_task('stack')
    first = stacked(object_pose=(0.0, -0.3, -0.04), tcp_pose=(-0.05, -0.15, 0.2))
    near = stacked(object_pose=(0.0, -0.3, -0.04), tcp_pose=(0.0, -0.3, -0.12))
    lifted = stacked(object_pose=(0.0, -0.15, 0.04), tcp_pose=(0.0, -0.15, -0.04))
    steps = [task.progress(scene, first) for scene in (first, near, lifted, stacked())]
    assert steps == sorted(steps)
    assert steps[0] == 0.0
    assert steps[1] == pytest.approx(0.3, abs=0.02)
    assert steps[3] == pytest.approx(0.9)


def test_the_cubes_of_stack_never_start_in_each_others_way():
    task = make_task('stack')
    for seed in range(200):
        bodies = task.draw(np.random.default_rng(seed), 0.0).bodies
        assert bodies['base'][1] - bodies['object'][1] > 0.057 + 0.03  # an open finger and a cube


@pytest.fixture(scope='module')
def drawer():
    return World('drawer_open')


def pull(world, force, ticks, perturbations=()):
    """Pull the handle outwards with `force` [N] and hold the arm; gives how far it opened [m]."""
    world.reset(3, perturbations)
    scene = world.privileged()
    turn = 2 * math.atan2(*scene['object_pose'][[5, 6]])
    out = -np.array([math.cos(turn), math.sin(turn), 0.0])
    pulled = Perturbation(kind='push', target='object', value=tuple(force * out))
    world.reset(3, [pulled, *perturbations])
    start = np.concatenate([scene['joint_position'], scene['gripper_position']])
    for _ in range(ticks):
        world.step(np.tile(start, (world.substeps, 1)))
    moved = world.privileged()['object_pose'] - scene['object_pose']
    np.testing.assert_allclose(moved[:3], (moved[:3] @ out) * out, atol=1e-3)
    return float(moved[:3] @ out), world.state()


def test_the_drawer_slides_out_straight_until_its_stop_and_sticks_a_little(drawer):
    assert abs(pull(drawer, 2.5, 20)[0]) < 1e-3  # less than what its runners hold
    opened, state = pull(drawer, 8.0, 8)
    assert 0.05 < opened < 0.11
    assert not state.success
    assert state.progress == pytest.approx(opened / 0.13, abs=1e-6)
    opened, state = pull(drawer, 8.0, 40)
    assert opened == pytest.approx(drawer_open.STROKE, abs=3e-3)
    assert state.success
    assert not any(state.violations.values())


def test_scaling_friction_acts_on_the_drawers_runners(drawer):
    rough = [Perturbation(kind='friction_scale', value=(2.0,))]
    assert abs(pull(drawer, 5.0, 20, rough)[0]) < 3e-3
    assert pull(drawer, 5.0, 20)[0] > 0.05


def test_the_goal_lies_straight_in_front_of_the_handle(drawer):
    task = make_task('drawer_open')
    for seed in range(20):
        drawer.reset(seed)
        scene = drawer.privileged()
        way = scene['goal_position'] - scene['object_pose'][:3]
        turn = 2 * math.atan2(*scene['object_pose'][[5, 6]])
        assert abs(turn) <= task.yaw
        out = np.array([math.cos(turn), math.sin(turn), 0.0])
        np.testing.assert_allclose(way, -task.opening * out, atol=1e-9)
        assert not task.success(scene)


def test_the_cabinet_stands_on_the_table_below_the_hand():
    task = make_task('drawer_open')
    corners = np.array([box[i] for box in drawer_open.CABINET for i in (0, 1)])
    assert corners[:, 2].min() == 0.0
    for seed in range(100):
        place = task.draw(np.random.default_rng(seed), 0.08).bodies['cabinet']
        turn = 2 * math.atan2(place[5], place[6])
        x = place[0] + math.cos(turn) * corners[:, 0] - math.sin(turn) * corners[:, 1]
        y = place[1] + math.sin(turn) * corners[:, 0] + math.cos(turn) * corners[:, 1]
        assert x.max() < 1.0  # the table's edges
        assert abs(y).max() < 0.7
