"""Novelty scores: how far an observation is from those that the policy was trained on."""

from __future__ import annotations

from typing import Protocol, Self

import numpy as np

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array

SCORES = {
    'mahalanobis': 'il_ros.monitors.novelty:Mahalanobis',
    'clustered_mahalanobis': 'il_ros.monitors.clusters:ClusteredMahalanobis',
}

_RIDGE = 1e-6  # share of the mean variance added, so that the covariance is never singular


class NoveltyScore(Protocol):
    """A nonconformity score of one observation; larger is stranger."""

    def fit(self, X: Array) -> Self:
        """Learn what is normal from features (n, D); returns itself."""
        ...

    def score(self, x: Array) -> float:
        """Nonconformity of features (D,)."""
        ...

    def arrays(self) -> dict[str, Array]:
        """What was learned, to be saved as safetensors."""
        ...

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array]) -> Self:
        """The score whose `arrays` were saved."""
        ...


class Mahalanobis:
    """Mahalanobis distance to the training features, with a well-conditioned covariance.

    Features are brought to unit variance first, because the shrinkage target treats all of them
    alike. The covariance is that of Ledoit & Wolf (2004).
    """

    def __init__(self, mean: Array | None = None, whitening: Array | None = None) -> None:
        self._mean = np.zeros(0) if mean is None else mean
        self._whitening = np.zeros((0, 0)) if whitening is None else whitening

    def fit(self, X: Array) -> Self:
        """Learn mean (D,) and whitening (D, D) from features (n, D).

        Raises:
            IlRosError: If `X` is not a finite matrix of at least two rows.
        """
        X = np.asarray(X, dtype=np.float64)
        if X.ndim != 2 or len(X) < 2 or not np.isfinite(X).all():
            raise IlRosError(
                f'cannot fit to an array of shape {X.shape}',
                where='novelty features',
                allowed='at least two rows (n, D) of finite numbers',
            )
        self._mean = X.mean(axis=0)
        deviation = X.std(axis=0)
        # A feature that never varied would be standardised to its rounding noise; it counts as
        # one that varied by a thousandth, so that a change is strange and noise is not.
        size = np.maximum(1.0, np.abs(self._mean))
        scale = np.where(deviation <= 1e-6 * size, 1e-3 * size, deviation)
        covariance, _ = ledoit_wolf((X - self._mean) / scale)
        ridge = _RIDGE * max(float(np.trace(covariance)) / len(scale), _RIDGE)
        factor = np.linalg.cholesky(covariance + ridge * np.eye(len(scale)))
        self._whitening = np.linalg.inv(factor) / scale
        return self

    def score(self, x: Array) -> float:
        """Mahalanobis distance of features (D,), in standard deviations.

        Raises:
            IlRosError: If there are not D features.
        """
        if x.shape != self._mean.shape:
            raise IlRosError(
                f'features have shape {x.shape}', where='novelty', allowed=str(self._mean.shape)
            )
        z = self._whitening @ (x - self._mean)
        return float(np.sqrt(z @ z))

    def arrays(self) -> dict[str, Array]:
        """'mean' (D,) and 'whitening' (D, D)."""
        return {'mean': self._mean, 'whitening': self._whitening}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array]) -> Self:
        """The score whose `arrays` were saved.

        Raises:
            IlRosError: If an array is missing or the shapes do not belong together.
        """
        missing = sorted({'mean', 'whitening'} - set(arrays))
        if missing:
            raise IlRosError(f'{", ".join(missing)} missing', where='mahalanobis score')
        mean = np.asarray(arrays['mean'], dtype=np.float64)
        whitening = np.asarray(arrays['whitening'], dtype=np.float64)
        if mean.ndim != 1 or whitening.shape != (mean.size, mean.size):
            raise IlRosError(
                f'mean {mean.shape} and whitening {whitening.shape} do not belong together',
                where='mahalanobis score',
                allowed='(D,) and (D, D)',
            )
        return cls(mean, whitening)


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
