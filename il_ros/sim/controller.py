"""What a robot's controller does with commands, and when they stop.

Trajectories are taken as ros2_controllers' joint_trajectory_controller takes them, with
`interpolate_from_desired_state` on: it refuses what that refuses, follows splines through the
points, and rests on the last: quintic ones where points have accelerations, cubic ones where they
have velocities alone, and straight lines where they have none. Its update period counts as zero.
A single position is reached within a period and held, as by a drive that a
forward_command_controller writes to. Velocities are taken as the speed interface of an arm takes
them (speedj of a UR): they hold for `TIMEOUT` periods, then the arm brakes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.core.trajectory import Trajectory, evaluate, quintic
from il_ros.sim.command_path import checked

Knot = tuple[float, Array, Array, Array]  # time, position, velocity, acceleration

TIMEOUT = 2.0  # control periods after a velocity at which the arm begins to brake
MOMENT = 1e-3  # shortest time that braking takes [s]
_STANDING = float(np.finfo(np.float32).eps)  # most speed of a last point [rad/s or m/s]
_AT_ONCE = 1e-9  # time within which no point can be reached [s]


class TrajectoryController:
    """Holds its position until it is commanded, then follows the command.

    Args:
        names: Joints in the order of every array.
        position: Where it begins, shape (N,).
        period: Control period: how long a move to a single position takes [s].
        acceleration: Deceleration when velocities stop coming, one for all
            joints or shape (N,) [rad/s^2 or m/s^2].
        replacement: How a trajectory replaces another: False as in Jazzy and Kilted, True as with
            `allow_trajectory_replacement`, which came with version 6.8.
    """

    def __init__(
        self,
        names: Sequence[str],
        position: Array,
        *,
        period: float = 0.05,
        acceleration: Array | float = 4.0,
        replacement: bool = False,
    ) -> None:
        self._names = tuple(names)
        self._replacement = replacement
        self._period = period
        self._acceleration = np.broadcast_to(np.asarray(acceleration, float), len(self._names))
        self.hold(position)

    def hold(self, position: Array) -> None:
        """Rest at `position`, shape (N,), and forget what came before."""
        zeros = np.zeros(len(self._names))
        self._knots: list[Knot] = [(-np.inf, np.array(position, dtype=float), zeros, zeros)]
        self._coefficients: list[Array] = []
        self._blends = False  # only into a trajectory of several points
        self._start = -1.0  # it has rested since before time began

    def command(self, position: Array, now: float) -> None:
        """Move linearly to `position`, shape (N,), within one period.

        There it waits for the next one, as drives do that a forward_command_controller writes to.

        Raises:
            IlRosError: If it is not one finite number for each joint; the motion stays as it was.
        """
        target = self._numbers(position, 'position')
        here, still = self._sample([now])[0][0], np.zeros(len(self._names))
        velocity = (target - here) / self._period
        self._knots = [(now, here, velocity, still), (now + self._period, target, still, still)]
        self._coefficients = [_parabola(here, velocity, still)]
        self._blends, self._start = False, now

    def command_velocity(self, velocity: Array, now: float) -> None:
        """Move with `velocity`, shape (N,) [rad/s or m/s], from where it is at `now`.

        Without a new command it stops `TIMEOUT` periods later.

        Raises:
            IlRosError: If it is not one finite number for each joint; the motion stays as it was.
        """
        self._go(self._numbers(velocity, 'velocity'), now)

    def _go(self, velocity: Array, now: float) -> None:
        """Constant speed until the time-out, then constant deceleration to rest."""
        zeros = np.zeros(len(self._names))
        start, last = self._sample([now])[0][0], TIMEOUT * self._period
        # All joints rest at the same time, so that the tool brakes on its path.
        braking = max(float(np.max(np.abs(velocity) / self._acceleration)), MOMENT)
        late = start + velocity * last
        end = late + velocity * braking / 2
        self._knots = [
            (now, start, velocity, zeros),
            (now + last, late, velocity, -velocity / braking),
            (now + last + braking, end, zeros, zeros),
        ]
        self._coefficients = [_parabola(*knot[1:]) for knot in self._knots[:-1]]
        self._blends, self._start = False, now

    def _numbers(self, values: Array, what: str) -> Array:
        return checked(values, (len(self._names),), what, 'command')

    def follow(self, names: Sequence[str], trajectory: Trajectory, now: float) -> None:
        """Replace what is being followed.

        Without `replacement` the motion to the first point starts at `now`, even if the trajectory
        is stamped in the future. Where that point has passed, the set-point jumps to where the
        trajectory is at `now`.

        With it, what is being followed goes on until the trajectory's start, and the motion to the
        first point starts there. A trajectory that starts in the past is followed from `now` on,
        all of it as much later as that is.

        Raises:
            IlRosError: If a joint_trajectory_controller would refuse it: other joints, sizes that
                do not fit, non-finite values, times that do not increase, an end in the past, or
                a last point that still moves.
        """
        order = self._order(names)
        self._check(trajectory, now, len(names))
        start = self._start = trajectory.start
        if self._replacement and self._blends:
            start, self._start = max(start, now), now
        parts = (trajectory.positions, trajectory.velocities, trajectory.accelerations)
        zeros = np.zeros((len(trajectory.times), len(order)))
        points = [zeros if part is None else part[:, order] for part in parts]
        times = [float(time) for time in start + trajectory.times]
        segments = self._lead_in(start, times[0], now)
        spline = _linear if parts[1] is None else _cubic if parts[2] is None else quintic
        knots = [knot for knot, _ in segments] + list(zip(times, *points, strict=True))
        # Segments that go on keep their shape; all others are new.
        self._coefficients = [
            spline(before[1:], after[1:], after[0] - before[0]) if kept is None else kept
            for (before, after), kept in itertools.zip_longest(
                itertools.pairwise(knots), [kept for _, kept in segments]
            )
        ]
        self._knots, self._blends = knots, len(times) > 1

    def _lead_in(self, start: float, first: float, now: float) -> list[tuple[Knot, Array | None]]:
        """Knots before the first point, due at `first` [s], with the segments that are kept."""
        if not (self._replacement and self._blends):
            return [(self._knot(now), None)] if first > now + _AT_ONCE else []
        going = zip(self._knots, [*self._coefficients, None], strict=True)
        kept = [(knot, segment) for knot, segment in going if knot[0] < start - _AT_ONCE]
        past = sum(knot[0] <= now for knot, _ in kept)
        kept = kept[max(past - 1, 0) :]
        if kept and kept[-1][1] is None:  # a rest
            position = kept[-1][0][1]
            kept[-1] = kept[-1][0], _parabola(position, 0 * position, 0 * position)
        if first > start + _AT_ONCE:
            return [*kept, (self._knot(start), None)]
        return kept

    def _knot(self, time: float) -> Knot:
        position, velocity, acceleration = (column[0] for column in self._sample([time]))
        return time, position, velocity, acceleration

    @property
    def start(self) -> float:
        """When what is followed began [s]: as it was stamped, or when it was blended in."""
        return self._start

    def reference(self, now: float) -> tuple[Array, Array, Array]:
        """Position, velocity and acceleration that it follows at `now` [s], each (N,)."""
        return self._knot(now)[1:]

    def positions(self, times: Array) -> Array:
        """Set-points at `times` (absolute, shape (T,)), shape (T, N)."""
        return self._sample(times)[0]

    def _sample(self, times: Sequence[float] | Array) -> tuple[Array, Array, Array]:
        at = np.asarray(times, dtype=float)
        starts = np.array([knot[0] for knot in self._knots])
        segment = np.clip(np.searchsorted(starts, at, side='right') - 1, 0, len(starts) - 1)
        out = np.zeros((3, at.size, len(self._names)))
        for index in np.unique(segment):
            chosen = segment == index
            if index == len(self._coefficients):
                out[0, chosen] = self._knots[index][1]
            else:
                out[:, chosen] = evaluate(self._coefficients[index], at[chosen] - starts[index])
        return out[0], out[1], out[2]

    def _order(self, names: Sequence[str]) -> list[int]:
        if sorted(names) != sorted(self._names):
            raise IlRosError(f'joints {list(names)}', where='trajectory', allowed=self._names)
        return [list(names).index(name) for name in self._names]

    @staticmethod
    def _check(trajectory: Trajectory, now: float, n: int) -> None:
        def refuse(problem: str) -> None:
            raise IlRosError(problem, where='trajectory')

        shape = (len(trajectory.times), n)
        parts = [trajectory.positions, trajectory.velocities, trajectory.accelerations]
        if shape[0] == 0 or any(part is not None and part.shape != shape for part in parts):
            refuse(f'points do not have {n} values each')
        numbers = [np.array(trajectory.start), trajectory.times, *parts]
        if not all(part is None or np.isfinite(part).all() for part in numbers):
            refuse('a value is not finite')
        if np.any(np.diff(trajectory.times) <= 0) or trajectory.times[0] < 0:
            refuse('times of the points do not increase')
        if trajectory.start + float(trajectory.times[-1]) <= now + _AT_ONCE:
            refuse('it ends in the past')
        if trajectory.velocities is not None and np.any(
            np.abs(trajectory.velocities[-1]) > _STANDING
        ):
            refuse('the last point still moves')


def _cubic(before: tuple[Array, ...], after: tuple[Array, ...], t: float) -> Array:
    """Coefficients, shape (6, N), of the cubic between two positions and velocities."""
    (p0, v0, _), (p1, v1, _) = before, after
    h, zeros = p1 - p0, np.zeros((2, len(p0)))
    square, cube = (3 * h - (2 * v0 + v1) * t) / t**2, ((v0 + v1) * t - 2 * h) / t**3
    return np.concatenate([[p0, v0, square, cube], zeros])


def _linear(before: tuple[Array, ...], after: tuple[Array, ...], t: float) -> Array:
    """Coefficients, shape (6, N), of the straight line between two positions."""
    return _parabola(before[0], (after[0] - before[0]) / t, np.zeros(len(before[0])))


def _parabola(position: Array, velocity: Array, acceleration: Array) -> Array:
    """Coefficients, shape (6, N), of a constant acceleration from a state on."""
    rest = np.zeros((3, len(position)))
    return np.concatenate([[position, velocity, acceleration / 2], rest])
