"""Follows the newest action chunks of one source through time."""

from __future__ import annotations

from collections import deque

import numpy as np

from il_ros.core.limits import Array
from il_ros.monitors.monitor_input import Chunk

_MOST = 64  # chunks that are blended


class ChunkFollower:
    """Where the newest chunks want the joints to be, at any time.

    Between steps positions are interpolated linearly, and velocities linearly between central
    differences at the steps. Past the last step the target rests there. Steps that are past are
    never gone back to.

    Args:
        blend: Weight of each chunk relative to the one after it in the mean of what overlapping
            chunks say about a moment (temporal ensembling, Zhao et al. 2023, section IV-B, with
            the newest weighing most); 0 follows the newest alone.
    """

    def __init__(self, blend: float = 0.0) -> None:
        self._blend = blend
        self._followed: deque[_Followed] = deque(maxlen=_MOST if blend else 1)

    @property
    def chunk(self) -> Chunk | None:
        """The newest chunk that is followed."""
        return self._followed[-1].chunk if self._followed else None

    def offer(self, chunk: Chunk) -> bool:
        """Follow `chunk` from now on; False, and no change, if an equally new one is followed."""
        newest = self.chunk
        if newest is not None and chunk.stamp <= newest.stamp:
            return False
        self._followed.append(_Followed(chunk))
        return True

    def reset(self, not_before: float = np.inf) -> None:
        """Follow nothing that is stamped before `not_before` [s]."""
        while self._followed and self._followed[0].chunk.stamp < not_before:
            self._followed.popleft()

    def exhausted(self, t: float) -> bool:
        """Whether no step is due at `t` [s] or later: the source has fallen silent."""
        return not self._followed or t > self._followed[-1].end

    def target(self, t: float) -> tuple[Array, Array]:
        """Position and velocity (N,) wanted at `t` [s].

        Raises:
            LookupError: If nothing is followed.
        """
        if not self._followed:
            raise LookupError('no chunk is followed')
        newest = self._followed[-1]
        position, velocity = newest.at(t)
        if len(self._followed) == 1:
            return position, velocity
        total, weight = 1.0, 1.0
        for older in list(self._followed)[-2::-1]:
            weight *= self._blend
            if t > older.end or weight < 1e-3:  # nothing to say any more, nor those before it
                break
            p, v = older.at(t)
            position, velocity = position + weight * p, velocity + weight * v
            total += weight
        return position / total, velocity / total


class _Followed:
    """One chunk, ready to be asked."""

    def __init__(self, chunk: Chunk) -> None:
        steps = len(chunk.positions)
        self.chunk = chunk
        self._first = chunk.stamp + chunk.step_dt
        self.end = chunk.stamp + chunk.step_dt * steps
        self._last = steps - 1
        self._positions = np.array(chunk.positions, dtype=np.float64)  # not the sender's to change
        self._velocity = np.zeros_like(self._positions)
        if steps > 1:
            # What comes after the last step is not known: it is a rest.
            self._velocity[:-1] = np.gradient(self._positions, chunk.step_dt, axis=0)[:-1]

    def at(self, t: float) -> tuple[Array, Array]:
        positions, last = self._positions, self._last
        phase = min(max((t - self._first) / self.chunk.step_dt, 0.0), float(last))
        i = min(int(phase), max(last - 1, 0))
        j, share = min(i + 1, last), phase - i
        return (
            positions[i] + share * (positions[j] - positions[i]),
            self._velocity[i] + share * (self._velocity[j] - self._velocity[i]),
        )
