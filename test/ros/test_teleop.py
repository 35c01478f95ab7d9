"""A person as the expert: real messages of a device, teleop, monitor and simulator in real time."""

import os
import termios
from itertools import cycle

import numpy as np
import pytest

pytest.importorskip('rclpy')

from geometry_msgs.msg import TwistStamped
from il_ros.msg import MonitorStatus
from sensor_msgs.msg import JointState, Joy
from teleop_place import CONFIG, STANDING, Place

from il_ros.bags.episode_info import read_episode_info

pytestmark = pytest.mark.real_time
REST = 1.5  # s in which an arm has to stand
NAMES = [*(f'leader_joint{i}' for i in range(1, 8)), 'leader_gripper']


@pytest.fixture(scope='module')
def place(domain, tmp_path_factory):
    place = Place(tmp_path_factory.mktemp('teleop'))
    try:
        place.start('simulator')
        place.start('monitor')
        yield place
    finally:
        place.close()


@pytest.fixture
def begun(place):
    """Start teleop with a device, if it does not run already, and bring the arm to HOLD."""

    def begin(**parameters):
        if place.running != parameters or place.processes['teleop'].poll() is not None:
            if 'teleop' in place.processes:
                place.end('teleop')
            place.start('teleop', **parameters)
            place.running = parameters
        place.hold()
        return place

    yield begin
    place.device = None
    limits = {k: v for k, v in place.counts.items() if v}
    assert not limits, limits


@pytest.fixture
def pad(begun, place):
    place.pad()
    return begun(device='joy', config=CONFIG / 'teleop/gamepad.yaml')


def test_the_arm_moves_while_the_enable_switch_is_held_and_stops_when_it_is_let_go(pad):
    pad.pad(x=1.0)
    pad.heard(False)  # a stick without the enable switch moves nothing
    assert pad.speed < STANDING
    pad.drive()
    assert (pad.status.mode, pad.status.takeover) == (MonitorStatus.EXPERT, True)
    pad.pad(x=1.0)
    assert pad.until_rest() < REST
    pad.wait(lambda: pad.status.mode == MonitorStatus.HOLD)
    assert pad.status.reason == 'takeover ended'


def test_the_tool_goes_where_the_stick_points(pad):
    start = pad.tool
    pad.drive()
    pad.wait(lambda: pad.tool[0] - start[0] > 0.1)
    np.testing.assert_allclose(pad.tool[1:], start[1:], atol=0.005)


def test_a_device_that_falls_silent_in_the_middle_of_a_motion_stops_the_arm(pad):
    pad.drive()
    pad.device = None
    assert pad.until_rest() < REST
    pad.wait(lambda: pad.status.mode != MonitorStatus.EXPERT)
    pad.wait(pad.said('the arm is let go: the device is silent'))
    pad.pad(10, x=1.0)  # it is back, and still held: that counts only after it was let go
    pad.heard(False, times=20)
    assert pad.speed < STANDING
    assert not pad.status.takeover


def test_a_gamepad_out_of_range_that_repeats_its_last_message_is_let_go(pad):
    pad.drive()
    pad.pad(10, x=1.0, noise=0.0)
    pad.wait(lambda: not pad.status.takeover)
    assert pad.until_rest() < REST
    assert pad.status.mode == MonitorStatus.HOLD
    pad.wait(pad.said('the arm is let go: the device is deflected, but none of its digits has'))
    pad.pad(10, x=1.0)  # it is back: switch and stick have to be let go first
    pad.heard(False, times=20)
    assert pad.speed < STANDING


def test_an_axis_that_is_told_at_full_deflection_since_the_start_moves_nothing(pad):
    pad.end('teleop')
    pad.pad(x=-1.0)
    pad.start('teleop', **pad.running)
    pad.hold()
    before = pad.joints
    pad.take(lambda: pad.pad(10, x=-1.0), lambda: pad.pad(x=-1.0))
    pad.heard(True, times=30)
    np.testing.assert_allclose(pad.joints, before, atol=1e-3)
    pad.wait(pad.said('not in its dead zone yet, so it does not count: x (axis 1)'))


def test_a_message_that_lacks_axes_stops_the_arm_and_says_what_is_needed(pad):
    pad.drive()
    pad.device = lambda: pad.joy.publish(Joy(axes=[0.0, 1.0], buttons=[1] * 21))
    assert pad.until_rest() < REST
    text = 'nothing is commanded: joy: the message has 2 axes and 21 buttons, but axes.z is axis 3'
    pad.wait(pad.said(text))


