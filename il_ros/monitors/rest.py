"""How the arm rests once it was stopped: it gives way to a contact and to whoever moves it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from il_ros.core.limits import Array
from il_ros.monitors.checks import Fault
from il_ros.monitors.monitor_input import MonitorInput
from il_ros.monitors.plan import Plan
from il_ros.monitors.planned_motion import Motion

_GIVE_WAY = 5.0  # s after a stop by force, the stop included; the fastest wrist needs four


class Rest:
    """Comes to rest and stays, but neither presses on nor comes back to a place long left.

    After a stop by force the arm would lean on what it ran into, because the stop ends behind
    the contact: it gives way slowly to where it was measured then, as long as it is measured,
    not for long, and only once. And what something has moved away from its rest (hand guiding,
    brakes, a stop by the robot itself) is not commanded any more, or it would jump there when
    its drives come back.

    Args:
        motion: Commands the arm.
        tracking_error: Largest distance of a measured joint from its command [rad or m].
        moves: Which joints give way, (N,); a gripper keeps what it holds.
        delay: How far the arm lags the plan [s].
    """

    def __init__(
        self, motion: Motion, *, tracking_error: float, moves: NDArray[np.bool_], delay: float
    ) -> None:
        self._motion, self._most, self._moves, self._delay = motion, tracking_error, moves, delay
        self.begin()

    def begin(self, *, may_yield: bool = True) -> None:
        """Give way to nothing that was before; later to a contact only if it `may_yield`."""
        self._may_yield = may_yield
        self._yielding: tuple[Array, float] | None = None  # where to (N,), until when [s]

    def tick(self, frame: MonitorInput, fault: Fault | None, now: float) -> None:
        """Go on resting at time `now` [s], with the hard fault of this tick."""
        plan, position = self._motion.plan, frame.position
        if plan is None:
            return
        contact = fault is not None and fault.kind == 'force'
        if contact and position is not None and not plan.at_rest(now) and self._may_yield:
            self._yielding = self._given_way(plan, position, now), now + _GIVE_WAY
            self._may_yield = False
            self._motion.brake(now)
        if self._yielding is not None:
            there, until = self._yielding
            other = fault is not None and not contact
            if other or now > until or self._led_away(frame, plan, there):
                self._yielding = None
            elif self._motion.settle(there, now):
                return
        self._motion.brake(now)
        if position is None or not plan.at_rest(now):
            return
        if not np.all(np.abs(position - plan.end) <= self._most):
            self._motion.release()

    def _given_way(self, plan: Plan, position: Array, now: float) -> Array:
        """Where to rest (N,) instead of behind the contact."""
        here = plan.at(now - self._delay)[0]
        there = here + np.clip(position - here, -self._most, self._most)
        return np.where(self._moves, there, plan.end)

    def _led_away(self, frame: MonitorInput, plan: Plan, there: Array) -> bool:
        """Whether something else moves the arm, so that it is not on its way to `there` (N,)."""
        if frame.position is None:
            return False
        here = plan.at(frame.stamp - self._delay)[0]
        beyond = np.maximum(
            np.minimum(here, there) - frame.position, frame.position - np.maximum(here, there)
        )
        return bool(np.any((beyond > self._most) & self._moves))
