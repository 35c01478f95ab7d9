"""An operator who is not known to hold the enable switch does not have the arm."""

import math

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from il_ros.core.frames import NS
from il_ros.experts.teleop.device_reading import DeviceReading
from il_ros.experts.teleop.operator import Operator

PERIOD, TIMEOUT = 0.05, 0.2


class Recorder:
    """A pilot with one joint and a gripper, that writes down what it is asked."""

    moves = np.array([True, False])

    def __init__(self):
        self.began, self.steps, self.pressed, self.refusal = [], [], [], ''

    def begin(self, start, reading):
        if not self.refusal:
            self.began.append(start.tolist())
        return self.refusal

    def chunk(self, measured, reading, steps):
        self.steps.append(steps)
        self.pressed += reading.pressed
        return np.tile(measured + 1.0, (3, 1))


class Bench:
    def __init__(self):
        self.pilot, self.now = Recorder(), 1.0
        self.operator = Operator(self.pilot, timeout=TIMEOUT, period=PERIOD, horizon=3)

    def hear(self, held=False, **more):
        reading = DeviceReading(read=self.now, held=held, **more)
        self.operator.hear(reading, self.now)

    def frame(self, measured=(0.0, 0.0), *, dt=PERIOD, **more):
        self.now += dt
        return self.operator.act(round(self.now * NS), np.array(measured), self.now, **more)


@pytest.fixture
def bench():
    return Bench()


def test_a_gap_that_only_the_next_reading_shows_is_a_loss(bench):
    bench.hear()
    bench.frame()
    bench.hear(held=True)
    bench.frame()
    assert bench.operator.asking
    bench.now += 2 * TIMEOUT
    bench.hear()  # let go, as far as it says
    assert (bench.operator.asking, bench.operator.lost) == (False, True)


def test_what_is_let_go_is_not_lost(bench):
    bench.hear()
    bench.frame()
    bench.hear(held=True)
    bench.frame()
    bench.hear()
    bench.operator.lose()  # later, when it has nothing to lose
    assert not bench.operator.lost


def test_holding_takes_the_arm_up_where_it_is_and_letting_go_gives_it_back(bench):
    bench.hear()
    assert bench.frame() is None
    bench.hear(held=True)
    assert not bench.operator.asking  # not before there is something to say
    assert len(bench.frame([0.5, 0.1])) == 3
    assert bench.operator.asking
    bench.hear(held=True)
    bench.frame(dt=3 * PERIOD)
    assert (bench.pilot.began, bench.pilot.steps) == ([[0.5, 0.1]], [0, 3])
    bench.hear()
    assert not bench.operator.asking
    assert bench.frame() is None


def test_an_enable_switch_that_is_held_from_the_start_does_not_count(bench):
    for _ in range(5):
        bench.hear(held=True)
        assert bench.frame() is None
    bench.hear()
    bench.hear(held=True)
    assert bench.frame() is not None


def test_a_silent_device_lets_go_and_has_to_be_let_go_when_it_is_back(bench):
    bench.hear()
    bench.hear(held=True)
    assert bench.frame() is not None
    assert bench.frame(dt=0.1) is not None
    assert bench.frame(dt=0.1) is None
    assert (bench.operator.asking, bench.operator.read) == (False, None)
    bench.hear(held=True)
    assert bench.frame() is None
    bench.hear()
    bench.hear(held=True)
    assert bench.frame() is not None


def test_silence_is_noticed_without_frames(bench):
    bench.hear()
    bench.hear(held=True)
    bench.frame()
    bench.operator.look(bench.now + 0.1)
    assert bench.operator.asking
    bench.operator.look(bench.now + 0.3)
    assert not bench.operator.asking


@pytest.mark.parametrize('jump', [-5.0, 5.0])
def test_a_clock_that_jumps_lets_go(bench, jump):
    bench.hear()
    bench.hear(held=True)
    bench.frame()
    bench.now += jump
    bench.hear(held=True)
    assert not bench.operator.asking
    assert bench.frame() is None


@pytest.mark.parametrize('read', [-math.inf, 0.5, 1.5])
def test_a_device_of_which_a_part_is_silent_counts_for_nothing(bench, read):
    bench.hear()
    bench.operator.hear(DeviceReading(read=read, held=True), bench.now)
    assert bench.frame() is None
    assert bench.operator.read is None