def test_a_teleop_that_is_killed_stops_the_arm(pad):
    pad.drive()
    pad.processes['teleop'].kill()
    assert pad.until_rest() < REST
    pad.wait(lambda: pad.status.mode == MonitorStatus.ALARM)


def test_the_workspace_ends_the_motion_without_an_alarm(pad):
    pad.drive()
    pad.wait(lambda: pad.tool[0] > 0.7 and pad.speed < STANDING)
    assert pad.tool[0] < 0.785
    assert (pad.status.mode, pad.status.takeover) == (MonitorStatus.EXPERT, True)


def test_the_takeover_button_takes_the_arm_and_keeps_it(pad):
    before = pad.joints
    pad.take(lambda: pad.pad(9, x=1.0), pad.pad)
    pad.heard(True, times=10)
    np.testing.assert_allclose(pad.joints, before, atol=1e-3)


def test_buttons_begin_and_end_episodes(pad, tmp_path):
    pad.start('recorder', directory=tmp_path)
    try:
        for number, button in enumerate((11, 12, 4), start=1):
            # By what is on the disk: an answer that the teleop logs may be lost.
            while not list(tmp_path.glob('.*')):
                pad.press(6)  # until the recorder is there and its streams are fresh
            while len(list(tmp_path.glob('[!.]*'))) < number:
                pad.press(button)
        outcomes = sorted(read_episode_info(path).outcome for path in tmp_path.glob('[!.]*'))
    finally:
        pad.end('recorder')
    assert outcomes == ['discarded', 'failure', 'success']


def test_a_twist_moves_the_tool_and_its_end_stops_it(begun, place):
    def send(x):
        message = TwistStamped()
        message.header.frame_id, signs = 'base', cycle((1.0, -1.0))

        def tell():
            message.twist.linear.x = x + 1e-5 * next(signs)
            place.twist.publish(message)

        place.device = tell

    send(0.0)
    begun(device='twist')
    place.move(lambda: send(0.15), lambda: send(0.0))
    send(0.0)
    assert place.until_rest() < REST
    place.wait(lambda: place.status.mode == MonitorStatus.HOLD)
    place.move(lambda: send(0.15), lambda: send(0.0))
    place.device = None
    assert place.until_rest() < REST
    place.wait(lambda: place.status.mode != MonitorStatus.EXPERT)


def test_a_leader_far_away_is_refused_in_words_and_a_near_one_is_followed(begun, place):
    def lead(joints, held):
        position = [*joints[:7], joints[7] / 0.04]

        def send():
            place.leader.publish(JointState(name=NAMES, position=position))
            place.joy.publish(Joy(buttons=[int(held)]))

        place.device = send

    lead(place.joints, False)
    begun(device='leader', config=CONFIG / 'teleop/leader.yaml')
    here = place.joints
    away = here + 0.5 * np.eye(8)[2]
    lead(away, False)
    place.heard(False)
    lead(away, True)
    place.wait(place.said('no takeover, let go and try again: the leader is away from the arm: '))
    place.wait(place.said('fr3_joint3 +0.5'))
    lead(here, True)  # near with the pedal down: it has to be let go first
    place.heard(False, times=10)
    np.testing.assert_allclose(place.joints, here, atol=1e-3)
    place.take(lambda: lead(here, True), lambda: lead(here, False))
    for share in np.linspace(0.0, 0.4, 20):  # by a hand, which does not jump
        lead(here + share * np.eye(8)[0], True)
        place.heard(True)
    place.wait(lambda: abs(place.joints[0] - here[0] - 0.4) < 0.01 and place.speed < STANDING)
    place.device = None
    place.wait(lambda: place.status.mode != MonitorStatus.EXPERT)


def test_the_keys_of_a_terminal_move_the_arm_and_the_terminal_is_left_as_it_was(begun, place):
    ours, theirs = os.openpty()
    before = termios.tcgetattr(theirs)
    begun(device='keyboard', stdin=theirs)
    assert termios.tcgetattr(theirs) != before

    def press(key):
        place.device = lambda: os.write(ours, key)

    place.move(lambda: press(b'w'), lambda: press(b' '))
    assert place.status.takeover
    place.device = None
    os.write(ours, b' ')
    assert place.until_rest() < REST
    place.wait(lambda: place.status.mode == MonitorStatus.HOLD)
    assert place.end('teleop') == 0  # by SIGTERM
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)
