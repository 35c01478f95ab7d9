"""Two arms under one monitor: each tool, every link, the distance between them, and one stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.arm_geometry import Geometry
from il_ros.core.contract import WrenchLimits, load_contract
from il_ros.core.errors import ContractError
from il_ros.core.limits import Zone
from il_ros.core.robots.viperx_pair import VIPERX_PAIR
from il_ros.monitors import checks
from il_ros.monitors.measurement_checks import MeasurementChecks
from il_ros.monitors.mode import Mode
from il_ros.monitors.monitor_assembly import make_monitor
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import Chunk, MonitorInput
from il_ros.monitors.planned_motion import Motion

CONTRACT = load_contract(
    Path(__file__).parents[2] / 'config/contracts/viperx_pair_bimanual_handover.yaml'
)
LIMITS, DT, NAMES = CONTRACT.limits, CONTRACT.period, CONTRACT.action.names
PAIR = Geometry.of_arm(VIPERX_PAIR)
HOME = VIPERX_PAIR.home
STILL = np.zeros(14)
LEFT, RIGHT = (limb.columns(VIPERX_PAIR.names) for limb in VIPERX_PAIR.limbs)


def joint(name):
    """1 at one joint."""
    return (np.array(NAMES) == name).astype(float)


# Both shoulders and elbows ahead: the hands go towards each other.
FORWARD = sum(
    share * joint(f'{side}_{name}')
    for side in ('left', 'right')
    for name, share in (('shoulder', 1.0), ('elbow', -1.0))
)


def separated(q):
    """Whether the arms are as far apart as they have to be, at all postures (T, N)."""
    return PAIR.clearance.gaps(q).min() >= LIMITS.separation


def test_each_tool_and_each_part_is_where_its_chain_has_it():
    rng = np.random.default_rng(0)
    q = rng.uniform(VIPERX_PAIR.position_min, VIPERX_PAIR.position_max, (20, 14))
    tools, outline = PAIR.tools(q), PAIR.outline(q)
    assert tools.shape == (20, 2, 3)
    for i, limb in enumerate(VIPERX_PAIR.limbs):
        wanted = [limb.chain.forward(row[limb.columns(VIPERX_PAIR.names)])[0] for row in q]
        np.testing.assert_allclose(tools[:, i], wanted, atol=1e-12)
        begin = PAIR.parts.index(f'{limb.side} tool centre point')
        np.testing.assert_allclose(outline[:, begin], wanted, atol=1e-12)
        assert PAIR.parts[begin + 1] == f'{limb.side}_shoulder_link'
    assert outline.shape == (20, len(PAIR.parts), 3)
    assert PAIR.radius.shape == (len(PAIR.parts),)
    assert PAIR.names == ('left tool centre point', 'right tool centre point')


def test_a_fault_of_the_workspace_names_the_tool():
    tools = np.array([[[0.0, 0.0, 0.2], [0.1, 0.5, 0.2]]])
    fault = checks.workspace(tools, LIMITS, names=PAIR.names)
    assert fault.text == 'right tool centre point: y = 0.500 m, workspace -0.400 .. 0.400 m'
    inside = tools[:, :1].repeat(2, 1)
    way = np.concatenate([inside, tools])
    fault = checks.workspace(way, LIMITS, names=PAIR.names, planned=True)
    assert fault.text.startswith('planned motion, right tool centre point: y = 0.500 m')
    assert checks.workspace(inside, LIMITS, names=PAIR.names) is None


def test_a_fault_of_the_distance_names_both_parts():
    parts, least = (('left_a', 'right_a'), ('left_a', 'right_b')), LIMITS.separation
    assert checks.apart(np.array([[0.02, 0.3]]), least, parts=parts) is None
    fault = checks.apart(np.array([[0.3, 0.0199]]), least, parts=parts)
    assert fault == checks.Fault('separation', 'left_a: 0.020 m from right_b, limit 0.020 m')
    gaps = np.array([[0.3, 0.3], [0.025, 0.3]])
    fault = checks.apart(gaps, least + 0.01, parts=parts, planned=True)
    assert fault.text == 'planned motion: left_a: 0.025 m from right_a, limit 0.030 m'
    assert checks.apart(np.array([[0.3, np.nan]]), least, parts=parts) is not None


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_what_is_measured_is_judged_by_every_tool_link_and_distance(seed):
    """Wherever both arms are: a fault is told exactly where a bound is broken."""
    rng = np.random.default_rng(seed)
    q = np.where(
        rng.random() < 0.5,
        rng.uniform(LIMITS.position_min, LIMITS.position_max),
        HOME + rng.uniform(0.0, 1.2) * FORWARD + rng.normal(0.0, 0.2, 14),
    ).clip(LIMITS.position_min, LIMITS.position_max)
    zone = Zone(name='post', min=np.array([-0.05, 0.1, 0.0]), max=np.array([0.05, 0.2, 0.5]))
    limits = replace(LIMITS, keep_out=(zone,))
    measured = MeasurementChecks(limits, MonitorConfig(), dt=DT, geometry=PAIR)
    fault = measured.judge(MonitorInput(stamp=0.0, position=q), None)
    far = checks.beyond_workspace(PAIR.tools(q[None])[0], limits, 0.0).max() > 0.0
    near = not separated(q[None])
    inside = (checks.into_zones(PAIR.outline(q[None]), limits, PAIR.radius) > 0.0).any()
    kinds = {'workspace': far, 'separation': near, 'keep_out': inside}
    expected = [kind for kind, broken in kinds.items() if broken]
    assert (fault.kind if fault else None) == (expected[0] if expected else None)


def test_two_hands_that_go_towards_each_other_stop_in_time():
    made = Motion(LIMITS, dt=DT, geometry=PAIR, margin=0.01)
    made.begin(HOME, 0.0)
    target, fault = HOME, None
    for tick in range(40):
        target = target + FORWARD * DT
        fault = made.drive(target, FORWARD, tick * DT)
        if fault:
            made.brake(tick * DT)
            break
    assert fault.kind == 'separation'
    assert fault.text.startswith('planned motion: left_')
    assert ' m from right_' in fault.text
    whole = made.plan.at(np.linspace(0.0, made.plan.end_time, 500))[0]
    assert separated(whole)
    assert PAIR.clearance.gaps(whole[-1:]).min() < 0.1  # not long before either


def test_arms_that_are_too_near_may_part_but_not_come_nearer():
    made = Motion(replace(LIMITS, separation=0.3), dt=DT, geometry=PAIR, margin=0.01)
    made.begin(HOME + 0.3 * FORWARD, 0.0)
    assert PAIR.clearance.gaps((HOME + 0.3 * FORWARD)[None]).min() < 0.3
    fault = made.drive(HOME + 0.35 * FORWARD, STILL, 0.0)
    assert fault.kind == 'separation'
    assert made.drive(HOME + 0.28 * FORWARD, STILL, 0.0) is None


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_between_the_looks_the_arms_never_come_too_near(seed):
    rng = np.random.default_rng(seed)
    made, goal = Motion(LIMITS, dt=DT, geometry=PAIR, margin=0.01), HOME
    made.begin(HOME, 0.0)
    for tick in range(40):
        if tick % 8 == 0:
            goal = HOME + 0.8 * FORWARD + rng.normal(0.0, 0.4, 14)
            goal = goal.clip(LIMITS.position_min, LIMITS.position_max)
        here = made.plan.at(tick * DT)[0]
        step = np.clip(goal - here, -LIMITS.velocity * DT, LIMITS.velocity * DT)
        if made.drive(here + step, 0.9 * step / DT, tick * DT):
            made.brake(tick * DT)
        assert separated(made.plan.at(np.linspace(tick * DT, made.plan.end_time, 40))[0])


class Rig:
    """The contract's monitor with a pair behind it that does exactly what the plan says."""

    def __init__(self, **config):
        self.monitor = make_monitor(CONTRACT, None, MonitorConfig(**config))
        self.now, self.position, self.velocity = 100.0, HOME, STILL
        self.plan = None

    def tick(self, *, off=STILL, goal=None, following=None):
        self.now += DT
        if self.plan is not None:
            self.position, self.velocity, _ = self.plan.at(self.now - CONTRACT.command_delay)
        if goal is not None:
            self.monitor.offer(self._chunk(goal), 'expert')
        frame = MonitorInput(
            stamp=self.now,
            position=self.position + off,
            velocity=self.velocity,
            following=following or {},
        )
        verdict = self.monitor.tick(frame, self.now)
        self.plan = verdict.plan
        return verdict

    def _chunk(self, goal):
        way = np.clip(goal - self.position, -0.05, 0.05)
        return Chunk(
            stamp=self.now,
            step_dt=DT,
            names=NAMES,
            positions=self.position + way * np.arange(1, 9)[:, None] / 2,
            contract_hash=CONTRACT.hash,
            policy_id='',
            source='expert',
        )

    def drive(self, goal, ticks=12):
        """Get the arms moving."""
        self.tick()
        self.monitor.request(Mode.EXPERT)
        for _ in range(ticks):
            verdict = self.tick(goal=goal)
        assert verdict.mode is Mode.EXPERT, verdict.reason
        assert np.abs(self.velocity).max() > 0.1


