"""What the stand-ins of drivers publish: names, order, rates, frames, and what is peculiar."""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import rclpy
from sensor_msgs.msg import JointState

from il_ros.core.driver_description import JointStates, read_driver
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS
from il_ros.ros.beat import Beat
from il_ros.ros.driver_publishers import DriverPublishers, JointStatePublisher, Reading
from il_ros.sim.plant import Plant
from il_ros.sim.robot_view import RobotView
from il_ros.sim.tasks import make_task
from il_ros.sim.urdf_robot import read_urdf_robot

CONFIG = Path(__file__).parents[2] / 'config'
NOTHING = np.zeros(6)


class Heard:
    """A publisher with one subscriber, who keeps everything."""

    def __init__(self):
        self.messages = []

    def get_subscription_count(self):
        return 1

    def publish(self, message):
        self.messages.append(copy.copy(message))  # it is filled in anew each time


class Node:
    """As much of a node as publishers need."""

    def __init__(self):
        self.topics = defaultdict(Heard)

    def create_publisher(self, _kind, topic, _qos):
        return self.topics[topic]


def stand_in(name):
    driver = read_driver(CONFIG / f'drivers/{name}.yaml')
    robot = read_urdf_robot(driver.urdf, tool=driver.tool, home=driver.home)
    task, period = make_task('reach'), 1 / driver.rate
    plant = Plant(task, robot, min(period, 0.002), max(round(period / 0.002), 1))
    plant.reset(robot.home, task.draw(np.random.default_rng(0), 0.0), [])
    node, transforms = Node(), []
    view = RobotView(robot, plant)
    publishers = DriverPublishers(node, driver, view, transforms.extend)
    return driver, publishers, node.topics, transforms


def one_second(driver, publishers, wrench=NOTHING, start=1):
    for i in range(round(driver.rate)):
        publishers.publish(wrench, start * NS + round(i * NS / driver.rate))


@pytest.mark.parametrize('name', sorted(path.stem for path in (CONFIG / 'drivers').glob('*')))
def test_every_topic_comes_at_its_rate(name):
    driver, publishers, topics, _ = stand_in(name)
    one_second(driver, publishers, np.zeros(6))
    rates = defaultdict(float)
    for about in (*driver.joint_states, *driver.tools, *driver.wrenches, *driver.statuses):
        quiet = getattr(about, 'quiet', None)
        rates[about.topic] += about.rate if quiet is None else quiet[0]
    for topic, rate in rates.items():
        assert len(topics[topic].messages) == pytest.approx(max(rate, 1.0), abs=1.0), topic


def test_a_ur_sends_sorted_names_and_no_effort_of_the_gripper():
    driver, publishers, topics, transforms = stand_in('ur')
    one_second(driver, publishers, np.arange(6.0))
    joints = topics['joint_states'].messages[-1]
    assert list(joints.name) == sorted(joints.name)
    assert joints.header.frame_id == 'base_link'
    place = list(joints.name).index('robotiq_85_left_knuckle_joint')
    assert math.isnan(joints.effort[place])
    assert joints.velocity[place] == 0.0
    assert not np.isnan(np.delete(joints.effort, place)).any()
    for name, position in driver.home.items():
        assert joints.position[list(joints.name).index(name)] == pytest.approx(position)
    pose = topics['tcp_pose_broadcaster/pose'].messages[-1]
    assert pose.header.frame_id == 'base'
    # The frame `base` is base_link turned by half a turn about z.
    assert [pose.pose.position.x, pose.pose.position.z] == pytest.approx([-0.5, 0.3], abs=1e-3)
    wrench = topics['force_torque_sensor_broadcaster/wrench'].messages[-1]
    # The same axes as the wrist's, about a point 0.1668 m further out.
    assert wrench.header.frame_id == 'tool0_controller'
    force, torque = wrench.wrench.force, wrench.wrench.torque
    assert [force.x, force.y, force.z] == pytest.approx([0, 1, 2], abs=1e-6)
    assert [torque.x, torque.y, torque.z] == pytest.approx([3 + 0.1668, 4, 5], abs=1e-4)
    assert {t.child_frame_id for t in transforms} == {'tool0_controller'}


