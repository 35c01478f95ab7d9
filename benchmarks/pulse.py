"""An arm's sensors at a rate, whatever it is commanded; and when the commands come."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import cycle, repeat

import rclpy
from il_ros.msg import MonitorStatus
from il_ros.srv import SetMode
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from trajectory_msgs.msg import JointTrajectory

from benchmarks.swaying_arm import Values
from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.ros.message_conversion import to_ns
from il_ros.ros.qos import COMMAND
from il_ros.ros.sensor_publishers import SensorPublishers
from il_ros.ros.spin import make_executor


class BusyMachineError(IlRosError):
    """A measurement says nothing: the processes did not get the time that they needed."""


def beats(executor: Executor, rate: float, seconds: float) -> Iterator[None]:
    """Moments at a rate [Hz] for a while [s]; in between the executor works."""
    end, due = time.perf_counter() + seconds, time.perf_counter()
    while due < end:
        while (left := due - time.perf_counter()) > 0:
            executor.spin_once(timeout_sec=left)
        due += 1.0 / rate
        yield


class Pulse:
    """Plays what an arm measured, again and again; the policy was trained to go on like that.

    The arm stands until the monitor commands it, which it does not while an arm moves.

    Args:
        contract: What the topics mean.
        values: Every observation, an instant each, at the contract's rate; the first follows the
            last.
    """

    def __init__(self, contract: Contract, values: Sequence[Values]) -> None:
        still = {k: 0.0 * v if k.endswith('velocity') else v for k, v in values[0].items()}
        self._values: Iterator[Values] = repeat(still)
        self._moving: Iterator[Values] = cycle(values)
        self._driven = False
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node('pulse')
        self._executor = make_executor()
        self._executor.add_node(self._node)
        self._sensors = SensorPublishers(self._node, contract, contract.action.names)
        self._sent: dict[int, float] = {}
        self._latencies: list[float] = []
        topic = contract.outputs[0].topic
        self._node.create_subscription(JointTrajectory, topic, self._on_command, COMMAND)
        self._newest, self._reasons = 0, dict[int, str]()
        self._node.create_subscription(MonitorStatus, 'monitor/status', self._on_status, 10)

    def run(self, rate: float, warm_up: float, measured: float, answered: float) -> list[float]:
        """Latencies [s] from before an instant is published to its command.

        Raises:
            BusyMachineError: If the monitor refuses to drive, the policy did not drive all the
                time, or less than the share `answered` of the observations had a command before
                the next one.
        """
        try:
            self._beat(rate, warm_up)
            self._drive(rate)
            self._beat(rate, warm_up)
            self._latencies.clear()
            self._reasons.clear()
            self._beat(rate, measured)
        finally:
            self._node.destroy_node()
            rclpy.shutdown()
        if set(self._reasons) != {MonitorStatus.POLICY}:
            raise BusyMachineError(f'the policy did not drive all the time: modes {self._reasons}')
        expected = rate * measured
        if len(self._latencies) < answered * expected:
            raise BusyMachineError(
                f'{len(self._latencies)} commands for {expected:.0f} observations',
                fix='let nothing else run on this machine',
            )
        return self._latencies

    def _on_status(self, message: MonitorStatus) -> None:
        self._reasons[message.mode] = message.reason

    def _beat(self, rate: float, seconds: float) -> None:
        for _ in beats(self._executor, rate, seconds):
            values = next(self._values)
            self._newest = time.time_ns()
            self._begin = time.perf_counter()
            self._sensors.publish(values, self._newest)

    def _on_command(self, message: JointTrajectory) -> None:
        if self._driven and self._values is not self._moving:
            self._values = self._moving  # an arm moves once it is commanded
        # The command is stamped when the monitor decided, after the observation it answers.
        if to_ns(message.header.stamp) >= self._newest:
            self._latencies.append(time.perf_counter() - self._begin)

    def _drive(self, rate: float) -> None:
        client = self._node.create_client(SetMode, 'monitor/set_mode')
        for _ in range(50):
            future = client.call_async(SetMode.Request(mode=MonitorStatus.POLICY))
            future.add_done_callback(self._on_answer)
            self._beat(rate, 0.2)
            if self._driven:
                return
        raise BusyMachineError(f'the monitor refuses to drive: {future.result()}')

    def _on_answer(self, future: Future) -> None:
        self._driven |= future.result().success
