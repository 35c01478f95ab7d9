"""From the bytes of ROS messages to arrays, from live topics and from bags."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, Protocol

import numpy as np

from il_ros.core.cdr import ORIGIN, Bytes, Cdr, ends_early, known_header
from il_ros.core.errors import ContractError, IlRosError, require
from il_ros.core.geometry import matrix_from_quaternion, quaternion_from_matrix
from il_ros.core.limits import Array
from il_ros.core.registry import load, lookup, names_of


class Decoder(Protocol):
    """Knows one message type."""

    @property
    def stamped(self) -> bool:
        """Whether the type has a header."""

    def check(self, fields: tuple[str, ...], names: tuple[str, ...], where: str) -> None:
        """Raise ContractError if `fields` and `names` do not fit the type."""

    def size(self, fields: tuple[str, ...], names: tuple[str, ...]) -> int:
        """Number of values of a message."""

    def read(self, data: Bytes) -> Any:
        """Everything in a message's CDR bytes, read once, for any number of calls of `pick`.

        Raise IlRosError if the bytes are damaged.
        """

    def pick(self, content: Any, fields: tuple[str, ...], names: tuple[str, ...]) -> Array:
        """The numbers of `fields` and `names` in what `read` gave, shape (size,).

        Raise IlRosError if the message lacks some.
        """
        ...

    def decode(self, data: Bytes, fields: tuple[str, ...], names: tuple[str, ...]) -> Array:
        """The numbers in a message's CDR bytes, shape (size,): `read`, then `pick`."""
        return self.pick(self.read(data), fields, names)

    def blend(self, a: Array, b: Array, share: float, fields: tuple[str, ...]) -> Array:
        """The value between `a` (share 0) and `b` (share 1), each of shape (size,)."""


def has_child(decoder: Decoder) -> bool:
    """Whether a type's messages say which frame they are of, and the contract has to, too.

    A third party's decoder says so by an attribute `has_child`.
    """
    return bool(getattr(decoder, 'has_child', False))


def is_framed(decoder: Decoder) -> bool:
    """Whether a type's numbers are in the frame that its header names.

    A third party's decoder says so by an attribute `framed`; by default they are in none.
    """
    return bool(getattr(decoder, 'framed', False))


_XYZ = ('x', 'y', 'z')
_XYZW = ('x', 'y', 'z', 'w')


@dataclass(frozen=True)
class Composite(Decoder):
    """A header, if it is `stamped`, and float64 leaves: dotted fields in the definition's order.

    A type without a header has the fields of the one that has: `pose.position` is that of a Pose,
    too. Its numbers are in no frame that a message names.
    """

    parts: Mapping[str, tuple[str, ...]]
    stamped: bool = True

    @property
    def framed(self) -> bool:
        """Whether the numbers are in the frame that the header names."""
        return self.stamped

    def path(self, field: str) -> str:
        """Where a message has the leaves of `field`: dotted, empty for the message itself."""
        return field if self.stamped else field.partition('.')[2]

    def check(self, fields: tuple[str, ...], names: tuple[str, ...], where: str) -> None:
        """Refuse names (they are a JointState's) and fields that the type does not have."""
        require(not names, list(names), f'{where}.names', 'none for this type', ContractError)
        _check_fields(fields, self.parts, where)

    def size(self, fields: tuple[str, ...], names: tuple[str, ...]) -> int:
        """Leaves of all `fields`."""
        return sum(len(self.parts[field]) for field in fields)

    @cached_property
    def _places(self) -> dict[str, slice]:
        """Which of all leaves are a field's."""
        ends = accumulate(map(len, self.parts.values()))
        sizes = zip(self.parts.items(), ends, strict=True)
        return {field: slice(end - len(names), end) for (field, names), end in sizes}

    @cached_property
    def _doubles(self) -> dict[str, struct.Struct]:
        """All leaves in either byte order."""
        count = sum(map(len, self.parts.values()))
        return {order: struct.Struct(f'{order}{count}d') for order in '<>'}

    def read(self, data: Bytes) -> dict[str, tuple[float, ...]]:
        """The leaves of each field."""
        if not self.stamped:
            return self._leaves(data, ORIGIN, Cdr(data).order)
        header = known_header(data)
        begin = header.end + -(header.end - ORIGIN) % header.widest
        return self._leaves(data, begin, header.order)

    def _leaves(self, data: Bytes, begin: int, order: str) -> dict[str, tuple[float, ...]]:
        try:
            leaves = self._doubles[order].unpack_from(data, begin)
        except struct.error:
            raise ends_early(data) from None
        return {field: leaves[place] for field, place in self._places.items()}

    def pick(
        self, content: dict[str, tuple[float, ...]], fields: tuple[str, ...], names: tuple[str, ...]
    ) -> Array:
        """All leaves in order; a quaternion is turned to w >= 0, so that one pose is one array."""
        values: list[float] = []
        for field in fields:
            numbers = content[field]
            if len(numbers) == 4 and numbers[3] < 0:
                numbers = tuple(-number for number in numbers)
            values += numbers
        return np.array(values)

    def moved(self, value: Array, fields: tuple[str, ...], transform: Array) -> Array:
        """`value` (size,) in another frame.

        Positions are moved and turned, orientations turned. Forces, torques and velocities are
        turned alone: they stay those of the same point, a wrench's the sensor's.

        Args:
            value: What `pick` gave.
            fields: Its fields.
            transform: From the frame of `value` to the other one, shape (4, 4).
        """
        result, at, turn = value.copy(), 0, transform[:3, :3]
        for field in fields:
            part = slice(at, at + len(self.parts[field]))
            if len(self.parts[field]) == 4:
                orientation = self._oriented(matrix_from_quaternion(value[part]), turn)
                turned = quaternion_from_matrix(orientation)
                result[part] = turned if turned[3] >= 0 else -turned
            else:
                shift = transform[:3, 3] if field in _POSITIONS else 0.0
                result[part] = turn @ value[part] + shift
            at = part.stop
        return result

    @staticmethod
    def _oriented(orientation: Array, turn: Array) -> Array:
        """An orientation in another frame, to which `turn` leads; (3, 3) each."""
        return np.asarray(turn @ orientation)

    def blend(self, a: Array, b: Array, share: float, fields: tuple[str, ...]) -> Array:
        """Leaf by leaf; of a quaternion the shorter way, normalised."""
        value, at = a + share * (b - a), 0
        for field in fields:
            part = slice(at, at + len(self.parts[field]))
            if len(self.parts[field]) == 4:
                end = b[part] if a[part] @ b[part] >= 0 else -b[part]
                mixed = a[part] + share * (end - a[part])
                mixed /= np.linalg.norm(mixed)
                value[part] = mixed if mixed[3] >= 0 else -mixed
            at = part.stop
        return value