def test_a_merged_topic_repeats_what_its_sources_sent():
    driver, publishers, topics, _ = stand_in('franka')
    publishers.publish(np.zeros(6), NS)
    merged = topics['joint_states'].messages[0]
    assert merged.header.frame_id == ''
    assert list(merged.name)[-2:] == ['fr3_finger_joint1', 'fr3_finger_joint2']
    assert list(merged.position) == pytest.approx([*driver.home.values(), 0.04], abs=1e-6)


def test_before_its_sources_speak_a_merged_topic_says_zero():
    _, publishers, _, _ = stand_in('xarm')
    merged = next(joints for joints in publishers.joints if joints.about.merges)
    assert not np.any(merged._merged()['position'])


def test_the_state_of_an_xarms_gripper_ends_with_its_action():
    driver, publishers, topics, _ = stand_in('xarm')
    gripper = next(joints for joints in publishers.joints if joints.about.quiet)

    def count(start):
        topics['xarm/joint_states'].messages.clear()
        one_second(driver, publishers, start=start)
        sent = [m for m in topics['xarm/joint_states'].messages if 'drive_joint' in m.name]
        assert all(math.isnan(value) for m in sent for value in (*m.velocity, *m.effort))
        return len(sent)

    assert count(1) == 2
    gripper.action = True
    assert count(2) == 10
    gripper.action = False
    assert count(3) == 0


def test_positions_of_a_gen3_jump_by_a_turn():
    about = JointStates(topic='t', rate=1.0, names=('joint_3',), wrapped=('joint_3',))
    _, publishers, _, _ = stand_in('kinova')
    view, heard = publishers._view, Heard()
    joints = JointStatePublisher(heard, about, view)
    reading = Reading(view)
    for angle in (3.0, math.pi + 0.1, -math.pi - 0.1, 7.0):
        reading.parts['position'][view.columns(('joint_3',))] = angle
        joints.publish(reading, NS)
    sent = [message.position[0] for message in heard.messages]
    assert sent == pytest.approx([3.0, 0.1 - math.pi, math.pi - 0.1, 7.0 - 2 * math.pi])


def test_what_nobody_listens_to_is_not_made(monkeypatch):
    driver, publishers, topics, _ = stand_in('ur')
    monkeypatch.setattr(Heard, 'get_subscription_count', lambda _: 0)
    one_second(driver, publishers, np.zeros(6))
    sent = {topic for topic, heard in topics.items() if heard.messages}
    assert sent == {'io_and_status_controller/robot_program_running'}  # latched, so once


def test_a_joint_that_an_arm_lacks_is_named():
    _, publishers, _, _ = stand_in('ur')
    with pytest.raises(IlRosError, match='elbow'):
        JointStatePublisher(
            Heard(), JointStates(topic='t', rate=1.0, names=('elbow',)), publishers._view
        )


@pytest.mark.parametrize('rate', [15.0, 30.0, 100.0, 150.0, 500.0])
def test_a_beat_keeps_its_rate_whatever_the_stamps_are(rate):
    beat = Beat(rate)
    stamps = range(NS, 11 * NS, round(NS / 500))
    assert sum(map(beat, stamps)) == pytest.approx(10 * rate, abs=1)
    assert not any(map(Beat(0.0), stamps))


def test_messages_can_be_serialised():
    driver, publishers, topics, _ = stand_in('franka')
    one_second(driver, publishers, np.zeros(6))
    serialize = pytest.importorskip('rclpy.serialization').serialize_message
    for heard in topics.values():
        assert (
            rclpy.serialization.deserialize_message(
                serialize(heard.messages[-1]), type(heard.messages[-1])
            )
            is not None
        )
    assert isinstance(topics['joint_states'].messages[-1], JointState)


def test_two_arms_send_the_same_names_in_namespaces_of_their_own():
    driver, publishers, topics, _ = stand_in('aloha')
    one_second(driver, publishers)
    left, right = (
        topics[f'follower_{side}/joint_states'].messages[-1] for side in ('left', 'right')
    )
    assert left.name == right.name == [*driver.joint_states[0].names]
    assert left.header.frame_id == ''
    for side, message in (('left', left), ('right', right)):
        for name, position in zip(message.name[:7], message.position[:7], strict=True):
            assert position == pytest.approx(driver.home[f'{side}_{name}'], abs=1e-6)
        assert message.position[7] == pytest.approx(0.057, abs=1e-6)  # where the fingers are open
        assert message.position[8] == -message.position[7]
        assert not any(message.velocity[7:])
