"""Follows the newest action chunk of one source through time."""

from __future__ import annotations

import numpy as np

from il_ros.core.limits import Array
from il_ros.monitors.messages import Chunk


class ChunkFollower:
    """Where the newest chunk wants the joints to be, at any time.

    Between steps positions are interpolated linearly, and velocities linearly between central
    differences at the steps. Past the last step the target rests there.
    """

    def __init__(self) -> None:
        self._chunk: Chunk | None = None
        self._due: Array = np.zeros(0)
        self._positions: Array = np.zeros((0, 0))
        self._velocity: Array = np.zeros((0, 0))

    @property
    def chunk(self) -> Chunk | None:
        """The chunk that is followed."""
        return self._chunk

    def offer(self, chunk: Chunk) -> bool:
        """Follow `chunk` from now on; False, and no change, if an equally new one is followed."""
        if self._chunk is not None and chunk.stamp <= self._chunk.stamp:
            return False
        steps = len(chunk.positions)
        self._chunk = chunk
        self._due = chunk.stamp + chunk.step_dt * np.arange(1, steps + 1, dtype=np.float64)
        self._positions = np.array(chunk.positions, dtype=np.float64)  # not the sender's to change
        self._velocity = np.zeros_like(self._positions)
        if steps > 1:
            # What comes after the last step is not known: it is a rest.
            self._velocity[:-1] = np.gradient(self._positions, chunk.step_dt, axis=0)[:-1]
        return True

    def reset(self) -> None:
        """Follow nothing."""
        self._chunk = None

    def exhausted(self, t: float) -> bool:
        """Whether no step is due at `t` [s] or later: the source has fallen silent."""
        return self._chunk is None or t > float(self._due[-1])

    def target(self, t: float) -> tuple[Array, Array]:
        """Position and velocity (N,) wanted at `t` [s].

        Raises:
            LookupError: If nothing is followed.
        """
        if self._chunk is None:
            raise LookupError('no chunk is followed')
        positions, last = self._positions, len(self._due) - 1
        phase = min(max((t - float(self._due[0])) / self._chunk.step_dt, 0.0), float(last))
        i = min(int(phase), max(last - 1, 0))
        j, share = min(i + 1, last), phase - i
        return (
            positions[i] + share * (positions[j] - positions[i]),
            self._velocity[i] + share * (self._velocity[j] - self._velocity[i]),
        )
