"""How far the two arms of a pair are from each other, capsule by capsule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from il_ros.core.arms import Arm, ArmPair
from il_ros.core.limits import Array

_PARALLEL = 1e-12  # squared sine of the angle below which two lines count as parallel


class Clearance:
    """The distances between each part of the left arm and each of the right one, Q in all.

    Args:
        pair: The arms.
        names: Commanded joints in the order of the arrays; the pair's own order by default.

    Attributes:
        parts: Names of the left and the right part, Q of them.
    """

    def __init__(self, pair: ArmPair, names: Sequence[str] | None = None) -> None:
        names = pair.names if names is None else names
        self._left, self._right = (_Parts(limb, names) for limb in pair.limbs)
        radii = self._left.radius[:, None] + self._right.radius
        self._radii = radii.ravel()
        self.parts = tuple((a, b) for a in self._left.names for b in self._right.names)

    def gaps(self, q: Array) -> Array:
        """Distances between surfaces, shape (T, Q) [m], of joint positions (T, N); 0 touches."""
        left, right = self._left.ends(q), self._right.ends(q)
        between = segment_distance(*(ends[:, :, None] for ends in left), *(
            ends[:, None] for ends in right
        ))  # fmt: skip
        return np.asarray(between.reshape(len(q), -1) - self._radii)


class _Parts:
    """The capsules of one arm, and where their lines' ends are."""

    def __init__(self, limb: Arm, names: Sequence[str]) -> None:
        self.names = tuple(part.name for part in limb.body)
        self.radius = np.array([part.radius for part in limb.body])
        self._chain, self._columns = limb.chain, limb.columns(names)
        self._frames = np.array([part.frame for part in limb.body])
        self._ends = np.array([[part.start, part.end] for part in limb.body])

    def ends(self, q: Array) -> tuple[Array, Array]:
        """Both ends of each line, each (T, P, 3) [m, base frame]."""
        frames = self._chain.frames(q[:, self._columns])[:, self._frames, :3]
        at = np.einsum('tpij,pej->tepi', frames[..., :3], self._ends) + frames[:, None, :, :, 3]
        return at[:, 0], at[:, 1]


def segment_distance(start: Array, end: Array, other_start: Array, other_end: Array) -> Array:
    """Distances between line segments, given by their ends, each (..., 3) [m]; broadcasts.

    Ericson 2005, section 5.1.9: the nearest point on one line, kept within its segment, gives that
    on the other, and that one the first again. Segments may be points.
    """
    along, across, gap = end - start, other_end - other_start, start - other_start
    a, e, b = _dot(along, along), _dot(across, across), _dot(along, across)
    c, f = _dot(along, gap), _dot(across, gap)
    square = a * e - b * b
    skew = square > _PARALLEL * a * e
    s = np.clip(_over(b * f - c * e, np.where(skew, square, 0.0)), 0.0, 1.0)
    t = np.clip(_over(b * s + f, e), 0.0, 1.0)
    s = np.clip(_over(b * t - c, a), 0.0, 1.0)
    apart = gap + s[..., None] * along - t[..., None] * across
    return np.asarray(np.sqrt(_dot(apart, apart)))


def _dot(one: Array, other: Array) -> Array:
    return np.asarray(np.einsum('...i,...i->...', one, other))


def _over(one: Array, other: Array) -> Array:
    """`one / other`, and 0 where `other` is not above 0."""
    return np.divide(one, other, out=np.zeros_like(one), where=other > 0.0)
