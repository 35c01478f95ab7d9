"""What the driver of an arm publishes, as a stand-in for it shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped, TransformStamped, WrenchStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState

from il_ros.core.driver_description import DriverDescription, JointStates, LinkPose, Status, Wrench
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.ros.beat import Beat
from il_ros.ros.message_conversion import doubles, to_stamp
from il_ros.ros.message_types import message_type
from il_ros.ros.qos import EVENTS, LATCHED, SENSOR_IN, SENSOR_OUT
from il_ros.ros.tf_publishers import fill_transform
from il_ros.sim.robot_view import RobotView

_TURN = 2.0 * math.pi


class DriverPublishers:
    """One publisher for each topic of a driver.

    What nobody listens to is not made: a topic of 1 kHz costs as much as a policy.

    Args:
        node: Owner of the publishers.
        driver: Says which topics there are.
        view: The robot that the driver reads.
        transforms: Takes what the driver itself sends to /tf.

    Raises:
        IlRosError: If the driver names a joint or a link that the robot has not.
    """

    def __init__(
        self,
        node: Node,
        driver: DriverDescription,
        view: RobotView,
        transforms: Callable[[list[TransformStamped]], None],
    ) -> None:
        self._view, self._transforms = view, transforms
        self._statuses: list[tuple[Status, Any, Any, Beat]] = []
        topics: dict[str, Any] = {}

        def publisher(kind: Any, topic: str, qos: QoSProfile) -> Any:
            if topic not in topics:
                topics[topic] = node.create_publisher(kind, topic, qos)
            return topics[topic]

        self.joints = [
            JointStatePublisher(publisher(JointState, item.topic, EVENTS), item, view)
            for item in driver.joint_states
        ]
        by_topic: dict[str, list[JointStatePublisher]] = {}
        for joints in self.joints:
            joints.sources = [
                source for topic in joints.about.merges for source in by_topic.get(topic, ())
            ]
            for source in joints.sources:
                source.kept = True
            by_topic.setdefault(joints.about.topic, []).append(joints)
        self._tools = [
            (item, publisher(PoseStamped, item.topic, _qos(item)), Beat(item.rate))
            for item in driver.tools
        ]
        for tool in driver.tools:
            if missing := {tool.link, tool.frame} - view.known:
                raise IlRosError(
                    f'no link {", ".join(missing)}', where=tool.topic, allowed=sorted(view.known)
                )
        self._wrenches = [
            (item, publisher(WrenchStamped, item.topic, _qos(item)), Beat(item.rate))
            for item in driver.wrenches
        ]
        self._shifts = {item.link: view.wrench_shift(item.link) for item in driver.wrenches}
        for status in driver.statuses:
            kind = message_type(status.type)
            sent = kind(data=type(kind().data)(status.value))
            to = publisher(kind, status.topic, SENSOR_OUT if status.rate else LATCHED)
            if status.rate:
                self._statuses.append((status, to, sent, Beat(status.rate)))
            else:
                to.publish(sent)

    def publish(self, wrench: Array, stamp: int) -> None:
        """What is due at `stamp` [ns]; `wrench` (6,) is the wrist's, in its own axes [N, N m]."""
        reading: Reading | None = None
        for joints in self.joints:
            if joints.due(stamp):
                reading = reading or Reading(self._view)
                joints.publish(reading, stamp)
        for tool, to, beat in self._tools:
            if beat(stamp) and (to.get_subscription_count() or tool.child):
                self._publish_tool(tool, to, stamp)
        for about, to, beat in self._wrenches:
            if beat(stamp) and to.get_subscription_count():
                told = self._shifts[about.link] @ wrench
                message = WrenchStamped()
                message.header.stamp = to_stamp(stamp)
                message.header.frame_id = about.frame_id
                force, torque = message.wrench.force, message.wrench.torque
                force.x, force.y, force.z, torque.x, torque.y, torque.z = map(float, told)
                to.publish(message)
        for _, to, sent, beat in self._statuses:
            if beat(stamp) and to.get_subscription_count():
                to.publish(sent)

    def tell_of_action(self, runs: bool) -> None:
        """Whether the action of a gripper runs, on which some topics depend."""
        for joints in self.joints:
            if runs or joints.action:
                joints.action = runs

    def _publish_tool(self, tool: LinkPose, to: Any, stamp: int) -> None:
        pose = self._view.poses((tool.link,), (tool.frame,))[0]
        if tool.child:
            transform = TransformStamped(child_frame_id=tool.child)
            transform.header.stamp, transform.header.frame_id = to_stamp(stamp), tool.frame_id
            fill_transform(transform, pose)
            self._transforms([transform])
        if to.get_subscription_count():
            message = PoseStamped()
            message.header.stamp, message.header.frame_id = to_stamp(stamp), tool.frame_id
            at, turn = message.pose.position, message.pose.orientation
            at.x, at.y, at.z, turn.x, turn.y, turn.z, turn.w = map(float, pose)
            to.publish(message)


