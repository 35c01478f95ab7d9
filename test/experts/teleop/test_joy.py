"""Joy messages: what they say, and what they must have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.errors import IlRosError
from il_ros.experts.teleop.devices import load_config
from il_ros.experts.teleop.joy import JoyDevice

from .conftest import CONFIG

GAMEPAD = load_config('joy', str(CONFIG / 'teleop/gamepad.yaml'))
SPACEMOUSE = load_config('joy', str(CONFIG / 'teleop/spacemouse.yaml'))


def pressed(*indices):
    return [int(i in indices) for i in range(21)]


def axes(**values):
    index = {'y': 0, 'x': 1, 'yaw': 2, 'z': 3}
    message = [0.0] * 6
    for name, value in values.items():
        message[index[name]] = value
    return message


def test_sticks_move_and_the_shoulder_is_the_enable_switch():
    device = JoyDevice(GAMEPAD)
    device.joy(axes(), pressed(), 1.9)
    reading = device.joy(axes(x=1.0, yaw=-1.0), pressed(10), 2.0)
    np.testing.assert_allclose(reading.twist, [0.125, 0, 0, 0, 0, -0.5])  # at half speed
    assert (reading.held, reading.keep, reading.read, reading.frame) == (True, False, 2.0, 'base')
    assert not device.joy(axes(x=1.0), pressed(), 2.1).held
    assert device.joy(axes(), pressed(9), 2.2).keep


def test_a_button_is_pressed_once_and_not_by_being_down_at_the_start():
    device = JoyDevice(GAMEPAD)
    assert device.joy(axes(), pressed(11, 0), 0.0).pressed == ()
    assert device.joy(axes(), pressed(11, 0, 12), 0.1).pressed == ('failure',)
    assert device.joy(axes(), pressed(12), 0.2).pressed == ()
    assert device.joy(axes(), pressed(11, 6), 0.3).pressed == ('start', 'success')


def test_the_gripper_opens_and_closes_while_its_buttons_are_held():
    device = JoyDevice(GAMEPAD)
    device.joy(axes(), pressed(), 0.0)
    assert [device.joy(axes(), pressed(*b), 0.0).gripper for b in ((3,), (1,), (1, 3), ())] == [
        1.0, -1.0, 0.0, 0.0,
    ]  # fmt: skip


def test_the_speed_goes_up_and_down_within_its_bounds():
    device = JoyDevice(GAMEPAD)
    device.joy(axes(), pressed(), 0.0)
    device.joy(axes(), pressed(14), 0.0)
    assert device.speed_fraction == pytest.approx(0.625)
    for button, end in ((14, 1.0), (13, 0.1)):
        for _ in range(20):
            device.joy(axes(), pressed(button), 0.0)
            device.joy(axes(), pressed(), 0.0)
        assert device.speed_fraction == end


def test_a_gripper_button_that_is_down_when_the_device_appears_does_not_count():
    device = JoyDevice(GAMEPAD)
    assert device.joy(axes(), pressed(3), 0.0).gripper == 0.0
    device.joy(axes(), pressed(), 0.1)
    assert device.joy(axes(), pressed(3), 0.2).gripper == 1.0
    device.reset()  # the device was lost, and is back
    assert device.joy(axes(), pressed(3, 11), 0.3).gripper == 0.0
    assert device.joy(axes(), pressed(3, 11), 0.4).pressed == ()


@given(
    values=st.lists(st.floats(-1.0, 1.0, width=32), min_size=6, max_size=6),
    buttons=st.lists(st.integers(0, 1), min_size=21, max_size=21),
)
def test_no_message_asks_for_more_than_full_speed(values, buttons):
    reading = JoyDevice(GAMEPAD).joy(values, buttons, 0.0)
    assert (np.abs(reading.twist) <= [0.25, 0.25, 0.25, 0, 0, 1.0]).all()
    assert reading.held == bool(buttons[10])


def test_a_message_that_lacks_something_names_what_is_needed_and_what_there_is():
    with pytest.raises(IlRosError) as problem:
        JoyDevice(GAMEPAD).joy([0.0, 0.0], [0] * 12, 0.0)
    assert str(problem.value) == (
        'joy: the message has 2 axes and 12 buttons, but axes.z is axis 3, axes.yaw is axis 2, '
        'buttons.faster is button 14, buttons.slower is button 13, buttons.failure is button 12 '
        '(counted from 0); allowed: 4 or more axes, 15 or more buttons; '
        'to fix: take the configuration of this device'
    )


def test_an_axis_that_is_no_number_is_refused():
    with pytest.raises(IlRosError, match=r'joy: axis 3 \(z\) is nan; allowed: finite numbers'):
        JoyDevice(GAMEPAD).joy(axes(z=float('nan')), pressed(), 0.0)


def test_without_an_enable_switch_moving_is_holding_and_lingers():
    device, still = JoyDevice(SPACEMOUSE), [0.0] * 6
    assert not device.joy(still, [], 0.0).held
    assert device.joy([0.0, 0.0, 0.8, 0.0, 0.0, 0.0], [], 1.0).held
    lingering = device.joy(still, [], 1.4)
    assert lingering.held
    assert not lingering.twist.any()
    assert not device.joy(still, [], 1.6).held
    assert not device.joy(still, [], 0.9).held  # a clock that went back


def test_a_sparse_device_names_a_button_only_when_it_changes():
    device, still = JoyDevice(SPACEMOUSE), [0.0] * 6
    presses = [device.joy(still, buttons, 0.0).pressed for buttons in ([], [1], [], [0], [1])]
    assert presses == [(), ('gripper_toggle',), (), (), ('gripper_toggle',)]


@pytest.mark.parametrize(
    ('text', 'wanted'),
    [
        ('colour: red', r"bad.yaml: unknown key 'colour'; allowed: frame, axes, buttons"),
        (
            'axes: {x: {index: 0, scale: 0.1, colour: red}}',
            r"bad.yaml.axes.x: unknown key 'colour'; allowed: index, scale, sign, deadzone, expo",
        ),
        ('frame: base', r'bad.yaml.axes: missing'),
        (
            'axes: {x: {index: 0, scale: 0.1}}\nbuttons: {enable: 1, takeover: 1}',
            r'bad.yaml.buttons: takeover and enable are both button 1',
        ),
        (
            'axes: {x: {index: 0, scale: 0.1}}\nbuttons: {enable: 1, sparse: true}',
            r'bad.yaml.buttons: enable needs a device that always reports it, not a sparse one',
        ),
        (
            'axes: {x: {index: 0, scale: 0.1}}\nspeed: {initial: 2.0}',
            r'bad.yaml.speed: minimum is 0.1 and initial 2.0; allowed: 0 < minimum <= initial <= 1',
        ),
        (
            'axes: {x: {index: 0, scale: 0.1}}\nmotion: {velocity: 1.5}',
            r'bad.yaml.motion: velocity is 1.5; allowed: above 0, at most 0.9',
        ),
    ],
)
def test_a_configuration_that_cannot_be_names_the_dotted_path(tmp_path, text, wanted):
    path = tmp_path / 'bad.yaml'
    path.write_text(text)
    with pytest.raises(IlRosError, match=wanted):
        load_config('joy', str(path))


def test_an_unknown_device_lists_the_known_ones():
    with pytest.raises(IlRosError, match=r"unknown device 'wheel'; allowed: joy, twist, leader, k"):
        load_config('wheel', '')


def test_a_device_without_defaults_asks_for_its_configuration():
    with pytest.raises(IlRosError, match=r'config.axes: missing'):
        load_config('joy', '')
