"""Simulator and monitor on a graph, in real time: what the controller follows is known."""

import time
from threading import Timer

import pytest

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('control_msgs')

from il_ros.core.errors import IlRosError  # noqa: E402
from il_ros.monitors.mode import Mode  # noqa: E402
from il_ros.monitors.monitor_config import MonitorConfig  # noqa: E402
from il_ros.nodes.monitor_node import MonitorNode  # noqa: E402
from il_ros.nodes.simulator_node import SimulatorNode  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402

PATIENCE = 30.0


class Graph:
    """Both nodes in this process, by the clock of the machine."""

    def __init__(self):
        given = {'contract': 'config/contracts/franka_reach.yaml', 'task': 'reach'}
        words = [word for key, value in given.items() for word in ('-p', f'{key}:={value}')]
        rclpy.init(args=['--ros-args', *words, '-p', 'publish_clock:=false'])
        self.nodes = SimulatorNode(), MonitorNode()
        self.monitor, self.why = self.nodes[1], ''
        self.executor = make_executor()
        for node in self.nodes:
            self.executor.add_node(node)

    def wait(self, happened):
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline, self.why
            self.executor.spin_once(timeout_sec=0.02)

    def hold(self):
        def granted():
            try:
                self.monitor._monitor.request(Mode.HOLD)
            except IlRosError as refusal:
                self.why = str(refusal)
                return False
            return True

        self.wait(lambda: hasattr(self.monitor, '_monitor'))
        self.wait(granted)

    def values(self):
        return self.monitor._sender.values()

    def close(self):
        for node in self.nodes:
            node.destroy_node()
        self.executor.shutdown()
        rclpy.try_shutdown()


class Slow:
    """A publisher whose messages take their time."""

    def __init__(self, publisher, delay):
        self._publisher, self._delay = publisher, delay

    def publish(self, message):
        timer = Timer(self._delay, self._publisher.publish, [message])
        timer.daemon = True
        timer.start()

    def __getattr__(self, name):
        return getattr(self._publisher, name)


@pytest.mark.slow
@pytest.mark.real_time
def test_lateness_in_transit_is_measured_and_planned_for(domain):
    graph = Graph()
    try:
        graph.hold()
        sender, sent = graph.monitor._sender, graph.monitor._sender._followed
        graph.wait(lambda: sent._newest > 0)  # the controller tells which trajectory it follows
        assert graph.values()['controller state'] == '/arm_controller/controller_state'
        before = sender.missed
        sender.publisher = Slow(sender.publisher, 0.15)
        graph.wait(lambda: sender.missed > before)
        graph.wait(lambda: float(graph.values()['command lead [s]']) > 0.1)
        missed, newest = sender.missed, sent._newest
        graph.wait(lambda: sent._newest > newest + 1.0)  # planned so far ahead, all come in time
        assert sender.missed <= missed + 3
        assert graph.monitor._monitor.mode is Mode.HOLD
        sender.publisher = Slow(sender.publisher, 2 * MonitorConfig.command_lead)
        graph.wait(lambda: graph.monitor._monitor.mode is Mode.ALARM)
        assert 'commands are' in graph.monitor._verdict.reason
    finally:
        graph.close()
