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
        self._grippers = [
            _Gripper(int(joint), limits, patience)
            for joint in np.flatnonzero(~moves & (patience > 0.0))
        ]
        self._before: float | None = None  # when the last frame was

    def reset(self) -> None:
        """Forget earlier frames."""
        self._before = None
        for gripper in self._grippers:
            gripper.reset()

    def look(self, position: Array, commanded: Array | None, stamp: float) -> Fault | None:
        """Take in one frame.

        Args:
            position: Measured joint positions, shape (N,) [rad or m].
            commanded: Where they were commanded to be at the frame's time, (N,); None where
                nothing is commanded, and then all is forgotten.
            stamp: Of the frame [s].
        """
        if commanded is None or not self._grippers:
            self.reset()
            return None
        before, self._before = self._before, stamp
        step = 0.0 if before is None else min(max(stamp - before, 0.0), _LONGEST_STEP)
        texts = [gripper.look(position, commanded, step) for gripper in self._grippers]
        text = next(filter(None, texts), '')
        return Fault('tracking', text) if text else None


class _Gripper:
    """One joint of a gripper, in plain numbers: numpy takes ten times as long for one."""

    def __init__(self, joint: int, limits: Limits, patience: float) -> None:
        self._joint, self._name, self._patience = joint, limits.names[joint], patience
        self._low = float(limits.position_min[joint])
        self._high = float(limits.position_max[joint])
        self._travel = self._high - self._low
        self.reset()

    def reset(self) -> None:
        """Forget earlier frames."""
        self._stood: float | None = None  # where it has stood since it last moved
        self._waited = [0.0, 0.0]  # to close and to open [s]
        self._tried = [False, False]  # whether for long enough, since it last moved

    def look(self, position: Array, commanded: Array, step: float) -> str:
        """What is wrong in a frame, which is `step` [s] after the one before."""
        here, there = float(position[self._joint]), float(commanded[self._joint])
        travel = self._travel
        if self._stood is None:
            self._stood = here
        moved = abs(here - self._stood) > _MOVED * travel
        if moved:
            self._stood = here
        far = there < here - _FAR * travel, there > here + _FAR * travel
        ends = here <= self._low + _END * travel, here >= self._high - _END * travel
        for side in (0, 1):
            waits = far[side] and not moved
            self._waited[side] = self._waited[side] + step if waits else 0.0
            tried = self._tried[side] and not moved
            self._tried[side] = tried or self._waited[side] >= self._patience
        if not any(self._tried) or not all(t or e for t, e in zip(self._tried, ends, strict=True)):
            return ''
        return (
            f'{self._name}: the gripper has not moved from {here:.4f} rad or m for '
            f'{self._patience:.1f} s, commanded to {there:.4f}'
        )
