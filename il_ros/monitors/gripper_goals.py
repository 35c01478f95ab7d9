"""Which goals a gripper gets that is moved by an action, and what becomes of them."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from il_ros.core.contract import GripperConfig

_RECENT = 0.25  # s in which a gripper that moves is seen to
_BEGINS = 0.1  # s that a gripper may take to begin to move
_TOLD = 1.0  # s that what became of a goal forbids motion, so that it is noticed
_LONGEST = 10.0  # s that a goal is waited for: a server that began anew never ends it
_ANSWER = 1.0  # s that a server may take to answer a goal


@dataclass(frozen=True, kw_only=True)
class GoalEnd:
    """How the newest goal ended.

    Attributes:
        what: `succeeded`, `aborted`, `canceled`, `rejected`, or anything else for not known.
        stalled: Whether the gripper says that something keeps it from its goal.
    """

    what: str
    stalled: bool = False


class GripperGoals:
    """Sends a gripper after the plan, goal by goal.

    A goal is where the plan comes to rest. There is a new one when that has moved by more than a
    tolerance, and not before the last one is old enough: what changes meanwhile is in the next.
    None is sent for where the plan begins, so nothing is let go when a mode begins.

    A stop sends a gripper that moves to where it is. One that stands keeps its goal: it may hold
    something.

    Args:
        config: Of the goals.
        tolerance: Way of the joint that is worth a goal [rad or m].
        interval: Least time between two goals [s].
        moved: Way of the joint that shows that it moves [rad or m]; `tolerance` where that is less.
    """

    def __init__(
        self, config: GripperConfig, tolerance: float, interval: float, moved: float = math.inf
    ) -> None:
        self._config, self._tolerance, self._interval = config, tolerance, interval
        self._moved = min(moved, tolerance)
        self._seen: deque[tuple[float, float]] = deque(maxlen=256)  # when, and where it was
        self.clear()

    def clear(self) -> None:
        """The arm is released, or time began anew: nothing counts that was asked for."""
        self._asked: float | None = None  # the plan's rest that the newest goal stands for
        self._at = float('-inf')  # s, when that was sent
        self._stopped = False
        self._seen.clear()

    def see(self, now: float, position: float | None) -> None:
        """Where the joint was measured at a tick at `now` [s]; None where it was not."""
        if position is not None:
            self._seen.append((now, position))

    def follow(self, rest: float, now: float, *, busy: bool) -> float | None:
        """The next goal, if there is to be one.

        Args:
            rest: Where the plan comes to rest [rad or m].
            now: The present [s].
            busy: Whether a goal has not ended yet.
        """
        self._stopped = False
        if self._asked is None:
            self._asked = rest
            return None
        waits = busy and not self._config.replaces and now - self._at < _LONGEST
        if waits or abs(rest - self._asked) <= self._tolerance or now - self._at < self._interval:
            return None
        self._asked, self._at = rest, now
        return rest

    def stop(self, rest: float, now: float) -> float | None:
        """The goal that stops the gripper, once for each stop; None if it stands or is not seen.

        Args:
            rest: Where the plan comes to rest [rad or m].
            now: The present [s].
        """
        stopped, self._stopped = self._stopped, True
        sent = now - self._at < _BEGINS
        self._asked = rest
        recent = self._recent(now)
        if stopped or not recent:
            return None
        moves = max(recent) - min(recent) > self._moved
        if not (moves or sent):
            return None
        self._at = now
        return recent[-1]

    def _recent(self, now: float) -> list[float]:
        """Where it was of late; before a long step or a jump of the clock, where it was then."""
        seen = list(self._seen)
        end = now if len(seen) < 2 or 0.0 <= now - seen[-2][0] < _RECENT else seen[-2][0]
        older = [position for at, position in seen[:-2] if 0.0 <= end - at < _RECENT]
        return older + [position for _, position in seen[-2:]]

    def halt(self, now: float) -> float | None:
        """The same where the plan is let go at `now` [s]; None if nothing was asked for."""
        return None if self._asked is None else self.stop(self._asked, now)

    def unsent(self) -> None:
        """The goal that stops the gripper has not left, or was not heeded: it is due again."""
        self._stopped = False


class GoalTroubles:
    """Why a gripper's server must not be relied on, for a while after a goal failed.

    A goal that is rejected, is canceled by another node, ends in a way that is not known, or is not
    answered is a problem. So is one that is aborted, unless the gripper says that it stalled, or
    the contract says that an aborted goal is a grasp.

    Args:
        config: Of the goals.
    """

    def __init__(self, config: GripperConfig) -> None:
        self._config = config
        self.clear()

    def clear(self) -> None:
        """Forget what was."""
        self._text, self._until = '', float('-inf')
        self._asked: float | None = None

    @property
    def waits(self) -> bool:
        """Whether a goal may still be answered."""
        return self._asked is not None

    def asked(self, now: float) -> None:
        """A goal has been sent at `now` [s], and is to be answered."""
        if self._asked is None:
            self._asked = now

    def answered(self) -> None:
        """A goal has been answered."""
        self._asked = None

    def ended(self, end: GoalEnd, now: float) -> None:
        """The newest goal ended at `now` [s]."""
        self._asked = None
        grasp = end.stalled or self._config.aborted == 'grasp'
        if end.what == 'succeeded' or (end.what == 'aborted' and grasp):
            return
        self._text, self._until = f'a goal was {end.what}', now + _TOLD

    def refused(self, now: float) -> None:
        """At `now` [s] the server would not cancel the newest goal."""
        self._text, self._until = 'a goal was to be canceled, and the server refuses', now + _TOLD

    def problem(self, now: float) -> str:
        """Why the arm must not move at `now` [s]; empty where it may."""
        if self._asked is not None and now - self._asked > _ANSWER:
            self._text = f'no answer to a goal for {now - self._asked:.1f} s, allowed {_ANSWER} s'
            self._asked, self._until = None, now + _TOLD
        return self._text if now < self._until else ''
