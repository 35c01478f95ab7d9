"""The monitor as a whole: faults injected one by one, the latch, and anything at all."""

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.arm_geometry import Geometry
from il_ros.core.contract import Fallback
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Limits
from il_ros.core.robots.franka import FRANKA
from il_ros.core.tick_schedule import TickSchedule
from il_ros.monitors.calibrated_scores import Calibration
from il_ros.monitors.checks import Fault
from il_ros.monitors.conformal_thresholds import ConformalThresholds
from il_ros.monitors.mode import Mode, ModeRefused
from il_ros.monitors.monitor import Monitor
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import Chunk, MonitorInput
from il_ros.monitors.plan import POSITION_TOLERANCE
from il_ros.monitors.planned_motion import trajectory_of
from il_ros.monitors.score_bank import Channel, ScoreBank
from il_ros.monitors.scores.score import ScoreInput
from il_ros.sim.controller import TrajectoryController

DT = 0.05
NAMES = ('x', 'y', 'z')
# A gantry: its joints are the coordinates of the tool centre point.
LIMITS = Limits(
    names=NAMES,
    position_min=np.full(3, -1.0),
    position_max=np.full(3, 1.0),
    velocity=np.full(3, 2.0),
    acceleration=np.full(3, 10.0),
    jerk=np.full(3, 1000.0),
    workspace_min=np.full(3, -0.8),
    workspace_max=np.full(3, 0.8),
    force=40.0,
    torque=8.0,
)
ZERO = np.zeros(3)


class Distance:
    """A score that is easy to steer: the size of the first feature."""

    needs = ('features',)

    def score(self, score_input):
        return float(abs(score_input.features[0]))

    def reset(self):
        pass


def calibration(window=5):
    bank = ScoreBank(
        [Channel(name='distance', kind='none', on='observation', score=Distance())], window
    )
    thresholds = ConformalThresholds(
        loc=np.zeros((1, 1)), scale=np.ones((1, 1)), begin=(0,), stop=1.0, warn=0.5
    )
    return Calibration(bank=bank, thresholds=thresholds, longest=10_000, policy_id='bc-1')


class Rig:
    """A monitor with an arm behind it that does exactly what the plan says."""

    def __init__(
        self,
        *,
        score=True,
        window=5,
        start=ZERO,
        forward=lambda q: q,
        moves=None,
        fallback=None,
        delay=0.0,
        **config,
    ):
        self.monitor = Monitor(
            limits=LIMITS,
            contract_hash='c0ffee',
            dt=DT,
            geometry=Geometry(forward, moves=moves),
            calibration=calibration(window) if score else None,
            # Its sources name a far goal and wait; real ones lead the arm there.
            config=MonitorConfig(**{'handover': 0.0, 'jump': 0.0, **config}),
            fallback=fallback,
            delay=delay,
        )
        self.now, self.position, self.velocity = 100.0, np.array(start, float), ZERO
        self.plan = None

    def frame(self, **change):
        good = MonitorInput(
            stamp=self.now,
            position=self.position,
            velocity=self.velocity,
            score_input=ScoreInput(time=self.now, features=np.zeros(1)),
            force=ZERO,
            torque=ZERO,
        )
        if 'features' in change:
            features = change.pop('features')
            change['score_input'] = (
                None if features is None else replace(good.score_input, features=features)
            )
        return replace(good, **change)

    def tick(self, *, wait=DT, before=lambda frame: None, **change):
        self.now += wait
        if self.plan is not None:
            self.position, self.velocity, _ = self.plan.at(self.now)
        frame = self.frame(**change)
        before(frame)
        verdict = self.monitor.tick(frame, self.now)
        self.plan = verdict.plan
        return verdict

    def chunk(self, goal=0.3, source='policy', **change):
        good = Chunk(
            stamp=self.now,
            step_dt=DT,
            names=NAMES,
            positions=np.broadcast_to(np.asarray(goal, float), (8, 3)).copy(),
            contract_hash='c0ffee',
            policy_id='bc-1' if source == 'policy' else '',
            source=source,
        )
        return replace(good, **change)

    def offer(self, goal=0.3, source='policy', **change):
        self.monitor.offer(self.chunk(goal, source, **change), source)

    def drive(self, mode=Mode.POLICY, ticks=4, goal=0.3):
        """Get the arm moving."""
        self.tick()
        self.monitor.request(mode)
        for _ in range(ticks):
            self.offer(goal, mode.value)
            verdict = self.tick()
        assert verdict.mode is mode
        return verdict

    def settle(self):
        """Tick until nothing moves any more."""
        for _ in range(40):
            verdict = self.tick()
        return verdict


def assert_stops(rig, verdict, text):
    assert verdict.mode is Mode.ALARM
    assert text in verdict.reason
    if verdict.plan is not None:
        assert verdict.plan.end_time < rig.now + 1.5
        np.testing.assert_array_equal(verdict.plan.at(rig.now + 2.0)[1], ZERO)
    rig.offer()
    assert rig.tick().mode is Mode.ALARM  # nothing leads out by itself


def test_idle_publishes_nothing():
    rig = Rig()
    rig.offer()
    for change in ({}, {'position': None}, {'invalid': ('wrench: never',)}):
        verdict = rig.tick(**change)
        assert (verdict.mode, verdict.plan, verdict.target_end) == (Mode.IDLE, None, None)


def test_it_drives_to_where_the_policy_wants():
    rig = Rig()
    verdict = rig.drive(ticks=30)
    assert (verdict.mode, verdict.fault, verdict.reason) == (Mode.POLICY, None, 'requested')
    np.testing.assert_allclose(rig.position, 0.3, atol=1e-6)
    np.testing.assert_allclose(verdict.target_end, 0.3, atol=1e-6)


def test_scores_see_the_samples_that_came_with_the_chunk(monkeypatch):
    seen = []
    monkeypatch.setattr(
        Distance, 'score', lambda _, score_input: seen.append(score_input.samples) or 0.0
    )
    rig, samples = Rig(), np.zeros((5, 8, 3))
    rig.drive()
    assert all(one is None for one in seen)
    rig.offer(samples=samples)
    assert rig.tick().mode is Mode.POLICY
    assert seen[-1] is samples
    rig.offer(samples=np.zeros((5, 8, 2)))
    assert_stops(rig, rig.tick(), 'samples have shape (5, 8, 2), allowed (1 .. 256, 8, 3)')


def test_from_idle_it_begins_where_the_arm_is_measured():
    rig = Rig(start=[0.2, -0.1, 0.5])
    rig.tick()
    rig.monitor.request(Mode.POLICY)
    rig.offer()
    verdict = rig.tick()
    np.testing.assert_allclose(verdict.plan.at(rig.now)[0], [0.2, -0.1, 0.5])


def test_hold_brakes_and_policy_goes_on_from_there():
    rig = Rig()
    rig.drive()
    rig.monitor.request(Mode.HOLD)
    assert not rig.tick().plan.at_rest(rig.now)
    rested = rig.settle().plan.end
    rig.monitor.request(Mode.POLICY)
    rig.offer()
    np.testing.assert_allclose(rig.tick().plan.at(rig.now)[0], rested)


def test_the_expert_takes_over_without_a_stop():
    rig = Rig()
    rig.drive(goal=0.6)
    speed = rig.plan.at(rig.now)[1][0]
    rig.offer(0.6, 'expert')
    rig.monitor.request(Mode.EXPERT)
    rig.offer(0.6, 'expert')
    verdict = rig.tick()
    assert verdict.mode is Mode.EXPERT
    assert rig.velocity[0] > speed > 0.1


BAD_CHUNKS = [
    ({'positions': np.full((8, 3), np.nan)}, 'step 0 of x is nan'),
    ({'names': ('x', 'z', 'y')}, "joint 1 is 'z', the contract says 'y'"),
    ({'names': ('x', 'y')}, 'has 2 joints'),
    ({'positions': np.zeros((8, 2))}, 'positions have shape (8, 2)'),
    ({'contract_hash': 'other'}, 'made for contract other'),
    ({'policy_id': 'bc-2'}, 'comes from bc-2'),
    ({'source': 'expert'}, "says that it comes from 'expert'"),
    ({'positions': None}, 'positions have shape ()'),
    ({'positions': [['a', 'b', 'c']]}, 'policy chunk: TypeError'),
    ({'stamp': 1e6}, 'in the future'),
]


@pytest.mark.parametrize(('change', 'text'), BAD_CHUNKS)
def test_a_bad_chunk_stops_at_the_next_tick(change, text):
    rig = Rig()
    rig.drive()
    rig.monitor.offer(replace(rig.chunk(), **change), 'policy')
    if 'stamp' not in change:
        rig.now += 1e-3
        rig.offer()  # a good one after it does not hide it
    verdict = rig.tick()
    assert verdict.fault
    assert_stops(rig, verdict, text)
    rig.settle()
    rig.monitor.request(Mode.HOLD, resume=True)
    rig.offer()
    rig.monitor.request(Mode.POLICY)  # and what was bad does not stay
    rig.offer()
    assert rig.tick().fault is None


