"""From ROS messages to arrays, by attribute alone: rclpy's messages and a bag's are alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import ContractError, IlRosError

Array = NDArray[np.float64]


class Decoder(Protocol):
    """Knows one message type."""

    @property
    def stamped(self) -> bool:
        """Whether the type has a header."""

    def check(self, fields: tuple[str, ...], names: tuple[str, ...], where: str) -> None:
        """Raise ContractError if `fields` and `names` do not fit the type."""

    def size(self, fields: tuple[str, ...], names: tuple[str, ...]) -> int:
        """How many numbers a message gives."""

    def decode(self, message: Any, fields: tuple[str, ...], names: tuple[str, ...]) -> Array:
        """The numbers, shape (size,). Raise IlRosError if the message lacks some."""


_XYZ = ('x', 'y', 'z')
_XYZW = ('x', 'y', 'z', 'w')


@dataclass(frozen=True)
class Composite:
    """A message of fixed shape: dotted fields, each with its leaves."""

    parts: Mapping[str, tuple[str, ...]]
    stamped: bool = True

    def check(self, fields: tuple[str, ...], names: tuple[str, ...], where: str) -> None:
        """Refuse names (they are a JointState's) and fields that the type does not have."""
        if names:
            raise ContractError(
                f'got {list(names)}', where=f'{where}.names', allowed='none for this type'
            )
        _check_fields(fields, self.parts, where)

    def size(self, fields: tuple[str, ...], names: tuple[str, ...]) -> int:
        """Leaves of all `fields`."""
        return sum(len(self.parts[field]) for field in fields)

    def decode(self, message: Any, fields: tuple[str, ...], names: tuple[str, ...]) -> Array:
        """All leaves in order; a quaternion is turned to w >= 0, so that one pose is one array."""
        values: list[float] = []
        for field in fields:
            part = attrgetter(field)(message)
            numbers = [getattr(part, leaf) for leaf in self.parts[field]]
            if len(numbers) == 4 and numbers[3] < 0:
                numbers = [-number for number in numbers]
            values += numbers
        return np.array(values)


@dataclass(frozen=True)
class JointState:
    """sensor_msgs/JointState: joints by name, whatever their order in the message."""

    stamped: bool = True

    def check(self, fields: tuple[str, ...], names: tuple[str, ...], where: str) -> None:
        """One of position, velocity, effort; at least one name."""
        _check_fields(fields, ('position', 'velocity', 'effort'), where)
        if not names or len(set(names)) != len(names):
            raise ContractError(
                f'got {list(names)}', where=f'{where}.names', allowed='one or more joint names'
            )

    def size(self, fields: tuple[str, ...], names: tuple[str, ...]) -> int:
        """Joints times fields."""
        return len(fields) * len(names)

    def decode(self, message: Any, fields: tuple[str, ...], names: tuple[str, ...]) -> Array:
        """Raise IlRosError naming the joint or the field that the message does not have."""
        place = {name: i for i, name in enumerate(message.name)}
        missing = [name for name in names if name not in place]
        if missing:
            raise IlRosError(
                f'no joint {", ".join(missing)} in the message',
                allowed=list(message.name),
                fix="correct the contract's names or the driver",
            )
        index = [place[name] for name in names]
        values: list[float] = []
        for field in fields:
            column = getattr(message, field)
            if len(column) != len(place):
                raise IlRosError(
                    f'{len(column)} {field} values for {len(place)} joints',
                    fix=f'let the driver publish {field}, or leave it out of the contract',
                )
            values += [column[i] for i in index]
        return np.array(values)


def _check_fields(fields: tuple[str, ...], known: Any, where: str) -> None:
    unknown = [field for field in fields if field not in known]
    if unknown or not fields:
        raise ContractError(f'got {list(fields)}', where=f'{where}.fields', allowed=known)


_POSE = {'pose.position': _XYZ, 'pose.orientation': _XYZW}
DECODERS: dict[str, Decoder] = {
    'sensor_msgs/msg/JointState': JointState(),
    'geometry_msgs/msg/PoseStamped': Composite(_POSE),
    'geometry_msgs/msg/PointStamped': Composite({'point': _XYZ}),
    'geometry_msgs/msg/WrenchStamped': Composite({'wrench.force': _XYZ, 'wrench.torque': _XYZ}),
    'geometry_msgs/msg/TwistStamped': Composite({'twist.linear': _XYZ, 'twist.angular': _XYZ}),
}


def decoder_for(type_name: str) -> Decoder:
    """The decoder of a message type of the contract."""
    return DECODERS[type_name]
