"""Distance to the training features in units of their spread (Mahalanobis 1936)."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import ClassVar, Self

import numpy as np

from il_ros.core.limits import Array
from il_ros.monitors.scores.score import NominalData, Score, ScoreInput
from il_ros.monitors.scores.score_features import features_of, scales_of, training_features

_RIDGE = 1e-6  # share of the mean variance added, so that the covariance is never singular


class Mahalanobis(Score):
    """Mahalanobis distance to the training features, with a well-conditioned covariance.

    It notices features that do not go together, however small the change. It takes everything
    between two phases of a task for normal (`ClusteredMahalanobis` does not).
    """

    _where = 'mahalanobis score'
    _shapes: ClassVar = {'mean': 'D', 'whitening': 'DD'}

    def fit(self, nominal: NominalData) -> Self:
        """Learn mean (D,) and whitening (D, D)."""
        return self._learn(gaussian(training_features(nominal)))

    def score(self, score_input: ScoreInput) -> float:
        """Mahalanobis distance, in standard deviations."""
        x = features_of(score_input, len(self._mean), self._where)
        if x is None:
            return nan
        z = self._whitening @ (x - self._mean)
        return float(np.sqrt(z @ z))

    def _use(self, arrays: Sequence[Array]) -> None:
        self._mean, self._whitening = arrays


def gaussian(X: Array) -> tuple[Array, Array]:
    """Mean (D,) and whitening (D, D) of features (n, D): ``|whitening (x - mean)|`` is a distance.

    Features are brought to unit variance first, because the shrinkage target treats all of them
    alike. The covariance is that of Ledoit & Wolf (2004).
    """
    mean, scale = X.mean(axis=0), scales_of(X)
    covariance, _ = ledoit_wolf((X - mean) / scale)
    ridge = _RIDGE * max(float(np.trace(covariance)) / len(scale), _RIDGE)
    factor = np.linalg.cholesky(covariance + ridge * np.eye(len(scale)))
    return mean, np.linalg.inv(factor) / scale


def ledoit_wolf(X: Array) -> tuple[Array, float]:
    """The covariance of X (n, D) shrunk towards a multiple of the identity.

    Ledoit & Wolf 2004, 'A well-conditioned estimator for large-dimensional covariance matrices',
    lemmas 3.2 to 3.5, in their letters: ``b^2/d^2 m I + a^2/d^2 S``.

    Returns:
        The covariance (D, D) and the shrinkage intensity ``b^2/d^2`` in 0..1.
    """
    n, D = X.shape
    X = X - X.mean(axis=0)
    S = X.T @ X / n
    m = np.trace(S) / D
    d2 = float(np.sum(S * S)) / D - m * m  # ||S - m I||^2 with the norm of the paper
    # mean of ||x x' - S||^2 over the samples, without forming n matrices
    spread = float(np.sum(np.sum(X * X, axis=1) ** 2)) / n - float(np.sum(S * S))
    b2 = min(max(spread / (n * D), 0.0), d2)
    shrinkage = b2 / d2 if d2 > 0 else 1.0
    return shrinkage * m * np.eye(D) + (1 - shrinkage) * S, shrinkage