BAD_FRAMES = [
    ({'position': None}, 'measured joint position: missing'),
    ({'position': np.array([0, np.nan, 0])}, 'measured position: element 1 is nan'),
    ({'velocity': np.array([np.inf, 0, 0])}, 'measured velocity: element 0 is inf'),
    ({'features': np.array([np.nan])}, 'measured features: element 0 is nan'),
    ({'features': None}, 'features: missing, the policy cannot be watched'),
    ({'features': np.zeros((0,))}, 'emergency stop: IndexError'),
    ({'invalid': ('wrench: 0.4 s old, limit 0.1 s',)}, 'wrench: 0.4 s old, limit 0.1 s'),
    ({'stamp': 90.0}, 'frame: nothing newer for'),
    ({'stamp': 200.0}, 'in the future'),
    ({'force': np.array([0, 0, 41.0])}, 'wrist force: 41.00 N, limit 20.00 N'),
    ({'torque': np.array([0, 9.0, 0])}, 'wrist torque: 9.00 N m, limit 4.00 N m'),
    ({'position': np.array([0.0, 0.0, 0.9])}, 'z = 0.900 m, workspace -0.800 .. 0.800 m'),
    ({'position': np.array([1.2, 0.0, 0.0])}, 'x: measured at 1.2000'),
    ({'position': np.array([-0.5, 0.0, 0.0])}, 'from its command, limit 0.1000'),
]


@pytest.mark.parametrize(('change', 'text'), BAD_FRAMES)
@pytest.mark.parametrize('mode', [Mode.POLICY, Mode.EXPERT, Mode.HOLD])
def test_a_bad_frame_stops_every_mode(mode, change, text):
    if mode is not Mode.POLICY and change.get('features', 0) is None:
        return  # features are asked of the policy alone
    rig = Rig()
    rig.drive(Mode.POLICY if mode is Mode.HOLD else mode)
    if mode is Mode.HOLD:
        rig.monitor.request(Mode.HOLD)
    assert_stops(rig, rig.tick(**change), text)


@pytest.mark.parametrize(('change', 'text'), [({}, ''), *BAD_FRAMES])
def test_a_frame_that_was_looked_at_before_its_tick_is_judged_as_without(change, text):
    verdicts, rigs = [], [Rig(), Rig()]
    for rig in rigs:
        rig.drive()
        early = rig.monitor.look_at
        rig.offer()
        for bad in ({}, change, {}):
            verdicts.append(rig.tick(before=early if rig is rigs[1] else lambda frame: None, **bad))
    for without, looked_at in zip(verdicts[:3], verdicts[3:], strict=True):
        assert (without.mode, without.fault) == (looked_at.mode, looked_at.fault)
        np.testing.assert_array_equal(without.plan.pieces, looked_at.plan.pieces)
    assert text in verdicts[1].reason


def test_what_is_wrong_with_a_frame_is_known_before_its_tick():
    rig = Rig()
    rig.drive()
    looked = []
    rig.tick(before=lambda frame: looked.append(rig.monitor.look_at(frame)))
    rig.tick(before=lambda frame: looked.append(rig.monitor.look_at(frame)), force=np.full(3, 99.0))
    assert looked == [True, False]


@pytest.mark.parametrize(
    ('jump', 'text'),
    [
        (-50.0, 'clock: jumped 50.000 s backwards'),
        (3.0, 'clock: 3.000 s since the last tick, limit 0.500 s'),
        (float('nan'), 'clock: reads nan s'),
    ],
)
def test_a_clock_that_jumps_leaves_the_arm_to_the_stop_that_was_sent(jump, text):
    rig = Rig()
    last = rig.drive()
    np.testing.assert_array_equal(last.plan.at(rig.now + 2.0)[1], ZERO)
    before = rig.now
    rig.plan = None
    verdict = rig.monitor.tick(rig.frame(stamp=rig.now + jump), rig.now + jump)
    assert (verdict.mode, verdict.plan, verdict.target_end) == (Mode.ALARM, None, None)
    assert verdict.reason == text
    rig.now = before + (0.0 if np.isnan(jump) else jump)
    rig.velocity = ZERO
    for _ in range(3):
        verdict = rig.tick()
        assert (verdict.mode, verdict.plan) == (Mode.ALARM, None)
    rig.monitor.request(Mode.HOLD, resume=True)
    rig.monitor.request(Mode.POLICY)  # and chunks of the new time are taken
    rig.offer()
    assert rig.tick().fault is None
    assert rig.tick().fault is None


def test_a_chunk_of_the_future_does_not_keep_a_source_from_driving():
    rig = Rig()
    rig.tick()
    rig.offer(stamp=rig.now + 99.0)
    with pytest.raises(
        ModeRefused, match=r'policy chunk: stamped 99\.000 s in the future, limit 0\.550 s'
    ):
        rig.monitor.request(Mode.POLICY)
    rig.offer()
    rig.monitor.request(Mode.POLICY)
    assert rig.tick().fault is None


def test_a_source_that_falls_silent_stops():
    rig = Rig(chunk_age=1.0)
    rig.drive()
    for _ in range(12):
        verdict = rig.tick()
    assert_stops(rig, verdict, 'policy chunk: its last step has passed and none is newer')
    rig = Rig(chunk_age=0.12)
    rig.drive()
    for _ in range(4):
        verdict = rig.tick()
    assert_stops(rig, verdict, 'policy chunk: nothing newer for 0.150 s, limit 0.120 s')


def test_the_first_chunk_may_take_a_while_but_not_for_ever():
    rig = Rig(startup_grace=0.5)
    rig.tick()
    rig.monitor.request(Mode.POLICY)
    for _ in range(8):
        verdict = rig.tick()
        assert (verdict.mode, verdict.fault) == (Mode.POLICY, None)
        np.testing.assert_array_equal(verdict.plan.end, ZERO)  # it holds meanwhile
    for _ in range(5):
        verdict = rig.tick()
    assert_stops(rig, verdict, 'policy chunk: none since the mode was asked for')


def test_nothing_older_than_the_request_is_used():
    rig = Rig()
    rig.tick()
    rig.offer()
    rig.tick()
    rig.monitor.discard_before(rig.now + 2.5 * DT)
    rig.monitor.request(Mode.POLICY)
    for _ in range(2):
        rig.offer()
        assert rig.tick().plan is None  # neither this frame nor this chunk
    rig.tick()
    assert rig.tick().plan.end[0] == 0.0  # the frame begins the plan, the chunk is too old
    rig.offer()
    assert rig.tick().plan.end[0] > 0.0


def test_motion_does_not_begin_while_the_arm_moves():
    rig = Rig()
    rig.tick(velocity=np.array([0.0, 0.2, 0.0]))
    with pytest.raises(ModeRefused, match='mode idle to policy: the arm moves'):
        rig.monitor.request(Mode.POLICY)
    rig.tick()
    rig.monitor.request(Mode.POLICY)
    verdict = rig.tick(velocity=np.array([0.0, 0.2, 0.0]))
    assert verdict.plan is None
    assert_stops(rig, verdict, 'the arm moves, or its velocity is not known')


def test_motion_does_not_begin_at_a_posture_that_is_not_confirmed():
    rig = Rig()
    rig.tick(unconfirmed='x: not yet')
    with pytest.raises(ModeRefused, match='idle to hold: not safe to start: x: not yet'):
        rig.monitor.request(Mode.HOLD)
    rig.tick()
    rig.monitor.request(Mode.HOLD)
    verdict = rig.tick(unconfirmed='x: another one')  # between the request and its tick
    assert verdict.plan is None
    assert_stops(rig, verdict, 'x: another one')


def test_motion_does_not_begin_where_the_controller_wants_the_arm_elsewhere():
    rig = Rig(moves=np.array([True, True, False]))
    elsewhere = np.array([0.0, 0.15, 0.0])
    rig.tick(reference=elsewhere)
    text = 'y: its controller wants it at 0.1500, it is measured at 0.0000 rad or m, allowed 0.1'
    with pytest.raises(ModeRefused, match=f'not safe to start: {text}'):
        rig.monitor.request(Mode.HOLD)
    rig.tick()
    rig.monitor.discard_before(rig.now + DT, reset=True)
    rig.monitor.request(Mode.HOLD)
    verdict = rig.tick(reference=elsewhere)  # though the world was reset
    assert verdict.plan is None
    assert_stops(rig, verdict, text)


