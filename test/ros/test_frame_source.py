"""When a live message counts as received."""

import time
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from geometry_msgs.msg import Point, PointStamped, Pose  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from rosgraph_msgs.msg import Clock as ClockMsg  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Float64, String  # noqa: E402

from il_ros.core.contract import parse_contract  # noqa: E402
from il_ros.core.errors import IlRosError  # noqa: E402
from il_ros.monitors.joint_consistency import JointConsistency  # noqa: E402
from il_ros.ros import frame_source  # noqa: E402
from il_ros.ros.frame_source import FrameSource  # noqa: E402
from il_ros.ros.message_conversion import fill_stamp, to_stamp  # noqa: E402
from il_ros.ros.message_types import message_type  # noqa: E402
from il_ros.ros.publisher_watch import PublisherWatch  # noqa: E402
from il_ros.ros.qos import LATCHED, SENSOR_OUT  # noqa: E402
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


@contextmanager
def goals(monkeypatch, known):
    """A source of a goal, where a transform to its frame is known once `known` has something."""

    class Later:
        def __init__(self, node):
            pass

        def transform(self, target, source, stamp):
            if not known:
                raise IlRosError('not known yet')
            matrix = np.eye(4)
            matrix[0, 3] = known[0]
            return matrix

    monkeypatch.setattr(frame_source, 'TfTransforms', Later)
    text = TEXT.replace(
        'action:\n',
        '  goal: {topic: goal, type: geometry_msgs/msg/PointStamped, fields: [point], '
        'align: {strategy: hold}}\naction:\n',
    )
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node, executor, taken = Node('frames'), make_executor(), []
    executor.add_node(node)

    def on_sample(key, value, header, received):
        taken.append((key, value[0], header))

    source = FrameSource(node, parse_contract(text), lambda frame: None, on_sample=on_sample)
    publisher = node.create_publisher(PointStamped, 'goal', SENSOR_OUT)

    def until(happened):
        deadline = time.monotonic() + 20
        while not happened() and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.02)
        assert happened()

    def say(x, frame_id):
        goal = PointStamped()
        goal.header.frame_id, goal.header.stamp, goal.point.x = frame_id, to_stamp(NS), x
        publisher.publish(goal)

    until(publisher.get_subscription_count)
    yield source, say, until, taken
    node.destroy_node()
    rclpy.shutdown()


def test_what_is_said_once_is_taken_as_soon_as_its_transform_is_known(domain, monkeypatch):
    known = []
    with goals(monkeypatch, known) as (source, say, until, taken):
        say(1.0, 'camera')
        until(lambda: 'goal' in source.builder.rejected)
        delays = source.delays['goal'].least
        assert taken == []
        known.append(5.0)
        until(lambda: taken)
        assert taken == [('goal', 6.0, NS)]
        assert source.builder.rejected == {}
        assert source.delays['goal'].least == delays
        known[0] = 7.0
        source._place()
        assert len(taken) == 1  # once


def test_a_newer_one_takes_its_place(domain, monkeypatch):
    known = []
    with goals(monkeypatch, known) as (source, say, until, taken):
        say(1.0, 'camera')
        until(lambda: 'goal' in source.builder.rejected)
        say(2.0, 'base')
        until(lambda: taken)
        known.append(5.0)
        source._place()
        assert taken == [('goal', 2.0, NS)]


PARTS = TEXT.replace('align: {time: receive}', 'publishers: 3').replace(
    'action:',
    """  lift: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position],
         names: [b], rate: 20.0}
  grip: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position, velocity],
         names: [d, c], rate: 20.0}
action:""",
)