class Transform(Composite):
    """geometry_msgs/TransformStamped: the pose of its child frame in the frame of its header."""

    has_child = True

    def read(self, data: Bytes) -> dict[str, tuple[float, ...]]:
        """The leaves of each field."""
        reader = Cdr(data)
        reader.header()
        reader.skip_string()
        begin = reader.position + -(reader.position - ORIGIN) % reader.widest
        return self._leaves(data, begin, reader.order)

    def path(self, field: str) -> str:
        """Where a message has the leaves of `field`."""
        return {'pose.position': 'transform.translation'}.get(field, 'transform.rotation')


class InertialUnit(Composite):
    """sensor_msgs/Imu: in the frame of the sensor, and nothing of what the sensor lacks."""

    def check(self, fields: tuple[str, ...], names: tuple[str, ...], where: str) -> None:
        """No names; no covariances."""
        super().check(fields, names, where)
        _check_fields(fields, [part for part in self.parts if not part.endswith(_SPREAD)], where)

    def pick(
        self, content: dict[str, tuple[float, ...]], fields: tuple[str, ...], names: tuple[str, ...]
    ) -> Array:
        """Raise IlRosError for what the driver says that it does not measure."""
        for field in fields:
            if content[field + _SPREAD][0] == -1.0:
                raise IlRosError(
                    f'no {field}: {field}{_SPREAD} begins with -1',
                    fix='leave it out of the contract',
                )
        return super().pick(content, fields, names)

    @staticmethod
    def _oriented(orientation: Array, turn: Array) -> Array:
        """That of another frame on the same body: an Imu's is the sensor's own, in the world."""
        return np.asarray(orientation @ turn.T)


@dataclass(frozen=True)
class JointState(Decoder):
    """sensor_msgs/JointState: joints by name, whatever their order in the message."""

    stamped: bool = True

    def check(self, fields: tuple[str, ...], names: tuple[str, ...], where: str) -> None:
        """One of position, velocity, effort; at least one name."""
        _check_fields(fields, _JOINT_FIELDS, where)
        fine = names and len(set(names)) == len(names)
        require(fine, list(names), f'{where}.names', 'one or more joint names', ContractError)

    def size(self, fields: tuple[str, ...], names: tuple[str, ...]) -> int:
        """Joints times fields."""
        return len(fields) * len(names)

    def read(self, data: Bytes) -> _JointNumbers:
        """The driver's layout, and of each field all joints, or how many numbers it has instead."""
        layout = _layout(data)
        joints = len(layout.names)
        return layout, [
            layout.doubles.unpack_from(data, at) if count == joints else count
            for at, count in layout.columns(data)
        ]

    def pick(
        self, content: _JointNumbers, fields: tuple[str, ...], names: tuple[str, ...]
    ) -> Array:
        """Raise IlRosError naming the joint or the field that the message does not have."""
        layout, columns = content
        places = layout.places(names)
        values: list[float] = []
        for field in fields:
            column = columns[_JOINT_FIELDS.index(field)]
            if isinstance(column, int):
                raise IlRosError(
                    f'{column} {field} values for {len(layout.names)} joints',
                    fix=f'let the driver publish {field}, or leave it out of the contract'
                    + (', or say derived in it' if field == 'velocity' else ''),
                )
            values += [column[i] for i in places]
        return np.array(values)

    def blend(self, a: Array, b: Array, share: float, fields: tuple[str, ...]) -> Array:
        """Joint by joint."""
        value: Array = a + share * (b - a)
        return value