@pytest.mark.parametrize(('moving', 'other'), [('left', 'right'), ('right', 'left')])
def test_a_fault_of_one_arm_stops_both(moving, other):
    rig = Rig()
    rig.drive(HOME + 0.8 * joint(f'{moving}_waist'))
    verdict = rig.tick(off=0.5 * joint(f'{other}_elbow'), goal=HOME)
    assert verdict.mode is Mode.ALARM
    assert verdict.reason.startswith(f'{other}_elbow: 0.5')
    for _ in range(20):
        rig.tick(goal=HOME + 0.8 * joint(f'{moving}_waist'))
    np.testing.assert_array_equal(rig.velocity, STILL)


@pytest.mark.parametrize(('moving', 'other'), [('left', 'right'), ('right', 'left')])
def test_a_sensor_of_the_arm_that_moves_may_not_freeze_but_that_of_the_other_rests(moving, other):
    rig, goal = Rig(), HOME + 0.8 * joint(f'{moving}_waist')
    rig.drive(goal, ticks=4)
    for tick in range(12):  # the arm that stands tells the same over and over
        telling = {f'{other}_tcp_pose': np.zeros(7), f'{moving}_tcp_pose': np.full(7, float(tick))}
        assert rig.tick(goal=goal, following=telling).mode is Mode.EXPERT
    rig = Rig()
    rig.drive(goal, ticks=4)
    verdicts = [
        rig.tick(goal=goal, following={f'{moving}_tcp_pose': np.zeros(7)}) for _ in range(12)
    ]
    assert any(f'{moving}_tcp_pose: no digit has changed' in v.reason for v in verdicts)


