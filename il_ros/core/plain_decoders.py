"""Decoders that are needed now and then: std_msgs, gamepads, instructions, a controller's state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from il_ros.core.cdr import NAMES, Bytes, Cdr
from il_ros.core.decoders import Decoder
from il_ros.core.errors import ContractError, IlRosError, InstructionError, printable, require
from il_ros.core.limits import Array

# What `struct` calls them; a Char of ROS 2 is a byte.
_FORMATS = {
    'Float64': 'd', 'Float32': 'f', 'Int64': 'q', 'Int32': 'i', 'Int16': 'h', 'Int8': 'b',
    'UInt64': 'Q', 'UInt32': 'I', 'UInt16': 'H', 'UInt8': 'B', 'Byte': 'B', 'Char': 'B',
}  # fmt: skip
_CONTINUOUS = 'df'  # the others have nothing between two values


def _between(a: Array, b: Array, share: float, number: str) -> Array:
    """The value between, of what is continuous; else the one before."""
    return np.asarray(a + share * (b - a)) if number in _CONTINUOUS else a


@dataclass(frozen=True)
class Scalar(Decoder):
    """A std_msgs type of one number, `data`; false is 0 and true is 1."""

    number: str
    stamped: bool = False

    def check(self, fields: tuple[str, ...], names: tuple[str, ...], where: str) -> None:
        """The field is `data`; there are no names."""
        require(fields == ('data',), list(fields), f'{where}.fields', '[data]', ContractError)
        require(not names, list(names), f'{where}.names', 'none for this type', ContractError)

    def size(self, fields: tuple[str, ...], names: tuple[str, ...]) -> int:
        """One."""
        return 1

    def read(self, data: Bytes) -> float:
        """The number."""
        return float(Cdr(data).numbers(self.number, 1)[0])

    def pick(self, content: float, fields: tuple[str, ...], names: tuple[str, ...]) -> Array:
        """The number."""
        return np.array([content])

    def blend(self, a: Array, b: Array, share: float, fields: tuple[str, ...]) -> Array:
        """Between two floats; of anything else the one before."""
        return _between(a, b, share, self.number)


class _Row(Decoder):
    """As many numbers as the contract has names for them, in their order."""

    numbers: dict[str, str]

    def check(self, fields: tuple[str, ...], names: tuple[str, ...], where: str) -> None:
        """One field; a name for each number."""
        fine = len(fields) == 1 and fields[0] in self.numbers
        require(fine, list(fields), f'{where}.fields', f'one of {", ".join(self.numbers)}',
                ContractError)  # fmt: skip
        fine = bool(names) and len(set(names)) == len(names)
        require(fine, list(names), f'{where}.names', 'a name for each number', ContractError)

    def size(self, fields: tuple[str, ...], names: tuple[str, ...]) -> int:
        """A number for each name."""
        return len(names)

    @abstractmethod
    def read(self, data: Bytes) -> dict[str, Sequence[float]]:
        """The numbers of each field."""

    def pick(
        self, content: dict[str, Sequence[float]], fields: tuple[str, ...], names: tuple[str, ...]
    ) -> Array:
        """Raise IlRosError if there are not as many as names."""
        numbers = content[fields[0]]
        if len(numbers) != len(names):
            raise IlRosError(
                f'{len(numbers)} numbers in {fields[0]}',
                allowed=f'{len(names)}, as the contract names',
                fix="correct the contract's names or the driver",
            )
        return np.array(numbers, dtype=float)

    def blend(self, a: Array, b: Array, share: float, fields: tuple[str, ...]) -> Array:
        """Between two floats; of anything else the one before."""
        return _between(a, b, share, self.numbers[fields[0]])


class MultiArray(_Row):
    """A std_msgs array, `data`; its layout plays no part, but for an offset."""

    stamped = False

    def __init__(self, number: str) -> None:
        self.numbers = {'data': number}

    def read(self, data: Bytes) -> dict[str, Sequence[float]]:
        """The numbers behind the offset."""
        reader = Cdr(data)
        dimensions = reader.uint32()
        if dimensions > NAMES:
            raise IlRosError(f'{dimensions} dimensions', allowed=f'up to {NAMES}')
        for _ in range(dimensions):
            reader.skip_string()
            reader.uint32()
            reader.uint32()
        offset = reader.uint32()
        return {'data': reader.numbers(self.numbers['data'])[offset:]}


class Gamepad(_Row):
    """sensor_msgs/Joy: its axes or its buttons."""

    stamped = True

    def __init__(self) -> None:
        self.numbers = {'axes': 'f', 'buttons': 'i'}

    def read(self, data: Bytes) -> dict[str, Sequence[float]]:
        """Axes from -1 to 1, and buttons, 1 where pressed."""
        reader = Cdr(data)
        reader.header()
        return {field: reader.numbers(kind) for field, kind in self.numbers.items()}


class Instruction(Decoder):
    """std_msgs/String: which of the contract's `names` it is, as a 1 among zeros.

    A policy of this package takes numbers; a text that nobody trained it on says nothing to it.
    """

    stamped = False

    def check(self, fields: tuple[str, ...], names: tuple[str, ...], where: str) -> None:
        """The field is `data`; every text that may come is named."""
        require(fields == ('data',), list(fields), f'{where}.fields', '[data]', ContractError)
        fine = bool(names) and len(set(names)) == len(names)
        allowed = 'each text that may come, once: a policy sees which of them it is'
        require(fine, list(names), f'{where}.names', allowed, ContractError)

    def size(self, fields: tuple[str, ...], names: tuple[str, ...]) -> int:
        """A number for each text."""
        return len(names)

    def read(self, data: Bytes) -> str:
        """The text."""
        return Cdr(data).string()

    def pick(self, content: str, fields: tuple[str, ...], names: tuple[str, ...]) -> Array:
        """Raise InstructionError if it is none of `names`."""
        if content not in names:
            raise InstructionError(
                f'text {printable(content, 80)!r}',
                allowed=map(repr, names),
                fix="send one of these, or add it to the contract's names and train again",
            )
        return np.array([float(name == content) for name in names])

    def blend(self, a: Array, b: Array, share: float, fields: tuple[str, ...]) -> Array:
        """The one before: nothing is between two texts."""
        return a


# Of the message, in its order, and of each of its trajectory_msgs/JointTrajectoryPoints.
_POINTS = ('reference', 'feedback', 'error', 'output')
_COLUMNS = ('positions', 'velocities', 'accelerations', 'effort')
_STATES = tuple(f'{point}.{column}' for point in _POINTS for column in _COLUMNS)


class ControllerStates(Decoder):
    """control_msgs/JointTrajectoryControllerState: joints by name, as of a JointState."""

    stamped = True

    def check(self, fields: tuple[str, ...], names: tuple[str, ...], where: str) -> None:
        """Fields of its points, such as `reference.positions`; at least one name."""
        fine = bool(fields) and set(fields) <= set(_STATES)
        require(fine, list(fields), f'{where}.fields', _STATES, ContractError)
        fine = bool(names) and len(set(names)) == len(names)
        require(fine, list(names), f'{where}.names', 'one or more joint names', ContractError)

    def size(self, fields: tuple[str, ...], names: tuple[str, ...]) -> int:
        """Joints times fields."""
        return len(fields) * len(names)

    def read(self, data: Bytes) -> tuple[list[str], dict[str, tuple[float, ...]]]:
        """The joints, and the numbers of each field."""
        reader = Cdr(data)
        reader.header()
        joints = reader.strings()
        numbers: dict[str, tuple[float, ...]] = {}
        for point in _POINTS:
            numbers |= {f'{point}.{column}': reader.doubles() for column in _COLUMNS}
            reader.skip_duration()
        return joints, numbers

    def pick(
        self,
        content: tuple[list[str], dict[str, tuple[float, ...]]],
        fields: tuple[str, ...],
        names: tuple[str, ...],
    ) -> Array:
        """Raise IlRosError naming the joint or the field that the message does not have."""
        joints, numbers = content
        if missing := [name for name in names if name not in joints]:
            raise IlRosError(
                f'no joint {", ".join(missing)} in the message',
                allowed=joints,
                fix="correct the contract's names or the topic",
            )
        for field in fields:
            if len(numbers[field]) != len(joints):
                raise IlRosError(
                    f'{len(numbers[field])} numbers in {field} for {len(joints)} joints',
                    fix='leave it out of the contract: its controller does not tell it',
                )
        places = [joints.index(name) for name in names]
        return np.array([numbers[field][i] for field in fields for i in places])

    def blend(self, a: Array, b: Array, share: float, fields: tuple[str, ...]) -> Array:
        """Joint by joint."""
        return np.asarray(a + share * (b - a))


PLAIN_DECODERS: dict[str, Decoder] = {
    **{f'std_msgs/msg/{name}': Scalar(number) for name, number in _FORMATS.items()},
    'std_msgs/msg/Bool': Scalar('?'),
    **{
        f'std_msgs/msg/{name}MultiArray': MultiArray(number)
        for name, number in _FORMATS.items()
        if name != 'Char'
    },
    'std_msgs/msg/String': Instruction(),
    'sensor_msgs/msg/Joy': Gamepad(),
    'control_msgs/msg/JointTrajectoryControllerState': ControllerStates(),
}
"""By message type."""
