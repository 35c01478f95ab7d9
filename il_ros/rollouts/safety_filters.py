"""The interface between a driver and the arm, and the filter that does nothing.

`il_ros.rollouts.in_process_monitor` has the monitor.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from il_ros.core.frames import Frame
from il_ros.core.limits import Array


class SafetyFilter(Protocol):
    """Decides the commands of the arm.

    Attributes:
        stopped: Why the filter stopped the driver in this episode; empty if it did not.
    """

    stopped: str

    @property
    def moving(self) -> bool:
        """Whether the filter is moving the arm by itself to its waiting posture."""

    def reset(self, posture: Array) -> None:
        """Begin an episode with the joints at `posture`, shape (N,) [rad or m]."""

    def tick(
        self, frame: Frame | None, chunk: Array | None, now: float, invalid: tuple[str, ...]
    ) -> Array | None:
        """Process one control period.

        Args:
            frame: The frame; None if the stream that paces the ticks was lost.
            chunk: The driver's answer, shape (H, N) [rad or m]; None without one.
            now: Current time [s].
            invalid: One sentence for each required stream that is not valid.

        Returns:
            Commanded position at the period's end, shape (N,) [rad or m]; None without a command.
        """

    def setpoints(self, times: Array) -> Array:
        """Joint set-points at these times of the next period [s], shape (T, N) [rad or m]."""


class NoFilter:
    """Sends the first step of each chunk to the servos unchecked.

    Without an answer, or with one that is not finite, the last command stays in force, as in a
    servo that receives nothing.
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