def test_three_nodes_with_a_part_of_the_joints_each_are_normal_and_silent(domain, monkeypatch):
    """An arm, its lift and a gripper, each with joints that nobody asked for among them."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        node, told, frames = Node('frames'), [], []
        logger = SimpleNamespace(error=lambda text, **_: told.append(text))
        monkeypatch.setattr(node, 'get_logger', lambda: logger)
        contract = parse_contract(PARTS)
        consistency = JointConsistency(contract, lambda: 0.0)
        watch = PublisherWatch(node, contract, lambda: 0.0, told.append)
        source = FrameSource(
            node, contract, frames.append, on_sample=consistency.add, on_origin=watch.hear
        )
        executor = make_executor()
        executor.add_node(node)
        parts = [
            (
                Node('gripper'),
                JointState(name=['c', 'd'], position=[3.0, 4.0], velocity=[5.0, 6.0]),
            ),
            (Node('lift'), JointState(name=['other', 'b'], position=[9.0, 2.0])),
            (
                Node('arm'),
                JointState(name=['a', 'a_mimic'], position=[0.5, 0.5], velocity=[0.1, 0]),
            ),
        ]
        publishers = [
            (each.create_publisher(JointState, 'joint_states', SENSOR_OUT), message)
            for each, message in parts
        ]
        deadline = time.monotonic() + 20

        def until(happened):
            while not happened() and time.monotonic() < deadline:
                executor.spin_once(timeout_sec=0.05)
            assert happened()

        until(lambda: all(publisher.get_subscription_count() for publisher, _ in publishers))
        for i in range(5):
            for publisher, message in publishers:
                fill_stamp(message, NS + i * NS // 20)
                publisher.publish(message)
            until(lambda i=i: len(frames) > i)
        watch.look()
        assert told == []
        assert (consistency.problems(), watch.problems(), source.problems()) == ([], (), [])
        for frame in frames:
            assert all(frame.valid.values())
            assert [frame.values[key].tolist() for key in ('position', 'lift', 'grip')] == [
                [0.5], [2.0], [4.0, 3.0, 6.0, 5.0]
            ]  # fmt: skip
        for each, _ in parts:
            each.destroy_node()
        node.destroy_node()
    finally:
        rclpy.shutdown()


def test_one_node_that_sends_its_joints_in_parts_is_silent_once_all_were_heard(domain, monkeypatch):
    """As a driver that publishes arm and gripper in turn."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        node, told, frames = Node('frames'), [], []
        logger = SimpleNamespace(error=lambda text, **_: told.append(text))
        monkeypatch.setattr(node, 'get_logger', lambda: logger)
        contract = parse_contract(TEXT.replace(', align: {time: receive}', ''))
        source = FrameSource(node, contract, frames.append)
        assert source.builder is not None
        executor = make_executor()
        executor.add_node(node)
        publisher = node.create_publisher(JointState, 'joint_states', SENSOR_OUT)
        deadline = time.monotonic() + 20
        while not publisher.get_subscription_count() and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.05)
        own = JointState(name=['a'], position=[0.5], velocity=[0.0])
        other = JointState(name=['hand'], position=[0.5], velocity=[0.0])
        for i, message in enumerate([other, own, other, own, other, own]):
            fill_stamp(message, NS + i // 2 * NS // 20)
            publisher.publish(message)
            while len(frames) < (i + 1) // 2 and time.monotonic() < deadline:
                executor.spin_once(timeout_sec=0.05)
        assert len(frames) == 3
        assert len(told) == 2  # of the first, which says that there is no joint a: both streams
        node.destroy_node()
    finally:
        rclpy.shutdown()


ODD = TEXT.replace(
    'action:',
    """  pressure: {topic: pressure, type: std_msgs/msg/Float64, fields: [data],
             align: {time: receive, strategy: hold}}
  order: {topic: order, type: std_msgs/msg/String, fields: [data], names: [go, come],
          latched: true, align: {time: receive, strategy: hold}}
  pose: {topic: pose, type: geometry_msgs/msg/Pose, fields: [pose.position],
         align: {time: receive, strategy: hold}}
action:""",
)


def test_messages_without_a_header_come_in_as_they_are_received(domain):
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        node, frames = Node('frames'), []
        source = FrameSource(node, parse_contract(ODD), frames.append)
        executor = make_executor()
        executor.add_node(node)
        sent = [
            (Float64, 'pressure', Float64(data=2.5), SENSOR_OUT),
            (String, 'order', String(data='come'), LATCHED),
            (Pose, 'pose', Pose(position=Point(x=1.0, y=2.0, z=3.0)), SENSOR_OUT),
        ]
        publishers = [node.create_publisher(kind, topic, qos) for kind, topic, _, qos in sent]
        joints = node.create_publisher(JointState, 'joint_states', SENSOR_OUT)
        deadline = time.monotonic() + 20
        while not (frames and all(frames[-1].valid.values())) and time.monotonic() < deadline:
            for publisher, (_, _, message, _) in zip(publishers, sent, strict=True):
                publisher.publish(message)
            state = JointState(name=['a'], position=[0.5], velocity=[0.0])
            joints.publish(fill_stamp(state, time.time_ns()))
            executor.spin_once(timeout_sec=0.05)
        assert {key: frames[-1].values[key].tolist() for key in ('pressure', 'order', 'pose')} == {
            'pressure': [2.5], 'order': [0, 1], 'pose': [1, 2, 3]
        }  # fmt: skip
        assert source.invalid(frames[-1]) == []
        node.destroy_node()
    finally:
        rclpy.shutdown()


def test_a_type_whose_package_is_not_there_is_named_with_what_to_do():
    with pytest.raises(IlRosError) as caught:
        message_type('their_msgs/msg/Reading')
    assert str(caught.value) == (
        "message type 'their_msgs/msg/Reading' is not there; "
        'to fix: install or source the package their_msgs'
    )
