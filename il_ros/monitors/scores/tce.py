"""How far two consecutive action chunks disagree about the same moments."""

from __future__ import annotations

from math import nan
from typing import ClassVar

from il_ros.monitors.scores.overlap import Consecutive
from il_ros.monitors.scores.score import InputPart, ScoreInput
from il_ros.monitors.scores.spread import SpreadUnits


class TemporalConsistency(SpreadUnits):
    """Temporal consistency error: a policy that knows what it does keeps to its plan.

    The error of the overlap of two consecutive chunks, each joint in units of the training
    actions' spread. For a policy that answers with one chunk it is what Agia et al. (2024) measure
    between distributions of chunks (`Stac`).

    It notices a policy that wavers, not one that is wrong and sure of it. A chunk that was skipped
    does not matter as long as chunks still overlap.
    """

    needs: ClassVar[tuple[InputPart, ...]] = ('chunk',)
    _where = 'tce score'

    def __init__(self) -> None:
        super().__init__()
        self._chunks, self._last = Consecutive(), nan

    def score(self, moment: ScoreInput) -> float:
        """Root mean square difference over the overlap, in spreads of the training actions.

        The same chunk again gives the same value again. NaN at the first chunk, and where two do
        not overlap.

        Raises:
            IlRosError: If the chunk is not of N joints.
        """
        chunk = moment.chunk
        if chunk is None:
            return nan
        self._require_chunk('chunk', chunk)
        if not self._chunks.knows(moment.chunk_time):
            both = self._chunks.push(moment.chunk_time, moment.step_dt, chunk)
            self._last = nan if both is None else self._apart(*both)
        return self._last

    def reset(self) -> None:
        """Forget the last chunk."""
        self._chunks.reset()
        self._last = nan