@pytest.mark.parametrize('beyond', [0.001, -0.001])
def test_motion_does_not_begin_at_a_reference_outside_the_limits(beyond):
    """A plan would begin at the limit, and the controller would jump there."""
    rig = Rig(moves=np.array([True, True, False]))
    low, high = LIMITS.position_min[2], LIMITS.position_max[2]
    spare = 0.02 * LIMITS.velocity[2] * DT
    edge = high + spare if beyond > 0 else low - spare
    rig.tick(reference=np.array([0.0, 0.0, edge + beyond]))
    text = f'z: its controller wants it at {edge + beyond:.4f}, limits {low:.4f} .. {high:.4f} rad'
    with pytest.raises(ModeRefused, match=f'not safe to start: {text}'):
        rig.monitor.request(Mode.HOLD)
    rig.tick(reference=np.array([0.0, 0.0, edge - beyond]))
    rig.monitor.request(Mode.HOLD)
    rig.tick(reference=np.array([0.0, 0.0, edge - beyond]))
    assert rig.monitor.mode is Mode.HOLD


@pytest.mark.parametrize('share', [0.98, 1.5])
def test_without_a_reference_an_arm_may_hang_from_it_by_so_much_and_no_more(share):
    """The first trajectory begins where the joints were measured; its controller makes up for it.

    A quintic from rest to rest over T has a peak speed of 15/8 of its mean, and a peak
    acceleration of 10/sqrt(3) times way over T squared.
    """
    rig = Rig()
    velocity, acceleration = LIMITS.velocity, LIMITS.acceleration
    most = np.minimum(velocity * DT * 8 / 15, acceleration * DT**2 * np.sqrt(3) / 10)
    controller = TrajectoryController(LIMITS.names, share * most, period=DT)
    rig.tick()
    rig.monitor.request(Mode.HOLD)
    now, plan = rig.now, rig.tick().plan
    np.testing.assert_array_equal(plan.at(now)[0], np.zeros(3))
    controller.follow(LIMITS.names, trajectory_of(plan, now, DT, start=now), now)
    path = np.array([controller.reference(t)[1:] for t in now + DT * np.linspace(0, 1, 200)])
    worst = np.abs(path).max(0) / [velocity, acceleration]
    np.testing.assert_allclose(worst.max(0), share, rtol=0.01)


def test_motion_begins_where_the_controller_wants_the_joints_as_far_as_it_says_so():
    rig = Rig(moves=np.array([True, True, False]), start=np.array([0.0, 0.2, 0.3]))
    there = {'reference': np.array([0.05, np.nan, 0.0])}  # the last one holds something
    rig.tick(**there)
    rig.monitor.request(Mode.HOLD)
    np.testing.assert_array_equal(rig.tick(**there).plan.at(rig.now)[0], [0.05, 0.2, 0.0])


@pytest.mark.parametrize('dt', [0.05, 0.01])
@pytest.mark.parametrize(('joint', 'sag', 'held'), [(1, 0.09, -3.0), (7, 0.0, 0.035)])
def test_the_first_commands_are_within_the_speed_limits(dt, joint, sag, held):
    """An arm sags, a gripper squeezes: that they are not at their references is no jump."""
    limits = FRANKA.limits(np.full(3, -2.0), np.full(3, 2.0), force=40.0, torque=8.0)
    monitor = Monitor(
        limits=limits,
        contract_hash='c0ffee',
        dt=dt,
        geometry=Geometry.of_arm(FRANKA),
        calibration=None,
        config=MonitorConfig(allow_uncalibrated=True),
    )
    wanted = FRANKA.home * (np.arange(8) < 7)  # the gripper closed
    controller = TrajectoryController(limits.names, wanted, period=dt)
    goal, peak, share = None, 0.0, np.linspace(0.0, 1.0, 21)
    for tick in range(round(1.0 / dt)):
        now = tick * dt
        reference, velocity, _ = controller.reference(now)
        position = reference.copy()
        position[joint] = max(reference[joint] - sag, held)
        goal = position if goal is None else goal
        frame = MonitorInput(stamp=now, position=position, velocity=velocity, reference=reference)
        chunk = Chunk(
            stamp=now,
            step_dt=dt,
            names=limits.names,
            positions=np.tile(goal, (8, 1)),
            contract_hash='c0ffee',
            policy_id='bc-1',
            source='policy',
        )
        monitor.offer(chunk, 'policy')
        verdict = monitor.tick(frame, now)
        if tick == 0:
            monitor.request(Mode.POLICY)
            continue
        assert verdict.mode is Mode.POLICY, verdict.reason
        controller.follow(limits.names, trajectory_of(verdict.plan, now, dt, start=now), now)
        way = np.abs(np.diff(controller.positions(now + dt * share), axis=0))
        peak = max(peak, float(np.max(way / limits.velocity)) / (dt * share[1]))
    assert peak <= 1.05
    np.testing.assert_allclose(controller.reference(1.0)[0], goal, rtol=0, atol=1e-3)


def test_a_motion_that_has_begun_goes_on_whether_the_posture_is_confirmed_or_not():
    rig = Rig()
    rig.drive()
    rig.offer()
    assert rig.tick(unconfirmed='x: it moves').mode is Mode.POLICY
    rig.monitor.request(Mode.HOLD)
    assert rig.tick(unconfirmed='x: it moves').mode is Mode.HOLD
    rig.monitor.request(Mode.POLICY)


def test_the_first_frame_of_a_world_that_was_reset_needs_no_others():
    rig = Rig()
    rig.tick(unconfirmed='x: not yet')
    rig.monitor.discard_before(rig.now)
    with pytest.raises(ModeRefused, match='x: not yet'):
        rig.monitor.request(Mode.HOLD)
    rig.monitor.discard_before(rig.now, reset=True)
    rig.monitor.request(Mode.HOLD)
    assert rig.monitor.tick(rig.frame(unconfirmed='x: not yet'), rig.now).plan is not None


def test_a_posture_that_contradicts_ends_the_drive_along_the_plan():
    rig = Rig()
    verdict = rig.drive(ticks=6, goal=0.7)
    before, thrown = verdict.plan, rig.position + 0.5
    assert rig.velocity.max() > 0.2
    verdict = rig.tick(invalid=('joint_states: x at 0.1 and at 0.6',), position=thrown)
    np.testing.assert_allclose(verdict.plan.at(rig.now), before.at(rig.now), atol=1e-9)
    assert_stops(rig, verdict, 'joint_states: x at 0.1 and at 0.6')


def test_requests_before_any_frame_and_with_a_fault_are_refused():
    rig = Rig()
    with pytest.raises(ModeRefused, match='no frame has been seen'):
        rig.monitor.request(Mode.HOLD)
    assert rig.tick(force=np.full(3, 99.0)).fault.kind == 'force'
    with pytest.raises(ModeRefused, match=r'not safe to start: wrist force: 171\.47 N'):
        rig.monitor.request(Mode.POLICY)


def test_an_uncalibrated_policy_needs_permission():
    rig = Rig(score=False)
    rig.tick()
    with pytest.raises(ModeRefused, match='no calibrated scores; to fix: calibrate it, or'):
        rig.monitor.request(Mode.POLICY)
    rig.monitor.request(Mode.EXPERT)
    allowed = Rig(score=False, allow_uncalibrated=True)
    verdict = allowed.drive()
    assert np.isnan(verdict.scores.score)


def test_the_idle_source_harms_nothing_but_may_not_drive_after_a_bad_chunk():
    rig = Rig()
    rig.drive(Mode.EXPERT)
    rig.offer(policy_id='bc-2')
    rig.offer(0.3, 'expert')
    assert rig.tick().fault is None
    with pytest.raises(ModeRefused, match=r'comes from bc-2.*let the policy send a good chunk'):
        rig.monitor.request(Mode.POLICY)
    rig.offer()
    rig.monitor.request(Mode.POLICY)
    assert rig.tick().fault is None


def test_novelty_stops_after_n_of_m():
    rig = Rig(window=1, trigger_count=3, trigger_window=5)
    rig.drive(goal=0.6)
    for strange, alarm in [(1, 0), (1, 0), (0, 0), (1, 1)]:
        rig.offer(0.6)
        verdict = rig.tick(features=np.array([1.5 * strange]))
        assert verdict.scores.exceeded == bool(strange)
        assert verdict.scores.triggered == (verdict.mode is Mode.ALARM) == bool(alarm)
        assert verdict.fault is None
    assert (verdict.scores.score, verdict.scores.of('distance')) == (1.5, (1.5, 1.0))
    assert_stops(rig, verdict, 'distance 1.5 above threshold 1, 3 of the last 5 ticks were')


def test_novelty_is_averaged_over_the_window():
    rig = Rig(window=4)
    rig.drive(ticks=4)
    rig.offer()
    assert rig.tick(features=np.array([2.0])).scores.score == 0.5  # (0 + 0 + 0 + 2) / 4


