"""How a servo with a speed and an acceleration of its own goes to where it is sent."""

from __future__ import annotations

import numpy as np

from il_ros.core.limits import Array


class ServoMotion:
    """Moves each joint to its newest position as fast as the servo allows, to a rest there.

    Args:
        position: Where the joints rest, shape (N,) [rad or m].
        speed: Of a servo at most [rad/s or m/s].
        acceleration: Of a servo [rad/s^2 or m/s^2].
    """

    def __init__(self, position: Array, *, speed: float, acceleration: float) -> None:
        self._speed, self._acceleration = speed, acceleration
        self._since: float = -np.inf
        self._target: Array = np.array(position, dtype=np.float64)
        self._from: Array = self._target
        self._velocity: Array = np.zeros(len(self._target))

    def go(self, target: Array, now: float) -> None:
        """Leave what is being done `now` [s] for `target`, shape (N,) [rad or m]."""
        position, velocity = self._at(np.array([now]))
        self._since, self._from, self._velocity = now, position[0], velocity[0]
        self._target = np.array(target, dtype=np.float64)

    def positions(self, times: Array) -> Array:
        """Where the joints are at `times` (absolute, shape (T,)), shape (T, N)."""
        return self._at(times)[0]

    def _at(self, times: Array) -> tuple[Array, Array]:
        """Positions and velocities, shape (T, N) each."""
        if self._since == -np.inf:
            rest = np.tile(self._target, (len(times), 1))
            return rest, np.zeros_like(rest)
        most, begin = self._acceleration, self._velocity
        way = self._target - self._from
        # Towards where it would not get, or not stop, by braking alone.
        sign = np.where(way - begin * np.abs(begin) / (2 * most) >= 0, 1.0, -1.0)
        way, begin = sign * way, sign * begin
        peak = np.minimum(self._speed, np.sqrt(np.maximum(most * way + begin**2 / 2, 0.0)))
        peak = np.maximum(peak, 0.0)
        build_up, brake = np.abs(peak - begin) / most, peak / most
        left = way - (begin + peak) / 2 * build_up - peak / 2 * brake
        cruise = np.divide(left, peak, out=np.zeros_like(left), where=peak > 0)
        cruise = np.maximum(cruise, 0.0)
        ahead = np.maximum(times - self._since, 0.0)[:, None]
        first = np.minimum(ahead, build_up)
        second = np.clip(ahead - build_up, 0.0, cruise)
        third = np.clip(ahead - build_up - cruise, 0.0, brake)
        gain = np.sign(peak - begin) * most
        moved = (
            begin * first + gain * first**2 / 2 + peak * second + (peak - most * third / 2) * third
        )
        speed = np.where(third > 0, peak - most * third, begin + gain * first)
        return self._from + sign * moved, sign * speed
