"""Counts how often an episode left the arm's limits: the simulator as the referee."""

from __future__ import annotations

import numpy as np

from il_ros.core.arm_geometry import Clearance
from il_ros.core.limits import Array, Limits

KINDS = ('position', 'velocity', 'acceleration', 'workspace', 'force', 'torque')
MEASURED = tuple(kind for kind in KINDS if kind != 'acceleration')  # in every physics step
TOLERANCE = 1.05  # on velocity and commanded acceleration: servos overshoot a little
POSITION_SLACK = 1e-3  # beyond the position limits [rad, m]: joint stops are a little soft


class Violations:
    """Counts violations of `limits` by kind, in one episode or in many at once, shape (...).

    `position`, `velocity` (measured joints), `workspace` (tool centre point), `force` and
    `torque` (wrist) count physics substeps in which any joint or axis is beyond. `acceleration`
    counts control periods: it is the second difference of the commanded set-points at the periods'
    ends, so that it means the same whatever interpolates between them. `separation`, of a pair
    alone, counts control periods at whose end the two arms are too near to each other.

    Args:
        limits: The bounds.
        hold: Set-points before the first command, shape (..., N).
        period: Control period [s].
        clearance: Distances between the arms of a pair; none of a single arm.

    Attributes:
        counts: By kind, shape (...) each.
    """

    def __init__(
        self, limits: Limits, hold: Array, period: float, clearance: Clearance | None = None
    ) -> None:
        kinds = KINDS if clearance is None else (*KINDS, 'separation')
        self.counts = {kind: np.zeros(hold.shape[:-1], np.int64) for kind in kinds}
        self._clearance, self._least = clearance, limits.separation
        self._period = period
        self._last, self._speed = hold.copy(), np.zeros(hold.shape)
        self._acceleration, speed = TOLERANCE * limits.acceleration, TOLERANCE * limits.velocity
        # What `motion` judges, side by side: joints, speeds, tools, squares of forces and torques.
        arms, n = 1 if clearance is None else 2, len(speed)
        low, high = np.tile(limits.workspace_min, arms), np.tile(limits.workspace_max, arms)
        squares = np.repeat([limits.force, limits.torque], arms) ** 2
        lower = (limits.position_min - POSITION_SLACK, -speed, low, np.full(2 * arms, -1.0))
        upper = (limits.position_max + POSITION_SLACK, speed, high, squares)
        self._lower: Array = np.concatenate(lower)
        self._upper: Array = np.concatenate(upper)
        self._starts = np.array([0, n, 2 * n, 2 * n + 3 * arms, 2 * n + 4 * arms])

    def restart(self, row: int, hold: Array) -> None:
        """Begin anew with one of many episodes, at the set-point `hold`, shape (N,)."""
        self._last[row], self._speed[row] = hold, 0.0
        for counts in self.counts.values():
            counts[row] = 0

    def command(self, target: Array) -> None:
        """Judge one period's last set-points, shape (..., N), as they were commanded."""
        speed = (target - self._last) / self._period
        acceleration = np.abs(speed - self._speed) / self._period
        self._last, self._speed = target.copy(), speed
        self.counts['acceleration'] += np.logical_or.reduce(acceleration > self._acceleration, -1)

    def motion(self, position: Array, velocity: Array, tool: Array, wrench: Array) -> None:
        """Judge one period's substeps.

        Args:
            position: Joint positions, shape (..., substeps, N) [rad, m].
            velocity: Joint velocities, shape (..., substeps, N) [rad/s, m/s].
            tool: Tool centre points in the base frame, shape (..., substeps, L, 3) [m].
            wrench: External wrenches at the wrists, shape (..., substeps, L, 6) [N, N m].
        """
        rows = position.shape[:-1]
        squares = np.add.reduce((wrench * wrench).reshape(*rows, -1, 2, 3), -1)
        contact = squares.swapaxes(-1, -2).reshape(*rows, -1)  # forces of all, then torques
        measured = np.concatenate([position, velocity, tool.reshape(*rows, -1), contact], -1)
        beyond = (measured < self._lower) | (measured > self._upper)
        if beyond.any():
            steps = np.logical_or.reduceat(beyond, self._starts, -1).sum(-2)
            for i, kind in enumerate(MEASURED):
                self.counts[kind] += steps[..., i]
        if self._clearance is not None:
            last = position[..., -1, :]
            gaps = self._clearance.gaps(last.reshape(-1, last.shape[-1]))
            self.counts['separation'] += (gaps < self._least).any(-1).reshape(last.shape[:-1])
