"""A gripper that fails alone: it stands still, though what it holds cannot be the reason."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from il_ros.core.limits import Array, Limits
from il_ros.monitors.checks import Fault

# Shares of a gripper's travel.
_MOVED = 0.02  # from which it has moved
_FAR = 0.1  # that a command has to be away to count
_END = 0.05  # from an end, beyond which it cannot be commanded

_LONGEST_STEP = 0.1  # s between two frames that counts as waiting


class GripperWatch:
    """Notices grippers that do not move at all, although they are commanded to.

    A gripper that holds something stands still, far from its command, and is as it should be. But
    what it holds stops it to one side only. So it has failed when, since it last moved, it was
    commanded away to one side without a break for a while, and to the other, too; or when it stands
    at one end of its travel and was commanded away from there for a while. One that got stuck half
    way and is commanded to one side only cannot be told from one that holds something.

    Args:
        limits: Their `position_min` and `position_max` are the ends of the travel.
        moves: Which of the N joints move the arm, (N,); the others are grippers.
        patience: How long it may take a gripper to begin to move [s]; 0 to watch none.
    """

    def __init__(self, limits: Limits, moves: NDArray[np.bool_], patience: float) -> None:
        self._joints = np.flatnonzero(~moves & (patience > 0.0))
        self._patience = patience
        self._names = [limits.names[joint] for joint in self._joints]
        self._low = limits.position_min[self._joints]
        self._high = limits.position_max[self._joints]
        self._travel = self._high - self._low
        self.reset()

    def reset(self) -> None:
        """Forget earlier frames."""
        self._stood: Array | None = None  # where each has stood since it last moved
        self._waited: Array = np.zeros((2, len(self._joints)))  # to close and to open [s]
        self._tried = self._waited > 0.0  # whether for long enough, since it last moved
        self._before = 0.0

    def look(self, position: Array, commanded: Array | None, stamp: float) -> Fault | None:
        """Take in one frame.

        Args:
            position: Measured joint positions, shape (N,) [rad or m].
            commanded: Where they were commanded to be at the frame's time, (N,); None where
                nothing is commanded, and then all is forgotten.
            stamp: Of the frame [s].
        """
        if commanded is None or not len(self._joints):
            self.reset()
            return None
        here, there, travel = position[self._joints], commanded[self._joints], self._travel
        if self._stood is None:
            self._stood, self._before = here, stamp
        moved = np.abs(here - self._stood) > _MOVED * travel
        self._stood = np.where(moved, here, self._stood)
        step, self._before = np.clip(stamp - self._before, 0.0, _LONGEST_STEP), stamp
        far = np.stack([there < here - _FAR * travel, there > here + _FAR * travel]) & ~moved
        self._waited = np.where(far, self._waited + step, 0.0)
        self._tried = (self._tried & ~moved) | (self._waited >= self._patience)
        ends = np.stack([here <= self._low + _END * travel, here >= self._high - _END * travel])
        stuck = (self._tried | ends).all(axis=0) & self._tried.any(axis=0)
        if not stuck.any():
            return None
        i = int(np.argmax(stuck))
        text = f'{self._names[i]}: the gripper has not moved from {here[i]:.4f} rad or m for '
        return Fault('tracking', f'{text}{self._patience:.1f} s, commanded to {there[i]:.4f}')
