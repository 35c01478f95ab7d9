"""From one driver to the next: a shift that fades, or a motion that the monitor makes by itself."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Fallback
from il_ros.core.geometry import nearest_turn
from il_ros.core.limits import Array, Limits
from il_ros.monitors.chunk_follower import Target


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
        """A new driver begins with its next target; with `clutch` the shift stays all along."""
        self._pending, self._clutch, self._offset = True, clutch, None

    def apply(self, target: Array, velocity: Array, at: float, there: Array) -> tuple[Array, Array]:
        """The target to go for.

        Args:
            target: Where the driver wants the joints at `at`, shape (N,).
            velocity: With what speed, shape (N,).
            at: The end of the tick [s].
            there: Where the current plan would be then, shape (N,).
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


class Trail:
    """Where the arm was commanded to be, for the last `seconds` [s] of driving."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._points: deque[tuple[float, Array]] = deque()

    def add(self, time: float, position: Array) -> None:
        """The arm is commanded to be at `position` (N,) at `time` [s]."""
        points = self._points
        if points and time <= points[-1][0]:
            points.clear()  # time began anew
        points.append((time, position))
        while points[-1][0] - points[0][0] > self._seconds:
            points.popleft()

    def clear(self) -> None:
        """Forget the way: another one begins."""
        self._points.clear()

    def back(self, speed: float, move: NDArray[np.bool_]) -> Retreat | None:
        """The way back at a fraction `speed` (0 to 1) of its speed; None without a way.

        Only the joints in `move`, (N,), go back: a gripper keeps what it holds.
        """
        if len(self._points) < 2:
            return None
        return Retreat(list(self._points), speed, move)


class Retreat:
    """Back along the path just travelled, more slowly: it was free a moment ago."""

    def __init__(
        self, points: list[tuple[float, Array]], speed: float, move: NDArray[np.bool_]
    ) -> None:
        times = np.array([time for time, _ in points])
        self._times = (times[-1] - times[::-1]) / speed
        positions = np.array([position for _, position in points])[::-1]
        self._positions = np.where(move, positions, positions[0])
        self.duration = float(self._times[-1])

    def at(self, t: float) -> Target:
        """Position and velocity (N,) `t` seconds after its begin."""
        i = int(np.clip(np.searchsorted(self._times, t, side='right') - 1, 0, len(self._times) - 2))
        span = self._times[i + 1] - self._times[i]
        share = min(max((t - self._times[i]) / span, 0.0), 1.0)
        step = self._positions[i + 1] - self._positions[i]
        rest = t >= self.duration
        return self._positions[i] + share * step, np.zeros_like(step) if rest else step / span


class ToPosture:
    """Straight in joint space to a posture, eased at both ends (quintic, at rest there)."""

    _PEAK = 1.875  # largest slope of the quintic 10 x^3 - 15 x^4 + 6 x^5

    def __init__(self, start: Array, posture: Array, speed: Array) -> None:
        self._start, self._step = start, posture - start
        longest = float(np.max(np.abs(self._step) / speed, initial=0.0))
        self.duration = max(self._PEAK * longest, 0.1)

    def at(self, t: float) -> Target:
        """Position and velocity (N,) `t` seconds after its begin."""
        x = min(max(t / self.duration, 0.0), 1.0)
        share = x**3 * (10.0 - 15.0 * x + 6.0 * x * x)
        slope = 30.0 * x * x * (1.0 - x) ** 2 / self.duration
        return self._start + share * self._step, slope * self._step


FallbackMotion = Retreat | ToPosture
"""A motion that the monitor makes by itself, in its own time."""


def fallback_motion(
    fallback: Fallback, *, trail: Trail, start: Array, limits: Limits, move: NDArray[np.bool_]
) -> FallbackMotion | None:
    """The motion that a contract's fallback asks for; None where there is none.

    Args:
        fallback: The contract's.
        trail: Where the arm was.
        start: Commanded position at the end of this tick, shape (N,).
        limits: What the arm may do.
        move: Which joints move, (N,).
    """
    if fallback.kind == 'retreat':
        return trail.back(fallback.speed, move)
    if fallback.kind == 'posture':
        wanted = nearest_turn(np.array(fallback.posture), start, limits.endless)
        posture = np.where(move, wanted, start)
        return ToPosture(start, posture, fallback.speed * limits.velocity)
    return None
