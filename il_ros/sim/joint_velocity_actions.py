"""Actions of environments as set-points, for one environment or for many."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.sim.world import World


class JointVelocityActions:
    """Velocities of the set-points of the joints, as fractions of their speed limits.

    Args:
        world: Whose joints move.

    Attributes:
        space: Of the actions, shape (N,) in [-1, 1].
        begin: Function of a scene; returns the set-points at a reset, shape (..., N).
        target: Set-points at the end of the last period, shape (..., N) [rad, m].
    """

    def __init__(self, world: World) -> None:
        bounds, steps, self.begin = world.limits, world.substeps, world.posture
        self.space = spaces.Box(-1.0, 1.0, (len(bounds.names),), np.float64)
        self.target: Array = np.zeros(self.space.shape)
        self._lower, self._upper = bounds.position_min, bounds.position_max
        self._stride = bounds.velocity * world.period
        self._fractions = np.arange(1, steps + 1)[:, None] / steps

    def moved(self, action: Array) -> Array:
        """The set-points of a period, shape (..., substeps, N).

        Raises:
            IlRosError: If the action has another shape than `target`, or is not finite.
        """
        action, last = np.asarray(action, np.float64), self.target
        if action.shape != last.shape or not np.isfinite(action).all():
            raise IlRosError(
                f'shape {action.shape}, or not finite',
                where='action',
                allowed=f'finite, shape {last.shape}',
            )
        target = last + np.minimum(np.maximum(action, -1.0), 1.0) * self._stride
        self.target = np.minimum(np.maximum(target, self._lower), self._upper)
        way = (self.target - last)[..., None, :]
        return np.asarray(last[..., None, :] + self._fractions * way)