def test_a_hard_fault_comes_before_novelty():
    rig = Rig(window=1, trigger_count=1, trigger_window=1)
    rig.drive()
    assert_stops(rig, rig.tick(features=np.array([9.0]), force=np.full(3, 99.0)), 'wrist force')
    rig = Rig(window=1, trigger_count=1, trigger_window=1)
    rig.drive()
    rig.offer(contract_hash='')
    assert_stops(rig, rig.tick(features=np.array([9.0])), 'made for contract none')


def test_novelty_can_be_reported_alone_and_never_stops_the_expert():
    rig = Rig(novelty=False, window=1, trigger_count=1, trigger_window=1)
    rig.drive()
    rig.offer()
    verdict = rig.tick(features=np.array([9.0]))
    scores = verdict.scores
    assert (verdict.mode, scores.triggered, scores.score) == (Mode.POLICY, True, 9.0)
    rig = Rig(window=1, trigger_count=1, trigger_window=1)
    rig.drive(Mode.EXPERT)
    rig.offer(0.3, 'expert')
    assert rig.tick(features=np.array([9.0])).mode is Mode.EXPERT


def test_a_score_that_is_no_number_is_strange():
    rig = Rig(window=1, trigger_count=1, trigger_window=1)
    rig.drive()
    rig.monitor._watch._calibration.bank.channels[0].score.score = lambda score_input: float('nan')
    rig.offer()
    assert_stops(rig, rig.tick(), 'distance is not known (threshold 1)')


def test_alarm_latches_until_it_is_resumed_at_standstill():
    rig = Rig()
    rig.drive(goal=0.7)
    rig.tick(force=np.full(3, 99.0))
    with pytest.raises(ModeRefused, match='alarm is latched: wrist force'):
        rig.monitor.request(Mode.POLICY)
    rig.tick()
    with pytest.raises(ModeRefused, match='the arm moves'):
        rig.monitor.request(Mode.HOLD, resume=True)
    rig.settle()
    rig.tick(force=np.full(3, 99.0))
    with pytest.raises(ModeRefused, match='the cause is still there: wrist force'):
        rig.monitor.request(Mode.HOLD, resume=True)
    rig.tick()
    rig.monitor.request(Mode.HOLD, resume=True)
    rested = rig.position.copy()
    verdict = rig.settle()
    assert (verdict.mode, verdict.reason) == (Mode.HOLD, 'resumed')
    np.testing.assert_array_equal(rig.position, rested)
    rig.monitor.request(Mode.POLICY)
    rig.offer()
    assert rig.tick().mode is Mode.POLICY


def test_an_arm_moved_away_in_alarm_is_not_commanded_back():
    rig = Rig()
    rig.drive()
    rig.tick(force=np.full(3, 100.0))
    rig.settle()
    assert rig.monitor.mode is Mode.ALARM
    verdict = rig.tick(position=rig.position + 0.05)
    assert verdict.plan is not None
    away = rig.position + 0.3
    assert rig.tick(position=away).plan is None
    for _ in range(3):
        verdict = rig.tick(position=away, velocity=ZERO)
        assert (verdict.mode, verdict.plan) == (Mode.ALARM, None)
    rig.monitor.request(Mode.HOLD, resume=True)
    verdict = rig.tick(position=away, velocity=ZERO)
    np.testing.assert_array_equal(verdict.plan.end, away)


def test_after_a_stop_by_force_it_does_not_press_on():
    rig = Rig()
    rig.drive(ticks=5, goal=0.7)
    contact = rig.position.copy()  # a wall: whatever is commanded, the arm gets no further
    for _ in range(90):
        verdict = rig.tick(force=np.full(3, 99.0), position=contact, velocity=ZERO)
    np.testing.assert_allclose(verdict.plan.end, contact, atol=1e-4)
    assert rig.plan.at_rest(rig.now)  # so that it can be resumed
    for _ in range(10):  # and it does not creep after what is measured later
        verdict = rig.tick(force=np.full(3, 99.0), position=contact - 0.02, velocity=ZERO)
    np.testing.assert_allclose(verdict.plan.end, contact, atol=1e-4)
    assert_stops(rig, verdict, 'wrist force')


def test_giving_way_is_slow_short_and_never_blind():
    rig = Rig(frame_age=1.0)
    rig.drive(ticks=8, goal=0.7)
    stop = rig.plan.end
    verdict = rig.tick(force=np.full(3, 99.0), position=rig.position - 0.09)
    fastest = 0.0
    for _ in range(8):
        verdict = rig.tick(force=np.full(3, 99.0), velocity=ZERO)
        fastest = max(fastest, -rig.velocity.min())
    assert 0.1 < fastest < 0.3  # about a tenth of the speed limit
    assert (verdict.plan.end >= stop - 0.5).all()  # the way of the stop, and what it lagged behind
    for _ in range(40):
        verdict = rig.tick(position=None)
    assert verdict.plan is None  # it stands, and could be moved unseen
    verdict = rig.tick(force=np.full(3, 99.0), position=rig.position + 0.05, velocity=ZERO)
    # What comes at rest moves nothing.
    assert (verdict.mode, verdict.plan) == (Mode.ALARM, None)


def test_giving_way_is_even():
    rig = Rig()
    rig.drive(ticks=5, goal=0.7)
    contact = rig.position.copy()
    speeds = []
    for _ in range(40):
        rig.tick(force=np.full(3, 99.0), position=contact, velocity=ZERO)
        speeds.append(rig.velocity[0])
    back = np.flatnonzero(np.array(speeds) < -0.15)
    assert len(back) > 15
    np.testing.assert_allclose(np.array(speeds)[back[1] : back[-1]], -0.19, atol=5e-3)


def test_an_emergency_ends_giving_way():
    rig = Rig()
    rig.drive(ticks=5, goal=0.7)
    for _ in range(15):
        rig.tick(force=np.full(3, 99.0), position=rig.position - 0.05, velocity=ZERO)
    assert rig.velocity[0] < -0.1
    rest = rig.monitor.emergency(rig.now + DT).plan.end
    rig.now += DT
    for _ in range(20):
        verdict = rig.tick(force=np.full(3, 99.0), velocity=ZERO)
        np.testing.assert_array_equal(verdict.plan.end, rest)


def test_who_is_led_away_while_giving_way_is_let_go():
    rig = Rig()
    rig.drive(ticks=5, goal=0.7)
    contact = rig.position.copy()
    for _ in range(15):
        rig.tick(force=np.full(3, 99.0), position=contact, velocity=ZERO)
    assert rig.velocity[0] < -0.1
    for _ in range(4):  # somebody pulls the arm back, further than the contact
        verdict = rig.tick(force=np.full(3, 99.0), position=contact - 0.3, velocity=ZERO)
    assert verdict.plan is None
    assert verdict.mode is Mode.ALARM


def test_giving_way_ends_whatever_the_force_does():
    rig = Rig()
    rig.drive(ticks=8, goal=0.7)
    begin, spring = rig.now, 0.05  # what it ran into pushes it back further and further
    while rig.now < begin + 6.0:
        pushed = rig.plan.at(rig.now + DT)[0] - spring
        verdict = rig.tick(force=np.full(3, 99.0), position=pushed, velocity=ZERO)
    assert verdict.plan.at_rest(rig.now)


def test_after_an_emergency_nothing_gives_way():
    rig = Rig()
    rig.drive(ticks=8, goal=0.7)
    rig.now += DT
    end = rig.monitor.emergency(rig.now).plan.end
    for _ in range(20):
        verdict = rig.tick(force=np.full(3, 99.0), position=end - 0.05, velocity=ZERO)
        np.testing.assert_array_equal(verdict.plan.end, end)


def test_an_arm_that_moves_later_than_the_plan_is_where_its_driver_wants_it():
    """At 0.5 rad/s, with trajectories that begin half a tick ahead."""
    rig = Rig(delay=DT / 2, tracking_error=0.01)
    rig.tick()
    rig.monitor.request(Mode.POLICY)
    begin, plans = rig.now, []
    for _ in range(14):
        due = rig.now - begin + DT * np.arange(1, 9)
        rig.offer(positions=np.outer(0.5 * due, [1.0, 0.0, 0.0]))
        rig.now += DT
        late = rig.now - DT / 2
        plan = next((p for p in reversed(plans) if p.begin <= late), None)
        if plan is not None:
            rig.position, rig.velocity, _ = plan.at(late)
        verdict = rig.monitor.tick(rig.frame(), rig.now)
        assert verdict.mode is Mode.POLICY, verdict.reason  # compared with where it has to be
        plans.append(verdict.plan)
    assert rig.position[0] == pytest.approx(0.5 * (rig.now - begin), abs=1e-3)
    assert verdict.target_end[0] == pytest.approx(0.5 * (rig.now + DT - begin), abs=1e-3)


