"""A robot in this process, in real time, with a monitor and an expert that moves it to and fro.

Its driver, its controller and its gripper can fail one by one, as the attributes say.
"""

import time

import numpy as np
import rclpy
import yaml
from il_ros.msg import ActionChunk, EpisodeEvent, MonitorStatus
from il_ros.srv import SetMode
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState

from il_ros.core.cdr import NS
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.core.robots.franka import FRANKA
from il_ros.nodes.monitor_node import MonitorNode
from il_ros.ros.managed_node import steady_timer
from il_ros.ros.message_conversion import chunk_message, to_stamp
from il_ros.ros.output_adapters import make_output
from il_ros.ros.qos import CHUNKS, COMMAND, EVENTS, SENSOR_OUT, STATUS
from il_ros.ros.spin import make_executor
from il_ros.sim.controller import TrajectoryController

PATIENCE = 20.0
RATE = 50.0  # Hz of the driver
_SWAY, _PERIOD = 0.2, 3.0  # rad, s
_HORIZON = 20


class LiveArm:
    """Use it as a context manager; `until` lets it live.

    Args:
        contract: File of a contract of the arm.
        folder: For the contract that is used, which has joints alone.
        adapter: Of the output.

    Attributes:
        ahead: By how much the driver's stamps are ahead of the clock here [s].
        silent: Whether the driver of the arm says nothing; `gripper_silent`: that of the gripper.
        inactive: Whether the controller takes no commands and holds its position.
        stuck: Whether the gripper does not move.
        grasp: Where the expert wants the gripper [m].
        speeds: Of each joint, between two samples of the driver, shape (N,) each [rad/s or m/s].
    """

    def __init__(self, contract, folder, *, adapter='joint_trajectory'):
        data = yaml.safe_load(load_contract(contract).text)
        data['observations'] = {
            key: stream | ({'topic': 'gripper_states'} if key.startswith('gripper') else {})
            for key, stream in data['observations'].items()
            if stream['topic'] == 'joint_states'
        }
        for key in ('wrench', 'privileged', 'images'):
            data.pop(key, None)
        data['action']['output'] = {'adapter': adapter, 'topic': 'arm_controller/joint_trajectory'}
        self._file = folder / 'arm.yaml'
        self._file.write_text(yaml.safe_dump(data))
        self.contract = load_contract(self._file)
        self.ahead, self.grasp, self.position = 0.0, FRANKA.home[-1], FRANKA.home.copy()
        self.silent = self.gripper_silent = self.inactive = self.stuck = False
        self.statuses, self.events, self.speeds = [], [], []

    def __enter__(self):
        settings = {
            'contract': self._file,
            'autostart': 'false',
            'chunk_age': 1.0,
            'frame_age': 0.4,
        }
        words = [w for k, v in settings.items() for w in ('-p', f'{k}:={v}')]
        rclpy.init(args=['--ros-args', *words], signal_handler_options=SignalHandlerOptions.NO)
        self.monitor, self.robot = MonitorNode(), Node('robot')
        self._output = make_output(self.contract)
        self._controller = TrajectoryController(self.contract.action.names, FRANKA.home)
        self.listen()
        self.begin_driver()
        self._grippers = self.robot.create_publisher(JointState, 'gripper_states', SENSOR_OUT)
        self._chunks = self.robot.create_publisher(ActionChunk, 'expert/action_chunk', CHUNKS)
        subscribe = self.robot.create_subscription
        subscribe(MonitorStatus, 'monitor/status', self.statuses.append, STATUS)
        subscribe(EpisodeEvent, 'events', self.events.append, EVENTS)
        self._mode = self.robot.create_client(SetMode, 'monitor/set_mode')
        self._begin = self._last = self._answered = time.time()
        steady_timer(self.robot, 1.0 / RATE, self._live)
        self.executor = make_executor()
        for node in (self.monitor, self.robot):
            self.executor.add_node(node)
        self.monitor.trigger_configure()
        self.monitor.trigger_activate()
        self.until(self._mode.service_is_ready)
        return self

    def __exit__(self, *_):
        for node in (self.monitor, self.robot):
            node.destroy_node()
        self.executor.shutdown()
        rclpy.try_shutdown()

    def listen(self):
        """Subscribe the controller to its commands."""
        self._commands = self.robot.create_subscription(
            self._output.message_type,
            self.contract.action.output.topic,
            self._on_command,
            COMMAND,
        )

    def leave(self):
        """Unload the controller: nobody listens any more."""
        self.robot.destroy_subscription(self._commands)
        self.inactive = True
        self._controller.hold(self.position)

    def begin_driver(self):
        """Start the driver of the arm, which is a publisher of its own each time."""
        self._joints = self.robot.create_publisher(JointState, 'joint_states', SENSOR_OUT)

    def end_driver(self):
        """End it; the controller goes with it, and the arm holds its position."""
        self.robot.destroy_publisher(self._joints)
        self._joints, self.silent = None, True

    def until(self, happened, seconds=PATIENCE):
        """Let everything live until something is so."""
        deadline = time.monotonic() + seconds
        while not happened():
            if time.monotonic() > deadline:
                raise AssertionError(f'it never happened; last: {self.statuses[-1:]}')
            self.executor.spin_once(timeout_sec=0.02)

    def spin(self, seconds):
        """Let everything live for a while."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end, seconds + 1.0)

    def set_mode(self, mode, *, resume=False):
        """Ask the monitor for a mode; gives its refusal, or nothing."""
        future = self._mode.call_async(SetMode.Request(mode=mode, resume=resume))
        self.until(future.done)
        return '' if future.result().success else future.result().message

    def drive(self):
        """Let the expert move the arm, as soon as the monitor grants it."""

        def under_way():
            if self.mode != MonitorStatus.EXPERT:  # or it was stopped, on a busy machine
                self.set_mode(MonitorStatus.IDLE, resume=True)
                self.set_mode(MonitorStatus.EXPERT)
            return self.mode == MonitorStatus.EXPERT and abs(self.speeds[-1][0]) > 0.2

        self.until(under_way)
        self.speeds.clear()

    @property
    def mode(self):
        return self.statuses[-1].mode if self.statuses else None

    @property
    def reason(self):
        return self.statuses[-1].reason if self.statuses else ''

    def _live(self):
        now, before = time.time(), self.position
        there = self._controller.positions(np.array([now]))[0]
        if self.stuck:
            there[-1] = before[-1]
        self.position = there
        velocity = (there - before) / max(now - self._last, 1e-3)
        self.speeds.append(velocity)
        self._last = now
        stamp = round(NS * (now + self.ahead))
        self._say(self._joints, slice(0, -1), stamp, velocity, self.silent)
        self._say(self._grippers, slice(-1, None), stamp, velocity, self.gripper_silent)
        if now - self._answered >= self.contract.period:
            self._answered = now
            self._chunks.publish(self._chunk(now))

    def _say(self, publisher, joints, stamp, velocity, silent):
        if silent:
            return
        message = JointState(name=list(self.contract.action.names[joints]))
        message.header.stamp = to_stamp(stamp)
        message.position = (self.position[joints] + 1e-7 * np.sin(1e3 * stamp)).tolist()
        message.velocity = velocity[joints].tolist()
        publisher.publish(message)

    def _chunk(self, now):
        steps = self.contract.period * np.arange(1, _HORIZON + 1)
        positions = np.tile(FRANKA.home, (_HORIZON, 1))
        positions[:, 0] += _SWAY * np.sin(2 * np.pi * (now - self._begin + steps) / _PERIOD)
        positions[:, -1] = self.grasp
        return chunk_message(self.contract, positions, stamp=round(NS * now), source='expert')

    def _on_command(self, message):
        if not self.inactive:
            try:
                self._output.apply(message, self._controller, time.time())
            except IlRosError as refusal:
                self.refusals = str(refusal)
