"""The mode machine: what may follow what."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from il_ros.monitors.mode import Mode, ModeMachine, ModeRefused, Situation

GOOD = Situation(invalid='', fault='', standstill=True)
MOVING = Situation(invalid='', fault='', standstill=False)
BLIND = Situation(invalid='no frame has been seen', fault='', standstill=True)
FAULTY = Situation(invalid='', fault='wrist force: 41 N', standstill=True)


def machine(*modes):
    m = ModeMachine()
    for mode in modes:
        if mode is Mode.ALARM:
            m.tick(fault='broken')
        else:
            m.request(mode, GOOD)
    return m


def test_it_starts_idle():
    assert machine().mode is Mode.IDLE
    assert not machine().publishes


@pytest.mark.parametrize(
    ('path', 'to', 'situation', 'text'),
    [
        ([], Mode.POLICY, BLIND, 'mode idle to policy: not safe to start: no frame has been seen'),
        ([], Mode.EXPERT, FAULTY, 'not safe to start: wrist force: 41 N'),
        ([], Mode.HOLD, MOVING, 'the arm moves'),
        ([], Mode.POLICY, MOVING, 'the arm moves'),
        ([], Mode.ALARM, GOOD, 'alarm is entered by a fault or a trigger alone'),
        ([Mode.HOLD], Mode.IDLE, MOVING, 'the arm moves'),
        ([Mode.HOLD], Mode.POLICY, FAULTY, 'not safe to start'),
        ([Mode.POLICY], Mode.IDLE, GOOD, 'the arm is being driven; to fix: request hold first'),
        ([Mode.HOLD, Mode.ALARM], Mode.HOLD, GOOD, 'alarm is latched: broken'),
        ([Mode.HOLD, Mode.ALARM], Mode.POLICY, GOOD, 'alarm is latched: broken'),
    ],
)
def test_refusals_say_why(path, to, situation, text):
    m = machine(*path)
    before = m.mode
    with pytest.raises(ModeRefused) as refused:
        m.request(to, situation)
    assert text in str(refused.value)
    assert m.mode is before


@pytest.mark.parametrize(
    ('to', 'situation', 'text'),
    [
        (Mode.POLICY, GOOD, 'an alarm is left without motion; to fix: resume to hold first'),
        (Mode.HOLD, MOVING, 'the arm moves'),
        (Mode.IDLE, MOVING, 'the arm moves'),
        (Mode.HOLD, FAULTY, 'the cause is still there: wrist force: 41 N'),
        (Mode.HOLD, BLIND, 'the cause is still there: no frame has been seen'),
    ],
)
def test_resuming_is_refused_with_the_reason(to, situation, text):
    m = machine(Mode.POLICY, Mode.ALARM)
    with pytest.raises(ModeRefused) as refused:
        m.request(to, situation, resume=True)
    assert text in str(refused.value)
    assert m.mode is Mode.ALARM


def test_resuming():
    m = machine(Mode.POLICY, Mode.ALARM)
    m.request(Mode.HOLD, GOOD, resume=True)
    assert (m.mode, m.reason) == (Mode.HOLD, 'resumed')


def test_an_arm_that_stands_wrong_can_be_let_go_but_not_driven():
    m = machine(Mode.POLICY, Mode.ALARM)
    m.request(Mode.IDLE, FAULTY, resume=True)
    with pytest.raises(ModeRefused):
        m.request(Mode.POLICY, FAULTY)


def test_the_driver_changes_without_a_stop_and_hold_is_always_open():
    m = machine(Mode.POLICY)
    m.request(Mode.EXPERT, MOVING)
    m.request(Mode.HOLD, Situation(invalid='x', fault='y', standstill=False))
    assert m.mode is Mode.HOLD


def test_first_reason_stays_and_faults_come_first():
    m = machine(Mode.POLICY)
    m.tick(fault='hard', trigger='soft')
    m.tick(fault='later')
    assert (m.mode, m.reason) == (Mode.ALARM, 'hard')


@pytest.mark.parametrize('mode', [Mode.IDLE, Mode.HOLD, Mode.EXPERT])
def test_novelty_stops_the_policy_alone(mode):
    m = machine(*([] if mode is Mode.IDLE else [mode]))
    m.tick(trigger='strange')
    assert m.mode is mode
    policy = machine(Mode.POLICY)
    policy.tick(trigger='strange')
    assert (policy.mode, policy.reason) == (Mode.ALARM, 'strange')


class Machine(RuleBasedStateMachine):
    """Anything in any order: ALARM is left by a resume alone, and never into motion."""

    def __init__(self):
        super().__init__()
        self.machine = ModeMachine()
        self.latched = False

    @rule(
        mode=st.sampled_from(Mode),
        resume=st.booleans(),
        situation=st.builds(
            Situation,
            invalid=st.sampled_from(['', 'stale']),
            fault=st.sampled_from(['', 'bad']),
            standstill=st.booleans(),
        ),
    )
    def ask(self, mode, resume, situation):
        before = self.machine.mode
        try:
            self.machine.request(mode, situation, resume=resume)
        except ModeRefused:
            assert self.machine.mode is before
            return
        assert self.machine.mode is mode
        if before is Mode.ALARM and mode is not Mode.ALARM:
            assert resume
            assert situation.standstill
            assert not mode.driving
            assert mode is Mode.IDLE or not situation.unsafe
            self.latched = False
        if mode.driving and mode is not before:
            assert not situation.unsafe
        if mode is Mode.IDLE and mode is not before:
            assert situation.standstill
            assert not before.driving

    @rule(fault=st.sampled_from(['', 'fault']), trigger=st.sampled_from(['', 'novel']))
    def happen(self, fault, trigger):
        before = self.machine.mode
        self.machine.tick(fault=fault, trigger=trigger)
        stopped = fault or (trigger and before is Mode.POLICY)
        if stopped and before is not Mode.IDLE:
            assert self.machine.mode is Mode.ALARM
            self.latched = True
        else:
            assert self.machine.mode is before

    @invariant()
    def latch_holds(self):
        assert self.latched == (self.machine.mode is Mode.ALARM)
        assert self.machine.publishes == (self.machine.mode is not Mode.IDLE)
        assert self.machine.reason


TestMachine = Machine.TestCase
