"""Peg insertion: what the seed draws, what is mounted, and what counts as inserted."""

from __future__ import annotations

import math

import numpy as np
import pytest

from il_ros.core.errors import UnknownNameError
from il_ros.sim.tasks.connectors import CONNECTORS, LENGTH, SEATED, STANDING
from il_ros.sim.tasks.peg_insertion import PegInsertion
from il_ros.sim.world import World


def draw(task, seed):
    return task.draw(np.random.default_rng(seed), 0.0)


def mounted(bodies):
    return [
        name for name in CONNECTORS if f'plug_{name}' in bodies and not bodies[f'plug_{name}'][2]
    ]


def scene(draw, height, aside=0.0):
    """A scene with the plug `height` above its seat and `aside` of the axis [m]."""
    goal = draw.goal
    pose = np.array([goal[0] + aside, goal[1], goal[2] + height, 0, 0, 0, 1.0])
    return {'goal_position': goal, 'object_pose': pose, 'tcp_pose': pose}


def test_every_connector_is_drawn_and_one_is_mounted_at_a_time():
    drawn = []
    for seed in range(100):
        bodies = draw(PegInsertion(), seed).bodies
        (name,) = mounted(bodies)
        assert bodies[f'socket_{name}'][2] == 0.0
        drawn.append(name)
    assert all(8 < drawn.count(name) < 35 for name in CONNECTORS)


def test_a_task_of_one_connector_has_the_same_scenes():
    one, many = draw(PegInsertion(connector='square'), 3), draw(PegInsertion(), 3)
    assert mounted(one.bodies) == ['square']
    for body in ('object', 'socket'):
        np.testing.assert_array_equal(one.bodies[body], many.bodies[body])
    assert not any('round' in name for name in one.bodies)


def test_an_unknown_connector_is_refused():
    with pytest.raises(
        UnknownNameError,
        match=r"peg_insertion: unknown connector 'oval'; allowed: any, round, square",
    ):
        PegInsertion(connector='oval')


def test_plug_and_socket_start_where_the_seed_put_them_and_stay():
    world, task = World('peg_insertion'), PegInsertion()
    for seed in range(6):
        world.reset(seed)
        bodies = draw(task, seed).bodies
        start = world.privileged()
        hold = np.concatenate([start['joint_position'], start['gripper_position']])
        for _ in range(10):
            world.step(np.tile(hold, (world.substeps, 1)))
        after = world.privileged()
        np.testing.assert_allclose(after['object_pose'], bodies['object'], atol=2e-3)
        np.testing.assert_allclose(after['socket_pose'], bodies['socket'], atol=1e-9)
        assert after['object_pose'][2] == pytest.approx(STANDING, abs=1e-3)


@pytest.mark.parametrize(
    ('share', 'aside', 'success'),
    [(1.0, 0.0, True), (0.91, 0.001, True), (0.89, 0.0, False), (1.0, 0.003, False)],
)
def test_it_counts_from_the_depth_on_and_over_the_hole_alone(share, aside, success):
    task = PegInsertion()
    assert bool(task.success(scene(draw(task, 0), (1.0 - share) * LENGTH, aside))) is success


def test_progress_grows_with_the_depth():
    task, start = PegInsertion(), draw(PegInsertion(), 0)
    tool = np.array([0.4, 0.0, 0.3, 1.0, 0, 0, 0])
    first = {
        'goal_position': start.goal, 'object_pose': start.bodies['object'], 'tcp_pose': tool
    }  # fmt: skip
    assert task.progress(first, first) == 0.0
    done = [task.progress(scene(start, (1.0 - s) * LENGTH), first) for s in (-0.5, 0.0, 0.5, 1.0)]
    np.testing.assert_allclose(done, [0.9, 0.9, 0.95, 1.0])


def test_the_socket_turns():
    turns = [2 * math.asin(draw(PegInsertion(), s).bodies['socket'][5]) for s in range(50)]
    assert -0.5 <= min(turns) < -0.35
    assert 0.35 < max(turns) <= 0.5
    assert draw(PegInsertion(), 0).goal[2] == SEATED
