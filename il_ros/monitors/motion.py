"""The one plan that the arm executes: begun where it stands, driven, braked, let go."""

from __future__ import annotations

from collections.abc import Callable

from il_ros.core.limits import Array, Limits
from il_ros.monitors import checks
from il_ros.monitors.checks import Fault
from il_ros.monitors.plan import Plan, Planner

Forward = Callable[[Array], Array]


class Motion:
    """Owns the plan; each step of it continues the one before.

    Args:
        limits: What the arm may do.
        dt: Control period [s].
        forward: Tool centre point (3,) [m, base frame] of joint positions (N,), or None.
        margin: How far inside the workspace box a plan has to end [m].
    """

    def __init__(
        self, limits: Limits, *, dt: float, forward: Forward | None, margin: float
    ) -> None:
        self._limits, self._dt, self._forward, self._margin = limits, dt, forward, margin
        self._planner = Planner(limits)
        self._plan: Plan | None = None
        self._driven = False

    @property
    def plan(self) -> Plan | None:
        """What the arm executes; None: nothing."""
        return self._plan

    def begin(self, position: Array, now: float) -> None:
        """Rest at `position` (N,)."""
        self._plan, self._driven = self._planner.hold(position, now), False

    def drive(self, target: Array, velocity: Array, now: float) -> Fault | None:
        """Move towards `target` with `velocity`, both (N,), at the end of this tick.

        A fault leaves the plan as it was: it brakes inside all bounds.
        """
        if self._plan is None:
            raise RuntimeError('begin() comes before drive()')
        plan = self._planner.towards(self._plan, now, target, velocity, self._dt)
        fault = Fault('plan', plan.problem) if plan.problem else self._outside(plan)
        if fault is None:
            self._plan, self._driven = plan, True
        return fault

    def brake(self, now: float) -> None:
        """Come to a standstill; once braking, the plan is kept to its end."""
        if self._plan is not None and self._driven:
            self._driven = False  # first: should the planner fail, the plan in hand brakes too
            self._plan = self._planner.stop(self._plan, now)

    def release(self) -> None:
        """Command nothing."""
        self._plan, self._driven = None, False

    def clock_went_back(self, last: float, now: float) -> None:
        """Go on at `now` from where the tick at `last` was to end, on a clock that jumped back."""
        if self._plan is not None:
            self._plan = self._plan.shifted(now - last - self._dt)

    def at_rest(self, now: float) -> bool:
        """Whether no motion is commanded from `now` on."""
        return self._plan is None or self._plan.at_rest(now)

    def _outside(self, plan: Plan) -> Fault | None:
        if self._forward is None:
            return None
        point, what = self._forward(plan.end), 'end of the planned motion'
        return checks.workspace(point, self._limits, what=what, margin=self._margin)
