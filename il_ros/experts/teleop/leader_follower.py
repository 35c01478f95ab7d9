"""The arm follows the joints of a leader arm."""

from __future__ import annotations

import numpy as np

from il_ros.core.arms import get_arm
from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.experts.teleop.device_reading import DeviceReading
from il_ros.experts.teleop.leader import LeaderConfig, far_away
from il_ros.experts.teleop.setpoint_limiter import SetpointLimiter, arm_joints

_PREDICT = 0.1  # s for which the leader's velocity is extrapolated


class LeaderFollower:
    """Set-points that follow a leader arm within the limits.

    Args:
        contract: The follower's.
        config: How the arm follows, and how close the leader has to be.
        horizon: Steps of a chunk.

    Raises:
        IlRosError: If the joints that are mapped are not the arm's.
    """

    def __init__(self, contract: Contract, config: LeaderConfig, horizon: int) -> None:
        self._names, arm = contract.action.names, get_arm(contract.arm) if contract.arm else None
        self.moves = np.array([name in config.joints for name in self._names])
        if arm is not None and not np.array_equal(self.moves, arm_joints(contract, arm)):
            raise IlRosError(
                f'got {", ".join(config.joints)}',
                where='config.joints',
                allowed=f'{", ".join(arm.joints)}; grippers belong under gripper',
            )
        self._tolerance = np.where(self.moves, config.tolerance, config.gripper_tolerance)
        self._dt, self._horizon = contract.period, horizon
        self._guard = SetpointLimiter(contract.limits, arm, self.moves, config.motion, self._dt)

    def begin(self, start: Array, reading: DeviceReading) -> str:
        """Start at the joints `start` (N,); returns why not if the leader is elsewhere."""
        assert reading.joints is not None
        self._rows: Array = start[None]
        self._speeds: Array = np.zeros((1, len(start)))
        self._before = reading.joints
        return far_away(reading.joints, start, self._tolerance, self._names)

    def chunk(self, measured: Array, reading: DeviceReading, steps: int) -> Array:
        """Set-points (H, N) of the next periods, as `Jog.chunk` gives them."""
        assert reading.joints is not None
        last = min(max(steps, 1), len(self._rows)) - 1
        position, speed = self._rows[last], self._speeds[last]
        position = self._guard.drawn_back(position, measured)
        leader, pace = reading.joints, (reading.joints - self._before) / (max(steps, 1) * self._dt)
        self._before = leader
        rows, speeds = [], []
        for i in range(self._horizon):
            goal = leader + pace * min((i + 1) * self._dt, _PREDICT)
            position, speed = self._guard.step(position, speed, self._wish(goal - position, pace))
            rows.append(position)
            speeds.append(speed)
        self._rows, self._speeds = np.array(rows), np.array(speeds)
        return self._rows

    def _wish(self, way: Array, pace: Array) -> Array:
        """Velocity (N,) that goes `way` (N,), no faster than it could stop at its end."""
        distance = np.abs(way)
        size = np.minimum(distance / self._dt, self._guard.stoppable(distance) + np.abs(pace))
        return np.asarray(np.copysign(size, way))
