"""Distance to the k-th nearest training frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from il_ros.core.limits import Array
from il_ros.monitors.scores.score import NominalData
from il_ros.monitors.scores.score_features import StandardisedScore

_POINTS = 2000  # of the coreset
_FRAMES = 50_000  # the coreset is chosen from; with more, drawn at random
_NEAREST = 3  # two odd training frames vouch for nothing


class NearestNeighbours(StandardisedScore):
    """Distance to the k-th nearest frame of a coreset of the training frames.

    Sun et al. 2022, 'Out-of-distribution detection with deep nearest neighbors', but for two
    things: features are standardised in the place of being scaled to unit length, because the
    size of a joint angle means something; and it is searched through a coreset (Sener & Savarese
    2018, 'Active learning for convolutional neural networks: a core-set approach', alg. 1), whose
    points lie no closer than they have to for every frame to be near one.

    It assumes nothing about the shape of what is normal. It looks at all features alike, so that
    a small change of one feature is lost among the usual changes of the others.
    """

    _where = 'knn score'
    _shapes: ClassVar = {'mean': 'D', 'scale': 'D', 'points': 'MD'}

    def _fitted(self, Z: Array, nominal: NominalData) -> list[Array]:
        """The coreset (M, D)."""
        random = np.random.default_rng(nominal.seed)
        Z = Z[np.sort(random.permutation(len(Z))[:_FRAMES])]
        return [Z[k_centres(Z, _POINTS, int(random.integers(len(Z))))]]

    def _of(self, z: Array) -> float:
        """Euclidean distance to the k-th nearest point, in spreads of the features."""
        # Half the squared distance but for half the square of z, which is the same for all points.
        half = self._half - self._rough @ z.astype(np.float32)
        for _ in range(self._closer):
            half[half.argmin()] = np.inf
        apart = self._points[half.argmin()] - z
        return float(np.sqrt(apart @ apart))

    def _use(self, arrays: Sequence[Array]) -> None:
        super()._use(arrays)
        self._points = points = arrays[2]
        # Single precision finds the same neighbours in half the time.
        self._rough = points.astype(np.float32)
        self._half = np.float32(0.5) * np.einsum('ij,ij->i', self._rough, self._rough)
        self._closer = min(_NEAREST, len(points)) - 1


def k_centres(X: Array, count: int, first: int = 0) -> NDArray[np.intp]:
    """Rows of X (n, D) that every other row is near to, shape (count,) or (n,).

    Greedy: the next centre is the row furthest from all centres (Gonzalez 1985), which is within
    twice the best possible largest distance.
    """
    rough = X.astype(np.float32)
    squares = np.einsum('ij,ij->i', rough, rough)
    distance = np.full(len(rough), np.inf, dtype=np.float32)
    chosen = [first]
    while len(chosen) < min(count, len(rough)):
        centre = rough[chosen[-1]]
        np.minimum(distance, squares - 2.0 * (rough @ centre) + centre @ centre, out=distance)
        distance[chosen[-1]] = -np.inf
        chosen.append(int(distance.argmax()))
    return np.array(chosen, dtype=np.intp)
