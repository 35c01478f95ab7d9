"""How far the policy's answer is from that of a simple backup heuristic."""

from __future__ import annotations

from math import nan
from typing import ClassVar

from il_ros.monitors.scores.score import InputPart, ScoreInput
from il_ros.monitors.scores.score_features import SpreadUnits


class HeuristicDeviation(SpreadUnits):
    """Difference between the policy's chunk and a heuristic's, step by step.

    A heuristic that is good enough to bring an arm to a goal says roughly where a sensible policy
    is going; a policy that goes somewhere else is anomalous even where it has been before and is
    sure of itself. How far apart the two usually are is not known from the training frames, so a
    joint's unit is the spread of the training actions, and what is usual is left to calibration.
    Both have to answer the same observation.
    """

    needs: ClassVar[tuple[InputPart, ...]] = ('chunk', 'reference')
    _where = 'deviation score'

    def score(self, score_input: ScoreInput) -> float:
        """Root mean square difference over the steps of both, in spreads of training actions."""
        chunk, reference = score_input.chunk, score_input.reference
        if chunk is None or reference is None:
            return nan
        self._require_chunk('chunk', chunk)
        self._require_chunk('reference', reference)
        steps = min(len(chunk), len(reference))
        return self._apart(chunk[:steps], reference[:steps])
