"""Keys: held while they repeat, stopped by the space bar, pressed once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.config import parse
from il_ros.core.errors import IlRosError
from il_ros.experts.teleop.keyboard import Keyboard, KeyboardConfig, Keys, help_text


@pytest.fixture
def keyboard():
    return Keyboard(KeyboardConfig())


def test_a_key_moves_for_a_moment_and_holds_the_arm_for_longer(keyboard):
    reading = keyboard.keys('w', 1.0)
    np.testing.assert_allclose(reading.twist, [0.075, 0, 0, 0, 0, 0])  # at half speed
    assert reading.held
    later = keyboard.keys('', 1.2)
    assert not later.twist.any()
    assert later.held
    assert not keyboard.keys('', 2.05 + 0.15).held


def test_a_key_that_repeats_is_held(keyboard):
    for now in np.arange(1.0, 3.0, 0.04):
        assert keyboard.keys('a', now).twist[1] > 0.0


def test_two_keys_add_up_and_opposite_ones_cancel(keyboard):
    assert (keyboard.keys('wq', 1.0).twist[[0, 5]] > 0).all()
    assert keyboard.keys('ws', 2.0).twist[0] == 0.0


@given(before=st.text(alphabet='wasdrfqeijklopgt+-', max_size=20))
def test_the_space_bar_stops_and_lets_go_at_once(before):
    keyboard = Keyboard(KeyboardConfig())
    keyboard.keys(before, 1.0)
    reading = keyboard.keys(' ', 1.01)
    assert (reading.held, reading.gripper) == (False, 0.0)
    assert not reading.twist.any()
    assert not keyboard.keys(before + ' ', 1.02).held


@given(text=st.text(max_size=40))
def test_no_text_asks_for_more_than_full_speed(text):
    reading = Keyboard(KeyboardConfig()).keys(text, 1.0)
    assert (np.abs(reading.twist[:3]) <= 0.15).all()
    assert (np.abs(reading.twist[3:]) <= 0.6).all()


def test_presses_count_once_however_long_the_key_repeats(keyboard):
    presses = [keyboard.keys('Y', 1.0 + 0.05 * i).pressed for i in range(40)]
    assert presses == [('success',)] + 39 * [()]
    assert keyboard.keys('Y', 5.0).pressed == ('success',)
    assert not keyboard.keys('', 5.0).held  # to end an episode is not to take the arm


def test_the_speed_repeats(keyboard):
    for _ in range(10):
        keyboard.keys('+', 1.0)
    assert keyboard.speed_fraction == 1.0


def test_arrow_keys_are_nobodys_wish(keyboard):
    reading = keyboard.keys('\x1b[A\x1b[D\x1bOB\x1b[15~', 1.0)
    assert not reading.twist.any()
    assert not reading.held


def test_the_gripper_and_the_takeover(keyboard):
    assert keyboard.keys('o', 1.0).gripper == 1.0
    assert keyboard.keys('p', 2.0).gripper == -1.0
    toggled = keyboard.keys('g', 5.0)
    assert (toggled.held, toggled.pressed) == (True, ('gripper_toggle',))
    taken = keyboard.keys('t', 9.0)
    assert taken.held
    assert not taken.twist.any()


@pytest.mark.parametrize(
    ('keys', 'text'),
    [
        ({'up': 'w'}, r"config.keys: up and forward are both 'w'"),
        ({'up': ' '}, r"config.keys: up is ' '; allowed: one character, not the space bar"),
        ({'up': 'up'}, r"config.keys: up is 'up'"),
        ({'jump': 'z'}, r"config.keys: unknown key 'jump'; allowed: forward, back"),
    ],
)
def test_keys_that_cannot_be_are_refused(keys, text):
    with pytest.raises(IlRosError, match=text):
        parse(KeyboardConfig, {'keys': keys}, where='config')


def test_the_help_names_every_key():
    text = help_text(Keys())
    assert all(f'{key} ' in text for key in Keys().by_name.values())
    assert 'space bar: stop' in text
