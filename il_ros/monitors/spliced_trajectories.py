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
    that comes at any time until then changes nothing before.

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
        times, parts = self._repeated(now, begin) or self._planned(plan, now, begin)
        if np.any(np.abs(parts[0] - plan.at(times)[0]) > self._tolerance):  # a clock has jumped
            times, parts = self._planned(plan, now, begin)
        return _joined(now, times, parts, after)

    def _repeated(self, now: float, begin: float) -> tuple[Array, Parts] | None:
        """Times [s] and states of the trajectory before, from `now` until `begin` inclusive."""
        before = self._before
        # A point is left out less than half a period ahead, and the next is up to one later.
        if before is None or before.start + before.times[0] > min(now + 1.5 * self._dt, begin):
            return None
        assert before.velocities is not None
        assert before.accelerations is not None
        times = before.start + before.times
        kept = (times >= now + self._dt / 2 - _APART) & (times < begin - _APART)
        bridge = before.spline(begin)
        parts = (before.positions, before.velocities, before.accelerations)
        rows = [np.vstack([part[kept], there]) for part, there in zip(parts, bridge, strict=True)]
        return np.append(times[kept], begin), (rows[0], rows[1], rows[2])

    def _planned(self, plan: Plan, now: float, begin: float) -> tuple[Array, Parts]:
        """The same of the plan, in half periods."""
        apart = self._dt / 2
        times = begin - apart * np.arange(int((begin - now) / apart), -1, -1)
        times = times[(times >= now + apart - _APART) | (times == begin)]
        return times, plan.at(times)


def _joined(start: float, times: Array, parts: Parts, after: Trajectory) -> Trajectory:
    """One trajectory, from `start` [s] on, through states at `times` [s] and then `after`."""
    assert after.velocities is not None
    assert after.accelerations is not None
    return Trajectory(
        start=start,
        times=np.concatenate([times, after.start + after.times]) - start,
        positions=np.concatenate([parts[0], after.positions]),
        velocities=np.concatenate([parts[1], after.velocities]),
        accelerations=np.concatenate([parts[2], after.accelerations]),
    )
