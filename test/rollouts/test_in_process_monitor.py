from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.arms import get_arm
from il_ros.core.contract import load_contract
from il_ros.core.frames import NS
from il_ros.core.geometry import pose
from il_ros.monitors.mode import Mode
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.rollouts.demonstrations import demonstrate
from il_ros.rollouts.drivers import ExpertDriver
from il_ros.rollouts.episode_runner import EpisodeRunner, FrameFeeder
from il_ros.rollouts.in_process_monitor import limits_monitor
from il_ros.rollouts.safety_filters import NoFilter
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.world import World

CONTRACT = load_contract(Path('config/contracts/franka_reach.yaml'))
PUSH = [Perturbation(kind='push', target='hand', start=0.2, value=(0.0, 150.0, 0.0))]


def runner(driver=None, safety_filter=None):
    driver = driver or ExpertDriver('reach', CONTRACT)
    return EpisodeRunner(
        CONTRACT, 'reach', driver, safety_filter or limits_monitor(CONTRACT, 'expert')
    )


def test_an_expert_reaches_its_goal_through_the_monitor():
    guarded = runner()
    rollout = guarded.run(7)
    assert (rollout.outcome, rollout.violated, rollout.reason) == ('success', 0, '')
    assert np.isfinite(rollout.actions).all()
    assert guarded.safety_filter.verdict.mode is Mode.EXPERT


def test_an_expert_places_the_cube_with_a_ur5e_through_the_monitor():
    contract = load_contract(Path('config/contracts/ur5e_pick_place.yaml'))
    driver = ExpertDriver('pick_place', contract)
    guarded = EpisodeRunner(contract, 'pick_place', driver, limits_monitor(contract, 'expert'))
    rollout = guarded.run(3)
    assert (rollout.outcome, rollout.violated, rollout.reason) == ('success', 0, '')
    assert np.isfinite(rollout.actions).all()
    assert rollout.actions.shape[1] == 7


def test_the_monitor_smooths_what_goes_to_the_servos():
    class Hasty(ExpertDriver):
        def act(self, frame):
            return super().act(frame) + np.array([0.5, *[0.0] * 7])

    driver = Hasty('reach', CONTRACT)
    raw = runner(driver, NoFilter()).run(7)
    guarded = runner(driver).run(7)
    assert raw.violations['acceleration'] > 0
    assert guarded.violated == 0


def test_a_push_stops_the_driver_and_the_arm():
    rollout = runner().run(7, PUSH)
    assert rollout.outcome == 'stopped'
    assert 0.2 <= rollout.alarm < 1.5
    assert 'limit' in rollout.reason
    still = [frame.values['joint_velocity'] for frame in rollout.frames[-2:]]
    assert np.abs(still).max() < 0.2


def test_a_lost_observation_stops_the_driver():
    lost = [Perturbation(kind='sensor_dropout', target='joint_position', start=0.5)]
    rollout = runner().run(7, lost)
    assert rollout.outcome == 'stopped'
    assert rollout.reason.startswith('no observation for')
    # the first period without a frame
    assert rollout.alarm == pytest.approx(0.5, abs=0.21)


def test_without_a_first_observation_nothing_moves():
    lost = [Perturbation(kind='sensor_dropout', target='goal_position')]
    rollout = runner().run(7, lost)
    assert (rollout.outcome, rollout.alarm) == ('time limit', None)
    assert np.ptp([f.values['joint_position'] for f in rollout.frames], axis=0).max() < 1e-3


def test_a_seed_gives_one_episode_through_the_monitor():
    once, again = runner().run(7), runner().run(7)
    np.testing.assert_array_equal(once.actions, again.actions)


def test_demonstrations_can_go_through_the_monitor():
    dataset = demonstrate(
        CONTRACT, 'reach', range(2), safety_filter=limits_monitor(CONTRACT, 'expert')
    )
    assert [entry.outcome for entry in dataset.episodes] == ['success', 'success']


@pytest.fixture(scope='module')
def readings():
    world = World('reach', limits=CONTRACT.limits)
    world.reset(3)
    return world.observe()


SUBSTEPS = 25
STEP = CONTRACT.period / SUBSTEPS


class PerfectArm:
    """An arm that is where it was sent: what it does is what the monitor wants of it.

    Args:
        readings: Of an arm at rest.
        source: Whose episode it is.
    """

    def __init__(self, readings, source='policy'):
        self._readings, self._feeder = readings, FrameFeeder(CONTRACT)
        self.monitor = limits_monitor(CONTRACT, source)
        self.begin()

    def begin(self):
        self.here = np.append(self._readings['joint_position'], self._readings['gripper_position'])
        self.speed, self.path, self._tick = np.zeros(8), [self.here], 0
        self._feeder.reset()
        self.monitor.reset(self.here)

    def tick(self, *, ahead=0.0, chunk=None, lost=False):
        """One period; every joint of the arm is to move by `ahead` in each step of the chunk."""
        stamp = NS + self._tick * round(CONTRACT.period * NS)
        seen = self._readings | {
            'joint_position': None if lost else self.here[:7],
            'joint_velocity': self.speed[:7],
            'gripper_position': self.here[7:],
            'gripper_velocity': self.speed[7:],
            'tcp_pose': self._tool() + 1e-6 * self._tick,  # a sensor that lives
        }
        frame = self._feeder.feed(seen, stamp)
        if chunk is None and frame is not None:
            chunk = self.here + ahead * np.arange(1, 5)[:, None] * (np.arange(8) < 7)
        invalid = () if frame is None else self._feeder.invalid(frame)
        answer = None if frame is None else chunk
        command = self.monitor.tick(frame, answer, stamp / NS, invalid)
        after = self.monitor.setpoints(stamp / NS + STEP * np.arange(1, SUBSTEPS + 1))
        self.speed, self.here = (after[-1] - after[-2]) / STEP, after[-1]
        self.path.extend(after)
        self._tick += 1
        return command

    def _tool(self):
        return pose(*get_arm(CONTRACT.arm).chain.forward(self.here[:7]))

    def require_limits(self):
        speed = np.diff(self.path, axis=0) / STEP
        acceleration = np.diff(np.concatenate([np.zeros((1, 8)), speed]), axis=0) / STEP
        assert (np.abs(speed) <= CONTRACT.limits.velocity).all()
        assert (np.abs(acceleration) <= 1.05 * CONTRACT.limits.acceleration).all()


