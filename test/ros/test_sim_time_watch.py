"""Simulated time: from one node alone, and no message about it ends a node."""

import time

import pytest

rclpy = pytest.importorskip('rclpy')

from builtin_interfaces.msg import Time  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402

from il_ros.nodes.simulator_node import SimulatorNode  # noqa: E402
from il_ros.ros.managed_node import ManagedNode  # noqa: E402
from il_ros.ros.message_conversion import to_ns  # noqa: E402
from il_ros.ros.qos import SENSOR_IN, SENSOR_OUT  # noqa: E402
from il_ros.ros.sim_time_watch import SimTimeWatch  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402

PATIENCE = 20.0
NS = 10**9


class Place:
    """A node by simulated time in a namespace of its own, and whoever sets the time."""

    def __init__(self, *arguments):
        self.context, self.others = rclpy.Context(), []
        rclpy.init(context=self.context, args=['--ros-args', *arguments])
        self.node = ManagedNode('monitor', namespace='left', context=self.context)
        self.watch = SimTimeWatch(self.node)
        self.executor = make_executor(self.context)
        self.executor.add_node(self.node)

    def publisher(self, name):
        node = Node(name, namespace='left', context=self.context)
        self.others.append(node)
        return node.create_publisher(Clock, '/clock', SENSOR_OUT)

    def wait(self, happened):
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline, 'it never happened'
            self.executor.spin_once(timeout_sec=0.02)

    def problems(self):
        return list(self.watch.problems())

    def close(self):
        for node in [*self.others, self.node]:
            node.destroy_node()
        rclpy.try_shutdown(context=self.context)
        self.executor.shutdown()


@pytest.fixture
def place(domain):
    arguments = ('-p', 'autostart:=false', '-p', 'use_sim_time:=true', '-r', '/clock:=clock')
    place = Place(*arguments)
    yield place
    place.close()


def test_times_that_are_none_are_dropped_and_forbid_motion_for_a_moment(place):
    clock, now = place.publisher('simulator'), place.node.get_clock().now
    place.wait(clock.get_subscription_count)

    def tell(sec, nanosec=0):
        clock.publish(Clock(clock=Time(sec=sec, nanosec=nanosec)))

    tell(5)
    place.wait(lambda: now().nanoseconds == 5 * NS)
    assert place.problems() == []
    for sec in (-1, -(2**31), -1):
        before = place.node.dropped.get('/left/clock')
        tell(sec, 999_999_999)
        place.wait(lambda before=before: place.node.dropped.get('/left/clock') != before)
        assert place.problems()[0].startswith('/left/clock: not a time: ValueError: ')
        assert now().nanoseconds == 5 * NS
    for sec, nanosec in ((6, 2**32 - 1), (2**31 - 1, 2**32 - 1), (0, 0), (7, 0)):
        tell(sec, nanosec)  # wrong, but a time: what jumps is the clock's fault at the next tick
        place.wait(lambda at=sec * NS + nanosec: now().nanoseconds == at)
    place.node.dropped['/left/clock'] = (time.monotonic() - 2.1, 'long ago')
    assert place.problems() == []


def test_a_second_node_that_sets_the_time_is_named_until_it_is_gone(place):
    place.publisher('simulator')
    place.publisher('other')
    place.wait(place.problems)
    assert place.problems() == [
        '/left/clock: 2 publishers (/left/other, /left/simulator), or one that was killed less '
        'than 20 s ago; allowed: 1; give each graph its own, -r /clock:=clock in a namespace'
    ]
    place.others.pop().destroy_node()
    place.wait(lambda: not place.problems())


def test_who_goes_by_the_clock_of_the_machine_does_not_care(domain):
    place = Place('-p', 'autostart:=false')
    try:
        for name in ('simulator', 'other'):
            place.publisher(name)
        place.wait(lambda: place.node.count_publishers('/clock') == 2)
        place.watch.look()
        assert place.problems() == []
    finally:
        place.close()


class Arm:
    """A simulator that sets no time, and somebody who listens to its joints."""

    def __init__(self, contract, **parameters):
        given = {'contract': contract, 'task': 'reach', 'publish_clock': False, **parameters}
        words = [word for key, value in given.items() for word in ('-p', f'{key}:={value}')]
        rclpy.init(args=['--ros-args', *words])
        self.node, self.delays, self.stamps = SimulatorNode(), [], []
        self.listener = Node('listener', use_global_arguments=False)
        self.listener.create_subscription(JointState, 'joint_states', self.take, SENSOR_IN)
        self.executor = make_executor()
        for node in (self.node, self.listener):
            self.executor.add_node(node)

    def take(self, message):
        self.stamps.append(to_ns(message.header.stamp))
        self.delays.append((time.time_ns() - self.stamps[-1]) / NS)

    def wait(self, happened):
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline, 'it never happened'
            self.executor.spin_once(timeout_sec=0.02)

    def close(self):
        for node in (self.listener, self.node):
            node.destroy_node()
        self.executor.shutdown()
        rclpy.try_shutdown()


@pytest.mark.real_time
def test_a_simulator_that_sets_no_time_stamps_by_the_clock_of_the_machine(domain, contract):
    arm = Arm('config/contracts/franka_reach.yaml')
    try:
        arm.wait(lambda: len(arm.stamps) > 20)
        assert arm.listener.count_publishers('/clock') == 0
        assert -0.001 < min(arm.delays) < 0.05
        steps = [b - a for a, b in zip(arm.stamps, arm.stamps[1:], strict=False)]
        assert set(steps) == {NS // 20}  # physics steps, whatever the machine's timers do
        arm.node._base -= 2 * NS  # the machine slept
        count = len(arm.stamps)
        arm.wait(lambda: len(arm.stamps) > count + 3)
        assert abs(arm.delays[-1]) < 0.1
    finally:
        arm.close()


def test_a_simulator_that_sets_no_time_runs_in_real_time_or_not_at_all(domain, capfd):
    arm = Arm('config/contracts/franka_reach.yaml', speed=0.0)
    try:
        arm.wait(lambda: arm.node.exit_code == 2)
    finally:
        arm.close()
    assert 'speed is 0.0; allowed: 1.0 without publish_clock' in capfd.readouterr().err


def test_time_that_never_came_is_named(place):
    text = 'use_sim_time is true, but nobody publishes the time'
    place.wait(place.problems)
    assert place.problems() == [f'/left/clock: {text}']
    place.publisher('simulator')
    place.wait(lambda: not place.problems())
