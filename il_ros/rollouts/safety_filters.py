"""The safety filter between a driver and the arm; `in_process_monitor` has the one that stops."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from il_ros.core.frames import Frame

Array = NDArray[np.float64]


class SafetyFilter(Protocol):
    """Decides what the arm is commanded.

    Attributes:
        stopped: Why the driver was stopped in this episode; empty as long as it was not.
    """

    stopped: str

    @property
    def moving(self) -> bool:
        """Whether it moves the arm by itself, to where it will wait."""

    def reset(self, posture: Array) -> None:
        """A new episode begins, with the joints at `posture` (N,)."""

    def tick(
        self, frame: Frame | None, chunk: Array | None, now: float, invalid: tuple[str, ...]
    ) -> Array | None:
        """Take in one control period.

        Args:
            frame: What was seen; none where the stream that paces the ticks was lost.
            chunk: The driver's answer to it, shape (H, N); none where there is none.
            now: The present [s].
            invalid: One sentence for each required stream that is not valid.

        Returns:
            The position commanded for the period's end, shape (N,); none where nothing is.
        """

    def setpoints(self, times: Array) -> Array:
        """Joint set-points, shape (T, N) [rad or m], at these times of the period ahead [s]."""


class NoFilter:
    """The driver's word goes to the servos as it is: straight to the first step of each chunk.

    What is not answered, or not with numbers, leaves the last command standing, as a servo does
    that hears nothing.
    """

    stopped = ''
    moving = False

    def reset(self, posture: Array) -> None:
        """See `SafetyFilter.reset`."""
        self._before = self._target = posture

    def tick(
        self, frame: Frame | None, chunk: Array | None, now: float, invalid: tuple[str, ...]
    ) -> Array | None:
        """See `SafetyFilter.tick`."""
        self._before = self._target
        if chunk is None or not np.isfinite(chunk[0]).all():
            return None
        self._target = np.asarray(chunk[0], dtype=np.float64)
        return self._target

    def setpoints(self, times: Array) -> Array:
        """See `SafetyFilter.setpoints`."""
        share = np.arange(1, len(times) + 1)[:, None] / len(times)
        return np.asarray(self._before + share * (self._target - self._before))