class Reading:
    """The joints of one instant, read once for all topics."""

    def __init__(self, view: RobotView) -> None:
        self.parts: dict[str, Array] = {
            'position': view.position,
            'velocity': view.velocity,
            'effort': view.effort,
        }


class JointStatePublisher:
    """One topic of joints.

    Args:
        to: Its publisher.
        about: What is sent.
        view: The robot.

    Attributes:
        about: What is sent.
        sources: Those whose newest message it repeats.
        kept: Whether another one repeats it, so that it is made though nobody listens.
        sent: The parts of its newest message; none before the first.
        action: Whether a gripper action runs; None before the first one.
    """

    def __init__(self, to: Any, about: JointStates, view: RobotView) -> None:
        self._to, self.about = to, about
        self.sources: Sequence[JointStatePublisher] = ()
        self.action: bool | None = None
        try:
            names = tuple(about.prefix + name for name in about.names)
            self._columns = np.array(view.columns(names), dtype=np.intp)
        except ValueError as missing:
            raise IlRosError(str(missing), where=about.topic, allowed=view.joints) from None
        self.kept = False
        self.sent: dict[str, Array] = {}
        self._message = JointState(name=list(about.names))
        self._message.header.frame_id = about.frame_id
        parts = [part for part in ('velocity', 'effort') if getattr(about, part)]
        self._parts = ['position', *parts]
        self._wrapped = self._mask(about.wrapped)
        self._fixed = [
            (part, self._mask(names), value)
            for table, value in ((about.nan, math.nan), (about.zero, 0.0))
            for part, names in table.items()
        ]
        self._beat, self._quiet = Beat(about.rate), Beat((about.quiet or (0.0, 0.0))[0])
        self._silent = Beat((about.quiet or (0.0, 0.0))[1])

    def _mask(self, names: Sequence[str]) -> Array:
        return np.array([name in names for name in self.about.names], dtype=np.float64)

    def due(self, stamp: int) -> bool:
        """Whether a message is due at `stamp` [ns]."""
        if self.about.quiet is None or self.action:
            return self._beat(stamp)
        return (self._quiet if self.action is None else self._silent)(stamp)

    def publish(self, reading: Reading, stamp: int) -> None:
        """Send what it is about."""
        heard = self._to.get_subscription_count()
        if not (heard or self.kept):
            return
        self.sent = self._merged() if self.about.merges else self._read(reading)
        if not heard:
            return
        self._message.header.stamp = to_stamp(stamp)
        for part in self._parts:
            setattr(self._message, part, doubles(self.sent[part]))
        self._to.publish(self._message)

    def _read(self, reading: Reading) -> dict[str, Array]:
        values = {part: reading.parts[part][self._columns] for part in self._parts}
        if self.about.wrapped:
            position = values['position']
            turns = np.round(position / _TURN) * self._wrapped
            values['position'] = position - _TURN * turns
        for part, mask, value in self._fixed:
            if part in values:
                values[part][mask > 0.0] = value
        return values

    def _merged(self) -> dict[str, Array]:
        values: dict[str, Array] = {part: np.zeros(len(self.about.names)) for part in self._parts}
        places: Mapping[str, int] = {name: i for i, name in enumerate(self.about.names)}
        for source in self.sources:
            for part, numbers in source.sent.items():
                for name, number in zip(source.about.names, numbers, strict=True):
                    if part in values and name in places:
                        values[part][places[name]] = number
        return values


def _qos(item: LinkPose | Wrench) -> QoSProfile:
    return SENSOR_IN if item.best_effort else SENSOR_OUT
