"""The time now, also in the middle of a callback."""

import time

import pytest

rclpy = pytest.importorskip('rclpy')

from builtin_interfaces.msg import Time  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402

from il_ros.ros.sim_time_watch import Present  # noqa: E402

NS = 1_000_000_000


@pytest.fixture
def node(domain):
    rclpy.init()
    node = Node('present', parameter_overrides=[Parameter('use_sim_time', value=True)])
    yield node
    node.destroy_node()
    rclpy.shutdown()


def test_simulated_time_goes_on_while_a_callback_runs(node):
    present, clock = Present(node), node.create_publisher(Clock, '/clock', 1)
    assert present.now() == 0
    deadline = time.monotonic() + 20
    for second in (5, 7, 2):  # it may also go back
        while present.now() != second * NS:
            assert time.monotonic() < deadline
            clock.publish(Clock(clock=Time(sec=second)))
            time.sleep(0.01)
    assert node.get_clock().now().nanoseconds == 0  # nobody has spun: what rclpy itself knows
    clock.publish(Clock(clock=Time(sec=-1)))
    time.sleep(0.05)
    assert present.now() == 2 * NS


def test_the_clock_of_the_machine_is_the_node_s_own(domain):
    rclpy.init()
    node = Node('present')
    assert abs(Present(node).now() - time.time_ns()) < NS
    node.destroy_node()
    rclpy.shutdown()
