"""Inputs that are a little off for a long time: a cumulative sum for each feature."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan
from typing import ClassVar

import numpy as np

from il_ros.core.limits import Array
from il_ros.monitors.scores.clusters import ClusteredMahalanobis
from il_ros.monitors.scores.score import ScoreInput

_SLACK = 0.5  # standard deviations: half of the smallest lasting shift that should show


class InputDrift(ClusteredMahalanobis):
    """Largest two-sided CUSUM (Page 1954, 'Continuous inspection schemes') over the features.

    A task has no one mean that a feature could drift from, so what is summed up is not the feature
    but its surprise: how far it lies from where the other features say it is, in the nearest of
    several clusters of the training frames (`ClusteredMahalanobis`). With precision matrix P and
    mean m of that cluster, feature i is normal given all the others with variance ``1 / P_ii``,
    and its residual in standard deviations is ``u_i = [P (x - m)]_i / sqrt(P_ii)``. Then

        high_i <- max(0, high_i + u_i - slack),  low_i <- max(0, low_i - u_i - slack)

    and the score is the largest of all. A shift by b standard deviations grows by ``b - slack``
    every tick. So does, for as long as it lasts, what the clusters do not describe well; how large
    the sum becomes in good episodes is for calibration to say.

    A biased sensor contradicts the others at once, a frozen one as soon as they move on. What it
    cannot see is a change that no other feature contradicts: all sensors frozen together, or an
    object said to lie where it might as well lie.
    """

    _where = 'cusum score'
    _signs: ClassVar = np.array([[1.0], [-1.0]])
    _sums: Array
    _time: float
    _last: float

    def score(self, score_input: ScoreInput) -> float:
        """Largest sum so far, in standard deviations.

        The same tick again changes nothing. NaN where a feature is, which leaves the sums alone.
        """
        if score_input.time == self._time:
            return self._last
        u = self.surprise(score_input)
        if u is None:
            return nan
        sums = np.maximum(self._sums + self._signs * u - _SLACK, 0.0)
        largest = float(sums.max())
        if not isnan(largest):
            self._time, self._sums, self._last = score_input.time, sums, largest
        return largest

    def surprise(self, score_input: ScoreInput) -> Array | None:
        """Residual of each feature given the others, shape (D,), in standard deviations.

        None where the features are not known.
        """
        near = self.nearest(score_input)
        if near is None:
            return None
        assert score_input.features is not None
        surprise: Array = self._surprises[near] @ (score_input.features - self.means[near])
        return surprise

    def reset(self) -> None:
        """Put all sums to zero."""
        self._sums = np.zeros((2, self._surprises.shape[1]))
        self._time = self._last = nan  # a time equal to none

    def _use(self, arrays: Sequence[Array]) -> None:
        super()._use(arrays)
        precisions = self.whitenings.transpose(0, 2, 1) @ self.whitenings
        diagonals = np.diagonal(precisions, axis1=1, axis2=2)
        self._surprises: Array = precisions / np.sqrt(diagonals)[:, :, None]
        self.reset()
