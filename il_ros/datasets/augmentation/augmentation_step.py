"""What an augmentation takes and gives: raw samples, in the contract's units."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.arms import Arm
from il_ros.core.contract import Contract
from il_ros.core.decoders import decoder_for
from il_ros.core.errors import DatasetError, require
from il_ros.core.limits import Array
from il_ros.core.streams import Stream

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Frames and the commands that followed them, B of them, before any normalisation.

    Attributes:
        values: Observation per key of the contract, float32 of shape (B, size), in the contract's
            units; NaN where invalid.
        chunk: Absolute joint targets, float32 of shape (B, H, N) [rad or m]; step i is due
            (i + 1) periods after the frame.
        mask: Which steps are known, bool of shape (B, H).
        images: Image per key, uint8 of shape (B, height, width, 3) or (B, height, width), or
            uint16 of shape (B, height, width) for depth.
    """

    values: Mapping[str, Floats]
    chunk: Floats
    mask: NDArray[np.bool_]
    images: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.chunk)


Step = Callable[[Samples, np.random.Generator], Samples]
"""One augmentation. It gives new samples of the same shapes and dtypes and leaves its argument as
it was; all that it draws comes from the generator."""


def parts(stream: Stream) -> Iterator[tuple[str, slice]]:
    """Each field of a stream and the place of its numbers in a sample."""
    at = 0
    for name in stream.fields:
        size = decoder_for(stream.type).size((name,), stream.names)
        yield name, slice(at, at + size)
        at += size


def tool_poses(arm: Arm, names: tuple[str, ...], positions: Array) -> tuple[Array, Array]:
    """Position (..., 3) [m] and rotation matrix (..., 3, 3) of an arm's tool centre point.

    Args:
        arm: The arm.
        names: Commanded joints, N of them.
        positions: Their positions, shape (..., N) [rad or m].

    Raises:
        DatasetError: If the action lacks a joint of the arm.
    """
    missing = [joint for joint in arm.joints if joint not in names]
    if missing:
        raise DatasetError(
            f'the action has no joint {missing[0]} of the arm {arm.name!r}',
            where='contract.action.names',
            allowed=arm.joints,
            fix='correct the contract, or leave its arm empty',
        )
    return arm.chain.forward(positions[..., [names.index(joint) for joint in arm.joints]])


def from_vector(vector: Array) -> Array:
    """Quaternions xyzw, shape (B, 4), of rotation vectors (axis times angle), (B, 3) [rad]."""
    angle = np.linalg.norm(vector, axis=-1, keepdims=True)
    # np.sinc(x) is sin(pi x) / (pi x), so this is sin(angle / 2) / angle, also at angle 0.
    factor = 0.5 * np.sinc(angle / (2.0 * np.pi))
    return np.concatenate([vector * factor, np.cos(angle / 2.0)], axis=-1)


def turned(quaternion: Array, by: Array) -> Array:
    """Orientations (B, 4) turned by the rotations `by` (B, 4), all xyzw, in the base frame.

    Where the decoders' convention (w >= 0) held before, it holds after; elsewhere the sign is the
    one that lies nearer.
    """
    a, b = by[..., :3], quaternion[..., :3]
    aw, bw = by[..., 3:], quaternion[..., 3:]
    result = np.concatenate(
        [aw * b + bw * a + np.cross(a, b), aw * bw - np.sum(a * b, axis=-1, keepdims=True)], axis=-1
    )
    nearer = np.sum(result * quaternion, axis=-1, keepdims=True)
    flip = np.where(bw >= 0.0, result[..., 3:] < 0.0, nearer < 0.0)
    return np.where(flip, -result, result)


def beyond(values: Array, low: Array, high: Array) -> Array:
    """How far values are beyond their bounds, 0 inside."""
    return np.asarray(np.maximum(np.maximum(low - values, values - high), 0.0))


def require_fit(contract: Contract, samples: Samples) -> None:
    """Refuse samples of another contract, and those with more in them than is augmented."""
    sizes = {key: stream.size for key, stream in contract.observations.items()}
    found = {key: values.shape[1] for key, values in samples.values.items()}
    if found != sizes:
        raise DatasetError(
            f'observations {found}', where='samples', allowed=f'those of {contract.name!r}: {sizes}'
        )
    if samples.chunk.shape[2] != len(contract.action.names):
        raise DatasetError(
            f'{samples.chunk.shape[2]} joints', where='samples.chunk', allowed=contract.action.names
        )


def observed_key(contract: Contract, key: str, where: str) -> Stream:
    """The observation called `key`.

    Raises:
        DatasetError: If the contract has none; `where` is the place that names it.
    """
    if key not in contract.observations:
        raise DatasetError(
            f'the contract {contract.name!r} has no observation {key!r}',
            where=where,
            allowed=contract.observations,
        )
    return contract.observations[key]


def require_within(value: float, low: float, high: float, where: str) -> None:
    """Refuse a setting that is not within `low` and `high`, by a DatasetError."""
    require(low <= value <= high, value, where, f'{low:g} to {high:g}', DatasetError)
