"""A gripper that is sent somewhere by an action: where it wants to be, and how a goal ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from il_ros.core.driver_description import GripperAction
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array

_STANDS = 1e-3  # rad/s or m/s below which it does not move


@dataclass(frozen=True, kw_only=True)
class GripperOutcome:
    """How a goal ended.

    Attributes:
        succeeded: Whether it did, or else was aborted.
        reached: Whether the gripper is where it was sent.
        stalled: Whether something kept it from there.
    """

    succeeded: bool
    reached: bool
    stalled: bool


class GripperMotion:
    """Moves the set-point of one joint to the newest goal at constant speed.

    A goal ends as a gripper action controller of ros2_controllers ends it: when the joint is as
    near as `goal_tolerance`, or when it has stood for `stall_timeout`, counted from when it came.

    Args:
        about: What is peculiar to it.
        position: Where it begins [rad or m].
    """

    def __init__(self, about: GripperAction, position: float) -> None:
        self._about = about
        self.hold(position)

    def hold(self, position: float) -> None:
        """Rest at `position` [rad or m], without a goal."""
        self._from = self._to = position
        self._since = self._moved = 0.0
        self._busy = False

    @property
    def busy(self) -> bool:
        """Whether it has a goal that has not ended."""
        return self._busy

    def goal(self, position: float, now: float) -> GripperOutcome | None:
        """Move to `position` [rad or m] from `now` [s] on.

        Returns:
            How the goal ended, if it did at once.

        Raises:
            IlRosError: If it is no number.
        """
        if not np.isfinite(position):
            raise IlRosError(f'position {position}', where=self._about.action, allowed='a number')
        low, high = self._about.range or (-np.inf, np.inf)
        if not low <= position / self._about.scale <= high:
            return GripperOutcome(succeeded=False, reached=False, stalled=False)
        self._from, self._to = float(self.positions(np.array([now]))[0]), position
        self._since = self._moved = now
        self._busy = True
        return None

    def positions(self, times: Array) -> Array:
        """Set-points of the joint at `times` (absolute, shape (T,)), shape (T,)."""
        way = self._to - self._from
        passed = np.maximum(times - self._since, 0.0) * self._about.speed
        reached: Array = self._from + np.sign(way) * np.minimum(passed, abs(way))
        return reached

    def look(self, now: float, position: float, speed: float) -> GripperOutcome | None:
        """Whether the goal has ended.

        Args:
            now: The present [s].
            position: Where the joint is measured [rad or m].
            speed: What the driver says of its speed [rad/s or m/s].
        """
        if not self._busy:
            return None
        about = self._about
        if abs(self._to - position) < about.goal_tolerance:
            self._busy = False
            return GripperOutcome(succeeded=True, reached=True, stalled=False)
        if abs(speed) > _STANDS:
            self._moved = now
        if about.stall_timeout and now - self._moved > about.stall_timeout:
            self._busy = False
            return GripperOutcome(succeeded=about.stall_succeeds, reached=False, stalled=True)
        return None
