"""What a joint_trajectory_controller does with the trajectories it is sent.

It refuses what ros2_controllers refuses, follows quintic (or cubic, or linear) splines through the
points, and rests on the last point when no newer trajectory comes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """Points of a joint trajectory.

    Attributes:
        start: Time that the points' times count from [s].
        times: Time of each point since `start`, shape (K,), increasing [s].
        positions: Shape (K, N) [rad or m].
        velocities: Shape (K, N), or none.
        accelerations: Shape (K, N), or none.
    """

    start: float
    times: Array
    positions: Array
    velocities: Array | None = None
    accelerations: Array | None = None


class TrajectoryController:
    """Holds where it is until it gets a trajectory, then follows it.

    Args:
        names: Joints in the order of every array.
        position: Where it begins, shape (N,).
    """

    def __init__(self, names: Sequence[str], position: Array) -> None:
        self._names = tuple(names)
        self.hold(position)

    def hold(self, position: Array) -> None:
        """Rest at `position`, shape (N,), and forget every trajectory."""
        zeros = np.zeros(len(self._names))
        self._knots: list[tuple[float, Array, Array, Array]] = [
            (-np.inf, np.array(position, dtype=float), zeros, zeros)
        ]
        self._coefficients: list[Array] = []

    def command(self, position: Array, now: float) -> None:
        """Step to `position` at once, as a forward_command_controller does."""
        zeros = np.zeros(len(self._names))
        self._knots = [(now, np.array(position, dtype=float), zeros, zeros)]
        self._coefficients = []

    def follow(self, names: Sequence[str], trajectory: Trajectory, now: float) -> None:
        """Replace what is being followed, from the trajectory's start on.

        Raises:
            IlRosError: If a joint_trajectory_controller would refuse it: other joints, sizes that
                do not fit, non-finite values, times that do not increase, an end in the past, or
                a last point that still moves.
        """
        order = self._order(names)
        self._check(trajectory, now, len(names))
        start = max(trajectory.start, now)
        position, velocity, acceleration = (column[0] for column in self._sample([start]))
        knots = [(start, position, velocity, acceleration)]
        for i, offset in enumerate(trajectory.times):
            time = trajectory.start + float(offset)
            if time > start + 1e-9:
                knots.append((time, *self._point(trajectory, i, order)))
        self._knots = knots
        self._coefficients = [
            _quintic(before[1:], after[1:], after[0] - before[0])
            for before, after in itertools.pairwise(knots)
        ]

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
                out[:, chosen] = _evaluate(self._coefficients[index], at[chosen] - starts[index])
        return out[0], out[1], out[2]

    def _order(self, names: Sequence[str]) -> list[int]:
        if sorted(names) != sorted(self._names):
            raise IlRosError(f'joints {list(names)}', where='trajectory', allowed=self._names)
        return [list(names).index(name) for name in self._names]

    def _point(
        self, trajectory: Trajectory, i: int, order: list[int]
    ) -> tuple[Array, Array, Array]:
        zeros = np.zeros(len(order))
        velocity, acceleration = (
            zeros if part is None else part[i][order]
            for part in (trajectory.velocities, trajectory.accelerations)
        )
        return trajectory.positions[i][order], velocity, acceleration

    @staticmethod
    def _check(trajectory: Trajectory, now: float, n: int) -> None:
        def refuse(problem: str) -> None:
            raise IlRosError(problem, where='trajectory')

        shape = (len(trajectory.times), n)
        parts = [trajectory.positions, trajectory.velocities, trajectory.accelerations]
        if shape[0] == 0 or any(part is not None and part.shape != shape for part in parts):
            refuse(f'points do not have {n} values each')
        if any(part is not None and not np.all(np.isfinite(part)) for part in parts):
            refuse('a value is not finite')
        if np.any(np.diff(trajectory.times) <= 0) or trajectory.times[0] < 0:
            refuse('times of the points do not increase')
        if trajectory.start + float(trajectory.times[-1]) < now:
            refuse('it ends in the past')
        if trajectory.velocities is not None and np.any(np.abs(trajectory.velocities[-1]) > 1e-6):
            refuse('the last point still moves')


def _quintic(before: tuple[Array, ...], after: tuple[Array, ...], t: float) -> Array:
    """Coefficients, shape (6, N), of the quintic between two states `t` seconds apart."""
    (p0, v0, a0), (p1, v1, a1) = before, after
    h = p1 - p0 - v0 * t - a0 * t * t / 2
    v = v1 - v0 - a0 * t
    a = a1 - a0
    return np.array([
        p0,
        v0,
        a0 / 2,
        (20 * h - 8 * v * t + a * t * t) / (2 * t**3),
        (-30 * h + 14 * v * t - 2 * a * t * t) / (2 * t**4),
        (12 * h - 6 * v * t + a * t * t) / (2 * t**5),
    ])  # fmt: skip


def _evaluate(coefficients: Array, t: Array) -> Array:
    """Position, velocity and acceleration, shape (3, T, N), at `t` since the segment's start."""
    powers = t[:, None] ** np.arange(6)
    degree = np.arange(6)
    first = np.zeros_like(powers)
    second = np.zeros_like(powers)
    first[:, 1:] = degree[1:] * powers[:, :-1]
    second[:, 2:] = degree[2:] * degree[1:-1] * powers[:, :-2]
    return np.stack([powers @ coefficients, first @ coefficients, second @ coefficients])
