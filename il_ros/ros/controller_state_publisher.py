"""What the simulated arm's trajectory controller follows, as a real one tells it."""

from __future__ import annotations

from typing import Any, Protocol

from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectoryPoint

from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS
from il_ros.core.limits import Array
from il_ros.ros.controller_watch import STATE, state_topic
from il_ros.ros.message_conversion import doubles, to_duration, to_stamp
from il_ros.ros.message_types import message_type
from il_ros.ros.qos import SENSOR_OUT


class Followed(Protocol):
    """What a controller follows."""

    @property
    def start(self) -> float:
        """When it began [s]."""

    def reference(self, now: float) -> tuple[Array, Array, Array]:
        """Position, velocity and acceleration at `now` [s], each (N,)."""


class ControllerStatePublisher:
    """Publishes `controller_state`; nothing where control_msgs is not installed.

    Args:
        node: Owner of the publisher.
        commands: Name of the command topic.
        names: Joints in order.
    """

    def __init__(self, node: Node, commands: str, names: tuple[str, ...]) -> None:
        self._names, topic = list(names), state_topic(commands)
        try:
            self._type = message_type(STATE)
        except IlRosError as problem:
            node.get_logger().warning(f'no controller_state: {problem}')
            topic = ''
        self._publisher = node.create_publisher(self._type, topic, SENSOR_OUT) if topic else None

    def publish(self, controller: Followed, measured: Array, stamp: int) -> None:
        """The state at `stamp` [ns], with the measured positions (N,) [rad or m]."""
        if self._publisher is None or not self._publisher.get_subscription_count():
            return
        state = controller_state(self._type, self._names, controller, measured, stamp)
        self._publisher.publish(state)


def controller_state(
    kind: Any, names: list[str], controller: Followed, measured: Array, stamp: int
) -> Any:
    """The message that says what a controller does.

    Args:
        kind: Its class.
        names: Joints in order.
        controller: Follows trajectories.
        measured: Where the joints are, (N,) [rad or m].
        stamp: When [ns].
    """
    now = stamp / NS
    position, velocity, acceleration = controller.reference(now)
    begun = to_duration(now - controller.start)
    message = kind(joint_names=names, speed_scaling_factor=1.0)
    message.header.stamp = to_stamp(stamp)
    message.reference = JointTrajectoryPoint(
        positions=doubles(position),
        velocities=doubles(velocity),
        accelerations=doubles(acceleration),
        time_from_start=begun,
    )
    message.feedback.positions = doubles(measured)
    message.feedback.time_from_start = begun
    message.error.positions = doubles(position - measured)
    message.output.positions = doubles(position)
    return message
