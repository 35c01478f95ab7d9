"""The mode machine: what may follow what."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from il_ros.monitors.mode import Mode, ModeMachine, ModeRefused

# Why motion must not begin, and whether the arm stands.
GOOD = ('', True)
MOVING = ('', False)
BLIND = ('no frame has been seen', True)
FAULTY = ('wrist force: 41 N', True)


def machine(*modes):
    m = ModeMachine()
    for mode in modes:
        if mode is Mode.ALARM:
            m.tick(fault='broken')
        else:
            m.request(mode, *GOOD)
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
        m.request(to, *situation)
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
        m.request(to, *situation, resume=True)
    assert text in str(refused.value)
    assert m.mode is Mode.ALARM


def test_resuming():
    m = machine(Mode.POLICY, Mode.ALARM)
    m.request(Mode.HOLD, *GOOD, resume=True)
    assert (m.mode, m.reason) == (Mode.HOLD, 'resumed')


def test_an_arm_that_stands_wrong_can_be_let_go_but_not_driven():
    m = machine(Mode.POLICY, Mode.ALARM)
    m.request(Mode.IDLE, *FAULTY, resume=True)
    with pytest.raises(ModeRefused):
        m.request(Mode.POLICY, *FAULTY)


def test_the_driver_changes_without_a_stop_and_hold_is_always_open():
    m = machine(Mode.POLICY)
    m.request(Mode.EXPERT, *MOVING)
    m.request(Mode.HOLD, 'y', False)
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


def held(*modes):
    """A machine after a takeover out of the last of these modes."""
    m = machine(*modes)
    assert m.take_over()
    return m


@pytest.mark.parametrize(
    ('path', 'to_policy', 'after'),
    [
        ([Mode.POLICY], True, Mode.POLICY),
        ([Mode.POLICY], False, Mode.HOLD),
        ([Mode.HOLD], True, Mode.HOLD),
    ],
)
def test_a_takeover_and_its_end(path, to_policy, after):
    m = held(*path)
    assert (m.mode, m.reason, m.takeover) == (Mode.EXPERT, 'takeover', True)
    assert m.let_go(to_policy=to_policy)
    assert (m.mode, m.reason, m.takeover) == (after, 'takeover ended', False)
    assert not m.let_go(to_policy=to_policy)


def test_who_holds_the_enable_switch_of_an_expert_that_drives_stops_it_by_letting_go():
    m = held(Mode.EXPERT)
    assert m.takeover
    m.let_go(to_policy=True)
    assert m.mode is Mode.HOLD


@pytest.mark.parametrize('path', [[], [Mode.HOLD, Mode.ALARM]])
def test_nobody_takes_over_out_of_these(path):
    m = machine(*path)
    before = m.mode
    assert not m.take_over()
    assert (m.mode, m.takeover) == (before, False)


def fallen_back():
    m = machine(Mode.POLICY)
    m.tick(trigger='strange', leave=Mode.FALLBACK)
    assert (m.mode, m.reason) == (Mode.FALLBACK, 'strange')
    return m


def test_the_fallback_ends_in_an_alarm_with_its_reason():
    m = fallen_back()
    m.tick(trigger='stranger')
    assert m.mode is Mode.FALLBACK
    m.arrived()
    assert (m.mode, m.reason) == (Mode.ALARM, 'strange')
    m.arrived()
    assert m.mode is Mode.ALARM


def test_a_fault_in_the_fallback_stops_it_and_both_reasons_are_told():
    m = fallen_back()
    m.tick(fault='wrist force: 41 N')
    assert (m.mode, m.reason) == (Mode.ALARM, 'strange; then wrist force: 41 N')


def test_hold_stops_the_fallback_but_what_led_there_stays_latched():
    m = fallen_back()
    m.request(Mode.HOLD, *MOVING)
    assert (m.mode, m.reason) == (Mode.ALARM, 'strange; then stopped by request')


@pytest.mark.parametrize('to', [Mode.POLICY, Mode.EXPERT, Mode.IDLE])
def test_nothing_else_leads_out_of_the_fallback(to):
    m = fallen_back()
    with pytest.raises(ModeRefused, match='the policy was stopped: strange; to fix: request hold'):
        m.request(to, *GOOD)
    with pytest.raises(ModeRefused, match='fallback is entered by a fault or a trigger alone'):
        machine().request(Mode.FALLBACK, *GOOD)


def test_who_corrects_a_fallback_by_hand_leaves_an_alarm():
    m = fallen_back()
    assert m.take_over()
    with pytest.raises(ModeRefused, match='the policy was stopped: strange'):
        m.request(Mode.POLICY, *GOOD)
    m.let_go(to_policy=True)
    assert (m.mode, m.reason) == (Mode.ALARM, 'strange; then corrected by hand')


def test_while_an_operator_holds_the_enable_switch_only_hold_may_be_asked_for():
    m = held(Mode.POLICY)
    with pytest.raises(ModeRefused, match='an operator holds the enable switch'):
        m.request(Mode.POLICY, *GOOD)
    m.request(Mode.HOLD, *MOVING)
    assert (m.mode, m.takeover) == (Mode.HOLD, False)


def test_a_trigger_may_hand_over_to_the_expert():
    m = machine(Mode.POLICY)
    m.tick(trigger='strange', leave=Mode.EXPERT)
    assert (m.mode, m.reason, m.takeover) == (Mode.EXPERT, 'strange', False)
    with pytest.raises(ModeRefused, match='the policy was stopped: strange'):
        m.request(Mode.POLICY, *GOOD)
    m.request(Mode.HOLD, *MOVING)
    assert (m.mode, m.reason) == (Mode.ALARM, 'strange; then stopped by request')


class Machine(RuleBasedStateMachine):
    """Anything in any order: what was stopped moves again only after a resume at a standstill."""

    def __init__(self):
        super().__init__()
        self.machine = ModeMachine()
        self.stopped = False  # by a fault or a trigger, and nobody has resumed since

    @rule(
        mode=st.sampled_from(Mode),
        resume=st.booleans(),
        unsafe=st.sampled_from(['', 'stale', 'bad']),
        standstill=st.booleans(),
    )
    def ask(self, mode, resume, unsafe, standstill):
        before = self.machine.mode
        try:
            self.machine.request(mode, unsafe, standstill, resume=resume)
        except ModeRefused:
            assert self.machine.mode is before
            return
        if mode is before:
            return
        after = self.machine.mode
        assert after is (Mode.ALARM if self.stopped and before is not Mode.ALARM else mode)
        if before is Mode.ALARM:
            assert resume
            assert standstill
            assert not mode.driving
            assert mode is Mode.IDLE or not unsafe
            self.stopped = False
        if after.driving:
            assert not unsafe
        if after is Mode.IDLE:
            assert standstill
            assert not before.driving

    @rule(
        fault=st.sampled_from(['', 'fault']),
        trigger=st.sampled_from(['', 'novel']),
        leave=st.sampled_from([Mode.ALARM, Mode.FALLBACK, Mode.EXPERT]),
    )
    def happen(self, fault, trigger, leave):
        before = self.machine.mode
        self.machine.tick(fault=fault, trigger=trigger, leave=leave)
        if before in (Mode.IDLE, Mode.ALARM):
            assert self.machine.mode is before
        elif fault:
            assert self.machine.mode is Mode.ALARM
            self.stopped = True
        elif trigger and before is Mode.POLICY:
            assert self.machine.mode is leave
            self.stopped = True
        else:
            assert self.machine.mode is before

    @rule()
    def arrive(self):
        self.machine.arrived()

    @rule()
    def hold_the_enable_switch(self):
        before = self.machine.mode
        if self.machine.take_over():
            assert before not in (Mode.IDLE, Mode.ALARM)
            assert self.machine.mode is Mode.EXPERT

    @rule(to_policy=st.booleans())
    def let_go(self, to_policy):
        before = self.machine.mode
        if self.machine.let_go(to_policy=to_policy):
            assert before is Mode.EXPERT
        else:
            assert self.machine.mode is before

    @invariant()
    def what_was_stopped_stays_so(self):
        m = self.machine
        # The monitor's own way to safety, and the expert, are all the motion there may be.
        stopped = (Mode.ALARM, Mode.FALLBACK)
        assert not self.stopped or m.mode in (*stopped, Mode.EXPERT)
        assert self.stopped or m.mode not in stopped
        assert m.takeover <= (m.mode is Mode.EXPERT)
        assert m.publishes == (m.mode is not Mode.IDLE)
        assert m.reason


TestMachine = Machine.TestCase
