"""A gripper that is sent somewhere by an action: where it wants to be, and how a goal ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from il_ros.core.driver_description import GripperAction
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array

_STANDS = 1e-3  # rad/s or m/s below which it does not move
_SETS_OUT = 0.1  # s in which it gets up to speed, and comes to rest
_LOOKS = np.linspace(0.0, _SETS_OUT, 21)


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
    """Moves the set-point of one joint to the newest goal, with a speed that has no steps.

    It is the mean of the last tenth of a second of a way at constant speed: a servo that is told to
    have that speed at once overshoots it, and then the goal.

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
        self._to = position
        self._way = [(0.0, position)]  # corners of the way at constant speed: time, position
        self._moved = 0.0
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
        begin = float(self._at(np.array(now)))
        # What the mean still sees of the way before.
        before = [corner for corner in self._way if corner[0] < now]
        while len(before) > 1 and before[1][0] < now - _SETS_OUT:
            del before[0]
        end = now + abs(position - begin) / self._about.speed
        self._way = [*before, (now, begin), (end, position)]
        self._to, self._moved = position, now
        self._busy = True
        return None

    def positions(self, times: Array) -> Array:
        """Set-points of the joint at `times` (absolute, shape (T,)), shape (T,)."""
        mean: Array = np.mean(self._at(times[:, None] - _LOOKS), axis=1)
        return mean

    def _at(self, times: Array) -> Array:
        """Where the way at constant speed is."""
        corners = np.array(self._way)
        place: Array = np.interp(times, corners[:, 0], corners[:, 1])
        return place

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
