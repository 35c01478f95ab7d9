"""Simulator and monitor on a graph: what the controller follows is known, however late it gets it.

The test moves the simulated time and delays the commands by it, so a busy machine changes nothing.
"""

import time
from collections import deque

import pytest

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('control_msgs')

from il_ros.core.errors import IlRosError  # noqa: E402
from il_ros.core.frames import NS  # noqa: E402
from il_ros.monitors.mode import Mode  # noqa: E402
from il_ros.monitors.monitor_config import MonitorConfig  # noqa: E402
from il_ros.nodes.monitor_node import MonitorNode  # noqa: E402
from il_ros.nodes.simulator_node import SimulatorNode  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402

PATIENCE = 60.0  # s of the wall for one message
LONGEST = 30.0  # s of the simulation for anything
STEP = 5  # physics steps


class Slow:
    """A publisher whose messages are on their way for so long, by the simulated time."""

    def __init__(self, publisher, now):
        self._publisher, self._now = publisher, now
        self.delay, self._way = 0.0, deque()

    def publish(self, message):
        self._way.append((self._now() + self.delay, message))

    def deliver(self):
        """Those that arrive; gives how many."""
        count = len(self._way)
        while self._way and self._way[0][0] <= self._now():
            self._publisher.publish(self._way.popleft()[1])
        return count - len(self._way)

    def __getattr__(self, name):
        return getattr(self._publisher, name)


class Graph:
    """Both nodes in this process; time moves in steps, each after what the one before led to."""

    def __init__(self, monkeypatch, **parameters):
        given = {'contract': 'config/contracts/franka_reach.yaml', 'task': 'reach', 'speed': 0.0,
                 'monitor:use_sim_time': True, **parameters}  # fmt: skip
        words = [word for key, value in given.items() for word in ('-p', f'{key}:={value}')]
        rclpy.init(args=['--ros-args', *words])
        self.arrived, take = 0, SimulatorNode._on_command

        def counted(*received):
            take(*received)
            self.arrived += 1

        monkeypatch.setattr(SimulatorNode, '_on_command', counted)
        self.simulator, self.monitor = self.nodes = SimulatorNode(), MonitorNode()
        self.why = ''
        self.executor = make_executor()
        for node in self.nodes:
            self.executor.add_node(node)
        self.serve(lambda: all(node.active for node in self.nodes))
        (sender,) = self.monitor._sender._trajectories
        topics = [sender.publisher.topic_name, '/joint_states', '/clock', self.state_topic]
        self.serve(lambda: all(self.monitor.count_subscribers(topic) for topic in topics))
        self.serve(lambda: all(self.simulator.count_subscribers(topic) for topic in topics))
        self.slow = sender.publisher = Slow(sender.publisher, self.now)

    @property
    def state_topic(self):
        return self.monitor._sender._trajectories[0].watch._topic

    def now(self):
        return self.simulator._now / NS

    def serve(self, happened):
        """Let the nodes work until something is so."""
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline, self.why
            self.executor.spin_once(timeout_sec=0.02)

    def step(self):
        simulator, monitor = self.simulator, self.monitor
        frame = simulator._left() <= STEP
        simulator._advance(min(STEP, simulator._left()))
        stamp = simulator._now
        self.serve(lambda: monitor.get_clock().now().nanoseconds >= stamp)
        if frame:
            self.serve(lambda: monitor._frame and monitor._frame.stamp == stamp)
            self.serve(lambda: monitor._waiting is None)
        heard = monitor._sender._trajectories[0].watch
        self.serve(lambda: heard._state and heard._state.stamp >= monitor._seconds(stamp))
        expected = self.arrived + self.slow.deliver()
        self.serve(lambda: self.arrived == expected)

    def wait(self, happened):
        end = self.now() + LONGEST
        while not happened():
            assert self.now() < end, self.why or self.monitor._verdict.reason
            self.step()

    def hold(self):
        def granted():
            try:
                self.monitor._require_graph(Mode.HOLD)
                self.monitor._monitor.request(Mode.HOLD)
            except IlRosError as refusal:
                self.why = str(refusal)
                return False
            self.why = ''
            return True

        self.wait(granted)

    def values(self):
        return self.monitor._sender.values()

    def close(self):
        for node in self.nodes:
            node.destroy_node()
        self.executor.shutdown()
        rclpy.try_shutdown()


@pytest.fixture
def start(domain, monkeypatch):
    graphs = []

    def made(**parameters):
        graphs.append(Graph(monkeypatch, **parameters))
        return graphs[-1]

    yield made
    for graph in graphs:
        graph.close()


def test_lateness_in_transit_is_measured_and_planned_for(start):
    graph = start()
    graph.hold()
    sender, sent = graph.monitor._sender, graph.monitor._sender._trajectories[0]._followed
    graph.wait(lambda: sent._newest > 0)  # the controller tells which trajectory it follows
    assert graph.values()['controller state'] == '/arm_controller/controller_state'
    assert sender.missed == 0
    graph.slow.delay = 0.15
    graph.wait(lambda: sender.missed)
    graph.wait(lambda: float(graph.values()['command lead [s]']) > 0.1)
    missed, newest = sender.missed, sent._newest
    graph.wait(lambda: sent._newest > newest + 1.0)  # planned so far ahead, all come in time
    assert sender.missed <= missed + 3
    assert graph.monitor._monitor.mode is Mode.HOLD
    graph.slow.delay = 2 * MonitorConfig.command_lead
    graph.wait(lambda: graph.monitor._monitor.mode is Mode.ALARM)
    assert 'commands are' in graph.monitor._verdict.reason


def test_with_a_least_lead_as_long_none_is_missed(start):
    graph = start(least_command_lead=0.2)
    graph.hold()
    sender, sent = graph.monitor._sender, graph.monitor._sender._trajectories[0]._followed
    graph.slow.delay = 0.2
    graph.wait(lambda: sent._newest > 0)
    newest = sent._newest
    graph.wait(lambda: sent._newest > newest + 1.0)
    assert sender.missed == sender.withheld == 0
    assert graph.monitor._monitor.mode is Mode.HOLD


def test_a_controller_manager_that_enforces_no_limits_keeps_the_arm_from_being_commanded(start):
    graph = start(enforce_command_limits=False)
    limits = graph.monitor._limits
    graph.serve(lambda: limits.look() or limits.enforced is False)
    with pytest.raises(IlRosError, match='enforce_command_limits is false'):
        graph.monitor._require_graph(Mode.HOLD)
