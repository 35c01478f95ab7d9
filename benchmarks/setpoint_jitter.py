"""How evenly set-points leave at a rate of their own, on a live graph in real time.

A monitor in a process of its own drives seven joints by the chunks of an expert, at 20 Hz, and its
set-points leave at 250 Hz. When each has left is the middleware's time of its publishing. The robot
is where it was sent last; robot, expert and referee are the process of the benchmark.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from il_ros.msg import ActionChunk, MonitorStatus
from il_ros.srv import SetMode
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from benchmarks.rows import Row
from il_ros.cli.running_graph import isolate
from il_ros.core import topics
from il_ros.core.contract import Contract, parse_contract
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS
from il_ros.core.limits import Array
from il_ros.launching import packages
from il_ros.launching.child_process import log_directory
from il_ros.launching.process_supervisor import ProcessSupervisor
from il_ros.ros.message_conversion import chunk_message, doubles, to_stamp
from il_ros.ros.qos import CHUNKS
from il_ros.ros.raw_callback import RawCallback
from il_ros.ros.spin import make_executor

RATE = 250.0
BUSY = 2  # loops beside it
_JOINTS = 7
_HORIZON = 16
_KEPT = 1000  # set-points that wait for the referee, who is late himself on a busy machine
_STATES = 0.01  # s between two joint states
_PATIENCE = 60.0  # s
_AGAIN = 3.0  # s after which what was not answered is asked again
_SWING = 0.3  # rad
_TURN = 1.0  # rad/s
_TARGET = 2.0  # ms: half a period
_LOOP = 'while True: pass'

_ALL = f'[{", ".join(f"j{i}" for i in range(_JOINTS))}]'
_TEXT = f"""
version: 1
name: setpoints
base_frame: base
rate: 20.0
clock: arm
observations:
  arm: {{topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position], rate: 100.0,
        names: {_ALL}}}
  speed: {{topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity], rate: 100.0,
          names: {_ALL}}}
action:
  names: {_ALL}
  position: [arm]
  velocity: [speed]
  limits:
    position_min: {[-2.0] * _JOINTS}
    position_max: {[2.0] * _JOINTS}
    velocity: {[2.0] * _JOINTS}
    acceleration: {[10.0] * _JOINTS}
    jerk: {[2000.0] * _JOINTS}
  executed: monitor/executed
  output: {{adapter: forward_command, topic: arm/commands, rate: {RATE}}}
"""


@dataclass(frozen=True, kw_only=True)
class JitterSizes:
    """How long is measured, of the quiet machine and of the busy one each [s]."""

    seconds: float = 60.0


SMOKE = JitterSizes(seconds=3.0)


class _Robot:
    """The robot, its expert, and who looks at the set-points."""

    def __init__(self, node: Node, executor: Executor, contract: Contract) -> None:
        self._node, self._executor, self._contract = node, executor, contract
        self._states = node.create_publisher(JointState, 'joint_states', 10)
        self._chunks = node.create_publisher(ActionChunk, topics.EXPERT_CHUNK, CHUNKS)
        take = RawCallback(self._take)
        node.create_subscription(Float64MultiArray, contract.outputs[0].topic, take, _KEPT)
        self._mode = node.create_client(SetMode, 'monitor/set_mode')
        node.create_timer(_STATES, self._sense)
        self._position, self._last = np.zeros(_JOINTS), np.zeros(_JOINTS)
        self.left: list[int] = []  # when each set-point left [ns]

    def _take(self, message: Any, info: Mapping[str, Any]) -> None:
        self.left.append(info['source_timestamp'])
        self._position = np.array(message.data)

    def _sense(self) -> None:
        stamp = int(self._node.get_clock().now().nanoseconds)
        speed = (self._position - self._last) / _STATES
        self._states.publish(_state(self._contract.action.names, self._position, speed, stamp))
        self._last = self._position
        times = stamp / NS + self._contract.period * np.arange(1, _HORIZON + 1)
        goals = _SWING * np.sin(_TURN * times)[:, None] * np.ones(_JOINTS)
        self._chunks.publish(chunk_message(self._contract, goals, stamp=stamp, source='expert'))

    def spin(self, seconds: float) -> None:
        """Go on for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0.0:
            self._executor.spin_once(timeout_sec=min(left, 0.05))

    def drive(self) -> None:
        """Let the expert have the robot.

        Raises:
            IlRosError: If the monitor does not grant it.
        """
        end, said = time.monotonic() + _PATIENCE, 'no answer'
        while time.monotonic() < end:
            self.spin(0.5)
            if not self._mode.service_is_ready():
                continue
            future = self._mode.call_async(SetMode.Request(mode=MonitorStatus.EXPERT))
            asked = time.monotonic()
            while not future.done() and time.monotonic() < asked + _AGAIN:
                self._executor.spin_once(timeout_sec=0.05)
            if future.done():
                answer = future.result()
                if answer.mode == MonitorStatus.EXPERT:
                    return
                said = answer.message
        raise IlRosError(f'EXPERT is not granted: {said}', where='monitor')

    def off(self, seconds: float) -> Array:
        """How far each interval is off the period, while it is driven for so long, (K,) [ms].

        Raises:
            IlRosError: If the monitor stops meanwhile.
        """
        self.drive()
        self.spin(1.0)
        self.left.clear()
        moved = self._position
        self.spin(seconds)
        if len(self.left) < 2 or np.all(self._position == moved):
            raise IlRosError(f'{len(self.left)} set-points, and no motion', where='monitor')
        return np.abs(np.diff(self.left) / NS - 1.0 / RATE) * 1e3


