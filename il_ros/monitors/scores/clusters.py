"""A Mahalanobis distance that follows a task through its phases."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from il_ros.core.limits import Array
from il_ros.monitors.scores.mahalanobis import gaussian
from il_ros.monitors.scores.score import NominalData, Score, ScoreInput
from il_ros.monitors.scores.score_features import features_of, scales_of, training_features

_MOST = 60  # clusters
_FRAMES = 100  # training frames a cluster has at least on average
_ROUNDS = 30  # of Lloyd's algorithm; it settles much earlier


class ClusteredMahalanobis(Score):
    """Mahalanobis distance to the nearest of several clusters of the training features.

    One Gaussian around a whole task reaches over everything between its phases: a gripper that
    closes on nothing lies well inside it. A Gaussian for each stretch of the motion does not
    (Lee et al. 2018, section 2.1, with k-means clusters in the place of classes). Each cluster's
    covariance is shrunk (`gaussian`).

    Attributes:
        means: Shape (K, D).
        whitenings: Shape (K, D, D); ``|whitening (x - mean)|`` is the distance to a cluster.
    """

    _where = 'clustered mahalanobis score'
    _shapes: ClassVar = {'means': 'KD', 'whitenings': 'KDD'}

    def fit(self, nominal: NominalData) -> Self:
        """Learn means (K, D) and whitenings (K, D, D)."""
        X = training_features(nominal)
        count = min(_MOST, max(1, len(X) // _FRAMES))
        members = k_means((X - X.mean(axis=0)) / scales_of(X), count, nominal.seed)
        # A cluster of few frames has no covariance of its own to speak of.
        parts = [X[members == i] for i in range(count) if np.sum(members == i) > X.shape[1]]
        means, whitenings = zip(*map(gaussian, parts or [X]), strict=True)
        return self._learn([np.stack(means), np.stack(whitenings)])

    def score(self, score_input: ScoreInput) -> float:
        """Smallest Mahalanobis distance, in standard deviations."""
        nearest = self.nearest(score_input)
        if nearest is None:
            return nan
        assert score_input.features is not None
        z = self.whitenings[nearest] @ (score_input.features - self.means[nearest])
        return float(np.sqrt(z @ z))

    def nearest(self, score_input: ScoreInput) -> int | None:
        """Which cluster is the nearest, 0..K-1; None where the features are not known."""
        x = features_of(score_input, len(self._centre), self._where)
        if x is None:
            return None
        rough = self._rough @ (x - self._centre).astype(np.float32)
        apart = rough.reshape(self._offsets.shape) - self._offsets
        return int(np.einsum('ij,ij->i', apart, apart).argmin())

    def _use(self, arrays: Sequence[Array]) -> None:
        self.means, self.whitenings = means, whitenings = arrays
        self._centre: Array = means.mean(axis=0)
        offsets = np.matmul(whitenings, (means - self._centre)[:, :, None])[:, :, 0]
        # Single precision finds the nearest cluster in half the time.
        self._rough = whitenings.reshape(means.size, means.shape[1]).astype(np.float32)
        self._offsets = offsets.astype(np.float32)


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
