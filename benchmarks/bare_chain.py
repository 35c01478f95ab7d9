"""The least that three nodes in a row can do: joints in, a network, a command out.

What a graph costs by itself on this machine, to compare the package's own chain with. As a program,
`python -m benchmarks.bare_chain policy` or `gate` is one of its nodes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from benchmarks.pulse import beats
from benchmarks.rows import ROOT
from il_ros.core.errors import IlRosError
from il_ros.ros.message_conversion import doubles, to_ns, to_stamp
from il_ros.ros.qos import CHUNKS, COMMAND, SENSOR_IN, SENSOR_OUT
from il_ros.ros.spin import WAKE, make_executor

NAMES = [f'joint_{i}' for i in range(8)]
_STEPS, _WIDTH = 32, 256


def measure(rate: float, warm_up: float, measured: float) -> list[float]:
    """Latencies [s] from before the joints are published to the command that answers them.

    Raises:
        IlRosError: If nothing comes out of the chain.
    """
    with _chain():
        return _Source().run(rate, warm_up, measured)


@contextmanager
def _chain() -> Iterator[None]:
    arguments = [sys.executable, '-m', 'benchmarks.bare_chain']
    environment = {**os.environ, 'OPENBLAS_NUM_THREADS': '1'}
    nodes = [subprocess.Popen([*arguments, stage], cwd=ROOT, env=environment) for stage in _STAGES]
    try:
        yield
    finally:
        for node in nodes:
            node.terminate()
        for node in nodes:
            node.wait()


class _Source:
    def __init__(self) -> None:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self._node, self._executor = Node('bare_source'), make_executor()
        self._executor.add_node(self._node)
        self._joints = self._node.create_publisher(JointState, 'bare/joint_states', SENSOR_OUT)
        self._node.create_subscription(JointTrajectory, 'bare/command', self._on_command, COMMAND)
        self._newest, self._begin = 0, 0.0
        self._latencies: list[float] = []

    def run(self, rate: float, warm_up: float, measured: float) -> list[float]:
        try:
            deadline = time.monotonic() + 30.0
            while not self._latencies:
                if time.monotonic() > deadline:
                    raise IlRosError('nothing comes out of the bare chain')
                self._beat(rate, 0.1)
            self._beat(rate, warm_up)
            self._latencies.clear()
            self._beat(rate, measured)
        finally:
            self._node.destroy_node()
            rclpy.shutdown()
        return self._latencies

    def _beat(self, rate: float, seconds: float) -> None:
        for _ in beats(self._executor, rate, seconds):
            self._newest, self._begin = time.time_ns(), time.perf_counter()
            numbers = [0.1] * len(NAMES)
            message = JointState(name=NAMES, position=numbers, velocity=numbers)
            message.header.stamp = to_stamp(self._newest)
            self._joints.publish(message)

    def _on_command(self, message: JointTrajectory) -> None:
        if to_ns(message.header.stamp) == self._newest:
            self._latencies.append(time.perf_counter() - self._begin)


def _policy(node: Node) -> None:
    """A network of two hidden layers, as large as that of the package's chain."""
    sizes = (2 * len(NAMES), _WIDTH, _WIDTH, _STEPS * len(NAMES))
    rng = np.random.default_rng(0)
    layers = [rng.normal(size=pair).astype(np.float32) for pair in pairwise(sizes)]
    publisher = node.create_publisher(JointTrajectory, 'bare/chunk', CHUNKS)

    def answer(joints: JointState) -> None:
        x = np.array([*joints.position, *joints.velocity], dtype=np.float32)
        for layer in layers[:-1]:
            x = np.maximum(x @ layer, 0.0)
        chunk = JointTrajectory(header=joints.header, joint_names=NAMES)
        chunk.points = [JointTrajectoryPoint(positions=doubles(x @ layers[-1]))]
        publisher.publish(chunk)

    node.create_subscription(JointState, 'bare/joint_states', answer, SENSOR_IN)


def _gate(node: Node) -> None:
    """Passes the first step on."""
    publisher = node.create_publisher(JointTrajectory, 'bare/command', COMMAND)

    def command(chunk: JointTrajectory) -> None:
        positions = chunk.points[0].positions[: len(NAMES)]
        chunk.points = [JointTrajectoryPoint(positions=positions)]
        publisher.publish(chunk)

    node.create_subscription(JointTrajectory, 'bare/chunk', command, CHUNKS)


_STAGES: dict[str, Callable[[Node], Any]] = {'policy': _policy, 'gate': _gate}


def _main(stage: str) -> None:
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node, executor = Node(f'bare_{stage}'), make_executor()
    _STAGES[stage](node)
    executor.add_node(node)
    while not stopped:
        executor.spin_once(timeout_sec=WAKE)
    node.destroy_node()
    executor.shutdown()
    rclpy.try_shutdown()


if __name__ == '__main__':
    _main(sys.argv[1])
