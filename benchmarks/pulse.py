"""An arm that does not move: publishes its sensors at a rate, and times the commands."""

from __future__ import annotations

import time

import rclpy
from il_ros.msg import MonitorStatus
from il_ros.srv import SetMode
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from trajectory_msgs.msg import JointTrajectory

from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.ros.convert import to_ns
from il_ros.ros.qos import COMMAND
from il_ros.ros.sensors import SensorPublishers
from il_ros.ros.spin import make_executor
from il_ros.sim.world import World


class Pulse:
    """Publishes one instant again and again; what it shows is what the policy was trained on."""

    def __init__(self, contract: Contract) -> None:
        self._world = World('pick_place')
        self._world.reset(0)
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node('pulse')
        self._executor = make_executor()
        self._executor.add_node(self._node)
        self._sensors = SensorPublishers(self._node, contract, self._world.names)
        self._sent: dict[int, float] = {}
        self._latencies: list[float] = []
        topic = contract.action.output.topic
        self._node.create_subscription(JointTrajectory, topic, self._on_command, COMMAND)
        self._newest, self._reasons = 0, dict[int, str]()
        self._node.create_subscription(MonitorStatus, 'monitor/status', self._on_status, 10)

    def run(self, rate: float, warm_up: float, measured: float) -> list[float]:
        """Latencies [s] from before an instant is published to its command."""
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
            raise IlRosError(f'the policy did not drive all the time: modes {self._reasons}')
        expected = rate * measured
        if len(self._latencies) < 0.9 * expected:
            raise IlRosError(f'{len(self._latencies)} commands for {expected:.0f} observations')
        return self._latencies

    def _on_status(self, message: MonitorStatus) -> None:
        self._reasons[message.mode] = message.reason

    def _beat(self, rate: float, seconds: float) -> None:
        values = self._world.observe()
        end, due = time.perf_counter() + seconds, time.perf_counter()
        while due < end:
            while (left := due - time.perf_counter()) > 0:
                self._executor.spin_once(timeout_sec=left)
            due += 1.0 / rate
            self._newest = time.time_ns()
            self._begin = time.perf_counter()
            self._sensors.publish(values, self._newest)

    def _on_command(self, message: JointTrajectory) -> None:
        # The command is stamped when the monitor decided, after the observation it answers.
        if to_ns(message.header.stamp) >= self._newest:
            self._latencies.append(time.perf_counter() - self._begin)

    def _drive(self, rate: float) -> None:
        client = self._node.create_client(SetMode, 'monitor/set_mode')
        for _ in range(50):
            future = client.call_async(SetMode.Request(mode=MonitorStatus.POLICY))
            self._beat(rate, 0.2)
            if future.done() and future.result().success:
                return
        raise IlRosError(f'the monitor refuses to drive: {future.result()}')
