"""What scores share: standardised features, and the spread of the training actions as the unit."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from math import nan
from typing import ClassVar, Self

import numpy as np

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.monitors.scores.score import NominalData, Score, ScoreInput


def training_features(nominal: NominalData) -> Array:
    """Features of the training frames, shape (F, D).

    Raises:
        IlRosError: If they are not a finite matrix of at least two rows, or not those of
            `NominalData.lengths`.
    """
    X = np.asarray(nominal.features, dtype=np.float64)
    if X.ndim != 2 or len(X) < 2 or X.shape[1] < 1 or not np.isfinite(X).all():
        raise IlRosError(
            f'cannot fit to an array of shape {X.shape}',
            where='score features',
            allowed='at least two rows (F, D) of finite numbers',
        )
    if sum(nominal.lengths) != len(X):
        raise IlRosError(
            f'{len(X)} frames, but the episodes have {sum(nominal.lengths)}',
            where='score features',
            allowed='as many frames as the lengths of the episodes add up to',
        )
    return X


def training_spread(nominal: NominalData) -> Array:
    """Spread of the training actions, shape (N,) [rad or m].

    Raises:
        IlRosError: If chunks and positions are not finite, do not belong together, or are none.
    """
    chunks, position = np.shape(nominal.chunks), np.shape(nominal.position)
    fit = len(chunks) == 3 and position == (chunks[0], chunks[2]) and min(chunks) > 0
    if not fit or not (np.isfinite(nominal.chunks).all() and np.isfinite(nominal.position).all()):
        raise IlRosError(
            f'chunks {chunks} and position {position}',
            where='score actions',
            allowed='finite numbers of shapes (F, H, N) and (F, N)',
        )
    return nominal.spread


def features_of(score_input: ScoreInput, size: int, where: str) -> Array | None:
    """Features of one tick, shape (D,); None where they are not known.

    Raises:
        IlRosError: If there are not `size` of them.
    """
    x = score_input.features
    if x is not None and x.shape != (size,):
        raise IlRosError(f'features have shape {x.shape}', where=where, allowed=f'({size},)')
    return x


def scales_of(X: Array) -> Array:
    """What to divide each feature by, shape (D,), from training frames (F, D).

    A feature that never varied would be standardised to its rounding noise; it counts as one that
    varied by a thousandth, so that a change is anomalous and noise is not.
    """
    deviation: Array = X.std(axis=0)
    size = np.maximum(1.0, np.abs(X.mean(axis=0)))
    return np.where(deviation <= 1e-6 * size, 1e-3 * size, deviation)


class StandardisedScore(Score):
    """A score of features with zero mean and unit spread over the training frames; no memory.

    The first two of its arrays are their mean and spread, shape (D,) each.
    """

    def fit(self, nominal: NominalData) -> Self:
        """Fit to the standardised features of all frames."""
        X = training_features(nominal)
        mean, scale = X.mean(axis=0), scales_of(X)
        return self._learn([mean, scale, *self._fitted((X - mean) * (1.0 / scale), nominal)])

    @abstractmethod
    def _fitted(self, Z: Array, nominal: NominalData) -> Iterable[Array]:
        """The other arrays, fitted to standardised features Z (F, D) of the nominal data."""

    def score(self, score_input: ScoreInput) -> float:
        """See the class."""
        z = self._standardised(score_input)
        return nan if z is None else self._of(z)

    @abstractmethod
    def _of(self, z: Array) -> float:
        """The score of standardised features (D,)."""

    def _standardised(self, score_input: ScoreInput) -> Array | None:
        """Standardised features of a tick, shape (D,); None where they are not known."""
        x = features_of(score_input, len(self._mean), self._where)
        return None if x is None else (x - self._mean) * self._rate

    def _use(self, arrays: Sequence[Array]) -> None:
        self._mean, self._rate = arrays[0], 1.0 / arrays[1]


class SpreadUnits(Score):
    """Measures differences of chunks, each joint in units of the training actions' spread."""

    _shapes: ClassVar = {'spread': 'N'}

    def fit(self, nominal: NominalData) -> Self:
        """Take the spread of the training actions."""
        return self._learn([training_spread(nominal)])

    def _use(self, arrays: Sequence[Array]) -> None:
        (self._spread,) = arrays

    def _require_chunk(self, name: str, array: Array) -> None:
        """Refuse what is not of N joints and one or more steps."""
        if array.ndim != 2 or array.shape[1] != len(self._spread) or not len(array):
            raise IlRosError(
                f'{name} has shape {array.shape}',
                where=self._where,
                allowed=f'(H, {len(self._spread)})',
            )

    def _apart(self, one: Array, other: Array) -> float:
        """Root mean square difference of two chunks (H, N), in spreads."""
        apart = ((one - other) / self._spread).ravel()
        return float(np.sqrt(apart @ apart / len(apart)))
