"""The world: its scene, its determinism, its judgement, and what goes wrong on request."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import mujoco
import numpy as np
import pytest
from inverse_kinematics import solve_ik

from il_ros.core.arms import ARMS, get_arm
from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.core.robots.franka import FRANKA
from il_ros.experts import make_expert
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.tasks import TASKS, make_task
from il_ros.sim.tasks.pick_place import PickPlace
from il_ros.sim.tasks.reach import add_goal
from il_ros.sim.tasks.task import Draw
from il_ros.sim.violations import Violations
from il_ros.sim.world import World

SINGLE = [name for name in ARMS if len(get_arm(name).limbs) == 1]


@pytest.fixture(scope='module')
def place():
    return World('pick_place')


@pytest.fixture(scope='module')
def reach():
    return World('reach')


def posture(world):
    scene = world.privileged()
    return np.concatenate([scene['joint_position'], scene['gripper_position']])


def hold(world, ticks, target=None):
    target = posture(world) if target is None else target
    for _ in range(ticks):
        world.step(np.tile(target, (world.substeps, 1)))


def moved(world, joint, distance, ticks):
    """Set-points of a smooth motion of one joint, a block for each tick."""
    targets = np.tile(posture(world), (ticks * world.substeps, 1))
    share = np.linspace(0, 1, len(targets))
    targets[:, joint] += distance * (3 * share**2 - 2 * share**3)
    return targets.reshape(ticks, world.substeps, -1)


def run_expert(world, task, seed, perturbations=()):
    expert = make_expert(task)
    world.reset(seed, perturbations)
    last, trace = posture(world), []
    share = np.arange(1, world.substeps + 1)[:, None] / world.substeps
    while not world.state().done:
        target = expert.act(world.observe(), horizon=1, dt=world.period)[0]
        world.step(last + share * (target - last))
        last = target
        trace.append(posture(world))
    return world.state(), np.array(trace)


def test_the_observation_has_the_contracts_keys_and_shapes(place):
    place.reset(1)
    shapes = {key: value.shape for key, value in place.observe().items()}
    assert shapes == {
        'joint_position': (7,), 'joint_velocity': (7,), 'joint_effort': (8,),
        'gripper_position': (1,), 'gripper_velocity': (1,), 'tcp_pose': (7,), 'wrench': (6,),
        'goal_position': (3,), 'object_pose': (7,),
    }  # fmt: skip
    assert place.names[0] == 'fr3_joint1'
    assert (place.substeps, place.period) == (25, 0.05)


def test_an_arm_with_six_joints_has_six_in_its_observation():
    world = World('reach', arm='ur5e')
    shapes = {key: value.shape for key, value in world.observe().items()}
    assert shapes == {
        'joint_position': (6,), 'joint_velocity': (6,), 'joint_effort': (7,),
        'gripper_position': (1,), 'gripper_velocity': (1,), 'tcp_pose': (7,), 'wrench': (6,),
        'goal_position': (3,),
    }  # fmt: skip
    assert world.names[0] == 'shoulder_pan_joint'


def test_the_franka_moves_as_it_did_before_there_were_other_arms(place):
    """Numbers of the version with one arm; the hand touches nothing, which magnifies rounding."""
    place.reset(0)
    for block in moved(place, 1, 0.3, 10):
        place.step(block)
    scene = place.privileged()
    then = [
        0.04126813029907142, 0.05397874571636675, 0.022938283003731273, -2.428241937983046,
        0.043508534698029316, 2.2033845715457203, 0.7356723383660326,
    ]  # fmt: skip
    np.testing.assert_allclose(scene['joint_position'], then, rtol=0, atol=1e-9)
    felt = [0.0001242916542314454, -3.936704981877259e-05, -3.830551875694255e-09]
    turned = [0.0009238477328918342, -0.00296930734418642, 0.0005439512125560646]
    np.testing.assert_allclose(scene['wrench'], felt + turned, rtol=0, atol=1e-8)


@dataclass(frozen=True, kw_only=True)
class Mounted(PickPlace):
    """The cube stands on a box that is mounted somewhere else in every episode."""

    name = 'mounted'

    def build(self, spec):
        """Add the box, and on it a cube that slides."""
        box = spec.worldbody.add_body(name='box')
        box.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.05, 0.05, 0.05])
        cube = box.add_body(name='object', pos=[0.0, 0.0, 0.07])
        cube.add_joint(type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[1, 0, 0], damping=1.0)
        cube.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.02, 0.02, 0.02])
        add_goal(spec, 0.01)

    def draw(self, rng, outside):
        """The box turned by a quarter about the vertical."""
        place = np.array([rng.uniform(0.5, 0.6), 0.3, 0.05, 0, 0, math.sqrt(0.5), math.sqrt(0.5)])
        return Draw(goal=np.array([0.5, 0.0, 0.02]), bodies={'box': place})


def test_a_mounted_body_is_where_the_seed_put_it_and_moves_with_what_is_on_it():
    world = World(Mounted())
    for seed in (1, 2):
        world.reset(seed, [Perturbation(kind='object_moved', start=0.1, value=(0.0, 0.05))])
        before = world.privileged()['object_pose']
        assert 0.5 < before[0] < 0.6
        np.testing.assert_allclose(before[1:], [0.3, 0.12, 0, 0, *2 * [math.sqrt(0.5)]], atol=1e-9)
        hold(world, 4)
        after = world.privileged()['object_pose']
        np.testing.assert_allclose(after - before, [0, 0.05, *5 * [0]], atol=1e-9)
    world.reset(2)
    np.testing.assert_allclose(world.privileged()['object_pose'], before)  # put back, too


def test_a_task_without_an_object_has_no_object_pose(reach):
    assert 'object_pose' not in reach.observe()


def test_one_seed_gives_one_trajectory_bit_for_bit(place):
    noise = [Perturbation(kind='command_noise', value=(0.003,))]
    (_, first), (_, second) = (run_expert(place, 'pick_place', 3, noise) for _ in range(2))
    assert np.array_equal(first, second)
    _, other = run_expert(World('pick_place'), 'pick_place', 3, noise)
    assert np.array_equal(first, other)


@pytest.mark.parametrize('task', list(TASKS))
def test_seeds_differ_and_stay_in_their_boxes(task):
    draws = [make_task(task).draw(np.random.default_rng(seed), 0.0) for seed in range(100)]
    goals = np.array([draw.goal for draw in draws])
    assert len(np.unique(goals[:, 0])) == 100
    lower, upper = make_task(task).workspace
    assert np.all((goals > lower) & (goals < upper))


@pytest.mark.parametrize('arm', SINGLE)
def test_at_rest_the_wrench_is_zero_and_the_arm_stays(arm):
    world = World('pick_place', arm=arm)
    world.reset(5)
    start = posture(world)
    hold(world, 20)
    assert np.abs(world.observe()['wrench']).max() < 0.05
    np.testing.assert_allclose(posture(world), start, atol=1e-4)
    assert not any(world.state().violations.values())


@pytest.mark.parametrize('arm', SINGLE)
def test_the_servos_follow_every_joint_up_to_its_acceleration_limit(arm):
    world = World('reach', arm=arm)
    for joint in range(len(world.names) - 1):
        world.reset(0)
        worst = 0.0
        for block in moved(world, joint, 0.5, 11):  # up to 6 * 0.5 / 0.55^2 = 9.9 rad/s^2
            world.step(block)
            worst = max(worst, float(np.abs(posture(world) - block[-1])[:-1].max()))
        assert worst < 0.005
        assert not any(world.state().violations.values())


def test_set_points_are_checked(reach):
    with pytest.raises(
        IlRosError, match=r'set-points: shape \(1, 8\); allowed: finite, shape \(25, 8\)'
    ):
        reach.step(np.zeros((1, 8)))
    with pytest.raises(IlRosError, match='set-points: not finite'):
        reach.step(np.full((25, 8), np.nan))


def test_the_wrong_task_rate_or_limits_are_refused(reach):
    with pytest.raises(
        UnknownNameError,
        match=r"unknown task 'juggle'; allowed: bimanual_handover, drawer_open, peg_insertion",
    ):
        World('juggle')
    with pytest.raises(IlRosError, match=r'no multiple of the physics step'):
        World('reach', rate=30.0, timestep=0.002)
    from dataclasses import replace

    with pytest.raises(IlRosError, match=r'limits for joints a, b; allowed: fr3_joint1'):
        World('reach', limits=replace(reach.limits, names=('a', 'b')))


def test_an_episode_ends_at_its_time_limit(reach):
    reach.reset(0)
    hold(reach, 99)
    assert not reach.state().done
    hold(reach, 1)
    state = reach.state()
    assert (state.done, state.success, state.time) == (True, False, pytest.approx(5.0))


def test_violations_are_counted_by_kind(reach):
    reach.reset(0)
    for block in moved(reach, 0, 2.4, 12):
        reach.step(block)  # too fast, and out at the side
    counts = reach.state().violations
    assert counts['velocity'] > 10
    assert counts['workspace'] > 10
    assert counts['acceleration'] > 0
    assert counts['force'] == counts['torque'] == 0
    reach.reset(0)
    assert not any(reach.state().violations.values())


def test_a_hand_pressed_on_the_table_violates_the_force_limit(place):
    place.reset(0)
    start = posture(place)
    low = start.copy()
    rotation = np.diag([1.0, -1.0, -1.0])
    low[:7] = solve_ik(
        FRANKA.chain, np.array([0.4, 0.2, 0.002]), rotation, start=start[:7],
        lower=FRANKA.position_min[:7], upper=FRANKA.position_max[:7],
    )[0]  # fmt: skip
    for share in np.linspace(0, 1, 60):
        place.step(np.tile(start + share * (low - start), (place.substeps, 1)))
    assert place.privileged()['tcp_pose'][2] < 0.03
    assert place.state().violations['force'] > 10
    assert place.observe()['wrench'][2] < -60.0  # the hand's z points down: it is pushed up


def test_violation_arithmetic(reach):
    limits = reach.limits
    n = len(limits.names)
    judge = Violations(limits, np.zeros(n), 0.05)
    # 10 rad/s^2 over 0.05 s is 0.5 rad/s, or 0.025 rad in the first period; 5 % more is allowed.
    judge.command(np.full(n, 0.0001) + np.eye(n)[0] * 0.026)
    assert judge.counts['acceleration'] == 0
    judge = Violations(limits, np.zeros(n), 0.05)
    judge.command(np.eye(n)[0] * 0.027)
    assert judge.counts['acceleration'] == 1
    position = np.tile((limits.position_min + limits.position_max) / 2, (3, 1))
    tool = np.tile((limits.workspace_min + limits.workspace_max) / 2, (3, 1))
    position[1, 2] = limits.position_max[2] + 0.01
    wrench = np.zeros((3, 6))
    wrench[:2, 0] = limits.force + 1.0
    judge.motion(position, np.zeros((3, n)), tool, wrench)
    assert judge.counts == {
        'position': 1, 'velocity': 0, 'acceleration': 1, 'workspace': 0, 'force': 2, 'torque': 0,
    }  # fmt: skip


def test_a_push_moves_the_hand_and_is_felt_at_the_wrist(reach):
    reach.reset(2, [Perturbation(kind='push', start=0.5, duration=0.5, value=(0.0, 20.0, 0.0))])
    target = posture(reach)
    hold(reach, 10, target)
    assert np.linalg.norm(reach.observe()['wrench'][:3]) < 0.1
    hold(reach, 10, target)
    assert np.linalg.norm(reach.observe()['wrench'][:3]) == pytest.approx(20.0, abs=0.5)
    hold(reach, 10, target)
    assert np.linalg.norm(reach.observe()['wrench'][:3]) < 0.1


def test_a_pushed_object_slides(place):
    place.reset(
        2, [Perturbation(kind='push', duration=0.3, value=(3.0, 0.0, 0.0), target='object')]
    )
    before = place.privileged()['object_pose']
    hold(place, 20)
    assert place.privileged()['object_pose'][0] - before[0] > 0.02


def test_the_object_is_moved_once(place):
    place.reset(0, [Perturbation(kind='object_moved', start=0.5, value=(0.05, -0.02))])
    before = place.privileged()['object_pose']
    hold(place, 10)
    np.testing.assert_allclose(place.privileged()['object_pose'], before, atol=1e-3)
    hold(place, 10)
    change = place.privileged()['object_pose'][:3] - before[:3]
    np.testing.assert_allclose(change, [0.05, -0.02, 0.0], atol=1e-3)


def test_the_object_starts_outside_the_training_box():
    world, task = World('pick_place'), make_task('pick_place')
    for seed in range(20):
        world.reset(seed, [Perturbation(kind='object_outside', value=(0.1,))])
        at = world.privileged()['object_pose'][:2]
        beyond = np.maximum(np.array(task.box_min) - at, at - np.array(task.box_max)).max()
        assert beyond == pytest.approx(0.1, abs=1e-6)


def test_what_needs_an_object_is_refused_without_one(reach):
    for kind, value in (('object_moved', (0.1, 0.0)), ('push', (1.0, 0.0, 0.0))):
        wrong = Perturbation(kind=kind, value=value, target='object')
        with pytest.raises(IlRosError, match=f'perturbation {kind}: the task has no object'):
            reach.reset(0, [wrong])


def test_sensor_bias_freeze_and_dropout_act_on_the_observation_alone(place):
    place.reset(
        0,
        [
            Perturbation(kind='sensor_bias', value=(0.01,), target='joint_position'),
            Perturbation(kind='sensor_freeze', start=0.2, target='tcp_pose'),
            Perturbation(kind='sensor_dropout', start=0.2, duration=0.2, target='object_pose'),
        ],
    )
    poses = []
    for block in moved(place, 0, 0.2, 10):
        place.step(block)
        poses.append((place.observe()['tcp_pose'], place.observe()['object_pose']))
    seen, true = place.observe(), place.privileged()
    np.testing.assert_allclose(seen['joint_position'] - true['joint_position'], 0.01)
    assert np.array_equal(poses[2][0], poses[9][0])  # the last reading before it froze
    assert not np.array_equal(seen['tcp_pose'], true['tcp_pose'])
    assert [pose is None for _, pose in poses] == [False] * 3 + [True] * 4 + [False] * 3


def test_sensor_perturbations_must_name_an_observation(reach):
    with pytest.raises(UnknownNameError, match=r"unknown observation 'object_pose'; allowed: goal"):
        reach.reset(0, [Perturbation(kind='sensor_dropout', target='object_pose')])
    with pytest.raises(IlRosError, match=r'2 numbers for wrench; allowed: 1 or 6 numbers'):
        reach.reset(0, [Perturbation(kind='sensor_bias', value=(1.0, 2.0), target='wrench')])


def test_a_delayed_command_comes_late_by_its_delay(reach):
    def trace(perturbations):
        reach.reset(0, perturbations)
        out = []
        for block in moved(reach, 0, 0.3, 10):
            reach.step(block)
            out.append(posture(reach)[0])
        return np.array(out)

    prompt, late = trace([]), trace([Perturbation(kind='action_delay', value=(0.1,))])
    np.testing.assert_allclose(late[2:], prompt[:-2], atol=2e-3)


def test_a_scaled_command_slows_and_overshoots_the_arm(reach):
    def trace(factor):
        reach.reset(0, [Perturbation(kind='action_scale', value=(factor,))])
        out = []
        for block in [*moved(reach, 0, 0.3, 10), *moved(reach, 0, 0.0, 1)]:
            reach.step(block)
            out.append(posture(reach)[0])
        return np.array(out)

    prompt, slow, fast = trace(1.0), trace(0.3), trace(1.5)
    assert slow[5] < prompt[5] - 0.02
    assert fast[5] > prompt[5] + 0.005


def test_command_noise_disturbs_the_arm_and_not_the_gripper(reach):
    reach.reset(0, [Perturbation(kind='command_noise', duration=2.0, value=(0.01,))])
    target, offsets = posture(reach), []
    for _ in range(40):
        reach.step(np.tile(target, (reach.substeps, 1)))
        offsets.append(posture(reach) - target)
    spread = np.std(offsets, axis=0)
    assert np.all((spread[:7] > 0.003) & (spread[:7] < 0.02))
    assert spread[7] < 1e-4
    hold(reach, 5, target)
    np.testing.assert_allclose(posture(reach), target, atol=1e-3)
    assert reach.state().violations['acceleration'] == 0  # the commands were not to blame


def test_friction_and_mass_are_scaled_for_one_episode(place):
    def slide(perturbations):
        push = Perturbation(kind='push', duration=0.2, value=(1.5, 0, 0), target='object')
        place.reset(2, [push, *perturbations])
        before = place.privileged()['object_pose'][0]
        hold(place, 15)
        return place.privileged()['object_pose'][0] - before

    nominal = slide([])
    assert slide([Perturbation(kind='friction_scale', value=(0.3,))]) > 2 * nominal
    assert slide([Perturbation(kind='mass_scale', value=(3.0,))]) < 0.5 * nominal
    assert slide([]) == nominal


def test_an_unknown_load_on_the_hand_is_felt(reach):
    reach.reset(0, [Perturbation(kind='mass_scale', value=(2.0,), target='hand')])
    hold(reach, 40, posture(reach))
    felt = reach.observe()['wrench'][:3]
    # 0.7 kg more than the load compensation knows (the fingers are not scaled).
    assert np.linalg.norm(felt) == pytest.approx(0.7 * 9.81, rel=0.02)


def test_neighbouring_links_do_not_collide(place):
    place.reset(0)
    hold(place, 2)
    bodies = {
        place.plant.model.body(place.plant.model.geom_bodyid[geom]).name
        for contact in place.plant.data.contact
        for geom in contact.geom
    }
    assert bodies <= {'table', 'object'}


def test_an_unknown_camera_is_refused(reach):
    with pytest.raises(UnknownNameError, match=r"unknown camera 'left'; allowed: front, wrist"):
        reach.render('left', 64, 64)


@pytest.mark.filterwarnings('ignore:.*GLFW')
@pytest.mark.filterwarnings('ignore:.*X11')
def test_an_image_however_often(reach):
    for _ in range(3):
        image = reach.render('front', 64, 48)
        assert image.shape == (48, 64, 3)
        assert image.std() > 1.0
        reach.close()


def test_it_steps_faster_than_real_time_by_far(place):
    place.reset(0)
    target = np.tile(posture(place), (place.substeps, 1))
    start = time.process_time()
    for _ in range(100):
        place.step(target)
    # The goal is 1,000 steps a second on one core; a crowded machine must not fail the test.
    assert 100 / (time.process_time() - start) > 300


@pytest.mark.parametrize(
    'wrong',
    [
        Perturbation(kind='sensor_dropout', target='weather'),
        Perturbation(kind='sensor_bias', target='wrench', value=(1.0, 2.0)),
        Perturbation(kind='mass_scale', target='object', value=(2.0,)),
        Perturbation(kind='push', target='object', value=(1.0, 0.0, 0.0)),
        Perturbation(kind='camera_offset', target='roof', value=(0.1,) * 6),
    ],
    ids=lambda wrong: wrong.kind,
)
def test_a_refused_reset_leaves_the_episode_as_it_was(reach, wrong):
    def episode(disturb):
        reach.reset(3, [Perturbation(kind='sensor_noise', target='wrench', value=(0.1,))])
        seen = []
        for tick, block in enumerate(moved(reach, 1, 0.1, 8)):
            if disturb and tick == 4:
                others = Perturbation(kind='gain_scale', value=(0.1,))
                with pytest.raises(IlRosError, match=f'perturbation {wrong.kind}'):
                    reach.reset(9, [others, wrong])
            reach.step(block)
            seen.append(np.concatenate([*reach.observe().values(), *reach.privileged().values()]))
        return np.array(seen), reach.state()

    (expected, state), (seen, after) = episode(False), episode(True)
    np.testing.assert_array_equal(seen, expected)
    assert after == state


def test_a_negative_seed_is_refused(reach):
    reach.reset(3)
    with pytest.raises(IlRosError, match='seed: got -1; allowed: 0 or more'):
        reach.reset(-1)
    assert reach.state().seed == 3
