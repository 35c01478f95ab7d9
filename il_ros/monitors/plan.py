"""Jerk-limited motion that always ends in a standstill, whatever happens to its sender.

A plan moves towards the newest target for one tick and then brakes. A controller can go on
sampling it after the monitor has fallen silent: the arm decelerates smoothly and stays.
The time-optimal profiles come from ruckig (Berscheid & Kröger 2021).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import ruckig
from numpy.typing import NDArray

from il_ros.core.geometry import every
from il_ros.core.limits import Array, Limits

POSITION_TOLERANCE = 1e-7  # [rad or m], what rounding in ruckig may cost; no encoder sees it
_LARGEST_MARGIN = 0.01  # share of a joint's range
_HEADROOM = 1.0 - 1e-6  # plans use this share of the limits, so that rounding never exceeds them
_SLACK = 1.0 + 1e-9

# A trajectory controller sees a plan as quintic splines between points a period apart, and those
# swing beyond an acceleration that changes at once: by 60 % from one end of its range to the other.
# With this share of the acceleration, built up over this share of a period, they stay within it. A
# longer ramp would allow a larger share, but then targets are reached in time less often.
_SPLINE_SHARE = 0.75
_SPLINE_RAMP = 0.16

State = tuple[Array, Array, Array]
Columns = NDArray[np.intp]


def plannable(limits: Limits, share: float, dt: float, *, splines: bool) -> Limits:
    """What plans may use of the limits.

    Args:
        limits: What the arm may do.
        share: Of the velocity, acceleration and jerk limits.
        dt: Control period [s].
        splines: Whether the arm follows splines through points of the plan, and these have to stay
            within the limits as well.
    """
    velocity, acceleration, jerk = (
        share * limit for limit in (limits.velocity, limits.acceleration, limits.jerk)
    )
    if splines:
        acceleration = _SPLINE_SHARE * acceleration
        jerk = np.minimum(jerk, acceleration / (_SPLINE_RAMP * dt))
    return replace(limits, velocity=velocity, acceleration=acceleration, jerk=jerk)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A motion in absolute time: pieces of constant jerk for each joint, the last one a rest.

    Attributes:
        begin: Time at which the motion begins [s]; before it the plan shows the past, or else its
            first state.
        pieces: Shape (5, K, N): for each piece the time since `begin` at which it starts [s],
            and position, velocity, acceleration and jerk there [rad or m, and per s, s^2, s^3].
        problem: Why the planner did not do as asked, empty when it did.
        past: What was planned before and is left when the next newer one begins, newest first.
    """

    begin: float
    pieces: Array
    problem: str = ''
    past: tuple[Plan, ...] = ()

    def __post_init__(self) -> None:
        self.pieces.setflags(write=False)  # plans are handed out and still relied on

    @cached_property
    def _columns(self) -> tuple[Array, list[list[float]], list[int]]:
        """Each joint's pieces in a row, (5, N K), when they start, and one before each row."""
        joint_first = np.ascontiguousarray(self.pieces.transpose(0, 2, 1))
        knots = joint_first[0].tolist()
        count = self.pieces.shape[1]
        return joint_first.reshape(5, -1), knots, [i * count - 1 for i in range(len(knots))]

    def at(self, t: float | Array) -> State:
        """Position, velocity and acceleration at `t` [s]: each (N,), or (T, N) for T times."""
        if not self.past:
            return self._own(t)
        if isinstance(t, np.ndarray) and t.ndim:
            if t.min() < self.begin:
                position, velocity, acceleration = zip(*map(self.at, t.tolist()), strict=True)
                return np.array(position), np.array(velocity), np.array(acceleration)
        elif t < self.begin:
            earlier = (plan for plan in self.past if t >= plan.begin)
            return next(earlier, self.past[-1]).at(t)
        return self._own(t)

    def _own(self, t: float | Array) -> State:
        pieces, knots, places = self._columns
        since: float | Array
        index: list[int] | list[list[int]]
        # A search among floats is several times quicker than one in so small an array.
        if isinstance(t, np.ndarray) and t.ndim:
            times = [max(x - self.begin, 0.0) for x in t.tolist()]
            index = [
                [i + bisect_right(k, x) for i, k in zip(places, knots, strict=True)] for x in times
            ]
            since = np.array(times)[:, None]
        else:
            since = max(float(t) - self.begin, 0.0)
            index = [i + bisect_right(k, since) for i, k in zip(places, knots, strict=True)]
        knot, p, v, a, j = pieces.take(index, axis=1)
        h = since - knot
        return (
            p + h * (v + h * (a / 2 + h * j / 6)),
            v + h * (a + h * j / 2),
            a + h * j,
        )

    @property
    def end(self) -> Array:
        """Position of the standstill that the plan ends in, shape (N,) [rad or m]."""
        end: Array = self.pieces[1, -1]
        return end

    @property
    def end_time(self) -> float:
        """Time from which on every joint rests [s]."""
        return self.begin + float(self.pieces[0, -1].max())

    def at_rest(self, t: float) -> bool:
        """Whether the plan stands still from `t` [s] on."""
        return t >= self.end_time

    def after(self, before: Plan, since: float) -> Plan:
        """That of `before` until this one begins, then this one; none of it before `since` [s]."""
        plans = (self, replace(before, past=()), *before.past)
        past = tuple(older for newer, older in pairwise(plans) if newer.begin > since)
        return replace(self, past=past)

    def put_off(self, seconds: float) -> Plan:
        """The same motion, so much later [s]."""
        past = tuple(plan.put_off(seconds) for plan in self.past)
        return replace(self, begin=self.begin + seconds, past=past)

    def shifted(self, way: Array) -> Plan:
        """The same motion elsewhere, by `way` (N,) [rad or m]."""
        if not way.any():
            return self
        pieces = self.pieces.copy()
        pieces[1] += way
        return replace(self, pieces=pieces, past=tuple(plan.shifted(way) for plan in self.past))

    def of_joints(self, columns: Columns) -> Plan:
        """The motion of some joints: `columns`, shape (n,), are theirs."""
        past = tuple(plan.of_joints(columns) for plan in self.past)
        return replace(self, pieces=self.pieces[:, :, columns], past=past)

    def extremes(self) -> tuple[Array, Array, Array]:
        """Lowest position, highest position and top speed over all time, exact; each (N,)."""
        knot, p, v, a, j = self.pieces
        duration = np.zeros_like(knot)
        np.subtract(knot[1:], knot[:-1], out=duration[:-1])
        with np.errstate(all='ignore'):  # pieces without a turning point give inf or nan: no part
            peak = _inside(-a / j, duration)
            q = -(a + np.copysign(np.sqrt(a * a - 2 * j * v), a))
            turns = _inside(np.array([q / j, 2 * v / q]), duration)
        turned = p + turns * (v + turns * (a / 2 + turns * j / 6))
        positions = np.concatenate([p[None], turned]).reshape(-1, p.shape[1])
        speeds = np.maximum(np.abs(v), np.abs(v + peak * a / 2))
        return positions.min(axis=0), positions.max(axis=0), speeds.max(axis=0)


