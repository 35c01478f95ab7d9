"""A person as the expert: real messages of a device, teleop, monitor and simulator in real time."""

import os
import subprocess
import termios
import time
from pathlib import Path

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from geometry_msgs.msg import TwistStamped  # noqa: E402
from il_ros.msg import MonitorStatus, Takeover, TaskState  # noqa: E402
from il_ros.srv import ResetWorld, SetMode  # noqa: E402
from rclpy.clock import Clock, ClockType  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from sensor_msgs.msg import JointState, Joy  # noqa: E402

from il_ros.core.robots.franka import FRANKA  # noqa: E402
from il_ros.datasets.bags.episode import read_episode_info  # noqa: E402
from il_ros.launching import packages  # noqa: E402
from il_ros.ros.convert import to_ns  # noqa: E402
from il_ros.ros.qos import CHUNKS, COMMAND, SENSOR_OUT  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402

pytestmark = pytest.mark.graph
CONFIG = Path(__file__).parents[2] / 'config'
CONTRACT = CONFIG / 'contracts/franka_reach.yaml'
PATIENCE = 60.0
STANDING = 0.05  # rad/s
REST = 1.5  # s in which an arm has to stand
# A machine that is busy with other tests gives each process less of it than a robot's would.
PATIENT = {
    'simulator': {'task': 'reach'},
    'monitor': {'frame_age': 0.6, 'chunk_age': 0.6, 'takeover_age': 1.0, 'clock_step': 2.0},
    'teleop': {'timeout': 0.5, 'horizon': 12},
    'recorder': {},
}
NAMES = [*(f'leader_joint{i}' for i in range(1, 8)), 'leader_gripper']


