"""Which of the plans that were sent the controller follows, as far as it says what it does."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from il_ros.core.geometry import nearest_turn
from il_ros.core.limits import Array
from il_ros.monitors.plan import Plan, resting
from il_ros.monitors.punctuality import Punctuality

_MOST = 64  # plans on their way
_SAME = 1e-4  # s that the starts of one trajectory may differ by, told as seconds since 1970
_LAGS = 3.0  # times the tolerance that the newest plan may be off
_CLOCKS = 0.25  # s that the controller's clock may be behind
_UPDATES = 0.01  # s that a controller may take to follow what it has got


@dataclass(frozen=True, kw_only=True)
class ControllerState:
    """What a joint_trajectory_controller does at one of its updates.

    Attributes:
        stamp: When [s].
        start: When the trajectory began that it follows [s]: as that was stamped, or, of one that
            was blended into another, when it came.
        position: Where it wants the joints to be, (N,) [rad or m]; NaN of those it does not move.
    """

    stamp: float
    start: float
    position: Array


@dataclass(frozen=True)
class _Sent:
    plan: Plan
    planned: float  # s, when the tick began that made it
    start: float  # s, when it leaves the one before, by the time of the arm
    stamp: float  # s, when its trajectory begins


class FollowedPlans:
    """Compares what a controller follows with what was sent to it.

    Args:
        punctuality: Learns how late commands are.
        tolerance: Distance from a plan up to which it counts as followed, (N,) [rad or m].
        delay: How far the arm lags the plans [s].
        endless: Which joints turn without end, (N,): whatever turn a controller counts, it is the
            same place. None by default.
    """

    def __init__(
        self,
        punctuality: Punctuality,
        tolerance: Array,
        delay: float,
        endless: NDArray[np.bool_] | None = None,
    ) -> None:
        self._punctuality, self._tolerance, self._delay = punctuality, tolerance, delay
        self._endless = np.zeros(len(tolerance), bool) if endless is None else endless
        self._sent: deque[_Sent] = deque(maxlen=_MOST)
        self._first: _Sent | None = None
        self.clear()

    def sent(self, plan: Plan, planned: float, begin: float, *, lead: float = 0.0) -> None:
        """A plan of the tick at `planned` [s], which leaves the one before at `begin` [s].

        Its trajectory begins a `lead` [s] before that.
        """
        if not self._sent:
            self._known_from = begin + self._delay + self._punctuality.most
        start = begin + self._delay
        self._sent.append(_Sent(plan, planned, start, start - lead))
        if self._first is None:
            self._first = self._sent[0]

    def has(self, plan: Plan, now: float) -> bool:
        """Whether the trajectory that was sent last holds all of `plan` from `now` [s] on."""
        return (
            bool(self._sent) and self._sent[-1].plan is plan and now < plan.end_time + self._delay
        )

    def clear(self) -> None:
        """Nothing that was sent counts any more: the arm is released, or time began anew."""
        self._sent.clear()
        self._first = None
        self._newest = self._heard = -np.inf  # start of the newest that came; the last state
        self._known_from = np.inf  # when one that was sent surely is followed
        self._blends = False  # whether trajectories begin when they come

    def hear(self, stamp: float, start: float) -> None:
        """At `stamp` [s] the controller follows what began at `start` [s]."""
        followed = self._started_at(start)
        if followed is not None and followed.start > self._newest:
            # It came after the state before, if not before it was planned.
            self._newest = followed.start
            self._punctuality.add(stamp, max(self._heard - followed.planned, 0.0), transit=True)
        self._heard = stamp

    def distance(self, state: ControllerState) -> Array | None:
        """How far the state is from the newest plan, (N,) [rad or m]; None if nothing was sent."""
        if not self._sent:
            return None
        return self._apart(self._where(self._sent[-1].plan, state), state)

    def _apart(self, place: Array, state: ControllerState) -> Array:
        """Distance of each joint from where the controller wants it, (N,) [rad or m]."""
        return np.asarray(np.abs(place - nearest_turn(state.position, place, self._endless)))

    def _where(self, plan: Plan, state: ControllerState) -> Array:
        return plan.at(state.stamp - self._delay)[0]

    def late(self, state: ControllerState) -> Plan | None:
        """What the controller follows instead of a plan that it should have; None if it has all."""
        followed, plan = self._followed_at(state)
        if followed is None:
            return self._not_begun(state)
        due = state.stamp - _UPDATES
        missing = [x for x in self._sent if followed.start < x.start < due]
        if not missing:
            self._punctuality.add(state.stamp, 0.0, transit=True)  # newer than what was measured
            return None
        self._punctuality.add(state.stamp, state.stamp - missing[0].planned, transit=True)
        return plan

    def _not_begun(self, state: ControllerState) -> Plan | None:
        """A rest where the first plan begins, if the controller stands there for too long."""
        first = self._first
        if first is None or first.start > state.stamp - _UPDATES or not _older(state, first):
            return None
        here = first.plan.at(first.start - self._delay)[0]
        if np.any(self._apart(here, state) > self._tolerance):
            return None
        self._punctuality.add(state.stamp, state.stamp - first.planned, transit=True)
        return resting(here, state.stamp)

    def strange(self, state: ControllerState) -> bool:
        """Whether the controller follows none of the plans, though it must have got one."""
        if state.stamp < self._known_from or self._started_at(state.start) is not None:
            return False
        return self._looks_like(state, _LAGS)[0] is None

    def _followed_at(self, state: ControllerState) -> tuple[_Sent | None, Plan | None]:
        """What is followed, by when it began or else by where the controller is."""
        named = self._started_at(state.start)
        if named is not None:
            return named, named.plan
        seen, plan = self._looks_like(state)
        if seen is not None and state.start > self._sent[0].planned:
            self._blends = True
        return seen, plan

    def _started_at(self, start: float) -> _Sent | None:
        # A trajectory that is blended in begins when it comes. That may be when an older one was to
        # leave the one before, and then it is not that.
        if self._blends:
            return None
        return next((x for x in reversed(self._sent) if abs(x.stamp - start) < _SAME), None)

    def _looks_like(
        self, state: ControllerState, older: float = 1.0
    ) -> tuple[_Sent | None, Plan | None]:
        """The newest plan that goes through the state, or would if it had begun when it came.

        A controller that lags by an update or scales its speed still follows the newest: only
        another that fits much better counts, or up to `older` times the tolerance.
        """
        for sent in reversed(self._sent):
            if _older(state, sent):
                continue
            most = self._tolerance * (_LAGS if sent is self._sent[-1] else older)
            for shift in (0.0, max(state.start - sent.start, 0.0)):
                plan = sent.plan.put_off(shift) if shift else sent.plan
                if not np.any(self._apart(self._where(plan, state), state) > most):
                    return sent, plan
        return None, None


def _older(state: ControllerState, sent: _Sent) -> bool:
    """Whether what the controller follows began before a plan was made: then it is not that."""
    return state.start < sent.planned - _CLOCKS
