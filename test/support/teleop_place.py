"""An arm in real time and a device in somebody's hand: simulator, monitor, teleop as processes."""

import os
import subprocess
import time
from itertools import cycle
from pathlib import Path

import numpy as np
import rclpy
from geometry_msgs.msg import TwistStamped
from il_ros.msg import MonitorStatus, Takeover, TaskState
from il_ros.srv import DiscardBefore, ResetWorld, SetMode
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState, Joy

from il_ros.core.robots.franka import FRANKA
from il_ros.launching import packages
from il_ros.ros.message_conversion import to_ns
from il_ros.ros.qos import CHUNKS, COMMAND, SENSOR_OUT
from il_ros.ros.spin import make_executor

CONFIG = Path('config').resolve()
CONTRACT = CONFIG / 'contracts/franka_reach.yaml'
PATIENCE = 60.0
STANDING = 0.05  # rad/s
# A machine that is busy with other tests gives each process less of it than a robot's would.
PATIENT = {
    'simulator': {'task': 'reach'},
    'monitor': {
        'frame_age': 0.6,
        'chunk_age': 0.6,
        'takeover_age': 1.0,
        'clock_step': 2.0,
        'chunk_wait': 0.7,
    },
    'teleop': {'timeout': 0.5, 'horizon': 12},
    'policy': {},
    'recorder': {},
}


class Place:
    """An arm, its monitor, and a device in somebody's hand: `device` publishes what it says."""

    def __init__(self, folder):
        self.folder, self.processes, self.device = folder, {}, None
        self.answered = ''  # by the monitor
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
        self._discard = self.node.create_client(DiscardBefore, 'monitor/discard_before')
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
        self._executor.shutdown()

    def wait(self, done, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, self.story()
            self._executor.spin_once(timeout_sec=0.02)

    def story(self):
        said = self.log('teleop').read_text()
        device = f'tool {self.tool}, told {self.told[-5:]}, teleop said:'
        return f'{self.status}\n{self.answered}\n{device}\n{said}'

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
            answer = self.call(self._mode, SetMode.Request(**request))
            self.answered = answer.message
            return answer.success

        self.wait(granted)

    def hold(self):
        """A new episode: the arm at rest, the monitor in HOLD, the enable switch known released."""
        if self.status.mode not in (MonitorStatus.IDLE, MonitorStatus.ALARM):
            self.call(self._mode, SetMode.Request(mode=MonitorStatus.HOLD))
        self.until_granted(mode=MonitorStatus.IDLE, resume=True)
        stamp = self.call(self._reset, ResetWorld.Request(seed=1)).stamp
        self.call(self._discard, DiscardBefore.Request(stamp=stamp))
        self.until_granted(mode=MonitorStatus.HOLD)
        self.heard(False)
        self.wait(lambda: self.status.mode == MonitorStatus.HOLD)

    def heard(self, held, times=5):
        """Wait until the enable switch has been said to be so several times from now on."""
        self.told.clear()
        self.wait(lambda: self.told.count(held) >= times)

    def take(self, push, rest):
        """Hold the enable switch until the monitor gives the arm.

        A teleop that has just started may not have been found by the monitor yet, and then the
        monitor has not seen its enable switch let go: it has to be held anew.
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

    def pad(self, *buttons, x=0.0, noise=1e-4):
        """Hold these buttons of a gamepad, and its stick forward with the noise of a hand."""
        pressed, signs = [int(i in buttons) for i in range(21)], cycle((1.0, -1.0))

        def send():
            tremble = noise * next(signs)
            self.joy.publish(Joy(axes=[tremble, x, 0.0, 0.0, 0.0, 0.0], buttons=pressed))

        self.device = send

    def press(self, button):
        """Press a button of a gamepad and let it go."""
        for buttons in ((button,), ()):
            self.pad(*buttons)
            self.heard(False)
