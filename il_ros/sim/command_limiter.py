"""Set-points kept within the joints' speed, as a controller manager does between two updates."""

from __future__ import annotations

import numpy as np

from il_ros.core.limits import Array

_ROUNDING = 1.0 + 1e-9


class CommandLimiter:
    """Keeps each set-point within reach of the one before, as `enforce_command_limits` does.

    ros2_control's JointSaturationLimiter clamps a position command to the one before plus or minus
    what the joint can move at its velocity limit in one update. It does not limit accelerations
    where, as here, the description of the robot has no acceleration limits.

    Args:
        velocity: Speed limits, shape (N,) [rad/s or m/s].
        timestep: Time between two set-points [s].
        position: Where the joints are, shape (N,) [rad or m].
    """

    def __init__(self, velocity: Array, timestep: float, position: Array) -> None:
        self._most: Array = velocity * timestep
        self._last: Array = np.array(position, dtype=np.float64)

    def apply(self, setpoints: Array) -> Array:
        """`setpoints` (T, N) [rad or m], each clamped; they follow those of the last call."""
        steps = np.diff(setpoints, axis=0, prepend=self._last[None])
        if np.all(np.abs(steps) <= self._most * _ROUNDING):
            self._last = setpoints[-1].copy()
            return setpoints
        clamped = np.empty_like(setpoints)
        for row, wanted in zip(clamped, setpoints, strict=True):
            row[:] = self._last + np.clip(wanted - self._last, -self._most, self._most)
            self._last = row.copy()
        return clamped
