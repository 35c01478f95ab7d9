"""The experts succeed, keep the limits, have no memory, and the floors are floors."""

from __future__ import annotations

import numpy as np
import pytest

from il_ros.core.arms import get_arm
from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.experts import EXPERTS, HEURISTICS, make_expert
from il_ros.policies.cartesian_expert import ramp, toward
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.tasks import (
    PAIR_TASKS,
    bimanual_handover,
    connectors,
    default_arm,
    drawer_open,
    floor_of,
    peg_transfer,
    pick_place,
    push,
)
from il_ros.sim.tasks.peg_insertion import PegInsertion
from il_ros.sim.world import World

# Joint noise of recording [rad] that a task bears; 0.002 moves the tool by several millimetres.
NOISE = {'peg_insertion': 0.001, 'peg_transfer': 0.002}
WORLDS = {task: World(task) for task in EXPERTS}


def run(world, expert, seed, *, every=1, perturbations=()):
    """One episode, with a new chunk every few ticks, interpolated linearly."""
    world.reset(seed, perturbations)
    last = world.posture()
    share = np.arange(1, world.substeps + 1)[:, None] / world.substeps
    while not world.state().done:
        for target in expert.act(world.observe(), horizon=every, dt=world.period):
            world.step(last + share * (target - last))
            last = target
    return world.state()


@pytest.mark.parametrize('task', list(EXPERTS))
@pytest.mark.parametrize('every', [1, 8])
def test_the_expert_succeeds_within_the_limits(task, every):
    for seed in range(12):
        state = run(WORLDS[task], make_expert(task), seed, every=every)
        assert state.success, seed
        beyond = dict(state.violations)
        if every > 1:  # between chunks a plan that has turned out otherwise may cause a jump
            beyond.pop('acceleration')
        assert not any(beyond.values()), (seed, beyond)
        assert state.progress == 1.0
        assert state.time < 7.0


@pytest.mark.parametrize('task', sorted(set(EXPERTS) - set(PAIR_TASKS)))
def test_it_succeeds_within_the_limits_of_an_arm_with_fewer_joints(task):
    world, expert = World(task, arm='ur5e'), make_expert(task, 'ur5e')
    for seed in range(6):
        state = run(world, expert, seed)
        assert state.success, seed
        assert not any(state.violations.values()), (seed, state.violations)


@pytest.mark.parametrize('task', list(EXPERTS))
def test_it_succeeds_with_the_noise_of_recording(task):
    noise = [Perturbation(kind='command_noise', value=(NOISE.get(task, 0.003),))]
    states = [run(WORLDS[task], make_expert(task), s, perturbations=noise) for s in range(8)]
    assert all(state.success for state in states)


@pytest.mark.slow
@pytest.mark.parametrize('task', list(EXPERTS))
def test_the_expert_succeeds_within_the_limits_on_many_seeds(task):
    states = [run(WORLDS[task], make_expert(task), seed) for seed in range(200)]
    assert sum(state.success for state in states) >= 196
    assert not [state.seed for state in states if any(state.violations.values())]


@pytest.mark.parametrize('connector', list(connectors.CONNECTORS))
@pytest.mark.parametrize('seeds', [range(2), pytest.param(range(200), marks=pytest.mark.slow)])
def test_every_connector_is_inserted_gently(connector, seeds):
    world, expert = World(PegInsertion(connector=connector)), make_expert('peg_insertion')
    states = [run(world, expert, seed) for seed in seeds]
    assert sum(state.success for state in states) >= 0.95 * len(seeds)
    assert not any(any(state.violations.values()) for state in states)


def test_a_plug_slides_in_where_the_socket_is_not_quite_where_it_is_seen():
    bias = Perturbation(
        kind='sensor_bias', target='socket_pose', value=(0.001, -0.001, 0.0, 0.0, 0.0, 0.0, 0.0)
    )
    state = run(WORLDS['peg_insertion'], make_expert('peg_insertion'), 0, perturbations=[bias])
    assert state.success
    assert not any(state.violations.values())