def tick_times(hz, random):
    """Times [s] of ticks paced by a driver that jitters by 5 ms and loses 2 % of its samples."""
    times = np.arange(int(hz * 3)) / hz + random.uniform(0.0, 0.005, int(hz * 3))
    times = np.sort(times[random.random(len(times)) >= 0.02])
    schedule = TickSchedule(1 / DT)
    return [time for time in times if schedule.take(10**18 + round(time * 1e9))]


def drive_unevenly(hz, goal_of):
    """Speeds and accelerations (T, 3) of the arm while it is driven at such ticks, each ms."""
    random = np.random.default_rng(round(hz))
    rig = Rig(delay=DT / 2, score=False, allow_uncalibrated=True)
    controller, found = TrajectoryController(NAMES, ZERO, period=DT), []
    times = tick_times(hz, random)
    rig.now = times[0]
    rig.monitor.tick(rig.frame(), rig.now)
    rig.monitor.request(Mode.POLICY)
    for now, following in pairwise(times[1:]):
        rig.now = now
        rig.position, rig.velocity, _ = (part[0] for part in controller._sample([now]))
        rig.offer(positions=goal_of(now + DT * np.arange(1, 9), random))
        verdict = rig.monitor.tick(rig.frame(), now)
        assert verdict.mode is Mode.POLICY, verdict.reason
        ahead = trajectory_of(verdict.plan, now, DT, start=now + DT / 2)
        controller.follow(NAMES, ahead, now)
        found.append(controller._sample(np.arange(now, following, 1e-3))[1:])
    return (np.concatenate(part) for part in zip(*found, strict=True))


def smooth_goal(times, _):
    return np.stack([0.6 * np.sin(2 * times), 0.3 * np.sin(3 * times), 0.2 * np.sin(times)], 1)


def wild_goal(times, random):
    return np.tile(random.uniform(-0.7, 0.7, 3), (len(times), 1))


@pytest.mark.parametrize('goal_of', [smooth_goal, wild_goal])
@pytest.mark.parametrize('hz', [21, 27, 39])
def test_the_arm_keeps_its_limits_though_plans_are_made_for_even_ticks(hz, goal_of):
    speed, acceleration = drive_unevenly(hz, goal_of)
    assert (np.abs(speed) <= LIMITS.velocity).all()
    assert (np.abs(acceleration) <= 1.1 * LIMITS.acceleration).all()


@pytest.mark.parametrize('mode', [Mode.POLICY, Mode.EXPERT])
def test_a_target_out_of_reach_is_a_fault(mode):
    rig = Rig(jump=MonitorConfig().jump)
    before = rig.drive(mode, goal=0.1)
    rig.offer([0.1, 0.1, -0.6], mode.value)
    verdict = rig.tick()
    # 0.95 of 2 rad/s for a tick and 0.2 s.
    assert_stops(rig, verdict, 'z: wanted ')
    assert verdict.reason.endswith(' from its command, limit 0.475 rad or m')
    assert verdict.fault.kind == 'jump'
    assert verdict.plan.end[2] > before.plan.end[2] - 0.05  # it did not follow


def test_a_gripper_may_jump_and_a_new_driver_is_led_there():
    rig = Rig(jump=0.15, handover=0.5, moves=np.array([True, True, False]))
    assert rig.drive(ticks=30, goal=[0.7, 0.0, 0.0]).target_end[0] == pytest.approx(0.7, abs=1e-6)
    rig.offer([0.7, 0.0, -0.7])
    assert rig.tick().mode is Mode.POLICY
    rig.offer([0.0, 0.0, -0.7])
    assert_stops(rig, rig.tick(), 'x: wanted 0.700')


def test_who_leads_the_arm_at_its_speed_limit_is_no_jump():
    rig = Rig(jump=MonitorConfig().jump)
    rig.drive(ticks=1, goal=0.0)
    for step in range(9):
        rig.offer(0.1 * step)  # 2 rad/s at 20 Hz, from a standstill
        assert rig.tick().mode is Mode.POLICY


def test_a_jump_of_one_chunk_is_a_fault_though_the_mean_with_older_ones_is_within_reach():
    rig = Rig(jump=0.02)
    rig.drive(ticks=8, goal=0.0)
    most = 0.95 * 2.0 * (DT + 0.02)
    rig.offer(1.5 * most)  # of the mean 0.28 times that
    verdict = rig.tick()
    assert_stops(rig, verdict, 'wanted')


def test_a_jump_of_one_chunk_is_a_fault_though_a_good_one_follows_before_the_next_tick():
    rig = Rig(jump=0.02)
    rig.drive(ticks=8, goal=0.0)
    most = 0.95 * 2.0 * (DT + 0.02)
    rig.offer(1.5 * most)
    rig.offer(0.0, stamp=rig.now + 1e-3)  # of the mean the bad one is 0.22 times
    assert_stops(rig, rig.tick(), 'wanted')


def test_a_chunk_is_compared_once_with_the_one_before_it():
    rig = Rig(jump=0.02)
    rig.drive(ticks=8, goal=0.0)
    for _ in range(4):
        rig.offer(0.0)
        rig.offer(0.001, stamp=rig.now + 1e-3)
        assert rig.tick().mode is Mode.POLICY


def test_the_way_of_a_tick_is_no_jump_however_long_a_tick_is():
    rig = Rig(jump=0.02)  # at 0.95 of 2 rad/s less than half the way of a tick
    rig.drive(ticks=1, goal=0.0)
    place = 0.0
    for step in np.linspace(0.0, 0.06, 12):
        place += step
        rig.offer(place)
        assert rig.tick().mode is Mode.POLICY


def test_giving_way_keeps_what_the_gripper_holds():
    rig = Rig(moves=np.array([True, True, False]))
    rig.drive(ticks=5, goal=[0.7, 0.7, 0.03])
    contact = [*rig.position[:2], 0.015]  # the third joint, a gripper, squeezes something
    for _ in range(90):
        verdict = rig.tick(force=np.full(3, 99.0), position=np.array(contact), velocity=ZERO)
    np.testing.assert_allclose(verdict.plan.end[:2], contact[:2], atol=1e-4)
    assert verdict.plan.end[2] > 0.025


def test_an_exception_in_idle_commands_nothing():
    rig = Rig()
    rig.tick()
    rig.monitor.request(Mode.HOLD)
    rig.tick()
    rig.monitor.request(Mode.IDLE)
    assert rig.monitor.emergency(rig.now).plan is None


def test_where_commands_are_good_for_one_period_a_stop_is_sent_after_a_jump_of_the_clock():
    rig = Rig()
    rig.monitor._setpoints = True
    last = rig.drive(ticks=8, goal=0.7)
    before, rig.now, rig.plan = rig.now, rig.now + 5.0, None
    verdict = rig.monitor.tick(rig.frame(), rig.now)
    for end, begin in zip(last.plan.at(before + DT), verdict.plan.at(rig.now), strict=True):
        np.testing.assert_allclose(begin, end, atol=1e-9)
    assert_stops(rig, verdict, 'clock: 5.000 s since the last tick')


def test_commanded_motion_ends_inside_the_workspace():
    rig = Rig()
    rig.tick()
    rig.monitor.request(Mode.POLICY)
    highest = 0.0
    for _ in range(60):
        rig.offer([0.0, 0.95, 0.0])
        verdict = rig.tick()
        highest = max(highest, rig.position[1])
    assert verdict.mode is Mode.ALARM
    assert 'planned motion: y = 0.' in verdict.reason
    assert 'workspace -0.790 .. 0.790 m' in verdict.reason
    assert 0.6 < highest <= 0.79


def test_an_exception_inside_a_tick_is_a_stop():
    def forward(positions):
        if positions[0, 0] > 0.01:
            raise ZeroDivisionError('boom')
        return positions

    rig = Rig(forward=forward)
    rig.tick()
    rig.monitor.request(Mode.POLICY)
    for _ in range(6):
        rig.offer()
        verdict = rig.tick()
    assert_stops(rig, verdict, 'emergency stop: ZeroDivisionError: boom')


def test_emergency_stops_even_when_braking_fails(monkeypatch):
    rig = Rig()
    rig.drive(goal=0.7)
    monkeypatch.setattr(rig.monitor._motion._planner, 'stop', lambda *_: 1 / 0)
    verdict = rig.monitor.emergency(float('nan'), 'a wrapper gave up')
    assert 'a wrapper gave up; braking: division by zero' in verdict.fault.text
    assert_stops(rig, verdict, 'emergency stop: a wrapper gave up')


def test_an_emergency_that_is_not_sent_leaves_the_plan_that_was_sent_last():
    rig = Rig()
    sent = rig.drive(goal=0.7).plan
    verdict = rig.monitor.emergency(rig.now + DT, 'the frame could not be read')
    kept = rig.monitor.withdraw(verdict).plan
    times = rig.now + np.linspace(0.0, 1.0, 50)
    np.testing.assert_allclose(kept.at(times)[0], sent.at(times)[0], atol=1e-12)