def resting(position: Array, t: float) -> Plan:
    """A rest from `t` [s] on at `position` (N,)."""
    pieces = np.zeros((5, 1, len(position)))
    pieces[1] = position
    return Plan(begin=t, pieces=pieces)


def joined(plans: Sequence[tuple[Columns, Plan]]) -> Plan:
    """One plan of what several controllers follow.

    Args:
        plans: Each with the columns of its joints, shape (n,); every column in one of them.
    """
    begins = {each.begin for _, plan in plans for each in (plan, *plan.past)}
    newest, *older = (_joined_from(plans, begin) for begin in sorted(begins, reverse=True))
    return replace(newest, past=tuple(older))


def _joined_from(plans: Sequence[tuple[Columns, Plan]], begin: float) -> Plan:
    """What all of them are at `begin` [s], until the next one begins."""
    parts = []
    for columns, plan in plans:
        every_one = (plan, *plan.past)
        part = next((one for one in every_one if one.begin <= begin), every_one[-1])
        pieces = part.pieces.copy()
        pieces[0] += part.begin - begin
        if part.begin > begin:  # until then it shows its first state
            rest = np.zeros((5, 1, len(columns)))
            rest[1] = pieces[1, :1]
            pieces = np.concatenate([rest, pieces], axis=1)
        parts.append((columns, pieces))
    most = max(pieces.shape[1] for _, pieces in parts)
    whole = np.zeros((5, most, sum(len(columns) for columns, _ in parts)))
    for columns, pieces in parts:
        whole[:, :, columns] = pieces.take(np.minimum(np.arange(most), len(pieces[0]) - 1), axis=1)
    problem = next((plan.problem for _, plan in plans if plan.problem), '')
    return Plan(begin=begin, pieces=whole, problem=problem)