@pytest.fixture(scope='module')
def arm(readings):
    return PerfectArm(readings)


turns = st.tuples(st.sampled_from(['policy', 'expert']), st.integers(1, 5), st.floats(-0.02, 0.02))


@settings(max_examples=20)
@given(turns_=st.lists(turns, min_size=1, max_size=6))
def test_learner_and_expert_drive_in_turns_without_a_jump(arm, turns_):
    arm.begin()
    for driver, ticks, ahead in turns_:
        for _ in range(ticks):
            arm.monitor.driver = driver
            assert arm.tick(ahead=ahead) is not None
            # Who is said to drive drives from this very tick on.
            assert arm.monitor.verdict.mode is Mode(driver)
            assert arm.monitor.stopped == ''
    arm.require_limits()


@settings(max_examples=15)
@given(
    lost=st.sets(st.integers(0, 14)),
    taken=st.sets(st.integers(0, 14)),
    bad=st.none() | st.integers(3, 14),
)
def test_whatever_is_lost_or_wrong_the_arm_keeps_its_limits_and_a_stop_stays(arm, lost, taken, bad):
    arm.begin()
    stopped = ''
    for tick in range(15):
        arm.monitor.driver = 'expert' if tick in taken else 'policy'
        chunk = np.full((4, 8), np.nan) if tick == bad else None
        arm.tick(ahead=0.01, lost=tick in lost, chunk=chunk)
        if stopped:  # nobody gets the arm back in this episode
            assert arm.monitor.stopped == stopped
            assert not arm.monitor.verdict.mode.driving
        stopped = arm.monitor.stopped
        begun = arm.monitor.verdict is not None and arm.monitor.verdict.mode is not Mode.IDLE
        if tick == bad and tick not in lost and begun:
            assert stopped
    arm.require_limits()
    if stopped:
        for _ in range(20):
            arm.tick(ahead=0.01)
        np.testing.assert_allclose(arm.speed, 0.0, atol=1e-9)


def test_a_frame_that_is_late_is_waited_for_and_one_that_does_not_come_stops_the_arm(arm):
    arm.begin()
    for _ in range(3):
        arm.tick(ahead=0.01)
    patience = round(MonitorConfig.frame_age / CONTRACT.period)
    before = arm.monitor.verdict
    for _ in range(patience):
        assert arm.tick(lost=True) is None
    assert arm.monitor.verdict is before
    assert arm.monitor.stopped == ''
    arm.tick(lost=True)
    assert arm.monitor.stopped.startswith('no observation for')
    arm.tick(ahead=0.01)
    assert arm.monitor.verdict.mode is Mode.ALARM


def test_a_stopped_expert_does_not_give_the_arm_back_to_the_learner(arm):
    arm.begin()
    arm.tick(ahead=0.01)
    arm.monitor.driver = 'expert'
    arm.tick(ahead=0.01)
    arm.tick(chunk=np.full((4, 8), np.inf))
    assert arm.monitor.stopped == 'expert chunk: step 0 of fr3_joint1 is inf'
    for driver in ('policy', 'expert', 'policy'):
        arm.monitor.driver = driver
        arm.tick(ahead=0.01)
        assert arm.monitor.verdict.mode is Mode.ALARM


def test_an_episode_remembers_nothing_of_a_stopped_one(arm):
    def path():
        for driver in ('policy', 'policy', 'expert', 'policy'):
            arm.monitor.driver = driver
            arm.tick(ahead=0.01)
        return np.array(arm.path)

    arm.begin()
    first = path()
    arm.monitor.driver = 'expert'
    arm.tick(chunk=np.full((4, 8), np.nan))
    assert arm.monitor.stopped
    arm.begin()
    assert (arm.monitor.driver, arm.monitor.stopped, arm.monitor.verdict) == ('policy', '', None)
    assert not arm.monitor.moving
    np.testing.assert_array_equal(path(), first)


def test_what_is_said_of_the_learner_before_the_expert_takes_over_is_not_followed(arm):
    # The learner's chunk leads away; the expert, who has the arm from now on, holds it.
    arm.begin()
    arm.tick(ahead=0.0)
    arm.monitor.driver = 'expert'
    arm.tick(ahead=0.0)
    before = arm.here
    arm.monitor.monitor.offer(arm.monitor._chunk(arm.here + 0.3, 9.0), 'policy')
    for _ in range(10):
        arm.tick(ahead=0.0)
    np.testing.assert_allclose(arm.here, before, atol=1e-6)


def test_an_expert_s_episode_has_no_learner_to_hand_over_to(readings):
    arm = PerfectArm(readings, 'expert')
    arm.tick(ahead=0.01)
    assert arm.monitor.verdict.mode is Mode.EXPERT
    arm.monitor.driver = 'policy'
    arm.tick(ahead=0.01)
    assert arm.monitor.stopped
