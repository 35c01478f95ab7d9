"""A robot's mirror symmetry as one signed permutation of all observations, and one of the action.

Cartesian fields follow from the plane. With S the reflection, a position, force or velocity p
becomes S p; an orientation R becomes S R S, so bodies are taken as symmetric about the plane of
their own frame with the same normal; a torque or angular velocity, being a pseudo-vector, becomes
-S w. The same signs hold in the base frame and in a body's. Joints have to be declared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError, require
from il_ros.core.limits import Array
from il_ros.datasets.augmentation.augmentation_step import observed_key, parts

_AXES = ('x', 'y', 'z')
_PSEUDO = ('wrench.torque', 'twist.angular', 'accel.angular', 'angular_velocity')


@dataclass(frozen=True, kw_only=True)
class MirrorJoint:
    """What a joint's position becomes: `sign` times that of `take`, plus `offset`.

    Speeds and efforts take the sign alone.

    Attributes:
        sign: 1 or -1.
        offset: What is added to the position [rad or m].
        take: Joint whose value it takes, the other arm's for instance; empty for its own.
    """

    sign: float = 1.0
    offset: float = 0.0
    take: str = ''


@dataclass(frozen=True, kw_only=True)
class MirrorKey:
    """What an observation becomes, where that does not follow from its fields.

    Attributes:
        take: Observation whose numbers it takes, of the same size; empty for its own.
        permutation: Which of those numbers each of its own takes; empty for the same order.
        signs: 1 or -1 for each number; empty for those that follow from the fields.
    """

    take: str = ''
    permutation: tuple[int, ...] = ()
    signs: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MirrorImage:
    """What an image becomes.

    Attributes:
        take: Image whose pixels it takes, the other arm's camera for instance; empty for its own.
        flip: Whether left and right change places. True for a camera whose optical axis lies in
            the mirror plane and whose rows are normal to it.
    """

    take: str = ''
    flip: bool = True


@dataclass(frozen=True, kw_only=True)
class SignedPermutation:
    """Row vectors x of R numbers become `x[index] * sign + offset`.

    Attributes:
        index: Shape (R,).
        sign: 1 or -1, shape (R,).
        offset: Shape (R,), in the numbers' units.
    """

    index: NDArray[np.intp]
    sign: Array
    offset: Array

    def __call__(self, rows: NDArray[np.floating]) -> Array:
        """Mirror rows of shape (..., R)."""
        return np.asarray(rows[..., self.index] * self.sign + self.offset)

    def require_involution(self, places: list[str]) -> None:
        """Refuse it if a number, set at one of `places`, does not come back when mirrored twice.

        Raises:
            DatasetError: With the place.
        """
        index, sign, offset = self.index, self.sign, self.offset
        back = index[index] == np.arange(len(index))
        back &= (sign * sign[index] == 1.0) & (np.abs(sign * offset[index] + offset) < 1e-9)
        if not back.all():
            raise DatasetError(
                'mirrored twice it is not what it was',
                where=places[int(np.argmin(back))],
                allowed='an offset only with sign -1; `take` both ways round with the same sign',
                fix='correct sign, offset, take or permutation',
            )


class _Number(NamedTuple):
    """One number of the observations side by side; `joint` is empty for a Cartesian one."""

    key: str
    field: str
    joint: str
    place: int


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """The declared mirror symmetry of a robot and its cell, and how often samples are mirrored.

    Attributes:
        plane: Axis of the base frame that the mirror plane, through its origin, is normal to.
        joints: What becomes of each joint of the contract, by name; more may be named.
        keys: Observations whose change does not follow from plane and joints.
        probability: Fraction of the samples that are mirrored.
        images: What becomes of each image that samples have, by key; more may be named.
    """

    plane: Literal['x', 'y', 'z'] = 'y'
    joints: Mapping[str, MirrorJoint] = field(default_factory=dict)
    keys: Mapping[str, MirrorKey] = field(default_factory=dict)
    probability: float = 0.5
    images: Mapping[str, MirrorImage] = field(default_factory=dict)

    @property
    def reflection(self) -> Array:
        """The diagonal of S, shape (3,)."""
        return np.where(np.array(_AXES) == self.plane, -1.0, 1.0)

    def signs(self, name: str) -> Array:
        """Signs of a Cartesian field's numbers; w of a quaternion stays, so w >= 0 does too."""
        if name in ('pose.orientation', 'orientation'):
            return np.append(-self.reflection, 1.0)
        return -self.reflection if name in _PSEUDO else self.reflection