def _inside(time: Array, duration: Array) -> Array:
    """`time` where it lies within its piece, zero (the piece's own start) elsewhere."""
    return np.where((time > 0.0) & (time < duration), time, 0.0)


class Planner:
    """Makes plans that respect the limits, checked in closed form over their whole length.

    A plan that would leave a bound is never handed out: the planner goes on with the plan that it
    was given, which brakes inside the bounds, and says so in `Plan.problem`.

    Args:
        limits: What the joints may do.
        margin: How far inside their position limits plans stay, for all joints or shape (N,)
            [rad or m], but at most a hundredth of their range. One that begins nearer to a limit
            may stay there and goes no nearer.
    """

    def __init__(self, limits: Limits, margin: Array | float = 0.0) -> None:
        self._limits = limits
        inside = np.minimum(margin, _LARGEST_MARGIN * (limits.position_max - limits.position_min))
        self._inside: tuple[Array, Array] = (
            limits.position_min + inside,
            limits.position_max - inside,
        )
        self._low, self._high = self._inside
        size = len(limits.names)
        self._top = limits.velocity * _HEADROOM
        self._joints = [_input(limits, slice(i, i + 1)) for i in range(size)]
        self._one, self._all = ruckig.Ruckig(1), ruckig.Ruckig(size)
        self._path, self._halt = ruckig.Trajectory(1), ruckig.Trajectory(size)
        self._brake = _input(limits, slice(None))
        self._brake.control_interface = ruckig.ControlInterface.Velocity
        self._brake.synchronization = ruckig.Synchronization.No

    def hold(self, position: Array, t: float) -> Plan:
        """A rest from `t` on at `position` (N,), clipped to the position limits."""
        limits = self._limits
        begin = np.clip(position, limits.position_min, limits.position_max)
        low, high = self._inside
        self._low, self._high = np.minimum(low, begin), np.maximum(high, begin)
        return resting(begin, t)

    def towards(
        self,
        plan: Plan,
        start: float,
        target: Array,
        target_velocity: Array,
        dt: float,
        *,
        most: Array | None = None,
    ) -> Plan:
        """Leave `plan` at `start` without a step, move towards `target` for `dt`, then brake.

        Each joint arrives with its target velocity exactly at `start + dt` where the limits
        allow, else it does the first `dt` of its time-optimal motion. Joints do not wait for one
        another: a slow gripper must not hold back the arm.

        Args:
            plan: The plan that is being executed.
            start: When to leave it [s].
            target: Position at `start + dt`, shape (N,); clipped to the position limits and the
                margin inside them.
            target_velocity: Velocity there, shape (N,); clipped to the velocity limits and to
                what can still be stopped before that.
            dt: Length of one tick [s].
            most: Speed that a joint slows down to if it is faster, shape (N,); None for the limits.
        """
        top = self._top if most is None else np.minimum(self._top, most)
        self._allow(top)
        state = plan.at(start)
        goal = np.clip(target, self._low, self._high)
        a, j = self._limits.acceleration * _HEADROOM, self._limits.jerk * _HEADROOM
        wanted = _without_run_up(state, goal, target_velocity, dt, acceleration=a, jerk=j)
        speed = self._stoppable(goal, wanted, top)
        # Arriving in time, with speed, may swing across a limit that is near; the time-optimal
        # motion to a rest at the goal does not. It is for those joints alone that need it: a
        # gripper at its limit must not change how the arm moves.
        in_time = np.full(len(goal), True)
        for _ in range(2):
            velocity = np.where(in_time, speed, 0.0)
            try:
                candidate = self._motion(state, start, goal, velocity, dt, in_time=in_time)
            except ruckig.RuckigError as error:
                problem, in_time = str(error).strip(), np.full(len(goal), False)
                continue
            # Were the first to use up the tolerance, nothing would be left for the next tick.
            tolerance = POSITION_TOLERANCE * np.where(in_time, 0.01, 1.0)
            problem, inside = self._violation(candidate, tolerance)
            if not problem:
                return candidate
            in_time &= inside
        return replace(plan, problem=problem)

    def stop(self, plan: Plan, start: float) -> Plan:
        """Leave `plan` at `start` and brake every joint as fast as its limits allow."""
        state = plan.at(start)
        try:
            candidate = _assemble(start, state, *self._tail(state))
            problem, _ = self._violation(candidate, np.full(len(state[0]), POSITION_TOLERANCE))
        except ruckig.RuckigError as error:
            problem = str(error).strip()
        return replace(plan, problem=problem) if problem else candidate

    def _allow(self, top: Array) -> None:
        for joint, speed in zip(self._joints, top.tolist(), strict=True):
            joint.max_velocity = [speed]

    def _motion(
        self,
        state: State,
        start: float,
        goal: Array,
        speed: Array,
        dt: float,
        *,
        in_time: NDArray[np.bool_],
    ) -> Plan:
        rows, reached = [], []
        columns = zip(*(x.tolist() for x in (*state, goal, speed, in_time)), strict=True)
        for joint, (p, v, a, goal_p, goal_v, on_time) in zip(self._joints, columns, strict=True):
            joint.current_position, joint.current_velocity = [p], [v]
            joint.current_acceleration = [a]
            joint.target_position, joint.target_velocity = [goal_p], [goal_v]
            # Stretching a motion of no length to dt would make ruckig wiggle around the goal.
            there = max(abs(p - goal_p), abs(v), abs(a), abs(goal_v)) < POSITION_TOLERANCE
            joint.minimum_duration = dt if on_time and not there else None
            self._one.calculate(joint, self._path)
            (profile,) = self._path.profiles[0]
            brake = profile.brake
            # The last piece coasts for a joint that arrives before dt.
            rows.append([*brake.t, *profile.t, dt, *brake.j, *profile.j, 0.0])
            reached.append([x[0] for x in self._path.at_time(dt)])
        durations, jerks = _halves(rows)
        ends = np.minimum(np.cumsum(durations, axis=0), dt)
        tail_durations, tail_jerks = self._tail(tuple(np.array(reached).T))
        return _assemble(
            start,
            state,
            np.concatenate([ends[:1], ends[1:] - ends[:-1], tail_durations]),
            np.concatenate([jerks, tail_jerks]),
        )

    def _tail(self, state: tuple[Array, ...]) -> tuple[Array, Array]:
        """Durations and jerks, both (9, N), of the fastest stop from `state`."""
        brake = self._brake
        brake.current_position, brake.current_velocity, brake.current_acceleration = (
            x.tolist() for x in state
        )
        self._all.calculate(brake, self._halt)
        rows = [[*x.brake.t, *x.t, *x.brake.j, *x.j] for x in self._halt.profiles[0]]
        return _halves(rows)

    def _stoppable(self, position: Array, velocity: Array, most: Array) -> Array:
        """`velocity` clipped to `most`, and so that braking ends before the position bound."""
        a, j = self._limits.acceleration * _HEADROOM, self._limits.jerk * _HEADROOM
        up = np.where(velocity > 0, self._high - position, 0.0)
        room = np.where(velocity < 0, position - self._low, up)
        # Stopping from v at rest acceleration takes v^2/2a + va/2j, or v^(3/2)/j^(1/2) when the
        # acceleration limit is not reached; both inverted here.
        ramp = a * a / j
        top = np.where(
            room > ramp * a / j,
            np.sqrt(ramp * ramp / 4 + 2 * a * room) - ramp / 2,
            np.cbrt(room * room * j),
        )
        top = np.minimum(top, most)
        return np.clip(velocity, -top, top)

    def _violation(self, plan: Plan, tolerance: Array) -> tuple[str, NDArray[np.bool_]]:
        """What a plan would exceed, empty for nothing, and which joints stay inside, (N,).

        Args:
            plan: The plan.
            tolerance: How far each joint may be outside its position bounds, (N,) [rad or m].
        """
        limits = self._limits
        lowest, highest, speed = plan.extremes()
        checks = (
            ('position', self._low - lowest, tolerance),
            ('position', highest - self._high, tolerance),
            ('speed', speed, limits.velocity * _SLACK),
            ('acceleration', np.abs(plan.pieces[3]).max(axis=0), limits.acceleration * _SLACK),
            ('jerk', np.abs(plan.pieces[4]).max(axis=0), limits.jerk * _SLACK),
        )
        problem, all_inside = '', np.full(len(limits.names), True)
        for what, value, limit in checks:
            inside = value <= limit
            if not (every(inside) or problem):  # not a number is not inside either
                joint = limits.names[int(np.argmin(inside))]
                problem = f'planned motion would exceed the {what} limit of {joint}'
            all_inside &= inside
        return problem, all_inside


