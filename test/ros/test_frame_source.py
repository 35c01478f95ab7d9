"""When a live message counts as received."""

import time

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from rosgraph_msgs.msg import Clock as ClockMsg  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402

from il_ros.core.contract import parse_contract  # noqa: E402
from il_ros.ros.frame_source import FrameSource  # noqa: E402
from il_ros.ros.message_conversion import to_stamp  # noqa: E402
from il_ros.ros.qos import SENSOR_OUT  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402

NS = 10**9
LATE = 0.4  # s that the executor is busy with something else
TEXT = """
version: 1
name: test
base_frame: base
rate: 20.0
clock: position
observations:
  position: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position],
             names: [a], rate: 20.0, align: {time: receive}}
  speed: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity], names: [a],
          rate: 20.0}
action:
  names: [a]
  position: [position]
  velocity: [speed]
  limits: {position_min: [-1], position_max: [1], velocity: [1], acceleration: [1], jerk: [1]}
workspace: {min: [0, 0, 0], max: [1, 1, 1]}
"""


@pytest.fixture
def received(domain):
    """A message to a source whose executor is late: when it was sent and acknowledged, its time."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    nodes = []

    def receive(simulated):
        given = [Parameter('use_sim_time', value=simulated)]
        nodes.append(node := Node('frames', parameter_overrides=given))
        stamps = []
        source = FrameSource(node, parse_contract(TEXT), lambda frame: stamps.append(frame.stamp))
        assert source.builder is not None
        executor = make_executor()
        executor.add_node(node)
        publisher = node.create_publisher(JointState, 'joint_states', SENSOR_OUT)
        deadline = time.monotonic() + 20
        while not publisher.get_subscription_count() and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.05)
        clock = node.create_publisher(ClockMsg, '/clock', SENSOR_OUT)
        while simulated and not node.get_clock().now().nanoseconds:
            clock.publish(ClockMsg(clock=to_stamp(7 * NS)))
            executor.spin_once(timeout_sec=0.05)
        sent = time.time_ns()
        publisher.publish(JointState(name=['a'], position=[0.5], velocity=[0.0]))
        assert publisher.wait_for_all_acked(rclpy.duration.Duration(seconds=20))
        arrived = time.time_ns()
        time.sleep(LATE)
        while not stamps and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.05)
        return sent, arrived, stamps[0]

    yield receive
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown()


def test_a_late_executor_does_not_make_a_message_younger(received):
    sent, arrived, stamp = received(simulated=False)
    assert sent <= stamp <= arrived + LATE * NS / 2


def test_in_simulated_time_the_simulation_s_clock_counts(received):
    *_, stamp = received(simulated=True)
    assert stamp == 7 * NS


def test_joints_that_come_too_rarely_forbid_motion(domain):
    """Plans are made for the contract's period."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = Node('frames')
        source = FrameSource(node, parse_contract(TEXT), lambda frame: None)
        for i in range(60):
            assert source.problems() == [] or i > 38
            source.builder.add('position', np.zeros(1), header=0, receive=NS + i * NS // 10)
        assert source.problems() == [
            'ticks come at 10.00 Hz, the contract says 20 Hz (within 5% allowed): samples of its '
            'clock stream come too rarely'
        ]
        node.destroy_node()
    finally:
        rclpy.shutdown()
