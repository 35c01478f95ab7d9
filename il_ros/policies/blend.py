"""What the last chunks together say about the moments to come."""

from __future__ import annotations

from collections import deque

import numpy as np

from il_ros.core.limits import Array


class ChunkBlend:
    """Weighted mean of the newest chunk and older ones, each moment by itself.

    Temporal ensembling (Zhao et al. 2023, section IV-B), with the newest chunk weighing most.
    Chunks that are as old as they are long have nothing to say; a stamp that does not advance
    means that time has begun anew, and forgets them all.

    Args:
        horizon: Steps of a chunk, H.
        weight: Weight of a chunk relative to the one a period newer, 0 to 1; 0 takes the newest
            chunk alone.
        period: Time between two steps [ns].
    """

    def __init__(self, horizon: int, weight: float, period: float) -> None:
        self._horizon, self._weight, self._period = horizon, weight, period
        self._chunks: deque[tuple[int, Array]] = deque(maxlen=horizon)

    def reset(self) -> None:
        """Forget all chunks."""
        self._chunks.clear()

    def add(self, stamp: int, chunk: Array) -> Array:
        """Take the chunk of the frame at `stamp` [ns]; give the mean, shape (H, N)."""
        if self._chunks and stamp <= self._chunks[-1][0]:
            self.reset()
        self._chunks.append((stamp, chunk))
        total, weights = np.zeros_like(chunk), np.zeros((self._horizon, 1))
        for before, old in self._chunks:
            age = round((stamp - before) / self._period)
            weight = self._weight**age
            if age >= self._horizon or weight == 0.0:
                continue
            steps = self._horizon - age
            total[:steps] += weight * old[age:]
            weights[:steps] += weight
        return np.asarray(total / weights)