def _without_run_up(
    state: State, goal: Array, velocity: Array, dt: float, *, acceleration: Array, jerk: Array
) -> Array:
    """`velocity` (N,) reduced to what a joint can have at `goal` without going back first.

    On its way from `state` to `goal` in `dt` a joint of constant acceleration ends with its speed
    changed by twice the difference to the mean speed; one that also has to build that acceleration
    up gets less. Where `acceleration` and `jerk` (N,) do not allow that, it gets the speed that
    they allow on the way to the goal, however long that takes. Asked for more, a time-optimal
    motion takes a run-up in the other direction.
    """
    position, before, bent = state
    way = goal - position
    sign = np.where(way > 0, 1.0, -1.0)
    most = sign * (before + 1.5 * (way / dt - before))
    most = np.minimum(most, _built_up(np.abs(way), sign * before, sign * bent, acceleration, jerk))
    reduced: Array = sign * np.minimum(sign * velocity, np.maximum(most, 0.0))
    return reduced


def _built_up(way: Array, speed: Array, bent: Array, most: Array, jerk: Array) -> Array:
    """Highest speed after `way` (N,), 0 or more, and without acceleration there.

    Args:
        way: Length of the way.
        speed: At its begin, along it.
        bent: Acceleration at its begin, along it.
        most: Limit of the acceleration.
        jerk: Limit of the jerk.
    """
    # As from where the acceleration is 0: a motion that builds it up came from there, and one
    # that brakes gets there.
    speed = np.maximum(speed, 0.0)
    bent = np.minimum(bent, np.sqrt(2 * jerk * speed))
    time = np.abs(bent) / jerk
    speed = np.maximum(speed - jerk * time**2 / 2, 0.0)
    way = np.maximum(way + np.sign(bent) * time * (speed + jerk * time**2 / 6), 0.0)
    # With ramps up to the limit of the acceleration and down again; else those of the root of
    # (2 speed + jerk t^2) t = way, shorter ones.
    ramp = most**2 / jerk
    long = np.sqrt((speed - ramp / 2) ** 2 + 2 * most * way) - ramp / 2
    half, third = way / (2 * jerk), 2 * speed / (3 * jerk)
    root = np.cbrt(half + np.sqrt(half**2 + third**3))
    time = root - np.divide(third, root, out=np.zeros_like(root), where=root > 0)
    short = speed + jerk * time**2
    return np.where(long >= speed + ramp, long, short)


