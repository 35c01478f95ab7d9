"""Publishers of the observations are counted on a real graph."""

import time

import pytest

rclpy = pytest.importorskip('rclpy')

from rclpy.node import Node  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402

from il_ros.core.contract import parse_contract  # noqa: E402
from il_ros.ros.publisher_watch import PublisherWatch, SolePublisher  # noqa: E402
from il_ros.ros.qos import SENSOR_IN, SENSOR_OUT  # noqa: E402
from il_ros.ros.raw_callback import RawCallback, publisher_of  # noqa: E402
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
    rest = lambda: 0.0, lambda text: None
    strict = PublisherWatch(monitor, parse_contract(TEXT.format(more='')), *rest)
    mild = PublisherWatch(monitor, parse_contract(TEXT.format(more=', publishers: 2')), *rest)
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


def heard_by(monitor, watch):
    """Passes on what comes, as a FrameSource does."""
    taken = []

    def take(data, info):
        taken.append(publisher_of(info))
        watch.hear(('position', 'speed'), taken[-1])

    monitor.create_subscription(JointState, 'joint_states', RawCallback(take), SENSOR_IN, raw=True)
    return taken


def test_a_joint_from_two_publishers_is_told_at_the_first_message_and_after_a_restart(graph):
    node, until = graph
    monitor, driver, other = node('monitor'), node('driver'), node('other')
    now, told = [0.0], []
    contract = parse_contract(TEXT.format(more=', publishers: 2'))
    watch = PublisherWatch(monitor, contract, lambda: now[0], told.append)
    taken = heard_by(monitor, watch)
    first = driver.create_publisher(JointState, 'joint_states', SENSOR_OUT)
    second = other.create_publisher(JointState, 'joint_states', SENSOR_OUT)
    until(lambda: first.get_subscription_count() == second.get_subscription_count() == 1)

    def send(publisher):
        before = len(taken)
        publisher.publish(JointState(name=['a']))
        until(lambda: len(taken) > before)

    send(first)
    if not taken[-1]:
        pytest.skip('this rclpy does not say who sent a message')
    watch.look()
    send(first)
    assert watch.problems() == ()
    send(second)
    assert watch.problems() == (
        '/joint_states: position, speed from 2 publishers, /driver, /other: end the other node, '
        'and wait 1 s; after a driver has begun again, only wait',
    )
    now[0] += 100.0
    watch.look()  # both are there, however silent
    assert told == list(watch.problems())
    driver.destroy_publisher(first)
    until(lambda: monitor.count_publishers('joint_states') == 1)
    send(second)
    watch.look()
    assert watch.problems() == ()
    again = driver.create_publisher(JointState, 'joint_states', SENSOR_OUT)
    other.destroy_publisher(second)
    until(lambda: again.get_subscription_count() == monitor.count_publishers('joint_states') == 1)
    send(again)
    assert '/driver, /other (gone)' in watch.problems()[0]
    now[0] += 1.1
    send(again)
    watch.look()
    assert watch.problems() == ()
    assert told[-1] == '/joint_states: from one publisher again'


def test_a_topic_from_two_publishers_is_told_until_one_is_gone(graph):
    node, until = graph
    monitor, driver, other = node('monitor'), node('driver'), node('other')
    now = [0.0]
    sole, heard = SolePublisher(monitor, 'joint_states', lambda: now[0]), []

    def take(data, info):
        heard.append(info)
        sole.hear(info)

    monitor.create_subscription(JointState, 'joint_states', RawCallback(take), SENSOR_OUT)
    publishers = [each.create_publisher(JointState, 'joint_states', SENSOR_OUT)
                  for each in (driver, other)]  # fmt: skip
    until(lambda: all(each.get_subscription_count() for each in publishers))
    for each in publishers:
        before = len(heard)
        assert sole.problem() == ''
        each.publish(JointState())
        until(lambda count=before: len(heard) > count)
    if not heard[-1].get('publisher_gid'):
        pytest.skip('this rclpy does not say who sent a message')
    text = '/joint_states: from 2 publishers, /driver, /other: end the other node, and wait 1 s'
    assert sole.problem() == text
    now[0] = 50.0
    assert sole.problem() == text
    driver.destroy_publisher(publishers[0])
    until(lambda: monitor.count_publishers('joint_states') == 1)
    assert sole.problem() == ''