def test_a_plug_is_pressed_less_the_more_it_is_pressed_back():
    expert, world = make_expert('peg_insertion'), WORLDS['peg_insertion']
    world.reset(0)
    scene = expert.read(world.observe())
    scene.goal_yaw = scene.tilt = 0.0
    down = []
    for scene.pressed in (0.0, 15.0, 30.0):
        down.append(expert._insert(np.array([0.0, 0.0, -0.03]), scene)[2])
    assert down[0] == -expert.slow
    assert down[0] < down[1] < down[2] == 0.0


@pytest.mark.parametrize('task', ['pick_place', 'stack', 'drawer_open', 'bimanual_handover'])
def test_it_follows_an_object_that_is_moved(task):
    moved = [Perturbation(kind='object_moved', start=1.0, value=(0.03, -0.05))]
    assert run(WORLDS[task], make_expert(task), 4, perturbations=moved).success


@pytest.mark.parametrize('task', ['pick_place', 'stack', 'drawer_open'])
@pytest.mark.parametrize('force', [(60.0, 0.0, 20.0), (0.0, -60.0, 0.0)])
def test_it_recovers_when_the_hand_is_pushed_away(task, force):
    push = [Perturbation(kind='push', start=1.5, duration=0.4, value=force, target='hand')]
    assert run(WORLDS[task], make_expert(task), 5, perturbations=push).success


@pytest.mark.parametrize('task', ['stack', 'drawer_open'])
def test_it_recovers_from_what_wrong_readings_led_to(task):
    bias = (0.03, -0.03, 0.01, 0.0, 0.0, 0.0, 0.0)
    wrong = [Perturbation(kind='sensor_bias', target='object_pose', value=bias, duration=2.5)]
    assert run(WORLDS[task], make_expert(task), 2, perturbations=wrong).success


@pytest.mark.parametrize('task', list(EXPERTS))
def test_equal_observations_give_equal_chunks(task):
    world, expert = WORLDS[task], make_expert(task)
    world.reset(0)
    first = expert.act(world.observe(), horizon=16, dt=0.05)
    run(world, expert, 1)
    world.reset(0)
    again = make_expert(task).act(world.observe(), horizon=16, dt=0.05)
    assert np.array_equal(first, again)
    assert np.array_equal(first, expert.act(world.observe(), horizon=16, dt=0.05))


@pytest.mark.parametrize('task', list(EXPERTS))
def test_a_chunk_stays_well_inside_the_limits(task):
    world, expert = WORLDS[task], make_expert(task)
    for seed in range(10):
        world.reset(seed)
        start = world.posture()
        chunk = expert.act(world.observe(), horizon=40, dt=0.05)
        speed = np.diff(np.vstack([start, chunk]), axis=0) / 0.05
        change = np.diff(np.vstack([0 * start, speed]), axis=0) / 0.05
        assert np.all(np.abs(speed) <= 0.6 * world.limits.velocity)
        # Half to gather speed; where a new phase turns back, what is left of the old one adds.
        assert np.all(np.abs(change) <= 0.65 * world.limits.acceleration)


def test_a_chunk_rolled_ahead_is_what_it_would_do_step_by_step():
    world, expert = WORLDS['pick_place'], make_expert('pick_place')
    world.reset(7)
    planned = expert.act(world.observe(), horizon=20, dt=world.period)
    scene = world.privileged()
    last = np.concatenate([scene['joint_position'], scene['gripper_position']])
    share = np.arange(1, world.substeps + 1)[:, None] / world.substeps
    for row in planned:
        target = expert.act(world.observe(), horizon=1, dt=world.period)[0]
        np.testing.assert_allclose(target, row, atol=0.02)
        world.step(last + share * (target - last))
        last = target


def test_a_missing_observation_is_named():
    scene = {**WORLDS['pick_place'].observe(), 'object_pose': None}
    with pytest.raises(IlRosError, match=r'GraspingExpert: the observation lacks object_pose'):
        make_expert('pick_place').act(scene, horizon=1, dt=0.05)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(
        UnknownNameError,
        match=r"unknown expert 'juggle'; allowed: bimanual_handover, drawer_open, hold, .*straight",
    ):
        make_expert('juggle')
    with pytest.raises(UnknownNameError, match=r"unknown arm 'ur3'; allowed: franka, ur5e"):
        make_expert('reach', 'ur3')