def test_a_frame_of_the_past_lets_go(bench):
    bench.hear()
    bench.hear(held=True)
    bench.frame()
    bench.hear(held=True)
    assert bench.operator.act(NS // 2, np.zeros(2), bench.now) is None
    assert not bench.operator.asking


def test_a_refusal_lasts_until_the_enable_switch_is_let_go(bench):
    bench.pilot.refusal = 'the leader is away'
    bench.hear()
    bench.hear(held=True)
    assert bench.frame() is None
    assert bench.operator.refusal == 'the leader is away'
    bench.pilot.refusal = ''
    assert bench.frame() is None
    assert not bench.operator.asking
    bench.hear()
    assert bench.operator.refusal == ''
    bench.hear(held=True)
    assert bench.frame() is not None


def test_the_takeover_button_keeps_the_arm_where_it_is(bench):
    bench.hear()
    bench.hear(keep=True)
    for drift in (0.5, 0.6):  # the arm may sag: it is kept where it was taken
        np.testing.assert_array_equal(bench.frame([drift, 0.1]), np.tile([0.5, 0.1], (3, 1)))
    assert bench.operator.asking
    assert bench.pilot.steps == []
    bench.hear(keep=True, held=True)
    bench.frame([0.5, 0.1])
    assert bench.pilot.began == [[0.5, 0.1]]
    bench.hear(keep=True)
    assert bench.operator.asking  # without a moment of letting go
    np.testing.assert_array_equal(bench.frame([0.7, 0.1]), np.tile([1.5, 1.1], (3, 1)))
    bench.hear()
    assert not bench.operator.asking


def test_a_gripper_is_taken_up_where_it_was_commanded(bench):
    bench.hear()
    bench.hear(held=True)
    bench.frame([0.5, 0.02], commanded=np.array([9.0, 0.0]))
    assert bench.pilot.began == [[0.5, 0.0]]


def test_a_press_between_two_frames_is_not_lost_and_counts_once(bench):
    bench.hear(pressed=('gripper_toggle',))  # nobody holds the enable switch
    bench.hear(keep=True, pressed=('gripper_toggle',))
    bench.hear(held=True, pressed=('gripper_toggle',))
    bench.hear(held=True)
    bench.frame()
    bench.hear(held=True, pressed=('faster',))
    bench.hear(held=True)
    bench.frame()
    bench.frame()
    assert bench.pilot.pressed == ['gripper_toggle', 'faster']


class Anything(RuleBasedStateMachine):
    """Whatever happens in whatever order, asking needs a fresh, unbroken hold."""

    def __init__(self):
        super().__init__()
        self.bench = Bench()
        self.heard, self.wants, self.let_go = -math.inf, False, False

    @rule(held=st.booleans(), keep=st.booleans())
    def hear(self, held, keep):
        if not 0.0 <= self.bench.now - self.heard <= TIMEOUT:
            self.let_go = False
        self.bench.hear(held=held, keep=keep)
        self.heard, self.wants = self.bench.now, held or keep
        self.let_go |= not self.wants

    @rule(dt=st.sampled_from([0.05, 0.1, 0.3]))
    def frame(self, dt):
        self.bench.frame(dt=dt)
        self._age()

    @rule(dt=st.sampled_from([0.01, 0.1, 0.3, -1.0]))
    def time(self, dt):
        self.bench.now += dt
        self.bench.operator.look(self.bench.now)
        self._age()

    @rule()
    def lose(self):
        self.bench.operator.lose()
        self.heard, self.let_go = -math.inf, False

    @rule(refusal=st.sampled_from(['', 'no']))
    def refuse(self, refusal):
        self.bench.pilot.refusal = refusal

    def _age(self):
        if not 0.0 <= self.bench.now - self.heard <= TIMEOUT:
            self.heard, self.let_go = -math.inf, False

    @invariant()
    def asking_needs_a_hold(self):
        if self.bench.operator.asking:
            assert self.wants
            assert self.let_go
            assert 0.0 <= self.bench.now - self.heard <= TIMEOUT


TestAnything = Anything.TestCase
TestAnything.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