def test_what_is_wrong_with_a_frame_stays_so_when_the_plan_changes_before_its_tick():
    rig = Rig()
    before = rig.drive(goal=0.7).plan

    def look_and_recover(frame):
        assert not rig.monitor.look_at(frame)
        rig.monitor.recover(before)

    verdict = rig.tick(before=look_and_recover, velocity=np.array([3.0, 0.0, 0.0]))
    assert_stops(rig, verdict, 'x: ')


def test_a_monitor_that_falls_silent_leaves_a_plan_that_stops():
    rig = Rig()
    plan = rig.drive(goal=0.7).plan
    assert np.abs(plan.at(rig.now + DT)[1]).max() > 0.3
    np.testing.assert_array_equal(plan.at(rig.now + 1.0)[1], ZERO)


def test_a_period_of_nothing_is_refused():
    with pytest.raises(IlRosError, match=r'monitor: control period is 0\.0 s; allowed: above 0 s'):
        Monitor(
            limits=LIMITS, contract_hash='', dt=0.0, geometry=None, calibration=None,
            config=MonitorConfig(),
        )  # fmt: skip


# Warning and falling back ------------------------------------------------------------------


def strange(rig, size, ticks=3, goal=0.6):
    for _ in range(ticks):
        rig.offer(goal)
        verdict = rig.tick(features=np.array([size]))
    return verdict


SLOW = {'window': 1, 'dwell': 0.2, 'handover': 0.0, 'fallback': Fallback(kind='hold', speed=0.25)}


def steady(rig, size, ticks):
    """A policy that wants to go on from where the arm is at 0.8 rad/s."""
    for _ in range(ticks):
        steps = rig.position + 0.8 * DT * np.arange(1, 9)[:, None] * [1.0, 0.0, 0.0]
        rig.monitor.offer(rig.chunk(positions=steps), 'policy')
        verdict = rig.tick(features=np.array([size]))
    return verdict


def test_a_warning_slows_down_and_ends_after_a_while():
    rig = Rig(**SLOW, start=[-0.7, 0.0, 0.0])
    rig.tick()
    rig.monitor.request(Mode.POLICY)
    steady(rig, 0.1, 10)
    assert rig.velocity[0] == pytest.approx(0.8, rel=0.1)
    verdict = steady(rig, 0.7, 10)
    assert verdict.mode is Mode.POLICY
    assert verdict.warning == 'distance 0.7 is 0.70 of its threshold 1, warning from 0.50'
    assert 0.1 < rig.velocity[0] < 0.3  # a quarter of it, give or take its ripple
    assert steady(rig, 0.1, 4).warning
    assert not steady(rig, 0.1, 3).warning
    steady(rig, 0.1, 6)
    assert rig.velocity[0] == pytest.approx(0.8, rel=0.1)


def test_scores_that_only_report_do_not_slow_down():
    rig = Rig(**SLOW, novelty=False)
    rig.drive(ticks=3)
    assert not strange(rig, 0.7, ticks=8).warning


def falling_back(**fallback):
    rig = Rig(window=1, fallback=Fallback(**fallback))
    rig.drive(ticks=12, goal=0.6)
    return rig


def run(rig, until, ticks=200):
    for i in range(ticks):
        verdict = rig.tick()
        if until(verdict):
            return verdict, i
    raise AssertionError(verdict)


def test_it_goes_back_the_way_it_came_and_waits_for_a_resume():
    rig = falling_back(kind='retreat', speed=0.5, seconds=0.4)
    there = rig.position[0]
    verdict = strange(rig, 2.0)
    assert verdict.mode is Mode.FALLBACK
    assert 'distance 2 above threshold 1' in verdict.reason
    verdict, ticks = run(rig, lambda v: v.mode is Mode.ALARM)
    assert rig.position[0] < there - 0.05
    assert 0.8 <= ticks * DT <= 1.4  # 0.4 s at half the speed, and a moment to come to rest
    assert_stops(rig, verdict, 'distance 2 above threshold 1')


def test_it_goes_to_the_safe_posture():
    rig = falling_back(kind='posture', speed=0.3, posture=(-0.2, 0.1, 0.0))
    assert strange(rig, 2.0).mode is Mode.FALLBACK
    fastest = 0.0
    for _ in range(200):
        verdict = rig.tick()
        if verdict.mode is Mode.ALARM:
            break
        fastest = max(fastest, np.abs(rig.velocity).max())
    np.testing.assert_allclose(rig.position, [-0.2, 0.1, 0.0], atol=1e-3)
    assert 0.3 < fastest < 2.0  # faster only while it leaves what it did before
    assert_stops(rig, verdict, 'above threshold')


def test_a_fault_stops_the_way_back():
    rig = falling_back(kind='retreat', seconds=2.0)
    strange(rig, 2.0)
    assert_stops(rig, rig.tick(force=np.full(3, 99.0)), 'then wrist force')


def test_hold_on_the_way_back_is_a_stop_that_stays_latched():
    rig = falling_back(kind='retreat', seconds=2.0)
    strange(rig, 2.0)
    rig.monitor.request(Mode.HOLD)
    assert_stops(rig, rig.tick(), 'then stopped by request')


def test_without_a_way_back_it_holds():
    rig = Rig(window=1, fallback=Fallback(kind='retreat'))
    rig.tick()
    rig.monitor.request(Mode.POLICY)
    assert strange(rig, 2.0, ticks=3, goal=0.0).mode in (Mode.FALLBACK, Mode.ALARM)


def test_it_hands_over_to_an_expert_that_is_there():
    rig = falling_back(kind='expert')
    for _ in range(3):
        rig.offer(0.5, 'expert')
        verdict = strange(rig, 2.0, ticks=1)
    assert verdict.mode is Mode.EXPERT
    for _ in range(20):
        rig.offer(0.5, 'expert')
        verdict = rig.tick(features=np.array([9.0]))
    assert verdict.mode is Mode.EXPERT
    np.testing.assert_allclose(rig.position, 0.5, atol=1e-3)


def test_without_an_expert_it_holds():
    rig = falling_back(kind='expert')
    assert_stops(rig, strange(rig, 2.0), 'above threshold')


def test_it_goes_on_slowly_for_a_while_and_then_stops():
    rig = falling_back(kind='slow', speed=0.3, seconds=0.5)
    verdict = strange(rig, 2.0, ticks=8)
    assert (verdict.mode, bool(verdict.warning)) == (Mode.POLICY, True)
    verdict = strange(rig, 2.0, ticks=6)
    assert_stops(rig, verdict, 'slowly for 0.5 s')


def test_slow_is_forgiven_when_the_scores_have_been_good_for_a_while():
    rig = Rig(window=1, dwell=0.2, fallback=Fallback(kind='slow', speed=0.3, seconds=0.5))
    rig.drive(ticks=12, goal=0.6)
    for _ in range(4):
        assert strange(rig, 2.0, ticks=8).mode is Mode.POLICY
        assert strange(rig, 0.0, ticks=12).mode is Mode.POLICY


def test_slow_is_not_forgiven_for_a_calm_moment():
    rig = falling_back(kind='slow', speed=0.3, seconds=0.5)
    for _ in range(4):
        strange(rig, 2.0, ticks=6)
        verdict = strange(rig, 0.0, ticks=3)
    assert_stops(rig, verdict, 'slowly for 0.5 s')


def test_slow_is_slow_also_where_no_score_warns():
    rig = Rig(window=1, fallback=Fallback(kind='slow', speed=0.2, seconds=2.0), overdue=1e-3)
    rig.monitor._watch._calibration = replace(calibration(1), longest=4000)
    rig.tick()
    rig.monitor.request(Mode.POLICY)
    for _ in range(12):
        rig.offer(0.9)
        verdict = rig.tick()
    assert verdict.warning.startswith('overdue: ')
    assert 0.0 < rig.velocity[0] <= 0.2 * 2.0 + 1e-6


# Taking over -----------------------------------------------------------------------------------


def teleoperate(rig, held, ticks=1, goal=0.3, policy=0.6):
    for _ in range(ticks):
        rig.monitor.enable_switch(held, rig.now)
        rig.offer(goal, 'expert')
        rig.offer(policy)
        verdict = rig.tick()
    return verdict


def watched(*, ticks=3, **config):
    """A rig that the policy drives; an operator next to it does not hold the enable switch."""
    rig = Rig(**{'handover': 0.5, **config})
    rig.drive(ticks=ticks, goal=0.6)
    teleoperate(rig, False)
    return rig


def test_the_operator_who_holds_the_enable_switch_drives_and_letting_go_holds():
    rig = watched()
    verdict = teleoperate(rig, True)
    assert (verdict.mode, verdict.takeover, verdict.reason) == (Mode.EXPERT, True, 'takeover')
    teleoperate(rig, True, ticks=30)
    np.testing.assert_allclose(rig.position, 0.3, atol=1e-3)
    verdict = teleoperate(rig, False)
    assert (verdict.mode, verdict.takeover, verdict.resumed) == (Mode.HOLD, False, False)


