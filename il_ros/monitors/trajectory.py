"""A plan as the points of a trajectory, for a controller that follows splines through them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from il_ros.core.limits import Array
from il_ros.monitors.plan import Plan

_COARSE = 0.04  # s between points of the stop behind the tick
_APART = 1e-3  # s that two points are apart at least


@dataclass(frozen=True, kw_only=True)
class Points:
    """Points of a trajectory, K of them for N joints; the last one rests.

    Attributes:
        times: Time of each since its begin, shape (K,), increasing [s].
        position: Shape (K, N) [rad or m].
        velocity: Shape (K, N) [rad/s or m/s].
        acceleration: Shape (K, N) [rad/s^2 or m/s^2].
    """

    times: Array
    position: Array
    velocity: Array
    acceleration: Array


def points_of(plan: Plan, begin: float, dt: float) -> Points:
    """The motion of `plan` in the tick of `dt` [s] from `begin` [s] on, and behind it a stop."""
    end = max(plan.end_time - begin, dt)
    # One point for the tick itself: the nearer the first point, the more sharply the controller
    # would catch up when the command comes too late after all. Two points must not fall
    # together: a controller refuses times that do not increase.
    stop = np.arange(dt + _COARSE, end - _APART, _COARSE)
    last = [end] if end > dt + _APART else []
    times = np.concatenate([[dt], stop, last])
    position, velocity, acceleration = plan.at(begin + times)
    velocity[-1] = acceleration[-1] = 0.0
    return Points(times=times, position=position, velocity=velocity, acceleration=acceleration)
