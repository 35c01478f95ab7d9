"""A device that is deflected moves the arm only after it was at rest, and while it changes."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.config import parse
from il_ros.core.robots.franka import FRANKA
from il_ros.experts.teleop.buttons import Buttons
from il_ros.experts.teleop.deflection import DeflectionWatch, digits_of
from il_ros.experts.teleop.devices import load_config, make_device, make_pilot
from il_ros.experts.teleop.operator import Operator
from il_ros.experts.teleop.twist import TwistConfig, TwistDevice

from .conftest import CONFIG

DT, ENABLE = 0.05, 10  # 20 messages a second, as a joy driver sends them
HOME = np.array([*FRANKA.home])


class Person:
    """Somebody with a gamepad, and the arm that follows set-points at once."""

    def __init__(self, contract, device='joy', config='gamepad.yaml'):
        self.device = make_device(load_config(device, str(CONFIG / 'teleop' / config)), contract)
        pilot = make_pilot(load_config(device, str(CONFIG / 'teleop' / config)), contract, 4)
        self.operator = Operator(pilot, timeout=0.2, period=DT, horizon=4, forget=self.device.reset)
        self.now, self.joints, self.start = 1.0, HOME, HOME

    def does(self, seconds, *, enable, x=0.0, tremble=0.0, z=0.0):
        """Say the same for a while; returns how far the tool has moved by then [m]."""
        for k in range(round(seconds / DT)):
            self.now += DT
            axes = [0.0, x + tremble * (-1) ** k, 0.0, z, 0.0, 0.0]
            buttons = [int(enable and i == ENABLE) for i in range(21)]
            self.operator.hear(self.device.joy(axes, buttons, self.now), self.now)
            rows = self.operator.act(round(self.now * 1e9), self.joints, self.now)
            self.joints = self.joints if rows is None else rows[0]
        return self.moved

    @property
    def moved(self):
        start, here = (FRANKA.chain.forward(joints[:7])[0] for joints in (self.start, self.joints))
        return float(np.linalg.norm(here - start))


@pytest.fixture
def person(contract):
    return Person(contract)


@pytest.mark.parametrize('value', [-1.0, 1.0, 0.15])
def test_an_axis_that_was_never_centred_moves_nothing_and_the_others_do(person, value):
    person.does(1.0, enable=False, x=value)
    assert person.does(2.0, enable=True, x=value) < 1e-9
    assert person.operator.asking  # the arm is taken, and stands
    person.does(0.2, enable=False, x=value)
    assert person.does(0.5, enable=True, x=value, z=0.9, tremble=1e-3) > 0.01
    assert person.joints[0] == pytest.approx(HOME[0], abs=0.02)


def test_an_axis_counts_once_it_was_centred(person):
    person.does(0.5, enable=False, x=-1.0)
    person.does(0.1, enable=False, x=0.05)  # inside the dead zone of 0.1
    assert person.does(1.0, enable=True, x=-0.8, tremble=1e-4) > 0.03


@pytest.mark.parametrize('deflection', [0.6, 1.0])
def test_a_gamepad_out_of_range_is_let_go_after_a_second(person, deflection):
    person.does(0.5, enable=False)
    after_a_second = person.does(1.2, enable=True, x=deflection)
    assert 0.02 < after_a_second < 0.15
    assert not person.operator.asking
    assert person.operator.lost  # so that no policy goes on by itself
    assert person.operator.refusal.startswith('the device is deflected, but none of its digits')
    assert person.does(20.0, enable=True, x=deflection) == after_a_second


def test_a_gamepad_that_is_back_counts_after_switch_and_stick_were_let_go(person):
    person.does(0.5, enable=False)
    stopped = person.does(1.5, enable=True, x=0.6)
    person.does(1.0, enable=True, x=0.5, tremble=1e-3)  # back, with both still held
    assert person.moved == stopped
    person.does(0.2, enable=False, x=0.5, tremble=1e-3)  # the stick is not centred yet
    assert person.does(1.0, enable=True, x=0.5, tremble=1e-3) == stopped
    person.does(0.2, enable=False)
    assert person.does(1.0, enable=True, x=0.5, tremble=1e-3) > stopped + 0.01


def test_a_hand_that_trembles_moves_the_arm_as_long_as_it_likes(person):
    person.does(0.5, enable=False)
    assert person.does(3.0, enable=True, x=0.9, tremble=1e-5) > 0.2
    assert person.operator.asking


def test_any_digit_of_the_device_shows_that_it_measures(person):
    person.does(0.5, enable=False)
    for k in range(40):  # at full deflection one axis says 1.0, and the others tremble
        person.does(DT, enable=True, x=1.0, z=1e-3 * (k % 2))
    assert person.operator.asking


def test_a_device_at_rest_may_repeat_itself(person):
    person.does(0.5, enable=False)
    person.does(10.0, enable=True)
    assert person.operator.asking
    assert person.does(0.9, enable=True, x=0.6) > 0.02  # counted from when it was deflected


def test_an_axis_counts_anew_after_the_device_was_silent(person):
    person.does(0.5, enable=False)
    person.now += 1.0  # the driver starts again, and initialises the axis
    person.does(0.3, enable=False, x=-1.0)
    assert person.does(1.0, enable=True, x=-1.0) < 1e-9


def test_a_digital_pad_may_repeat_itself_for_as_long_as_its_configuration_says(contract):
    person = Person(contract)
    person.device._watch = DeflectionWatch(6, 5.0)
    person.does(0.5, enable=False)
    person.does(4.0, enable=True, x=1.0)
    assert person.operator.asking
    person.does(1.5, enable=True, x=1.0)
    assert not person.operator.asking


def test_a_twist_counts_after_a_zero_and_while_it_changes():
    device = TwistDevice(TwistConfig(buttons=Buttons(enable=0)), 'base')
    device.joy([], [1], 0.0)
    first = device.twist([0.1, 0, 0, 0, 0, 0], '', 0.0)
    assert (first.twist.any(), first.ignored) == (False, ('twist',))
    device.twist([0.0] * 6, '', 0.1)
    readings = [device.twist([0.1, 0, 0, 0, 0, 0], '', 0.2 + DT * k) for k in range(23)]
    assert all(reading.twist.any() for reading in readings[:20])
    assert not readings[-1].twist.any()
    assert [bool(reading.doubt) for reading in readings].count(True) == 1
    device.reset()
    assert not device.twist([0.2, 0, 0, 0, 0, 0], '', 2.0).twist.any()


def test_a_leader_at_rest_repeats_itself_and_one_that_jumps_is_not_believed(contract):
    config = load_config('leader', str(CONFIG / 'teleop/leader.yaml'))
    device = make_device(config, contract)
    names = [*(f'leader_joint{i}' for i in range(1, 8)), 'leader_gripper']
    here = np.array([*HOME[:7], 0.5])
    device.joy([], [1], 0.0)
    for k in range(100):
        assert not device.joint_state(names, here, DT * k).doubt
    here[2] += 0.5  # 10 rad/s
    assert not device.joint_state(names, here, 100 * DT).doubt
    here[7] = 1.0  # a trigger snaps
    assert not device.joint_state(names, here, 100 * DT + 0.01).doubt
    reading = device.joint_state(names, np.zeros(8), 101 * DT)
    assert re.fullmatch(
        r'the leader jumps: leader_joint\d by \d.\d{3} rad in 0.040 s', reading.doubt
    )


@pytest.mark.parametrize(('device', 'value'), [('twist', 0.1), ('twist', float('inf'))])
def test_an_impossible_time_is_refused(device, value):
    with pytest.raises(Exception, match=r'frozen_time is .*; allowed: 0.2 to 5 s'):
        parse(TwistConfig, {'frozen_time': value}, where='config')


STEP = st.tuples(
    st.sampled_from([0.01, 0.3, 1.2, -5.0]),
    st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=2, max_size=2),
    st.booleans(),
)


@given(steps=st.lists(STEP, max_size=40))
@settings(max_examples=60, deadline=None)
def test_whatever_comes_an_axis_that_counts_was_centred_and_nothing_repeats_longer(steps):
    watch, now = DeflectionWatch(2, 1.0), 10.0
    centred, last, since = np.zeros(2, bool), None, 10.0
    for dt, axes, lost in steps:
        now += dt
        if lost:
            watch.reset()
            centred[:] = False
        deflected = np.array(axes) != 0.0
        centred |= ~deflected
        if axes != last or dt < 0 or lost:
            last, since = axes, now
        moving = watch.update(deflected, digits_of(axes, ()), now) & deflected
        assert not (moving & ~centred).any()
        if moving.any():
            assert now - since <= 1.0
        centred &= ~deflected if watch.frozen else True


def test_digits_are_those_of_numbers():
    assert digits_of([0.0, 0.5], [1]) == digits_of([-0.0, 0.5], [1])
    assert digits_of([0.5], []) != digits_of([0.5, 0.0], [])
    assert digits_of([0.5], [1]) != digits_of([0.5, 1], [])
    assert digits_of([float('nan')], []) == digits_of([float('nan')], [])