def test_a_takeover_follows_nothing_from_before_the_bound():
    rig = watched()
    rig.monitor.discard_before(rig.now + 5.5 * DT)
    before = rig.position.copy()
    for _ in range(5):
        rig.monitor.enable_switch(True, rig.now)
        rig.offer(-0.3, 'expert')
        verdict = rig.tick()
    assert verdict.takeover
    assert np.all(rig.position >= before)  # what the expert said before the bound leads down
    teleoperate(rig, True, ticks=40, goal=-0.3)
    np.testing.assert_allclose(rig.position, -0.3, atol=1e-3)


def test_the_mode_to_come_is_known_before_the_tick():
    rig = watched(takeover_return=True)
    assert rig.monitor.next_mode is Mode.POLICY
    rig.monitor.enable_switch(True, rig.now)
    assert (rig.monitor.mode, rig.monitor.next_mode) == (Mode.POLICY, Mode.EXPERT)
    teleoperate(rig, True)
    rig.monitor.enable_switch(False, rig.now)
    assert (rig.monitor.mode, rig.monitor.next_mode) == (Mode.EXPERT, Mode.POLICY)
    assert teleoperate(rig, False).mode is Mode.POLICY


def test_the_mode_to_come_is_the_present_one_where_an_enable_switch_changes_nothing():
    rig = Rig()
    rig.monitor.enable_switch(False, rig.now)
    rig.monitor.enable_switch(True, rig.now)
    assert rig.monitor.next_mode is Mode.IDLE
    rig = watched()  # without takeover_return
    teleoperate(rig, True)
    rig.monitor.enable_switch(False, rig.now)
    assert rig.monitor.next_mode is Mode.HOLD


def test_no_tick_waits_for_an_expert_whose_device_has_died():
    rig = watched(takeover_return=True)

    def tick(ticks=1, **held):
        for _ in range(ticks):
            for device, down in held.items():
                rig.monitor.enable_switch(down, rig.now, device)
            rig.offer(0.3, 'expert')
            rig.offer(0.6)
            verdict = rig.tick()
        return verdict

    tick(one=False, other=False)
    assert tick(one=True).takeover
    tick(one=True, other=True)
    tick(one=True, ticks=10)  # the other one says nothing any more, and has not let go
    rig.monitor.enable_switch(False, rig.now, 'one')
    assert rig.monitor.next_mode is Mode.POLICY
    assert tick().mode is Mode.POLICY


def test_of_two_devices_one_that_holds_keeps_the_arm():
    rig = watched(takeover_return=True)
    for _ in range(5):
        rig.monitor.enable_switch(False, rig.now, 'person')
        rig.monitor.enable_switch(True, rig.now, '')
        rig.offer(0.3, 'expert')
        verdict = rig.tick()
    assert (verdict.mode, verdict.takeover) == (Mode.EXPERT, True)


def test_a_second_device_gets_the_arm_as_a_new_driver_when_the_first_lets_go():
    rig = watched(takeover_clutch=True)
    reach = {'first': 0.3, 'second': -0.5}

    def tick(first, second, driver, ticks=1):
        for _ in range(ticks):
            rig.monitor.enable_switch(first, rig.now, 'first')
            rig.monitor.enable_switch(second, rig.now, 'second')
            rig.offer(reach[driver], 'expert')
            verdict = rig.tick()
        return verdict

    tick(False, False, 'first')
    tick(True, False, 'first', ticks=20)
    tick(True, True, 'first', ticks=5)
    stood = rig.position.copy()
    verdict = tick(False, True, 'second', ticks=20)
    assert (verdict.mode, verdict.takeover) == (Mode.EXPERT, True)
    # By the clutch only the device's motion counts: it was not moved, so the arm stands.
    np.testing.assert_allclose(rig.position, stood, atol=0.02)
    assert tick(False, False, 'second').mode is Mode.HOLD


def test_a_policy_goes_on_by_what_it_sees_from_then_on():
    rig = watched(takeover_return=True)
    teleoperate(rig, True, ticks=20)
    old = rig.chunk(-0.9)
    rig.monitor.enable_switch(False, rig.now)
    verdict = rig.tick()
    assert (verdict.mode, verdict.resumed) == (Mode.POLICY, True)
    assert not rig.tick().resumed
    before = rig.position.copy()
    rig.monitor.offer(old, 'policy')  # of before: never used
    for _ in range(3):
        rig.tick()
    np.testing.assert_allclose(rig.position, before, atol=1e-2)
    for _ in range(30):
        rig.offer(0.6)
        verdict = rig.tick()
    assert verdict.mode is Mode.POLICY
    np.testing.assert_allclose(rig.position, 0.6, atol=1e-3)


def test_no_policy_goes_on_where_the_device_was_lost():
    rig = watched(takeover_return=True)
    teleoperate(rig, True, ticks=20)
    rig.monitor.enable_switch(False, rig.now, lost=True)
    assert rig.monitor.next_mode is Mode.HOLD
    verdict = rig.tick()
    assert (verdict.mode, verdict.resumed) == (Mode.HOLD, False)


def test_where_the_device_was_lost_the_arm_is_held_before_another_gets_it():
    rig = watched(takeover_return=True)
    teleoperate(rig, True, ticks=20)
    rig.monitor.enable_switch(False, rig.now, 'other')
    rig.tick()
    rig.monitor.enable_switch(False, rig.now, lost=True)
    for mode in (Mode.HOLD, Mode.EXPERT, Mode.EXPERT):
        rig.monitor.enable_switch(True, rig.now, 'other')
        rig.offer(0.3, 'expert')
        assert rig.monitor.next_mode is mode
        assert rig.tick().mode is mode
    rig.monitor.enable_switch(False, rig.now, 'other')
    assert rig.tick().mode is Mode.HOLD  # no policy goes on, whichever switch is let go last


def test_without_chunks_of_the_expert_the_arm_comes_to_rest_and_then_it_is_a_fault():
    rig = watched(startup_grace=0.5)
    assert rig.velocity[0] > 0.1
    for _ in range(8):
        rig.monitor.enable_switch(True, rig.now)
        rig.monitor._driving._intakes['expert'].follower.reset()
        verdict = rig.tick()
    assert verdict.mode is Mode.EXPERT
    np.testing.assert_array_equal(rig.velocity, ZERO)
    for _ in range(6):
        rig.monitor.enable_switch(True, rig.now)
        verdict = rig.tick()
    assert_stops(rig, verdict, 'expert chunk: none since the mode was asked for')


def test_a_device_that_falls_silent_while_it_drives_is_a_fault():
    rig = watched()
    teleoperate(rig, True, ticks=3)
    for _ in range(7):
        rig.offer(0.3, 'expert')
        verdict = rig.tick()
        if verdict.mode is Mode.ALARM:
            break
    assert_stops(rig, verdict, 'takeover: nothing from its device for 0.300 s, limit 0.250 s')


def test_an_enable_switch_that_is_stuck_takes_nothing():
    rig = Rig()
    rig.monitor.enable_switch(False, rig.now)
    rig.monitor.enable_switch(True, rig.now)  # before anybody drives
    rig.drive(goal=0.6)
    assert teleoperate(rig, True, ticks=3).mode is Mode.POLICY
    teleoperate(rig, False)
    assert teleoperate(rig, True).mode is Mode.EXPERT


def test_hold_stops_a_takeover_though_the_enable_switch_is_held():
    rig = watched()
    teleoperate(rig, True, ticks=5)
    rig.monitor.request(Mode.HOLD)
    for _ in range(20):
        assert teleoperate(rig, True).mode is Mode.HOLD
    np.testing.assert_array_equal(rig.velocity, ZERO)
    teleoperate(rig, False)
    assert teleoperate(rig, True).mode is Mode.EXPERT


def test_a_resume_with_a_held_enable_switch_moves_nothing():
    rig = watched()
    teleoperate(rig, True, ticks=3)
    rig.tick(force=np.full(3, 99.0))
    for _ in range(30):
        assert teleoperate(rig, True).mode is Mode.ALARM
    rig.monitor.request(Mode.HOLD, resume=True)
    for _ in range(5):
        assert teleoperate(rig, True).mode is Mode.HOLD
        np.testing.assert_array_equal(rig.velocity, ZERO)


def test_an_expert_that_was_handed_the_arm_is_stopped_by_letting_go():
    rig = Rig(window=1, fallback=Fallback(kind='expert'))
    rig.drive(ticks=12, goal=0.6)
    for _ in range(3):
        rig.offer(0.5, 'expert')
        verdict = strange(rig, 2.0, ticks=1)
    assert (verdict.mode, verdict.takeover) == (Mode.EXPERT, False)
    teleoperate(rig, False)
    assert teleoperate(rig, True).takeover
    assert_stops(rig, teleoperate(rig, False), 'then corrected by hand')


