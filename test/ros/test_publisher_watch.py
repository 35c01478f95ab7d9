"""Publishers of the observations are counted on a real graph."""

import time

import pytest

rclpy = pytest.importorskip('rclpy')

from rclpy.node import Node  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402

from il_ros.core.contract import parse_contract  # noqa: E402
from il_ros.ros.publisher_watch import PublisherWatch  # noqa: E402
from il_ros.ros.qos import SENSOR_OUT  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402

TEXT = """
version: 1
name: test
base_frame: base
rate: 20.0
clock: position
observations:
  position: {{topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position],
             names: [a], rate: 20.0}}
  speed: {{topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity], names: [a],
          rate: 20.0{more}}}
action:
  names: [a]
  position: [position]
  velocity: [speed]
  limits: {{position_min: [-1], position_max: [1], velocity: [1], acceleration: [1], jerk: [1]}}
workspace: {{min: [0, 0, 0], max: [1, 1, 1]}}
"""


@pytest.fixture
def graph(domain):
    """Makes nodes in one executor, and waits for what they see."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    executor, nodes = make_executor(), []

    def node(name, **where):
        nodes.append(made := Node(name, **where))
        executor.add_node(made)
        return made

    def until(happened):
        deadline = time.monotonic() + 20
        while not happened() and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.02)
        assert happened()

    yield node, until
    for made in nodes:
        made.destroy_node()
    rclpy.shutdown()


def test_one_publisher_more_than_the_contract_says_is_named_until_it_leaves(graph):
    node, until = graph
    monitor, driver, other = node('monitor'), node('driver'), node('other', namespace='/left')
    strict = PublisherWatch(monitor, parse_contract(TEXT.format(more='')))
    mild = PublisherWatch(monitor, parse_contract(TEXT.format(more=', publishers: 2')))
    driver.create_publisher(JointState, 'joint_states', SENSOR_OUT)
    until(lambda: monitor.count_publishers('joint_states') == 1)
    strict.look()
    assert strict.problems() == ()
    second = other.create_publisher(JointState, '/joint_states', SENSOR_OUT)
    until(strict.problems)  # by its own timer
    assert strict.problems() == (
        '/joint_states: 2 publishers (/driver, /left/other), the contract expects 1: end the other '
        'node; where each publishes joints of its own, set publishers: 2 for the topic in the '
        'contract',
    )
    assert mild.problems() == ()
    third = node('third')
    last = third.create_publisher(JointState, 'joint_states', SENSOR_OUT)
    until(mild.problems)
    assert '3 publishers (/driver, /left/other, /third)' in mild.problems()[0]
    third.destroy_publisher(last)
    other.destroy_publisher(second)
    until(lambda: not strict.problems())