def action_map(symmetry: Mirror, contract: Contract) -> SignedPermutation:
    """What becomes of commanded joint positions, N numbers.

    Raises:
        DatasetError: If a joint is not declared or takes one that is not commanded, or mirroring
            twice does not give back what was there.
    """
    names = contract.action.names
    joints = [_joint(symmetry, name, names) for name in names]
    mapped = SignedPermutation(
        index=np.array([names.index(j.take or n) for n, j in zip(names, joints, strict=True)]),
        sign=np.array([j.sign for j in joints]),
        offset=np.array([j.offset for j in joints]),
    )
    mapped.require_involution([f'mirror.joints.{name}' for name in names])
    return mapped


def observation_map(symmetry: Mirror, contract: Contract) -> SignedPermutation:
    """What becomes of all observations of a contract side by side, R numbers.

    Raises:
        DatasetError: As `action_map`, and if `keys` does not fit the contract.
    """
    columns = [
        _Number(key, name, stream.names[i] if stream.names else '', i)
        for key, stream in contract.observations.items()
        for name, place in parts(stream)
        for i in range(place.stop - place.start)
    ]
    index = np.arange(len(columns))
    sign, offset = np.ones(len(columns)), np.zeros(len(columns))
    for i, column in enumerate(columns):
        if column.joint:
            known = tuple(c.joint for c in columns if c.joint and c.field == column.field)
            joint = _joint(symmetry, column.joint, known)
            index[i] = _source(columns, column, joint.take or column.joint)
            sign[i] = joint.sign
            offset[i] = joint.offset if column.field == 'position' else 0.0
        else:
            sign[i] = symmetry.signs(column.field)[column.place]
    for key, wanted in symmetry.keys.items():
        source, order = _declared(symmetry, contract, key)
        rows = [i for i, column in enumerate(columns) if column.key == key]
        index[rows] = [i for i, column in enumerate(columns) if column.key == source]
        index[rows] = index[rows][order]
        if wanted.signs:
            sign[rows], offset[rows] = wanted.signs, 0.0
    mapped = SignedPermutation(index=index, sign=sign, offset=offset)
    mapped.require_involution(
        [
            f'mirror.joints.{c.joint} ({c.key})' if c.joint else f'mirror.keys.{c.key}'
            for c in columns
        ]
    )
    return mapped


def _source(columns: list[_Number], column: _Number, joint: str) -> int:
    """Where a joint's number of the same field lies, in the same observation if it is there."""
    found = [i for i, c in enumerate(columns) if (c.joint, c.field) == (joint, column.field)]
    return next((i for i in found if columns[i].key == column.key), found[0])


def _joint(symmetry: Mirror, name: str, known: tuple[str, ...]) -> MirrorJoint:
    where = f'mirror.joints.{name}'
    if name not in symmetry.joints:
        raise DatasetError(
            'the joint is not declared',
            where=where,
            fix='say what becomes of it: {} where it stays, {sign: -1} where it turns round',
        )
    joint = symmetry.joints[name]
    if joint.sign not in (1.0, -1.0) or not np.isfinite(joint.offset):
        raise DatasetError(
            f'sign {joint.sign:g}, offset {joint.offset:g}', where=where, allowed='sign 1 or -1'
        )
    require(not joint.take or joint.take in known, joint.take, f'{where}.take', known, DatasetError)
    return joint


def _declared(symmetry: Mirror, contract: Contract, key: str) -> tuple[str, NDArray[np.intp]]:
    """What is declared for a whole observation: whose numbers it takes, and in which order."""
    where, wanted = f'mirror.keys.{key}', symmetry.keys[key]
    size, source = observed_key(contract, key, 'mirror.keys').size, wanted.take or key
    if observed_key(contract, source, f'{where}.take').size != size:
        raise DatasetError(
            f'{source} has another size', where=f'{where}.take', allowed=f'{size} numbers'
        )
    order = np.array(wanted.permutation or range(size), dtype=np.intp)
    fine = sorted(order.tolist()) == list(range(size))
    allowed = f'each of 0 to {size - 1} once'
    require(fine, order.tolist(), f'{where}.permutation', allowed, DatasetError)
    fine = len(wanted.signs) in (0, size) and set(wanted.signs) <= {1.0, -1.0}
    allowed = f'1 or -1, {size} of them'
    require(fine, list(wanted.signs), f'{where}.signs', allowed, DatasetError)
    return source, order