def _state(names: tuple[str, ...], position: Array, speed: Array, stamp: int) -> JointState:
    state = JointState(name=list(names), position=doubles(position), velocity=doubles(speed))
    state.header.stamp = to_stamp(stamp)
    return state


@contextmanager
def _monitored(folder: Path) -> Iterator[_Robot]:
    """A robot with its monitor."""
    isolate()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / 'contract.yaml'
    path.write_text(_TEXT, encoding='utf-8')
    with ExitStack() as stack:
        supervisor = stack.enter_context(ProcessSupervisor(sink=log_directory(folder)))
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        stack.callback(rclpy.try_shutdown)
        node = Node('robot')
        stack.callback(node.destroy_node)
        executor = make_executor()
        executor.add_node(node)
        program = packages.executable('il_ros', 'monitor', os.environ, 'setpoints')
        # A robot that is where it was sent stops at once where a set-point is late.
        tolerant = 'acceleration_tolerance:=100.0', 'speed_tolerance:=10.0', 'frame_age:=1.0'
        given = (f'contract:={path.resolve()}', 'command_limits:=optional', *tolerant)
        words = [word for each in given for word in ('-p', each)]
        supervisor.start('monitor', [str(program), '--ros-args', *words], expect='anything')
        yield _Robot(node, executor, parse_contract(_TEXT))


@contextmanager
def _busy() -> Iterator[None]:
    """Processes that want all of the cores."""
    loops = [subprocess.Popen([sys.executable, '-c', _LOOP]) for _ in range(BUSY)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def rows(sizes: JitterSizes, runs: Path) -> Iterator[Row]:
    """The jitter, alone and with both cores busy."""
    with _monitored(runs / 'setpoints') as robot:
        quiet = robot.off(sizes.seconds)
        with _busy():
            busy = robot.off(sizes.seconds)
    for name, off in (('', quiet), ('_busy', busy)):
        middle, most, worst = *np.percentile(off, [50, 99]), off.max()
        beside = f', beside {BUSY} loops that keep the cores busy' if name else ''
        how = (
            f'intervals of {len(off)} set-points at {RATE:g} Hz off 4 ms, in {sizes.seconds:g} s '
            f'of a monitor that drives 7 joints at 20 Hz{beside}: '
            f'half of them {middle:.2f} ms, most {worst:.1f} ms'
        )
        yield Row(
            name=f'forward_command_jitter_ms_p99{name}', value=float(most), unit='ms',
            target=_TARGET, better='less', how=how,
        )  # fmt: skip
