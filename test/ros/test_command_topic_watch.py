"""Others on the command topic: named, told of, and no reason to move."""

import time

import pytest

rclpy = pytest.importorskip('rclpy')

from rclpy.node import Node  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from il_ros.ros.command_topic_watch import CommandTopicWatch  # noqa: E402
from il_ros.ros.qos import COMMAND  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402

TOPIC = 'arm_controller/joint_trajectory'
PATIENCE = 20.0


def wait(place, happened):
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, 'it never happened'
        place.spin(0.02)


class Place:
    """A command topic, remapped and in a namespace, with a watch on it."""

    def __init__(self, domain):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, args=['--ros-args', '-r', f'{TOPIC}:=lab/arm/go'])
        self.nodes, self.told = [], []
        node = self.node('monitor', '/left')
        self.publisher = node.create_publisher(JointTrajectory, TOPIC, COMMAND)
        self.watch = CommandTopicWatch(node, self.publisher, self.told.append)
        self.executor = make_executor(self.context)
        self.executor.add_node(node)

    def node(self, name, namespace):
        self.nodes.append(Node(name, namespace=namespace, context=self.context))
        return self.nodes[-1]

    def spin(self, timeout):
        self.executor.spin_once(timeout_sec=timeout)

    def close(self):
        for node in self.nodes:
            node.destroy_node()
        rclpy.try_shutdown(context=self.context)
        self.executor.shutdown()


@pytest.fixture
def place(domain):
    place = Place(domain)
    yield place
    place.close()


def test_a_topic_without_a_subscriber_carries_no_commands(place):
    nobody = ['/left/lab/arm/go: nobody subscribes to it, is the controller loaded?']
    assert list(place.watch.problems()) == nobody
    controller = place.node('controller', '/left')
    heard = controller.create_subscription(JointTrajectory, '/left/lab/arm/go', print, COMMAND)
    wait(place, lambda: not list(place.watch.problems()))
    controller.destroy_subscription(heard)
    wait(place, lambda: list(place.watch.problems()) == nobody)
    assert not place.told


def test_every_other_publisher_is_named_and_its_leave_is_told(place):
    place.node('controller', '/').create_subscription(
        JointTrajectory, '/left/lab/arm/go', print, COMMAND
    )
    wait(place, lambda: not list(place.watch.problems()))
    # The same name in another namespace is another topic, and so is one that is not remapped.
    place.node('monitor', '/right').create_publisher(JointTrajectory, TOPIC, COMMAND)
    place.node('other', '/').create_publisher(JointTrajectory, '/left/lab/arm/goal', COMMAND)
    rogue = place.node('rogue', '/x').create_publisher(JointTrajectory, '/left/lab/arm/go', 1)
    twin = place.node('monitor', '/left').create_publisher(JointTrajectory, TOPIC, COMMAND)
    names = '/x/rogue, another /left/monitor, or one that was killed less than 20 s ago'
    wait(place, lambda: len(place.watch.others) == 2)
    assert list(place.watch.problems()) == [f'/left/lab/arm/go: also published by {names}']
    assert place.told[-1] == f'/left/lab/arm/go: also published by {names}'
    place.nodes[-1].destroy_publisher(twin)
    place.nodes[-2].destroy_publisher(rogue)
    wait(place, lambda: not place.watch.others)
    assert place.told[-1] == '/left/lab/arm/go: published by the monitor alone again'
    assert not list(place.watch.problems())


def test_one_that_leaves_at_once_counts_until_the_next_tick(place):
    node = place.node('rogue', '/')
    node.destroy_publisher(node.create_publisher(JointTrajectory, '/left/lab/arm/go', 1))
    rogue = node.create_publisher(JointTrajectory, '/left/lab/arm/go', 1)
    wait(place, lambda: place.watch.others)
    node.destroy_publisher(rogue)
    begin = time.monotonic()
    wait(place, lambda: not place.watch.others)
    assert time.monotonic() - begin > 0.4


def test_many_publishers_make_no_endless_text(place):
    for i in range(8):
        place.node(f'rogue_{i}', '/').create_publisher(JointTrajectory, '/left/lab/arm/go', 1)
    wait(place, lambda: len(place.watch.others) == 8)
    assert next(iter(place.watch.problems())).endswith('/rogue_4 and 3 more')
