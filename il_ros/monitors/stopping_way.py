"""How fast joints may be when they can only begin to brake later."""

from __future__ import annotations

import numpy as np

from il_ros.core.limits import Array, Limits

_ROUNDING = 1e-6  # s


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
