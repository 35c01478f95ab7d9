"""Twists as a device: bounded, in a known frame, with or without an enable button."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.config import parse
from il_ros.core.errors import IlRosError
from il_ros.experts.teleop.buttons import Buttons
from il_ros.experts.teleop.twist import TwistConfig, TwistDevice

NUMBERS = st.lists(st.floats(-10.0, 10.0), min_size=6, max_size=6)
STILL = [0.0] * 6


@given(values=NUMBERS)
def test_a_twist_keeps_its_direction_and_stays_within_the_largest_speeds(values):
    twist = TwistDevice(TwistConfig(), 'base').twist(values, 'base', 0.0).twist
    assert np.linalg.norm(twist[:3]) <= 0.25 + 1e-12
    assert np.linalg.norm(twist[3:]) <= 1.0 + 1e-12
    np.testing.assert_allclose(np.outer(twist, values), np.outer(values, twist), atol=1e-9)


def test_within_the_dead_zone_there_is_exactly_nothing():
    reading = TwistDevice(TwistConfig(), 'base').twist([0.002, 0, 0, 0, 0, 0.009], '', 0.0)
    assert not reading.twist.any()
    assert not reading.held


def test_moving_is_holding_and_zeros_let_go_a_moment_later():
    device = TwistDevice(TwistConfig(), 'base')
    assert not device.twist(STILL, '', 0.0).held
    assert device.twist([0.1, 0, 0, 0, 0, 0], '', 1.0).held
    assert device.twist(STILL, '', 1.5).held
    assert not device.twist(STILL, '', 1.6).held


def test_frames_are_the_base_or_the_tool():
    device = TwistDevice(TwistConfig(tool_frame='hand'), 'fr3_link0')
    assert device.twist(STILL, 'fr3_link0', 0.0).frame == 'base'
    assert device.twist(STILL, 'hand', 0.0).frame == 'tool'
    with pytest.raises(IlRosError, match=r"twist: in frame 'map'; allowed: fr3_link0, hand"):
        device.twist(STILL, 'map', 0.0)


def test_a_twist_that_is_no_number_is_refused():
    with pytest.raises(IlRosError, match=r'twist: got \[nan, .*; allowed: finite numbers'):
        TwistDevice(TwistConfig(), 'base').twist([float('nan'), *STILL[1:]], '', 0.0)


def test_with_an_enable_switch_button_both_have_to_be_alive():
    device = TwistDevice(TwistConfig(buttons=Buttons(enable=0, success=1)), 'base')
    assert device.twist([0.1, 0, 0, 0, 0, 0], '', 1.0).read == -np.inf
    reading = device.joy([], [1, 0], 1.5)
    assert (reading.held, reading.read) == (True, 1.0)
    assert device.twist([0.1, 0, 0, 0, 0, 0], '', 2.0).read == 1.5
    assert device.joy([], [1, 1], 2.1).pressed == ('success',)
    with pytest.raises(IlRosError, match=r'0 axes and 1 buttons, but buttons.success is button 1'):
        device.joy([], [1], 2.2)


def test_without_one_buttons_may_be_silent():
    device = TwistDevice(TwistConfig(buttons=Buttons(success=0)), 'base')
    assert device.twist(STILL, '', 1.0).read == 1.0


@pytest.mark.parametrize(
    ('data', 'text'),
    [
        ({'linear': 0.0}, 'config: linear 0.0, angular 1.0; allowed: above 0'),
        ({'deadzone': 1.0}, 'config: deadzone is 1.0; allowed: 0 or more, below 1'),
        ({'colour': 1}, "config: unknown key 'colour'"),
    ],
)
def test_what_cannot_be_is_refused(data, text):
    with pytest.raises(IlRosError, match=text):
        parse(TwistConfig, data, where='config')