def test_experts_know_the_size_of_what_they_handle():
    assert make_expert('push').half == push.RADIUS
    assert make_expert('pick_place').half == make_expert('stack').half == pick_place.EDGE / 2
    hook = make_expert('drawer_open')
    assert hook.half == drawer_open.BAR
    assert 0.0 < drawer_open.HEIGHT - hook.low < 0.02
    # The fingers come down in the middle between the bar and the front.
    between = drawer_open.FRONT - drawer_open.BAR - 2 * hook.tip
    assert hook.room == pytest.approx(between / 2, abs=1e-3)
    plug = make_expert('peg_insertion')
    assert (plug.half, plug.length) == (connectors.HANDLE[1], connectors.LENGTH)
    assert plug.seat == pytest.approx(connectors.SEATED)
    assert make_expert('peg_transfer').half == peg_transfer.EDGE / 2
    both = make_expert('bimanual_handover')
    assert (both.half, both.end) == (bimanual_handover.EDGE / 2, bimanual_handover.GRIP)
    assert both.meeting == tuple(bimanual_handover.MEETING)


def test_without_an_arm_there_is_only_holding():
    for name in {*EXPERTS, *HEURISTICS} - {'hold'}:
        with pytest.raises(IlRosError, match=r'no arm, whose kinematics it needs; to fix: name'):
            make_expert(name, '')
    scene = WORLDS['reach'].observe()
    assert make_expert('hold', '').act(scene, horizon=2, dt=0.05).shape == (2, 8)


def test_hold_holds():
    world = WORLDS['reach']
    world.reset(0)
    scene = world.observe()
    chunk = make_expert('hold').act(scene, horizon=3, dt=0.05)
    here = np.concatenate([scene['joint_position'], scene['gripper_position']])
    np.testing.assert_array_equal(chunk, np.tile(here, (3, 1)))


@pytest.mark.parametrize('task', ['pick_place', 'stack', 'drawer_open'])
@pytest.mark.parametrize('name', ['hold', 'straight'])
def test_the_floors_do_not_handle_things(task, name):
    states = [run(WORLDS[task], make_expert(name), seed) for seed in range(3)]
    assert not any(state.success for state in states)


def test_with_two_hands_the_floor_holds():
    assert {task: floor_of(task) for task in ('reach', 'bimanual_handover')} == {
        'reach': 'straight',
        'bimanual_handover': 'hold',
    }
    world = WORLDS['bimanual_handover']
    state = run(world, make_expert(floor_of('bimanual_handover'), 'viperx_pair'), 0)
    assert not state.success
    assert not any(state.violations.values())


@pytest.mark.parametrize('task', list(EXPERTS))
def test_an_expert_moves_the_arm_of_its_task_by_default(task):
    assert make_expert(task).arm is get_arm(default_arm(task))
    assert default_arm(task) == ('viperx_pair' if task == 'bimanual_handover' else 'franka')


def test_one_arm_is_not_two():
    with pytest.raises(IlRosError, match=r'Straight: viperx_pair is a pair of arms; allowed: one'):
        make_expert('straight', 'viperx_pair')
    with pytest.raises(IlRosError, match=r'Expert: franka is one arm; allowed: a pair of arms'):
        make_expert('bimanual_handover', 'franka')


def test_straight_is_enough_to_reach():
    assert run(WORLDS['reach'], make_expert('straight'), 0).success


def test_blending_functions():
    assert [ramp(x, 1.0, 2.0) for x in (0.5, 1.0, 1.5, 2.0, 3.0)] == [0.0, 0.0, 0.5, 1.0, 1.0]
    near, far = toward(np.array([0.001, 0, 0]), 5.0, 0.3), toward(np.array([9.0, 0, 0]), 5.0, 0.3)
    assert near[0] == pytest.approx(0.005, rel=1e-3)
    assert far[0] == pytest.approx(0.3, rel=1e-3)
