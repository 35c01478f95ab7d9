"""Success and progress of episodes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from il_ros.core.limits import Array
from il_ros.sim.tasks.task import Task

HOLD = 0.25  # how long the goal must stay reached for success [s]


class SuccessTracker:
    """Tracks success and progress of one episode, or of many, shape (...).

    Args:
        task: What is to be done.
        first: The clean scene at the reset.
        period: Control period [s].

    Attributes:
        success: Whether the goal has been reached and held for `HOLD`, shape (...).
    """

    def __init__(self, task: Task, first: Mapping[str, Array], period: float) -> None:
        self._task, self._first, self._period = task, dict(first), period
        shape = first['goal_position'].shape[:-1]
        self.success = np.zeros(shape, np.bool_)
        self._reached = np.zeros(shape, np.int64)  # for how many periods in a row

    def restart(self, row: int, first: Mapping[str, Array]) -> None:
        """Restart one of many episodes with its `first` scene."""
        self.success[row], self._reached[row] = False, 0
        for key, value in first.items():
            self._first[key][row] = value

    def update(self, scene: Mapping[str, Array]) -> None:
        """Take in the clean scene at the end of a period."""
        self._reached = (self._reached + 1) * self._task.success(scene)
        self.success = self.success | (self._reached * self._period >= HOLD)

    def progress(self, scene: Mapping[str, Array]) -> Array:
        """How much of the way is done in `scene`, 0 to 1, shape (...); 1 after success."""
        progress = self._task.progress(scene, self._first)
        return np.where(self.success, 1.0, np.minimum(np.maximum(progress, 0.0), 1.0))