class Place:
    """An arm, its monitor, and a device in somebody's hand: `device` publishes what it says."""

    def __init__(self, folder):
        self.folder, self.processes, self.device = folder, {}, None
        self.running = None  # what teleop was started with
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node('operator')
        self._executor = make_executor()
        self._executor.add_node(self.node)
        publish, subscribe = self.node.create_publisher, self.node.create_subscription
        self.joy = publish(Joy, 'joy', SENSOR_OUT)
        self.twist = publish(TwistStamped, 'twist', SENSOR_OUT)
        self.leader = publish(JointState, 'leader/joint_states', SENSOR_OUT)
        self.status, self.told, self.counts = MonitorStatus(), [], {}
        self.joints, self.speed, self.stamp = FRANKA.home, 0.0, 0
        subscribe(JointState, 'joint_states', self._on_joints, SENSOR_OUT)
        subscribe(TaskState, 'task_state', self._on_task, SENSOR_OUT)
        subscribe(MonitorStatus, 'monitor/status', self._on_status, CHUNKS)
        subscribe(Takeover, 'expert/takeover', lambda m: self.told.append(m.held), COMMAND)
        self._reset = self.node.create_client(ResetWorld, 'simulator/reset')
        self._mode = self.node.create_client(SetMode, 'monitor/set_mode')
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.node.create_timer(0.02, lambda: self.device and self.device(), clock=steady)

    def _on_joints(self, message):
        self.joints, self.stamp = np.array(message.position), to_ns(message.header.stamp)
        self.speed = float(np.abs(message.velocity).max())

    def _on_task(self, message):
        self.counts = dict(zip(message.violation_kinds, message.violation_counts, strict=True))

    def _on_status(self, message):
        self.status = message

    def start(self, name, *, stdin=subprocess.DEVNULL, **parameters):
        path = packages.executable('il_ros', name, os.environ, 'test')
        given = {'contract': CONTRACT, 'use_sim_time': name != 'simulator', **PATIENT[name]}
        given |= parameters
        words = [w for key, value in given.items() for w in ('-p', f'{key}:={value}')]
        with self.log(name).open('w') as log:
            self.processes[name] = subprocess.Popen(
                [str(path), '--ros-args', *words], stdin=stdin, stdout=log, stderr=log
            )
        return self.processes[name]

    def log(self, name):
        return self.folder / f'{name}.log'

    def said(self, text, name='teleop'):
        return lambda: text in self.log(name).read_text()

    def end(self, name):
        process = self.processes.pop(name)
        process.terminate()
        try:
            return process.wait(20.0)
        finally:
            process.kill()

    def close(self):
        for name in list(self.processes):
            self.end(name)
        self.node.destroy_node()
        rclpy.shutdown()

    def wait(self, done, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, self.story()
            self._executor.spin_once(timeout_sec=0.02)

    def story(self):
        said = self.log('teleop').read_text()
        return f'{self.status}\ntool {self.tool}, told {self.told[-5:]}, teleop said:\n{said}'

    def call(self, client, request):
        self.wait(client.service_is_ready)
        for _ in range(3):  # a server that has just started may lose its first answer
            future = client.call_async(request)
            end = time.monotonic() + 3.0
            while not future.done() and time.monotonic() < end:
                self._executor.spin_once(timeout_sec=0.02)
            if future.done():
                return future.result()
        raise AssertionError(f'no answer of {client.srv_name}')

    def until_granted(self, **request):
        def granted():
            return self.call(self._mode, SetMode.Request(**request)).success

        self.wait(granted)

    def hold(self):
        """A new episode, the arm at rest, the monitor in HOLD, the dead-man known to be let go."""
        if self.status.mode not in (MonitorStatus.IDLE, MonitorStatus.ALARM):
            self.call(self._mode, SetMode.Request(mode=MonitorStatus.HOLD))
        self.until_granted(mode=MonitorStatus.IDLE, resume=True)
        stamp = self.call(self._reset, ResetWorld.Request(seed=1)).stamp
        self.until_granted(mode=MonitorStatus.HOLD, not_before=stamp)
        self.heard(False)
        self.wait(lambda: self.status.mode == MonitorStatus.HOLD)

    def heard(self, held, times=5):
        """Wait until the dead-man has been said to be so several times from now on."""
        self.told.clear()
        self.wait(lambda: self.told.count(held) >= times)

    def take(self, push, rest):
        """Hold the dead-man until the monitor gives the arm.

        A teleop that has just started may not have been found by the monitor yet, and then the
        monitor has not seen its dead-man let go: it has to be held anew.
        """
        while not self.status.takeover:
            rest()
            self.heard(False)
            push()
            self.told.clear()
            self.wait(lambda: self.status.takeover or self.told.count(True) > 30)

    @property
    def tool(self):
        return FRANKA.chain.forward(self.joints[:7])[0]

    def move(self, push, rest):
        """Take the arm and move it by some centimetres."""
        start = self.tool
        self.take(push, rest)
        self.wait(lambda: np.linalg.norm(self.tool - start) > 0.03)

    def drive(self):
        """Move the arm with a gamepad, and go on."""
        self.move(lambda: self.pad(10, x=1.0), self.pad)

    def until_rest(self):
        """Wait for a standstill; gives how long it took [simulated s]."""
        begin = self.stamp
        self.wait(lambda: self.stamp > begin + 50_000_000 and self.speed < STANDING)
        return (self.stamp - begin) / 1e9

    def pad(self, *buttons, x=0.0):
        """Hold these buttons of a gamepad, and its stick forward."""
        pressed = [int(i in buttons) for i in range(21)]
        self.device = lambda: self.joy.publish(
            Joy(axes=[0.0, x, 0.0, 0.0, 0.0, 0.0], buttons=pressed)
        )


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


def test_the_arm_moves_while_the_dead_man_is_held_and_stops_when_it_is_let_go(pad):
    pad.pad(x=1.0)
    pad.heard(False)  # a stick without the dead-man moves nothing
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
        for button, outcome in ((11, 'success'), (12, 'failure'), (4, 'discarded')):
            for press, text in ((6, 'start: '), (button, f'{outcome}'[:7])):
                lines = pad.log('teleop').read_text().count(text)
                while pad.log('teleop').read_text().count(text) == lines:
                    pad.pad(press)  # again, until the recorder is there and its streams are fresh
                    pad.heard(False)
                    pad.pad()
                    pad.heard(False)
        outcomes = sorted(read_episode_info(path).outcome for path in tmp_path.glob('[!.]*'))
    finally:
        pad.end('recorder')
    assert outcomes == ['discarded', 'failure', 'success']


def test_a_twist_moves_the_tool_and_its_end_stops_it(begun, place):
    def send(x):
        message = TwistStamped()
        message.twist.linear.x = x
        message.header.frame_id = 'base'
        place.device = lambda: place.twist.publish(message)

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
    lead(away, True)
    place.wait(place.said('no takeover, let go and try again: the leader is away from the arm: '))
    place.wait(place.said('fr3_joint3 +0.5'))
    lead(here, True)  # brought near with the pedal down: it has to be let go first
    place.heard(False, times=10)
    np.testing.assert_allclose(place.joints, here, atol=1e-3)
    place.take(lambda: lead(here, True), lambda: lead(here, False))
    lead(here + 0.4 * np.eye(8)[0], True)
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
