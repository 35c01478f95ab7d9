"""Counts how often an episode left the arm's limits: the simulator as the referee."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from il_ros.core.limits import Limits

Array = NDArray[np.float64]

KINDS = ('position', 'velocity', 'acceleration', 'workspace', 'force', 'torque')
TOLERANCE = 1.05  # on velocity and commanded acceleration: servos overshoot a little
POSITION_SLACK = 1e-3  # beyond the position limits [rad, m]: joint stops are a little soft


class Violations:
    """Counts violations of `limits` by kind.

    `position`, `velocity` (measured joints), `workspace` (tool centre point), `force` and
    `torque` (wrist) count physics substeps in which any joint or axis is beyond. `acceleration`
    counts control periods: it is the second difference of the commanded set-points at the periods'
    ends, so that it means the same whatever interpolates between them.

    Args:
        limits: The bounds.
        hold: Set-point before the first command, shape (N,).
        period: Control period [s].
    """

    def __init__(self, limits: Limits, hold: Array, period: float) -> None:
        self.counts = dict.fromkeys(KINDS, 0)
        self._limits = limits
        self._period = period
        self._last = hold
        self._speed: Array = np.zeros(len(hold))
        self._lower = limits.position_min - POSITION_SLACK
        self._upper = limits.position_max + POSITION_SLACK

    def command(self, target: Array) -> None:
        """Judge one period's last set-point, shape (N,), as it was commanded."""
        speed = (target - self._last) / self._period
        acceleration = np.abs(speed - self._speed) / self._period
        self._last, self._speed = target, speed
        if np.any(acceleration > TOLERANCE * self._limits.acceleration):
            self.counts['acceleration'] += 1

    def motion(self, position: Array, velocity: Array, tool: Array, wrench: Array) -> None:
        """Judge one period's substeps.

        Args:
            position: Joint positions, shape (substeps, N) [rad, m].
            velocity: Joint velocities, shape (substeps, N) [rad/s, m/s].
            tool: Tool centre point in the base frame, shape (substeps, 3) [m].
            wrench: External wrench at the wrist, shape (substeps, 6) [N, N m].
        """
        limits = self._limits
        self._count('position', (position < self._lower) | (position > self._upper))
        self._count('velocity', np.abs(velocity) > TOLERANCE * limits.velocity)
        self._count('workspace', (tool < limits.workspace_min) | (tool > limits.workspace_max))
        squares = wrench * wrench
        self._count('force', squares[:, :3].sum(1, keepdims=True) > limits.force**2)
        self._count('torque', squares[:, 3:].sum(1, keepdims=True) > limits.torque**2)

    def _count(self, kind: str, beyond: NDArray[np.bool_]) -> None:
        if beyond.any():
            self.counts[kind] += int(beyond.any(1).sum())
