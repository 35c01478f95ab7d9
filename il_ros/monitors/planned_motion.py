"""The one plan that the arm executes: begun where it stands, driven, braked, let go."""

from __future__ import annotations

from math import inf

import numpy as np
from numpy.typing import NDArray

from il_ros.core.arm_geometry import Geometry
from il_ros.core.limits import Array, Limits
from il_ros.core.trajectory import Trajectory
from il_ros.monitors import checks
from il_ros.monitors.checks import Fault
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import MonitorInput
from il_ros.monitors.plan import Plan, Planner

# When a plan is looked at: at these shares of its tick, plus these of the stop behind it.
_TICK = np.array([0.0, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
_STOP = np.array([0.0, 0.0, 0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0])

_GIVE_WAY = 5.0  # s after a stop by force, the stop included; the fastest wrist needs four
_SETTLING = 0.1  # share of the speed limits
_EASE = 0.5  # share of the acceleration limits
_CLOSE = 1e-4  # rad or m that a settled arm may be away

_KEPT = 0.5  # s of the past that a plan shows, where it was left later than it was made
_COARSE = 0.04  # s between points of the stop after the tick
_APART = 1e-3  # s that two points are apart at least
_ROUNDING = 1e-6  # s


class Motion:
    """Owns the plan; each step of it continues the one before.

    Args:
        limits: What the arm may do.
        dt: Control period [s].
        geometry: Where tool and links are; None when the arm has no kinematic model.
        margin: How far inside the workspace box, and outside the keep-out zones, plans stay [m].
        joint_margin: The same of the position limits, see `Planner`.
        full_speed_lead: Lead up to which the arm drives at full speed [s].

    Attributes:
        lead: How long after it is made a plan leaves the one before [s], so that both are the same
            until the controller has it.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        dt: float,
        geometry: Geometry | None,
        margin: float,
        joint_margin: Array | float = 0.0,
        full_speed_lead: float = MonitorConfig.full_speed_lead,
    ) -> None:
        self._limits, self._dt, self._geometry, self._margin = limits, dt, geometry, margin
        self._planner = Planner(limits, joint_margin)
        self._stopping = StoppingWay(limits, full_speed_lead + dt)
        self.lead = 0.0
        self._plan: Plan | None = None
        self._driven = False
        self._left = -inf  # when the plan left the one before
        self._before: tuple[Plan | None, bool, float] = None, False, -inf

    @property
    def names(self) -> tuple[str, ...]:
        """Of the joints, in order."""
        return self._limits.names

    @property
    def plan(self) -> Plan | None:
        """What the arm executes; None: nothing."""
        return self._plan

    def start(self, now: float) -> float:
        """When a plan that is made `now` leaves the one before [s]; never earlier than that did."""
        return max(now + self.lead, self._left)

    def mark(self) -> None:
        """What is commanded here has been sent; `withdraw` comes back to it."""
        self._before = self._plan, self._driven, self._left

    def withdraw(self) -> None:
        """Go on with what was sent last: what was planned since `mark` has not been sent."""
        self._plan, self._driven, self._left = self._before

    def recover(self, plan: Plan) -> None:
        """Go on from `plan`, which is what the arm follows, rather than from the one in hand."""
        self._plan, self._driven, self._left = plan, True, -inf

    def wait(self, seconds: float) -> None:
        """The arm goes on so much later than planned [s]: its controller waits meanwhile."""
        if self._plan is not None:
            self._plan = self._plan.put_off(seconds)
            self._left += seconds

    def begin(self, position: Array, now: float) -> None:
        """Rest at `position` (N,)."""
        self._plan, self._driven, self._left = self._planner.hold(position, now), False, now

    def drive(self, target: Array, velocity: Array, now: float) -> Fault | None:
        """Move towards `target` with `velocity`, both (N,), a tick after `start(now)`.

        A fault leaves the plan as it was: it brakes inside all bounds. The later the plan leaves
        the one before, the more slowly it drives: all that is committed from `now` on, its stop
        included, is no longer a way than `StoppingWay` allows.
        """
        if self._plan is None:
            raise RuntimeError('begin() comes before drive()')
        start = self.start(now)
        most = self._stopping.speed(start - now + self._dt)
        plan = self._planner.towards(self._plan, start, target, velocity, self._dt, most=most)
        fault = Fault('plan', plan.problem) if plan.problem else self._outside(plan)
        if fault is None:
            self._follow(plan, now)
            self._driven = True
        return fault

    def _follow(self, plan: Plan, now: float) -> None:
        """Leave the plan in hand for `plan` when that begins."""
        self._left = plan.begin
        if self._plan is not None and plan.begin > now:
            plan = plan.after(self._plan, now - _KEPT)
        self._plan = plan

    def settle(self, position: Array, now: float) -> bool:
        """Go on slowly, from a standstill, to a rest at `position` (N,).

        Returns:
            False once there, or if that may not be.
        """
        if self._plan is None:
            return False
        if not self._driven and not self._plan.at_rest(now):
            return True  # it is still stopping
        here, speed, _ = self._plan.at(self.start(now))
        way, limits, dt = position - here, self._limits, self._dt
        # Not `at_rest`: a plan that is made anew in each tick has its end in the next.
        if np.all(np.abs(way) < _CLOSE) and np.all(np.abs(speed) < _CLOSE):
            return False
        # A speed that the joints can have by the end of the tick, and the place they reach with it:
        # a place asked for too soon would be raced for, and make the motion stutter.
        most, change = _SETTLING * limits.velocity, _EASE * limits.acceleration * dt
        wanted = np.clip(way / (2 * dt), -most, most)
        end = speed + np.clip(wanted - speed, -change, change)
        return self.drive(here + (speed + end) / 2 * dt, end, now) is None

    def clock_jumped(self, last: float, now: float) -> None:
        """Stop, on a clock that reads `now` where it should read a tick after `last` [s]."""
        if self._plan is not None:
            plan = self._plan.put_off(now - last - self._dt)
            self._plan = self._planner.stop(plan, now)
            self._driven, self._left = False, now

    def brake(self, now: float) -> None:
        """Come to a standstill; once braking, the plan is kept to its end."""
        if self._plan is not None and self._driven:
            self._driven = False  # first: should the planner fail, the current plan brakes too
            plan = self._planner.stop(self._plan, self.start(now))
            if plan.problem:  # it is the plan in hand
                self._plan = plan
            else:
                self._follow(plan, now)

    def release(self) -> None:
        """Command nothing."""
        self._plan, self._driven, self._left = None, False, -inf

    def at_rest(self, now: float) -> bool:
        """Whether no motion is commanded from `now` on."""
        return self._plan is None or self._plan.at_rest(now)

    def _outside(self, plan: Plan) -> Fault | None:
        """Whether the whole plan, its stop included, stays where the arm may be."""
        stop = max(plan.end_time - plan.begin - self._dt, 0.0)
        postures = plan.at(plan.begin + self._dt * _TICK + stop * _STOP)[0]
        return checks.space(
            self._geometry, self._limits, postures, margin=self._margin, planned=True
        )


class Rest:
    """Comes to rest and stays, but neither presses on nor comes back to a place long left.

    After a stop by force the arm would lean on what it ran into, because the stop ends behind
    the contact: it gives way slowly to where it was measured then, as long as it is measured,
    not for long, and only once. And what something has moved away from its rest (hand guiding,
    brakes, a stop by the robot itself) is not commanded any more, or it would jump there when
    its drives come back; nor is an arm that is not measured, which may have been moved.

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
        if not plan.at_rest(now):
            return
        if position is None or not np.all(np.abs(position - plan.end) <= self._most):
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


class StoppingWay:
    """Bounds the way of each joint until it rests, however late it begins to brake.

    A joint of speed v that begins to brake after a time h, and then brakes with its acceleration a
    and jerk j, goes no further than ``v * (h + 1.5 * a / j) + v^2 / (2 * a)``: the ramps of the
    acceleration take `a / j` each, and it may have to end another one first. What that gives at
    full speed and the time `free` is the bound; with more time, joints are slower.

    Args:
        limits: What plans may use.
        free: Time up to which a joint may be at full speed [s].

    Attributes:
        bound: The longest way until each joint rests, shape (N,) [rad or m].
    """

    def __init__(self, limits: Limits, free: float) -> None:
        self._acceleration, self._free = limits.acceleration, free
        self._ramps: Array = 1.5 * limits.acceleration / limits.jerk
        self.bound: Array = self.way(limits.velocity, free)

    def way(self, speed: Array, time: float) -> Array:
        """Longest way (N,) of joints of `speed` (N,) that begin to brake after `time` [s]."""
        return speed * (time + self._ramps) + speed * speed / (2 * self._acceleration)

    def speed(self, time: float) -> Array | None:
        """Most speed (N,) of joints that begin to brake after `time` [s]; None: the full one."""
        if time <= self._free + _ROUNDING:
            return None
        whole, a = time + self._ramps, self._acceleration
        root = np.sqrt(whole * whole + 2 * self.bound / a)
        # The positive root of way(v, time) = bound, without a difference of like numbers.
        return np.asarray(2 * self.bound / (whole + root))


def trajectory_of(plan: Plan, begin: float, dt: float, *, start: float = 0.0) -> Trajectory:
    """The motion of `plan` in the tick of `dt` [s] from `begin` [s] on, and then a stop.

    Args:
        plan: The plan.
        begin: When the tick begins, by the plan's time [s].
        dt: Control period [s].
        start: What the trajectory's `start` is to be [s], by the controller's time.
    """
    end = max(plan.end_time - begin, dt)
    # One point for the tick itself: the nearer the first point, the more sharply the controller
    # would catch up when the command comes too late after all. Two points must not fall
    # together: a controller refuses times that do not increase.
    stop = np.arange(dt + _COARSE, end - _APART, _COARSE)
    # Nor may one point be all: a controller that blends does not blend into such a trajectory.
    last = [end] if end > dt + _APART else [dt + _COARSE]
    times = np.concatenate([[dt], stop, last])
    position, velocity, acceleration = plan.at(begin + times)
    velocity[-1] = acceleration[-1] = 0.0
    return Trajectory(
        start=start,
        times=times,
        positions=position,
        velocities=velocity,
        accelerations=acceleration,
    )
