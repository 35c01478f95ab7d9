"""The points of a joint trajectory, as a controller that follows splines takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from il_ros.core.limits import Array


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

    def spline(self, time: float) -> tuple[Array, Array, Array]:
        """Where quintics through the points are at `time` [s], by the same clock as `start`.

        The points have velocities and accelerations. Not before the first; behind the last one the
        motion rests.

        Returns:
            Position, velocity and acceleration, each (N,).
        """
        assert self.velocities is not None
        assert self.accelerations is not None
        parts, since = (self.positions, self.velocities, self.accelerations), time - self.start
        index = int(np.searchsorted(self.times, since, side='right')) - 1
        if index >= len(self.times) - 1:
            return self.positions[-1], 0 * self.velocities[-1], 0 * self.accelerations[-1]
        before, after = (tuple(part[i] for part in parts) for i in (index, index + 1))
        apart = float(self.times[index + 1] - self.times[index])
        there = evaluate(quintic(before, after, apart), np.array([since - self.times[index]]))
        return there[0, 0], there[1, 0], there[2, 0]


def quintic(before: tuple[Array, ...], after: tuple[Array, ...], t: float) -> Array:
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


def evaluate(coefficients: Array, t: Array) -> Array:
    """Position, velocity and acceleration, shape (3, T, N), at `t` since the segment's start."""
    powers = t[:, None] ** np.arange(6)
    degree = np.arange(6)
    first = np.zeros_like(powers)
    second = np.zeros_like(powers)
    first[:, 1:] = degree[1:] * powers[:, :-1]
    second[:, 2:] = degree[2:] * degree[1:-1] * powers[:, :-2]
    return np.stack([powers @ coefficients, first @ coefficients, second @ coefficients])