def _assemble(begin: float, state: State, durations: Array, jerks: Array) -> Plan:
    """Integrate jerks (K, N) over durations (K, N) [s] from `state` and append a rest."""
    position, velocity, acceleration = state
    pieces = np.zeros((5, len(durations) + 1, durations.shape[1]))
    t, j = durations, jerks
    pieces[4, :-1] = j
    a = _running(acceleration, j * t)
    v = _running(velocity, t * (a[:-1] + t * j / 2))
    p = _running(position, t * (v[:-1] + t * (a[:-1] / 2 + t * j / 6)))
    pieces[0, 1:] = np.cumsum(t, axis=0)
    pieces[1], pieces[2, :-1], pieces[3, :-1] = p, v[:-1], a[:-1]
    return Plan(begin=begin, pieces=pieces)


def _halves(rows: list[list[float]]) -> tuple[Array, Array]:
    both = np.array(rows).T
    middle = len(both) // 2
    return both[:middle], both[middle:]


def _running(first: Array, steps: Array) -> Array:
    return np.cumsum(np.concatenate([first[None], steps]), axis=0)


def _input(limits: Limits, joints: slice) -> ruckig.InputParameter:
    found = ruckig.InputParameter(len(limits.names[joints]))
    found.max_velocity = (limits.velocity[joints] * _HEADROOM).tolist()
    found.max_acceleration = (limits.acceleration[joints] * _HEADROOM).tolist()
    found.max_jerk = (limits.jerk[joints] * _HEADROOM).tolist()
    return found
