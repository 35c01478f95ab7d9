"""Where an operator's device is read: a topic, two, or the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import JointState, Joy

from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS
from il_ros.experts.teleop.device_reading import DeviceReading
from il_ros.experts.teleop.devices import Device
from il_ros.experts.teleop.joy import JoyDevice
from il_ros.experts.teleop.keyboard import Keyboard
from il_ros.experts.teleop.leader import LeaderDevice
from il_ros.experts.teleop.terminal import Terminal
from il_ros.experts.teleop.twist import TwistDevice
from il_ros.ros.managed_node import ManagedNode, steady_timer
from il_ros.ros.qos import SENSOR_IN

_KEYS = 0.02  # s between two looks at the terminal
Read: TypeAlias = Callable[[Any, float], DeviceReading]


class DeviceInput:
    """Reads one device and calls back with every reading, or with why there is none.

    Args:
        node: The node that owns the subscriptions.
        device: What reads the messages or keys.
        hear: Called with each reading.
        lose: Called with what cannot be understood.

    Raises:
        IlRosError: If the device is a keyboard and there is no terminal.
    """

    def __init__(
        self,
        node: ManagedNode,
        device: Device,
        hear: Callable[[DeviceReading], None],
        lose: Callable[[IlRosError], None],
    ) -> None:
        self._node, self._hear, self._lose = node, hear, lose
        self._terminal: Terminal | None = None
        if isinstance(device, Keyboard):
            self._open_terminal(device)
            return
        for kind, topic, read in _sources(device):
            node.create_subscription(kind, topic, partial(self._take, read), SENSOR_IN)

    def close(self) -> None:
        """Leave the terminal as it was found."""
        if self._terminal is not None:
            self._terminal.close()
            self._terminal = None

    def _open_terminal(self, keyboard: Keyboard) -> None:
        terminal = self._terminal = Terminal()

        def look() -> None:
            try:
                text = terminal.read()
            except IlRosError as problem:
                self._lose(problem)
                self._node.exit_code = 1  # nobody can press anything any more
                return
            self._hear(keyboard.keys(text, self._now()))

        steady_timer(self._node, _KEYS, look)

    def _take(self, read: Read, message: Any) -> None:
        try:
            reading = read(message, self._now())
        except IlRosError as problem:
            self._lose(problem)
            return
        self._hear(reading)

    def _now(self) -> float:
        return float(self._node.get_clock().now().nanoseconds) / NS


def _sources(
    device: JoyDevice | TwistDevice | LeaderDevice,
) -> Iterator[tuple[Any, str, Read]]:
    """Type, topic and reading of every message that a device takes."""
    yield Joy, 'joy', lambda joy, now: device.joy(joy.axes, joy.buttons, now)
    if isinstance(device, TwistDevice):
        yield TwistStamped, 'twist', partial(_read_twist, device)
    if isinstance(device, LeaderDevice):
        for topic in device.topics:
            yield JointState, topic, partial(_read_joints, device, topic)


def _read_twist(device: TwistDevice, message: TwistStamped, now: float) -> DeviceReading:
    linear, angular = message.twist.linear, message.twist.angular
    values = (linear.x, linear.y, linear.z, angular.x, angular.y, angular.z)
    return device.twist(values, message.header.frame_id, now)


def _read_joints(
    device: LeaderDevice, topic: str, message: JointState, now: float
) -> DeviceReading:
    return device.joint_state(message.name, message.position, now, topic=topic)
