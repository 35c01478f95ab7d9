"""Which frames belong together: the steps before and after a frame, within its episode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.frames import GAP, NS
from il_ros.datasets.dataset import Dataset

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class FrameSteps:
    """For each of B frames the frames at S steps from it.

    Attributes:
        rows: Their indices, int64 of shape (B, S); where a step is not known, the nearest one that
            is, on the way to the frame.
        known: Whether the step is there, bool of shape (B, S): not beyond the episode, nor beyond
            a gap in time: a step of more than one and a half periods, or back.
    """

    rows: Rows
    known: NDArray[np.bool_]


class FrameIndex:
    """Finds the steps around frames; made once for a dataset.

    Args:
        dataset: Says where episodes begin and end, and when each frame was.
    """

    def __init__(self, dataset: Dataset) -> None:
        lengths = [entry.length for entry in dataset.episodes]
        self._first = np.repeat([entry.start for entry in dataset.episodes], lengths)
        self._last = np.repeat([entry.stop - 1 for entry in dataset.episodes], lengths)
        # Frames between two gaps have one number. A step is judged by itself, as `gaps` does: a
        # rate that is off by a little adds up over a long horizon, and no step is missing for that.
        steps = np.diff(np.asarray(dataset.stamp))
        broken = (steps > GAP * NS / dataset.contract.rate) | (steps <= 0)
        self._piece = np.concatenate([[0], np.cumsum(broken)])

    def following(self, frames: NDArray[Any], horizon: int) -> FrameSteps:
        """Each frame and the `horizon - 1` frames after it, in order."""
        return self._steps(frames, np.arange(horizon))

    def preceding(self, frames: NDArray[Any], horizon: int) -> FrameSteps:
        """The `horizon - 1` frames before each frame, and the frame itself, in order."""
        back = self._steps(frames, -np.arange(horizon))
        return FrameSteps(rows=back.rows[:, ::-1], known=back.known[:, ::-1])

    def _steps(self, frames: NDArray[Any], steps: Rows) -> FrameSteps:
        frames = frames[:, None]
        wanted = frames + steps
        rows = np.clip(wanted, self._first[frames], self._last[frames])
        known = (wanted == rows) & (self._piece[rows] == self._piece[frames])
        nearest = np.maximum.accumulate(np.where(known, np.abs(steps), 0), axis=1)
        return FrameSteps(rows=frames + np.sign(steps.sum()) * nearest, known=known)
