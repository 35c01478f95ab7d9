"""A simulated robot's description and transforms, as a robot_state_publisher gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from std_msgs.msg import String

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.ros.beat import Beat
from il_ros.ros.message_conversion import to_stamp
from il_ros.ros.message_types import message_type
from il_ros.ros.qos import EVENTS, LATCHED
from il_ros.sim.robot_view import RobotView

_RATE = 20.0  # of /tf, as a robot_state_publisher's publish_frequency [Hz]


class TfPublishers:
    """Publishes `robot_description` and /tf_static once, and /tf again and again.

    Without tf2_msgs there are no transforms, and the log says so.

    Args:
        node: Owner of the publishers.
        view: The robot.
        descriptions: Its URDF by the topic; of several arms that of each.
        world: What the robot stands on is called; empty for the name in the description.
    """

    def __init__(
        self, node: Node, view: RobotView, descriptions: Mapping[str, str], *, world: str = ''
    ) -> None:
        self._view = view
        for topic, description in descriptions.items():
            node.create_publisher(String, topic, LATCHED).publish(String(data=description))
        self._due = Beat(_RATE)
        try:
            self._type = message_type('tf2_msgs/msg/TFMessage')
        except IlRosError as problem:
            node.get_logger().warning(f'no /tf: {problem}')
            self._publisher = self._static = None
            return
        self._publisher = node.create_publisher(self._type, '/tf', EVENTS)
        self._static = node.create_publisher(self._type, '/tf_static', LATCHED)
        rows = [
            row for row in zip(view.links, view.parents, view.moves, strict=True) if row[0] != world
        ]
        self._moving = tuple(link for link, _, moves in rows if moves)
        self._frames = tuple(parent for _, parent, moves in rows if moves)
        self._still = tuple(link for link, _, moves in rows if not moves)
        self._bases = tuple(parent for _, parent, moves in rows if not moves)
        self._world = world

    def say_what_stands(self, stamp: int) -> None:
        """Publish the transforms that no joint changes."""
        if self._static is not None:
            self._static.publish(self._message(self._still, self._bases, stamp))

    def publish(self, stamp: int) -> None:
        """Publish those that the joints change, if they are due at `stamp` [ns]."""
        if self._publisher is None or not self._due(stamp):
            return
        if self._publisher.get_subscription_count():
            self._publisher.publish(self._message(self._moving, self._frames, stamp))

    def send(self, transforms: list[TransformStamped]) -> None:
        """Publish others on /tf, as drivers do."""
        if self._publisher is not None and self._publisher.get_subscription_count():
            self._publisher.publish(self._type(transforms=transforms))

    def _message(self, links: tuple[str, ...], frames: tuple[str, ...], stamp: int) -> Any:
        message, time = self._type(), to_stamp(stamp)
        poses = self._view.poses(links, frames)
        for link, frame, pose in zip(links, frames, poses, strict=True):
            transform = TransformStamped(child_frame_id=link)
            transform.header.stamp = time
            transform.header.frame_id = self._world if frame == 'world' and self._world else frame
            fill_transform(transform, pose)
            message.transforms.append(transform)
        return message


def fill_transform(transform: TransformStamped, pose: Array) -> None:
    """Write a pose (7,) [m, quaternion xyzw] into a transform."""
    at, turn = transform.transform.translation, transform.transform.rotation
    at.x, at.y, at.z, turn.x, turn.y, turn.z, turn.w = map(float, pose)
