"""How far two consecutive action chunks disagree about the times that both speak of."""

from __future__ import annotations

from math import nan
from typing import ClassVar

from il_ros.core.limits import Array
from il_ros.monitors.scores.score import InputPart, ScoreInput
from il_ros.monitors.scores.score_features import SpreadUnits

_EXACT = 1e-3  # steps; a shift nearer to a whole number is that number and a stamp's rounding


def overlap(old: Array, new: Array, shift: float) -> tuple[Array, Array] | None:
    """Parts of two chunks that are due at the same times; None where there are none.

    Step i of the older chunk is due `shift` steps before step i of the newer one. Where the shift
    is no whole number, the older chunk is interpolated, as the arm follows it.

    Args:
        old: The older chunk or chunks, shape (..., H, N).
        new: The newer, shape (..., G, N).
        shift: How much newer it is [steps].

    Returns:
        Both of shape (..., n, N), at the times of the newer one's first n steps.
    """
    whole = round(shift)
    part = shift - whole
    if abs(part) < _EXACT:
        part = 0.0
    elif part < 0.0:
        whole, part = whole - 1, part + 1.0
    count = min(old.shape[-2] - whole - (part > 0.0), new.shape[-2])
    if whole < 0 or count < 1:
        return None
    seen = old[..., whole : whole + count, :]
    if part:
        seen = (1.0 - part) * seen + part * old[..., whole + 1 : whole + 1 + count, :]
    return seen, new[..., :count, :]


class Consecutive:
    """Pairs each answer with the one before it."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the last answer."""
        self._before: tuple[float, float, Array] | None = None

    def knows(self, time: float) -> bool:
        """Whether the last answer was to the observation of this time [s]."""
        return self._before is not None and self._before[0] == time

    def push(self, time: float, step_dt: float, answer: Array) -> tuple[Array, Array] | None:
        """Parts of the last answer and of this one that are due at the same times.

        Args:
            time: Stamp of the observation that it answers [s].
            step_dt: Time between its steps [s].
            answer: One chunk or several, shape (..., H, N).

        Returns:
            The two parts, shape (..., n, N); None where nothing came before, the steps are not
            alike, or they do not overlap.
        """
        before, self._before = self._before, (time, step_dt, answer.copy())
        if before is None or step_dt <= 0.0 or before[1] != step_dt:
            return None
        return overlap(before[2], answer, (time - before[0]) / step_dt)


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

    def score(self, score_input: ScoreInput) -> float:
        """Root mean square difference over the overlap, in spreads of the training actions.

        The same chunk again gives the same value again. NaN at the first chunk, and where two do
        not overlap.
        """
        chunk = score_input.chunk
        if chunk is None:
            return nan
        self._require_chunk('chunk', chunk)
        if not self._chunks.knows(score_input.chunk_time):
            both = self._chunks.push(score_input.chunk_time, score_input.step_dt, chunk)
            self._last = nan if both is None else self._apart(*both)
        return self._last

    def reset(self) -> None:
        """Forget the last chunk."""
        self._chunks.reset()
        self._last = nan