def test_a_takeover_out_of_a_retreat_ends_in_an_alarm():
    rig = Rig(window=1, fallback=Fallback(kind='retreat', seconds=2.0))
    rig.drive(ticks=12, goal=0.6)
    teleoperate(rig, False)
    assert strange(rig, 2.0).mode is Mode.FALLBACK
    teleoperate(rig, False)
    assert teleoperate(rig, True, ticks=5).mode is Mode.EXPERT
    verdict = teleoperate(rig, False)
    assert_stops(rig, verdict, 'then corrected by hand')


@pytest.mark.parametrize('clutch', [False, True])
def test_an_operator_who_is_elsewhere_does_not_make_the_arm_jump(clutch):
    rig = watched(takeover_clutch=clutch, ticks=40)
    here = rig.position[0]
    fastest = 0.0
    for _ in range(60):
        teleoperate(rig, True, goal=-0.5)
        fastest = max(fastest, np.abs(rig.velocity).max())
    if clutch:
        np.testing.assert_allclose(rig.position[0], here, atol=0.02)
        teleoperate(rig, True, ticks=40, goal=-0.6)
        np.testing.assert_allclose(rig.position[0], here - 0.1, atol=0.02)
    else:
        np.testing.assert_allclose(rig.position[0], -0.5, atol=1e-3)
        assert fastest < 2.0  # 1.1 rad in half a second along the smooth fade: 3.3 without limit


chunks = st.fixed_dictionaries(
    {},
    optional={
        'positions': st.lists(
            st.lists(st.floats(-3, 3) | st.sampled_from([np.nan, np.inf]), min_size=3, max_size=3),
            min_size=1,
            max_size=5,
        ).map(np.array),
        'names': st.sampled_from([('x', 'z', 'y'), ('x',)]),
        'contract_hash': st.just(''),
    },
)
frames = st.fixed_dictionaries(
    {},
    optional={
        'features': st.sampled_from([None, np.array([5.0]), np.array([np.nan])]),
        'force': st.sampled_from([None, np.full(3, 99.0)]),
        'position': st.sampled_from([None, np.full(3, 0.85), np.full(3, np.nan)]),
        'velocity': st.sampled_from([None, np.ones(3)]),
        'invalid': st.just(('camera: never',)),
    },
)
goals = st.lists(st.floats(-3, 3), min_size=3, max_size=3)
actions = st.one_of(
    st.tuples(st.just('goal'), goals, st.sampled_from(['policy', 'expert'])),
    st.tuples(st.just('goal'), goals, st.sampled_from(['policy', 'expert'])),
    st.tuples(st.just('chunk'), chunks, st.sampled_from(['policy', 'expert'])),
    st.tuples(st.just('request'), st.sampled_from(Mode), st.booleans()),
    st.tuples(st.just('enable_switch'), st.booleans(), st.none()),
    st.tuples(st.just('tick'), st.just({}), st.floats(0.0, 0.2)),
    st.tuples(st.just('tick'), st.just({}), st.just(DT)),
    st.tuples(st.just('tick'), frames, st.sampled_from([DT, 0.7])),
)


def assert_safe(verdict, before, rig):
    assert (verdict.plan is None) or verdict.mode is not Mode.IDLE
    if verdict.plan is None:
        return
    low, high, speed = verdict.plan.extremes()
    assert (low >= LIMITS.position_min - POSITION_TOLERANCE).all()
    assert (high <= LIMITS.position_max + POSITION_TOLERANCE).all()
    assert (speed <= LIMITS.velocity * (1 + 1e-9)).all()
    assert (np.abs(verdict.plan.pieces[3]) <= LIMITS.acceleration * (1 + 1e-9)).all()
    assert (np.abs(verdict.plan.pieces[4]) <= LIMITS.jerk * (1 + 1e-9)).all()
    assert (np.abs(verdict.plan.end) <= 0.8).all()
    if before is not None:
        for old, new in zip(before.at(rig.now), verdict.plan.at(rig.now), strict=True):
            np.testing.assert_allclose(new, old, atol=1e-9)


FALLBACKS = [
    Fallback(),
    Fallback(kind='slow', seconds=0.2),
    Fallback(kind='retreat', seconds=0.5),
    Fallback(kind='posture', posture=(0.7, -0.7, 0.0)),
    Fallback(kind='expert'),
]


@settings(max_examples=120, deadline=None)
@given(
    st.lists(actions, min_size=5, max_size=40),
    st.sampled_from(FALLBACKS),
    st.booleans(),
    st.sampled_from([0.0, 0.5]),
)
def test_whatever_happens_motion_is_safe_and_alarm_leads_to_rest(sequence, fallback, flag, blend):
    rig = Rig(
        window=1, fallback=fallback, takeover_return=flag, takeover_clutch=flag, chunk_blend=blend
    )
    rig.tick()
    rig.monitor.request(Mode.HOLD)
    rig.tick()
    rig.monitor.request(Mode.POLICY)
    for what, content, more in sequence:
        latched, before = rig.monitor.mode is Mode.ALARM, rig.plan
        if what == 'goal':
            rig.offer(content, more)
        elif what == 'chunk':
            rig.offer(0.3, more, **content)
        elif what == 'enable_switch':
            rig.monitor.enable_switch(content, rig.now)
        elif what == 'request':
            try:
                rig.monitor.request(content, resume=more)
            except ModeRefused:
                continue
            assert not latched or content is Mode.ALARM or (more and not content.driving)
        else:
            verdict = rig.tick(wait=more, **dict(content))
            assert_safe(verdict, before, rig)
            assert not latched or verdict.mode is Mode.ALARM
    if rig.monitor.mode is Mode.ALARM and rig.plan is not None:
        rig.settle()
        assert rig.plan.at_rest(rig.now)
        np.testing.assert_array_equal(rig.velocity, ZERO)


def test_a_tick_is_quick():
    rig = Rig()
    rig.drive()
    costs = []
    for _ in range(200):
        rig.offer(0.3 * np.sin(rig.now))
        frame, now = rig.frame(), rig.now
        begin = time.process_time()
        rig.monitor.tick(frame, now)
        costs.append(time.process_time() - begin)
        rig.tick()
    assert np.median(costs) < 2e-3  # 0.4 ms on an idle core; here it shares one


@pytest.mark.parametrize('each', [5, 20])
def test_a_source_that_answers_seldom_is_no_jump_as_long_as_its_chunks_fit_together(each):
    rig = Rig(start=[-0.7, -0.7, -0.7], jump=MonitorConfig().jump, chunk_age=2.0)
    rig.drive(ticks=1, goal=-0.7)
    begin = rig.now
    for tick in range(50):
        if tick % each == 0:  # the chunk before ends where this one begins
            ahead = rig.now - begin + DT * np.arange(1, each + 2)
            rig.offer(positions=np.broadcast_to(-0.7 + 0.5 * ahead[:, None], (each + 1, 3)))
        verdict = rig.tick()
        assert verdict.mode is Mode.POLICY, verdict.reason


def test_what_was_noticed_between_two_ticks_stops_the_arm_though_it_is_over():
    rig = Rig()
    rig.drive(ticks=4)
    assert np.abs(rig.velocity).max() > 0.05
    rig.monitor.stop_for(Fault('force', 'wrist force: 90.00 N, limit 32.00 N (in one sample)'))
    verdict = rig.tick()  # the frame itself has no contact any more
    assert (verdict.mode, verdict.fault.kind) == (Mode.ALARM, 'force')
    assert rig.tick().fault is None  # noticed once, and latched all the same
    assert rig.monitor.mode is Mode.ALARM


def test_no_motion_begins_after_a_contact_that_no_tick_has_seen_yet():
    rig = Rig()
    rig.tick()
    rig.monitor.stop_for(Fault('force', 'a contact'))
    with pytest.raises(ModeRefused, match='a contact'):
        rig.monitor.request(Mode.HOLD)
    rig.tick()
    rig.tick()
    rig.monitor.request(Mode.HOLD)


def test_a_tick_that_is_brought_forward_brakes_as_smoothly_as_any_other():
    rig = Rig()
    rig.drive(ticks=4)
    speed = np.abs(rig.velocity).max()
    rig.monitor.stop_for(Fault('force', 'a contact'))
    verdict = rig.tick(wait=0.003)  # of a period of 0.05 s
    assert_stops(rig, verdict, 'a contact')
    times = rig.now + np.linspace(0.0, 1.0, 400)
    speeds = np.array([np.abs(verdict.plan.at(t)[1]).max() for t in times])
    steps = np.array([np.abs(verdict.plan.at(t)[2]).max() for t in times])
    assert speeds.max() < speed + 0.1
    assert steps.max() <= LIMITS.acceleration.max() * (1 + 1e-9)
