"""From one driver to the next without a jump, wherever the next one wants the arm to be."""

from __future__ import annotations

import numpy as np

from il_ros.core.limits import Array


class DriverHandover:
    """The distance between what was commanded and what the new driver wants, faded out.

    The new driver's targets are shifted by that distance, so that the arm goes on from where it
    is; the shift fades smoothly to nothing, or stays, as with a clutch, where only the changes of
    an operator's device count. What can be reached within a tick needs no shift.

    Args:
        duration: Time in which the shift fades [s]; longer where the arm could not follow; 0 for
            no fading at all.
        velocity: Speed limits, shape (N,) [rad/s or m/s].
        acceleration: Acceleration limits, shape (N,).
        dt: Control period [s].
    """

    def __init__(self, duration: float, velocity: Array, acceleration: Array, dt: float) -> None:
        self._least, self._velocity, self._acceleration = duration, velocity, acceleration
        self._reach = velocity * dt
        self._duration = duration
        self._pending, self._clutch = False, False
        self._offset: Array | None = None
        self._begin = 0.0

    def begin(self, *, clutch: bool = False) -> None:
        """A new driver begins with its next target.

        Args:
            clutch: Whether the shift stays for as long as this driver drives.
        """
        self._pending, self._clutch, self._offset = True, clutch, None

    def apply(self, target: Array, velocity: Array, at: float, there: Array) -> tuple[Array, Array]:
        """The target to go for.

        Args:
            target: Where the driver wants the joints at `at`, shape (N,).
            velocity: With what speed, shape (N,).
            at: The end of the tick [s].
            there: Where the plan in hand would be then, shape (N,).
        """
        if self._pending:
            self._pending, self._begin = False, at
            offset = there - target
            far = bool(np.any(np.abs(offset) > self._reach))
            self._offset = offset if self._clutch or (far and self._least > 0) else None
            self._duration = max(self._least, self._time(np.abs(offset)))
        if self._offset is None:
            return target, velocity
        if self._clutch:
            return target + self._offset, velocity
        x = (at - self._begin) / self._duration
        if x >= 1.0:
            self._offset = None
            return target, velocity
        fade, slope = 1.0 - x * x * (3.0 - 2.0 * x), -6.0 * x * (1.0 - x) / self._duration
        return target + fade * self._offset, velocity + slope * self._offset

    def _time(self, distance: Array) -> float:
        """In how much time 3 x^2 - 2 x^3 gets this far (N,) within the limits [s].

        Half of the acceleration is left for the driver's own motion and for building it up.
        """
        by_speed = 1.5 * distance / self._velocity
        by_acceleration = np.sqrt(12.0 * distance / self._acceleration)
        return float(np.max([by_speed, by_acceleration]))
