"""From a contract's observations to the numbers that a network or a score sees."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.decoders import decoder_for
from il_ros.core.errors import IlRosError, require
from il_ros.core.frames import Frame
from il_ros.core.limits import Array
from il_ros.core.streams import Stream, endless_numbers

Index = NDArray[np.intp]

VARIES = 1e-3
"""Spread below which a feature counts as constant [its own unit]."""

_MOTION = frozenset({
    'velocity', 'effort', 'twist.linear', 'twist.angular', 'wrench.force', 'wrench.torque',
    'accel.linear', 'accel.angular', 'angular_velocity', 'linear_acceleration',
})  # fmt: skip


def motion_keys(contract: Contract) -> tuple[str, ...]:
    """Observations of speeds and forces alone.

    A policy that sees how fast the arm moves learns to repeat itself rather than to look where
    things are (de Haan et al. 2019, Causal confusion in imitation learning), and a novelty score
    that sees contacts is ruled by their spikes.
    """
    return tuple(
        key for key, stream in contract.observations.items() if set(stream.fields) <= _MOTION
    )


class Features:
    """All observations of a contract side by side, in a form that is easy to learn from.

    - Every number as it is, but for quaternions.
    - Every orientation as the first two columns of its rotation matrix. A quaternion and its
      negative are one orientation, and a gripper that points down sits just where the sign
      flips; the columns have no such jump (Zhou et al. 2019, On the continuity of rotation
      representations in neural networks).
    - The position of a joint that turns without end as cosine and sine of the angle: it has no jump
      where the driver goes from pi to -pi, and does not tell how many turns the joint has made.
    - Between any two points (tool, object, goal) their difference [m]: manipulation depends on
      where things are relative to one another, to the millimetre, far more than on where they
      are on the table.

    Args:
        contract: Says what the observations are.
        exclude_keys: Keys of observations that are not used; None for those of `motion_keys`.

    Attributes:
        keys: Observations that are used, in the contract's order.
        size: Number of features, D.
        optional: Which features come from streams that may be missing, bool (D,).
        some_optional: Whether any does.

    Raises:
        IlRosError: If one of the keys to leave out is no observation, or none is left.
    """

    def __init__(self, contract: Contract, exclude_keys: Collection[str] | None = None) -> None:
        unused = motion_keys(contract) if exclude_keys is None else exclude_keys
        if unknown := [key for key in unused if key not in contract.observations]:
            raise IlRosError(
                f'no observation {", ".join(unknown)}',
                where='exclude_keys',
                allowed=contract.observations,
            )
        self.keys = tuple(key for key in contract.observations if key not in unused)
        require(self.keys, tuple(unused), 'exclude_keys', 'at least one observation is left')
        self._streams = [contract.observations[key] for key in self.keys]
        self._sizes = [stream.size for stream in self._streams]
        points, quaternions, count = _layout(self._streams)
        self._angles = _angles(self._streams, contract.continuous)
        pairs = list(combinations(points, 2))
        self._from = np.array([a for a, _ in pairs], dtype=np.intp).reshape(-1)
        self._to = np.array([b for _, b in pairs], dtype=np.intp).reshape(-1)
        self._quaternions = np.array(quaternions, dtype=np.intp).reshape(-1, 4)
        self._plain = np.setdiff1d(np.arange(count), [*self._quaternions.flat, *self._angles])
        self._ends = np.cumsum(
            [len(self._plain), 6 * len(self._quaternions), len(self._from), 2 * len(self._angles)]
        ).tolist()
        self.size: int = self._ends[3]
        free = np.repeat([not s.required for s in self._streams], self._sizes)
        self.optional = np.concatenate(
            [
                free[self._plain],
                np.repeat(free[self._quaternions[:, 0]], 6),
                free[self._from] | free[self._to],
                np.tile(free[self._angles], 2),
            ]
        )
        self.some_optional = bool(self.optional.any())

    def of_frame(self, frame: Frame) -> Array:
        """Features of one frame, shape (D,); NaN where a stream is invalid."""
        return self.of_raw(np.concatenate([frame.values[key] for key in self.keys]))

    def of_arrays(self, values: Mapping[str, NDArray[np.floating]]) -> Array:
        """Features of many frames, shape (F, D), from arrays of shape (F, size) by key."""
        return self.of_raw(np.concatenate([values[key] for key in self.keys], axis=1))

    def of_raw(self, raw: NDArray[np.floating]) -> Array:
        """Features, shape (..., D), of the observations side by side, shape (..., R)."""
        raw = np.asarray(raw, dtype=np.float64)
        plain, rotations, differences, _ = self._ends
        features = np.empty((*raw.shape[:-1], self.size))
        features[..., :plain] = raw[..., self._plain]
        if len(self._quaternions):
            q = raw[..., self._quaternions]
            products = (q[..., :, None] * q[..., None, :]).reshape(*q.shape[:-1], 16)
            columns = products @ _TO_COLUMNS + _COLUMNS_OFFSET
            features[..., plain:rotations] = columns.reshape(*raw.shape[:-1], rotations - plain)
        features[..., rotations:differences] = raw[..., self._to] - raw[..., self._from]
        if len(self._angles):
            angles, middle = raw[..., self._angles], differences + len(self._angles)
            features[..., differences:middle] = np.cos(angles)
            features[..., middle:] = np.sin(angles)
        return features


@dataclass(frozen=True, kw_only=True)
class Normalizer:
    """Shifts, scales and clips features.

    Attributes:
        mean: Mean of each feature, shape (...,).
        scale: Standard deviation of each; 1 for a feature that does not vary, whose noise would
            otherwise be blown up to the size of a signal.
        clip: Normalised features are kept within this many standard deviations, so that a sensor
            gone wild cannot drive the network where no training frame ever was.
    """

    mean: Array
    scale: Array
    clip: float = np.inf

    @classmethod
    def fit(cls, samples: NDArray[np.floating], *, varies: float, clip: float) -> Normalizer:
        """Take mean and spread over the first axis, NaN left out.

        Args:
            samples: Shape (F, ...).
            varies: A spread below this is none.
            clip: See the attribute.
        """
        samples = np.asarray(samples, dtype=np.float64)
        known = np.isfinite(samples)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, samples, 0.0).sum(axis=0) / count
        std = np.sqrt(np.where(known, (samples - mean) ** 2, 0.0).sum(axis=0) / count)
        return cls(mean=mean, scale=np.where(std < varies, 1.0, std), clip=clip)

    def normalize(self, features: NDArray[np.floating]) -> Array:
        """Features of shape (..., D), normalised and clipped."""
        normalized = (features - self.mean) / self.scale
        # What np.clip gives, in half of its time.
        return np.asarray(np.minimum(np.maximum(normalized, -self.clip), self.clip))

    def restore(self, normalized: NDArray[np.floating]) -> Array:
        """The inverse of `normalize` for what was not clipped."""
        return np.asarray(normalized * self.scale + self.mean)

    def arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """All that is needed to make it again, by name."""
        return {
            f'{prefix}.mean': self.mean,
            f'{prefix}.scale': self.scale,
            f'{prefix}.clip': np.array([self.clip]),
        }

    @classmethod
    def from_arrays(
        cls,
        prefix: str,
        arrays: Mapping[str, NDArray[np.generic]],
        *,
        where: str = '',
        error: type[IlRosError] = IlRosError,
    ) -> Normalizer:
        """Make it again from what `arrays` gave.

        Raises:
            IlRosError: (as `error`) If one is missing, or they do not make a normaliser.
        """
        names = [f'{prefix}.{part}' for part in ('mean', 'scale', 'clip')]
        for name in names:
            if name not in arrays:
                raise error(f'no array {name!r}', where=where, fix='train again')
        mean, scale, clip = (np.asarray(arrays[name], dtype=np.float64) for name in names)
        positive = (scale > 0).all() and (clip > 0).all()
        finite = np.isfinite(mean).all() and np.isfinite(scale).all()
        if mean.shape != scale.shape or clip.shape != (1,) or not (positive and finite):
            raise error(
                f'wrong arrays: {prefix}.mean {mean.shape}, .scale {scale.shape}, .clip {clip}',
                where=where,
                allowed='finite means, as many positive scales, one positive clip',
                fix='train again',
            )
        return cls(mean=mean, scale=scale, clip=float(clip[0]))


def _layout(streams: list[Stream]) -> tuple[list[Index], list[Index], int]:
    """Where points and quaternions lie among the streams' numbers, and how many numbers."""
    points: list[Index] = []
    quaternions: list[Index] = []
    at = 0
    for stream in streams:
        end = at + stream.size
        for part in stream.fields:
            if part in ('pose.position', 'point'):
                points.append(np.arange(at, at + 3))
            if part in ('pose.orientation', 'orientation'):
                quaternions.append(np.arange(at, at + 4))
            at += decoder_for(stream.type).size((part,), stream.names)
        at = end
    return points, quaternions, at


def _angles(streams: list[Stream], continuous: Collection[str]) -> Index:
    """Where positions of joints that turn without end lie among the streams' numbers."""
    ends = np.cumsum([0, *(stream.size for stream in streams)]).tolist()
    places = [
        begin + np.flatnonzero(endless_numbers(stream, continuous))
        for begin, stream in zip(ends, streams, strict=False)
        if not stream.derived  # which are speeds
    ]
    return np.concatenate([np.empty(0, np.intp), *places])


def _to_columns() -> Array:
    """Shape (16, 6): from products of a unit quaternion's parts to the matrix's first columns."""
    matrix = np.zeros((4, 4, 6))
    x, y, z, w = range(4)
    terms = (
        ((y, y, -2), (z, z, -2)),
        ((x, y, 2), (z, w, 2)),
        ((x, z, 2), (y, w, -2)),
        ((x, y, 2), (z, w, -2)),
        ((x, x, -2), (z, z, -2)),
        ((y, z, 2), (x, w, 2)),
    )
    for column, pairs in enumerate(terms):
        for i, j, factor in pairs:
            matrix[i, j, column] += factor
    return matrix.reshape(16, 6)


_TO_COLUMNS = _to_columns()
_COLUMNS_OFFSET = np.array([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
