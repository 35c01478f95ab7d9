"""Trajectories for a controller that leaves one as soon as it gets the next."""

from __future__ import annotations

import numpy as np

from il_ros.core.limits import Array
from il_ros.core.trajectory import Trajectory
from il_ros.monitors.plan import Plan
from il_ros.monitors.planned_motion import trajectory_of

_APART = 1e-3  # s that two points are apart at least

Parts = tuple[Array, Array, Array]  # positions, velocities and accelerations, each (K, N)


class SplicedTrajectories:
    """Puts into each trajectory what the arm does until it leaves the one before.

    A joint_trajectory_controller that does not blend goes straight to the first point from when it
    gets a trajectory, however far ahead that is planned. So the points of the trajectory before
    are repeated until then, and the last of them is on its spline where the two part: a trajectory
    that comes at any time until then changes nothing before. Where the next of those points is far,
    one more on the spline makes the controller follow it to there.

    Args:
        dt: Control period [s].
        tolerance: Distance from a plan up to which a trajectory counts as its own, (N,) [rad or m].
    """

    def __init__(self, dt: float, tolerance: Array) -> None:
        self._dt, self._tolerance = dt, tolerance
        self._before: Trajectory | None = None

    def sent(self, trajectory: Trajectory | None) -> None:
        """What the arm follows until the next one; None where that is not known."""
        self._before = trajectory

    def make(self, plan: Plan, begin: float, lead: float) -> Trajectory:
        """The motion of `plan` from `begin` on [s], and that of the `lead` [s] before.

        Returns:
            Its `start` is by the time of the plan.
        """
        now, after = begin - lead, trajectory_of(plan, begin, self._dt, start=begin)
        if lead <= 0.0:
            return after
        repeated = self._repeated(now, begin)
        if repeated is None or self._is_far(plan, *repeated):  # a clock has jumped
            repeated = self._planned(plan, now, begin)
        return _joined(now, repeated, after)

    def _is_far(self, plan: Plan, times: Array, parts: Parts) -> bool:
        return bool(np.any(np.abs(parts[0] - plan.at(times)[0]) > self._tolerance))

    def _repeated(self, now: float, begin: float) -> tuple[Array, Parts] | None:
        """Times [s] and states of the trajectory before, from `now` until `begin` inclusive."""
        before = self._before
        # A point is left out less than half a period ahead, and the next is up to one later.
        if before is None or before.start + before.times[0] > min(now + 1.5 * self._dt, begin):
            return None
        half = self._dt / 2
        times = [t for t in before.start + before.times if now + half - _APART <= t <= begin]
        if not times or times[-1] <= begin - _APART:
            times.append(begin)
        if times[0] > now + 3 * half:  # it rests, or is about to
            times.insert(0, now + 2 * half)
        states = [before.spline(time) for time in times]
        positions, velocities, accelerations = map(np.array, zip(*states, strict=True))
        return np.array(times), (positions, velocities, accelerations)

    def _planned(self, plan: Plan, now: float, begin: float) -> tuple[Array, Parts] | None:
        """The same of the plan, in half periods; none in a shorter lead."""
        apart = self._dt / 2
        steps = np.arange(int((begin - now) / apart), -1, -1)
        times: Array = np.asarray(begin - apart * steps, dtype=np.float64)
        times = times[times >= now + apart - _APART]
        return (times, plan.at(times)) if len(times) else None


def _joined(start: float, first: tuple[Array, Parts] | None, after: Trajectory) -> Trajectory:
    """One trajectory, from `start` [s] on, through states at some times [s] and then `after`."""
    assert after.velocities is not None
    assert after.accelerations is not None
    times, parts = (
        after.start + after.times - start,
        (after.positions, after.velocities, after.accelerations),
    )
    if first is not None:
        times = np.append(first[0] - start, times)
        positions, velocities, accelerations = map(
            np.concatenate, zip(first[1], parts, strict=True)
        )
        parts = positions, velocities, accelerations
    return Trajectory(
        start=start,
        times=times,
        positions=parts[0],
        velocities=parts[1],
        accelerations=parts[2],
    )
