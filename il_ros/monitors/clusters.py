"""A Mahalanobis distance that follows a task through its phases."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.monitors.novelty import Mahalanobis

_MOST = 60  # clusters
_FRAMES = 100  # training frames a cluster has at least on average
_ROUNDS = 30  # of Lloyd's algorithm; it settles much earlier


class ClusteredMahalanobis:
    """Mahalanobis distance to the nearest of several clusters of the training features.

    One Gaussian around a whole task reaches over everything between its phases: a gripper that
    closes on nothing lies well inside it. A Gaussian for each stretch of the motion does not
    (Lee et al. 2018, section 2.1, with k-means clusters in the place of classes). Each cluster's
    covariance is shrunk (`Mahalanobis`).
    """

    def __init__(self, means: Array | None = None, whitenings: Array | None = None) -> None:
        self._means = np.zeros((0, 0)) if means is None else means
        self._whitenings = np.zeros((0, 0, 0)) if whitenings is None else whitenings

    def fit(self, X: Array) -> Self:
        """Learn means (K, D) and whitenings (K, D, D) from features (n, D).

        Raises:
            IlRosError: If `X` is not a finite matrix of at least two rows.
        """
        whole = Mahalanobis().fit(X).arrays()
        count = min(_MOST, max(1, len(X) // _FRAMES))
        members = k_means((X - whole['mean']) / np.maximum(X.std(axis=0), 1e-9), count)
        # A cluster of few frames has no covariance of its own to speak of.
        parts = [X[members == i] for i in range(count) if np.sum(members == i) > X.shape[1]]
        fitted = [Mahalanobis().fit(part).arrays() for part in parts] or [whole]
        self._means = np.stack([part['mean'] for part in fitted])
        self._whitenings = np.stack([part['whitening'] for part in fitted])
        return self

    def score(self, x: Array) -> float:
        """Smallest Mahalanobis distance of features (D,), in standard deviations.

        Raises:
            IlRosError: If there are not D features.
        """
        if x.shape != self._means.shape[1:]:
            raise IlRosError(
                f'features have shape {x.shape}',
                where='novelty',
                allowed=str(self._means.shape[1:]),
            )
        z = np.matmul(self._whitenings, (x - self._means)[:, :, None])[:, :, 0]
        return float(np.sqrt(np.min(np.sum(z * z, axis=1))))

    def arrays(self) -> dict[str, Array]:
        """'means' (K, D) and 'whitenings' (K, D, D)."""
        return {'means': self._means, 'whitenings': self._whitenings}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array]) -> Self:
        """The score whose `arrays` were saved.

        Raises:
            IlRosError: If an array is missing or the shapes do not belong together.
        """
        missing = sorted({'means', 'whitenings'} - set(arrays))
        if missing:
            raise IlRosError(f'{", ".join(missing)} missing', where='clustered mahalanobis score')
        means = np.asarray(arrays['means'], dtype=np.float64)
        whitenings = np.asarray(arrays['whitenings'], dtype=np.float64)
        if means.ndim != 2 or whitenings.shape != (*means.shape, means.shape[1]):
            raise IlRosError(
                f'means {means.shape} and whitenings {whitenings.shape} do not belong together',
                where='clustered mahalanobis score',
                allowed='(K, D) and (K, D, D)',
            )
        return cls(means, whitenings)


def k_means(X: Array, count: int, seed: int = 0) -> NDArray[np.intp]:
    """Which of `count` clusters each row of X (n, D) belongs to, shape (n,).

    Lloyd's algorithm from a k-means++ start (Arthur & Vassilvitskii 2007).
    """
    rng = np.random.default_rng(seed)
    centres = X[rng.integers(len(X), size=1)]
    while len(centres) < count:
        nearest = _squared_distances(X, centres).min(axis=1)
        total = float(nearest.sum())
        if total <= 0.0:  # fewer different rows than clusters
            break
        centres = np.vstack([centres, X[rng.choice(len(X), p=nearest / total)]])
    members = np.full(len(X), -1, dtype=np.intp)
    for _ in range(_ROUNDS):
        before, members = members, _squared_distances(X, centres).argmin(axis=1)
        if np.array_equal(before, members):
            break
        for i in np.unique(members):
            centres[i] = X[members == i].mean(axis=0)
    return members


def _squared_distances(X: Array, centres: Array) -> Array:
    squares = np.sum(X * X, axis=1)[:, None] + np.sum(centres * centres, axis=1)
    distances: Array = np.maximum(squares - 2.0 * X @ centres.T, 0.0)
    return distances
