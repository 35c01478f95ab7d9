"""The points of a joint trajectory, as a controller that follows splines takes them."""

from __future__ import annotations

from dataclasses import dataclass

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
