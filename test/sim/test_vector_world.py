"""Many worlds at once: each row is a world, whatever happens in the others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.vector_world import VectorWorld
from il_ros.sim.world import World

STEPS = 30


def set_points(world, seed, steps=STEPS):
    """A random walk of the set-points from where `world` rests, shape (steps, substeps, N)."""
    truth, limits = world.privileged(), world.limits
    here = np.concatenate([truth['joint_position'], truth['gripper_position']])
    moves = np.random.default_rng(seed).uniform(-0.3, 0.3, (steps, len(here)))
    ends = here + np.cumsum(moves * limits.velocity * world.period, 0)
    ends = np.clip(np.vstack([here, ends]), limits.position_min, limits.position_max)
    share = np.arange(1, world.substeps + 1)[:, None] / world.substeps
    return ends[:-1, None] + share * np.diff(ends, axis=0)[:, None]


def alone(task, seed, perturbations=(), steps=STEPS):
    """What a `World` sees and counts in each step of its random walk."""
    world = World(task)
    world.reset(seed, perturbations)
    walk, seen = set_points(world, seed, steps), [world.observe()]
    for targets in walk:
        world.step(targets)
        seen.append(world.observe())
    return walk, seen, world.state()


def same(worlds, row, seen, state):
    for key, value in seen.items():
        np.testing.assert_array_equal(worlds.seen[key][row], value, err_msg=key)
    if state is not None:
        assert {kind: counts[row] for kind, counts in worlds.violations.items()} == state.violations
        assert worlds.progress()[row] == state.progress
        assert (worlds.success[row], worlds.done[row]) == (state.success, state.done)
        assert (worlds.time[row], worlds.seeds[row]) == (state.time, state.seed)


@pytest.mark.parametrize(
    'perturbation',
    [
        Perturbation(kind='action_delay', start=0.5, value=(0.06,)),
        Perturbation(kind='action_scale', value=(0.5,)),
        Perturbation(kind='command_noise', value=(0.03,)),
        Perturbation(kind='sensor_noise', target='tcp_pose', value=(0.01,)),
        Perturbation(kind='sensor_bias', target='wrench', value=(1.0,)),
        Perturbation(kind='sensor_freeze', target='object_pose', start=0.3, duration=0.5),
        Perturbation(kind='mass_scale', target='object', value=(3.0,)),
        Perturbation(kind='gain_scale', value=(0.3,)),
        Perturbation(kind='object_outside', value=(0.05,)),
    ],
    ids=lambda p: p.kind,
)
def test_what_goes_wrong_in_one_row_is_what_goes_wrong_in_a_world(perturbation):
    walk, seen, state = alone('push', 4, [perturbation])
    plain, clean, fine = alone('push', 4)
    worlds = VectorWorld(World('push'), 2)
    worlds.reset(0, 4)
    worlds.reset(1, 4, [perturbation])
    for i, targets in enumerate(np.stack([plain, walk], 1)):
        same(worlds, 0, clean[i], None)
        same(worlds, 1, seen[i], None)
        worlds.step(targets)
    same(worlds, 0, clean[-1], fine)
    same(worlds, 1, seen[-1], state)


def test_a_row_that_begins_anew_forgets_and_leaves_the_others_alone():
    worlds, late = (
        VectorWorld(World('pick_place'), 3),
        Perturbation(kind='action_delay', value=(0.2,)),
    )
    noisy = Perturbation(kind='sensor_noise', target='wrench', value=(1.0,))
    stay, seen, state = alone('pick_place', 1, steps=2 * STEPS)
    again, after, fresh = alone('pick_place', 9)
    worlds.reset(0, 1)
    worlds.reset(
        1, 2, [late, noisy, Perturbation(kind='mass_scale', target='object', value=(9.0,))]
    )
    for targets in stay[:STEPS]:
        worlds.step(np.stack([targets] * 3))
    worlds.reset(1, 9)
    for first, second in zip(stay[STEPS:], again, strict=True):
        worlds.step(np.stack([first, second, first]))
    same(worlds, 0, seen[-1], state)
    same(worlds, 1, after[-1], fresh)


def test_all_begin_as_after_the_reset_of_seed_0():
    worlds, world = VectorWorld(World('reach'), 2), World('reach')
    for row in range(2):
        same(worlds, row, world.observe(), world.state())


def test_the_number_of_threads_changes_nothing():
    walk, seen, _ = alone('push', 0)
    for threads in (1, 3):
        worlds = VectorWorld(World('push'), 4, threads)
        for targets in walk:
            worlds.step(np.stack([targets] * 4))
        for row in range(4):
            same(worlds, row, seen[-1], None)


@pytest.mark.parametrize(
    'perturbation',
    [
        Perturbation(kind='push', value=(0.0, 0.0, 5.0)),
        Perturbation(kind='object_moved', value=(0.1, 0.0)),
        Perturbation(kind='sensor_dropout', target='wrench'),
    ],
    ids=lambda p: p.kind,
)
def test_what_cannot_be_had_in_rows_is_refused(perturbation):
    worlds = VectorWorld(World('push'), 2)
    with pytest.raises(IlRosError) as caught:
        worlds.reset(0, 0, [perturbation])
    assert str(caught.value).startswith(
        f'perturbation {perturbation.kind}: not possible in many worlds at once'
    )


def test_mistakes_are_named_as_by_a_world():
    worlds = VectorWorld(World('reach'), 2)
    with pytest.raises(IlRosError, match='the task has no object'):
        worlds.reset(0, 0, [Perturbation(kind='mass_scale', target='object', value=(2.0,))])
    with pytest.raises(UnknownNameError, match="unknown observation 'smell'"):
        worlds.reset(0, 0, [Perturbation(kind='sensor_bias', target='smell', value=(2.0,))])
    with pytest.raises(IlRosError, match=r'set-points: shape \(25, 8\); .* \(2, 25, 8\)'):
        worlds.step(np.zeros((25, 8)))
    with pytest.raises(IlRosError, match='set-points: not finite'):
        worlds.step(np.full((2, 25, 8), np.nan))


def test_a_row_whose_reset_is_refused_goes_on_as_it_was():
    walk, seen, state = alone('reach', 4)
    worlds = VectorWorld(World('reach'), 2)
    worlds.reset(0, 4)
    worlds.reset(1, 4)
    wrong = [
        Perturbation(kind='gain_scale', value=(0.1,)),
        Perturbation(kind='sensor_bias', target='smell', value=(2.0,)),
    ]
    for tick, targets in enumerate(walk):
        if tick in (5, 20):
            with pytest.raises(UnknownNameError):
                worlds.reset(1, 9, wrong)
        worlds.step(np.stack([targets] * 2))
    for row in range(2):
        same(worlds, row, seen[-1], state)


@settings(max_examples=8)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=8))
def test_rows_that_begin_anew_at_any_time_are_worlds_of_their_own(small, resets):
    worlds, world, walks = small
    begun = {}
    for row in range(3):
        worlds.reset(row, 0)
        begun[row] = (0, 0)
    for tick in range(8):
        if tick < len(resets):
            row, seed = resets[tick]
            worlds.reset(row, seed)
            begun[row] = (seed, tick)
        rows = [walks[seed][tick - since] for seed, since in begun.values()]
        worlds.step(np.stack(rows))
    for row, (seed, since) in begun.items():
        world.reset(seed)
        for targets in walks[seed][: 8 - since]:
            world.step(targets)
        same(worlds, row, world.observe(), world.state())


@pytest.fixture(scope='module')
def small():
    world, walks = World('push'), []
    for seed in range(4):
        world.reset(seed)
        walks.append(set_points(world, seed, 8))
    return VectorWorld(World('push'), 3), world, walks
