"""How far what a policy might do changed from one answer to the next."""

from __future__ import annotations

from math import nan
from typing import ClassVar

import numpy as np

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.monitors.scores.ensemble import EnsembleDisagreement
from il_ros.monitors.scores.score import InputPart, ScoreInput
from il_ros.monitors.scores.tce import Consecutive


class Stac(EnsembleDisagreement):
    """Statistical measure of temporal action consistency.

    Agia et al. 2024, 'Unpacking failure modes of generative policies: runtime monitoring of
    consistency and progress': a distance between two consecutive distributions of
    chunks, over the steps that both speak of. A generative policy may choose between two ways and
    a chunk may jump from one to the other (`TemporalConsistency` calls that an error); a policy
    that understands the scene has the same two ways a moment later.

    The distance is the energy distance (Székely & Rizzo 2013), one of the maximum mean
    discrepancies with no bandwidth to choose. The samples come with the chunk (`Policy.samples`,
    field `samples` of `il_ros/msg/ActionChunk`). Of a policy that draws none nothing can be said;
    there the members of an ensemble that learned the same task (`EnsembleDisagreement`)
    stand for it, and the score tells how steady the task looks.
    """

    needs: ClassVar[tuple[InputPart, ...]] = ('features', 'chunk')

    _where = 'stac score'

    def __init__(self) -> None:
        super().__init__()
        self._answers, self._last, self._drawn = Consecutive(), nan, False

    def score(self, score_input: ScoreInput) -> float:
        """Energy distance of the samples over the overlap, in spreads of the training actions.

        The same answer again gives the same value again. NaN at the first one, where two do not
        overlap, and where samples follow the ensemble or the other way round.
        """
        drawn = score_input.samples is not None
        time = score_input.chunk_time if drawn else score_input.time
        if drawn != self._drawn:
            self.reset()
            self._drawn = drawn
        if self._answers.knows(time):
            return self._last
        answers = self._samples(score_input)
        if answers is None or np.isnan(answers).any():
            return nan
        both = self._answers.push(time, score_input.step_dt, answers)
        self._last = nan if both is None else energy_distance(*map(_flat, both))
        return self._last

    def reset(self) -> None:
        """Forget the last answer."""
        self._answers.reset()
        self._last = nan

    def _samples(self, score_input: ScoreInput) -> Array | None:
        """Joint positions (S, H, N) in spreads of the training actions; None if not known."""
        spread, samples = self.spread, score_input.samples
        if samples is not None:
            if samples.ndim != 3 or samples.shape[2] != len(spread) or not len(samples):
                raise IlRosError(
                    f'samples have shape {samples.shape}',
                    where=self._where,
                    allowed=f'(S, H, {len(spread)})',
                )
            return samples / spread
        if score_input.features is None or score_input.position is None:
            return None
        return self.samples(score_input.features) + score_input.position / spread


def energy_distance(A: Array, B: Array) -> float:
    """Energy distance of two sets of points, (n, D) and (m, D), per root of D.

    Székely & Rizzo 2013, the V-statistic: ``2 E|a-b| - E|a-a'| - E|b-b'|``.
    """
    points = np.concatenate([A, B])
    points = points - points.sum(axis=0) / len(points)
    products = points @ points.T
    squares = products.diagonal()
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2.0 * products, 0.0))
    # One quadratic form gives all three means: pairs within a set come in with a minus.
    weights = np.concatenate([np.full(len(A), 1.0 / len(A)), np.full(len(B), -1.0 / len(B))])
    return max(float(-weights @ distances @ weights), 0.0) / float(np.sqrt(A.shape[1]))


def _flat(answers: Array) -> Array:
    return answers.reshape(len(answers), -1)