@pytest.mark.parametrize('stuck', [LEFT, RIGHT], ids=['left', 'right'])
def test_joints_of_one_arm_that_freeze_are_seen_though_the_others_change(stuck):
    rig = Rig(tracking_error=1.0)
    goal = HOME + 0.8 * (joint('left_waist') + joint('right_waist'))
    rig.drive(goal, ticks=4)
    frozen, reasons = rig.position.copy(), []
    for _ in range(12):
        off = np.zeros(14)
        there = rig.plan.at(rig.now + DT - CONTRACT.command_delay)[0]
        off[stuck] = (frozen - there)[stuck]
        reasons.append(rig.tick(off=off, goal=goal).reason)
    assert any(text.startswith('measured joint position: no digit has') for text in reasons)


def test_one_arm_keeps_no_distance_from_itself():
    one = load_contract(Path(__file__).parents[2] / 'config/contracts/franka_reach.yaml')
    workspace = replace(one.workspace, separation=0.1)
    with pytest.raises(ContractError, match=r'separation: franka is one arm; allowed: 0, but for'):
        make_monitor(replace(one, workspace=workspace), None, MonitorConfig())


def test_a_contract_with_other_joints_than_the_pairs_is_refused():
    action = replace(CONTRACT.action, names=('lift', *NAMES[1:]))
    with pytest.raises(
        ContractError, match=r'action\.names: it commands lift, .*, in any order, and at most one'
    ):
        make_monitor(replace(CONTRACT, action=action), None, MonitorConfig())


def test_a_wrench_of_one_wrist_is_not_enough_for_two():
    one = replace(CONTRACT, wrench=WrenchLimits(key='left_wrench', force=50.0, torque=5.0))
    with pytest.raises(ContractError, match=r'wrench: it names one wrist of a pair.*allowed: none'):
        make_monitor(one, None, MonitorConfig())