class OtherJointsError(IlRosError):
    """A message that is not a stream's: a JointState of a gripper's driver, another transform."""


_JOINT_FIELDS = ('position', 'velocity', 'effort')


class _JointLayout:
    """Where the numbers are in the messages of one driver.

    A driver names the same joints in every message, so the part in front of the numbers, all of it
    text, is compared and not read again.
    """

    def __init__(self, data: Bytes) -> None:
        reader = Cdr(data)
        reader.header()
        self.names = reader.strings()
        self.kind, self.end = data[1], reader.position
        self.text = bytes(data[12 : self.end])
        self.doubles = struct.Struct(f'{reader.order}{len(self.names)}d')
        self._count = struct.Struct(f'{reader.order}I')
        self._widest = reader.widest
        self._places: dict[tuple[str, ...], tuple[int, ...]] = {}

    def places(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """Which of the message's joints are `names`."""
        if names not in self._places:
            place = {name: i for i, name in enumerate(self.names)}
            missing = [name for name in names if name not in place]
            if missing:
                kind = OtherJointsError if len(missing) == len(names) else IlRosError
                raise kind(
                    f'no joint {", ".join(missing)} in the message',
                    allowed=self.names,
                    fix="correct the contract's names or the driver",
                )
            self._places[names] = tuple(place[name] for name in names)
        return self._places[names]

    def columns(self, data: Bytes) -> list[tuple[int, int]]:
        """Where position, velocity and effort begin, and how many numbers each has."""
        found, at = [], self.end
        try:
            for _ in _JOINT_FIELDS:
                at += -(at - ORIGIN) % 4
                (count,) = self._count.unpack_from(data, at)
                at += 4
                if count:
                    at += -(at - ORIGIN) % self._widest
                found.append((at, count))
                at += 8 * count
        except struct.error:
            raise ends_early(data) from None
        if at > len(data):
            raise ends_early(data)
        return found


_JointNumbers = tuple[_JointLayout, list[tuple[float, ...] | int]]
_layouts: deque[_JointLayout] = deque(maxlen=16)  # of the drivers seen last


def _layout(data: Bytes) -> _JointLayout:
    for layout in tuple(_layouts):
        if data[12 : layout.end] == layout.text and data[1] == layout.kind:
            return layout
    layout = _JointLayout(data)
    _layouts.appendleft(layout)
    return layout


def _check_fields(fields: tuple[str, ...], known: Any, where: str) -> None:
    fine = fields and all(field in known for field in fields)
    require(fine, list(fields), f'{where}.fields', known, ContractError)


_POSITIONS = ('pose.position', 'point')
_SPREAD = '_covariance'
_POSE = {'pose.position': _XYZ, 'pose.orientation': _XYZW}
_PARTS: dict[str, dict[str, tuple[str, ...]]] = {
    'Pose': _POSE,
    'Point': {'point': _XYZ},
    'Wrench': {'wrench.force': _XYZ, 'wrench.torque': _XYZ},
    'Twist': {'twist.linear': _XYZ, 'twist.angular': _XYZ},
    'Accel': {'accel.linear': _XYZ, 'accel.angular': _XYZ},
}
_NINE = tuple(map(str, range(9)))
_IMU = {
    'orientation': _XYZW,
    'orientation_covariance': _NINE,
    'angular_velocity': _XYZ,
    'angular_velocity_covariance': _NINE,
    'linear_acceleration': _XYZ,
    'linear_acceleration_covariance': _NINE,
}
# Those of `_PLAIN` and third parties' are added when they are asked for.
JOINT_STATE = 'sensor_msgs/msg/JointState'
DECODERS: dict[str, Decoder] = {
    JOINT_STATE: JointState(),
    **{f'geometry_msgs/msg/{name}Stamped': Composite(parts) for name, parts in _PARTS.items()},
    **{f'geometry_msgs/msg/{name}': Composite(parts, False) for name, parts in _PARTS.items()},
    'geometry_msgs/msg/TransformStamped': Transform(_POSE),
    'sensor_msgs/msg/Imu': InertialUnit(_IMU),
}
_PLAIN = 'il_ros.core.plain_decoders:PLAIN_DECODERS'


def decoder_for(type_name: str) -> Decoder:
    """The decoder of a message type of the contract.

    Third parties bring theirs by an entry point of the group `il_ros.decoder`: its name is the
    message type, and it loads a `Decoder` or a class of one that takes no arguments.

    Raises:
        UnknownNameError: If there is none.
    """
    if type_name not in DECODERS:
        _add_plain()
    if type_name not in DECODERS:
        found = lookup('decoder', type_name, {})
        DECODERS[type_name] = found() if isinstance(found, type) else found
    return DECODERS[type_name]


def decoded_types() -> list[str]:
    """Message types that have a decoder; third parties' come last."""
    _add_plain()
    return list(dict.fromkeys([*DECODERS, *names_of('decoder', ())]))


def _add_plain() -> None:
    for name, decoder in load(_PLAIN).items():
        DECODERS.setdefault(name, decoder)
