"""Moves the tool by a twist, by differential kinematics."""

from __future__ import annotations

import numpy as np

from il_ros.core.arms import arm_of, require_single
from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.core.geometry import nearest_turn, rotation_vector
from il_ros.core.kinematics import resolve
from il_ros.core.limits import Array
from il_ros.experts.teleop.device_reading import DeviceReading
from il_ros.experts.teleop.setpoint_limiter import (
    MotionConfig,
    SetpointLimiter,
    arm_joints,
    stoppable,
)

_DAMPING = 0.01
_REST = 1.0  # 1/s, at which a moving arm is drawn to its home posture in the nullspace
_GAIN = 4.0  # 1/s, at which the tool is brought back to a pose that it is to keep
_LINEAR, _ANGULAR = 0.1, 0.4  # m/s and rad/s from which the nullspace is fully used
_BRAKE = 0.5  # m/s^2, with which the tool slows down towards a wall of the workspace


class Jog:
    """Set-points that move the tool by a twist.

    The first set-point starts at the measured arm, the next ones at the set-point before. Position
    or orientation stays as it is while the twist has no linear or angular part.

    Args:
        contract: The arm and its limits.
        config: How the arm follows.
        horizon: Steps of a chunk.

    Raises:
        IlRosError: If the contract has no kinematic model, or one of a pair of arms, or does not
            command all of its joints.
    """

    def __init__(self, contract: Contract, config: MotionConfig, horizon: int) -> None:
        arm = arm_of(contract)
        if arm is None:
            raise IlRosError(
                'the contract names no arm, so a twist cannot become joint motion',
                where=f'contract {contract.name}',
                fix='name its kinematic model under arm, or use a leader arm',
            )
        self._arm = require_single(arm, where='a twist')
        self._limits = contract.limits
        self.moves = arm_joints(contract, self._arm)
        self._columns = self._arm.columns(contract.action.names)
        self._dt, self._horizon = contract.period, horizon
        self._guard = SetpointLimiter(self._limits, self._arm, self.moves, config, self._dt)
        self._toggled: bool | None = None  # whether the gripper opens; None: it stays

    def begin(self, start: Array, reading: DeviceReading) -> str:
        """Start at the joints `start` (N,); never refused."""
        self._rows: Array = start[None]
        self._speeds: Array = np.zeros((1, len(start)))
        tool = self._arm.chain.forward(start[self._columns])
        self._kept_position, self._kept_rotation = tool
        self._toggled = None
        return ''

    def chunk(self, measured: Array, reading: DeviceReading, steps: int) -> Array:
        """Set-points (H, N) of the next periods.

        Args:
            measured: Measured joint positions, shape (N,).
            reading: What the operator wants; it holds for the whole chunk.
            steps: Periods since the last call; 0 right after `begin`.
        """
        last = min(max(steps, 1), len(self._rows)) - 1
        position, speed = self._rows[last], self._speeds[last]
        position = self._guard.drawn_back(position, measured)
        self._heed_toggle(position, reading)
        self._keep_what_rests(position, reading)
        rows, speeds = [], []
        for _ in range(self._horizon):
            position, speed = self._guard.step(position, speed, self._wish(position, reading))
            rows.append(position)
            speeds.append(speed)
        self._rows, self._speeds = np.array(rows), np.array(speeds)
        return self._rows

    def _wish(self, position: Array, reading: DeviceReading) -> Array:
        wish = self._gripper(position, reading)
        frames = self._arm.chain.frames(position[self._columns])
        twist = self._twist(frames[-1], reading)
        if twist.any():
            effort = np.linalg.norm(twist[:3]) / _LINEAR + np.linalg.norm(twist[3:]) / _ANGULAR
            joints, here = len(self._arm.joints), position[self._columns]
            home = nearest_turn(self._arm.home[:joints], here, self._arm.endless[:joints])
            pull = min(float(effort), 1.0) * _REST * (home - here)
            jacobian = self._arm.chain.jacobian_of(frames)
            wish[self._columns] = resolve(jacobian, twist, damping=_DAMPING, pull=pull)
        return wish

    def _twist(self, tool: Array, reading: DeviceReading) -> Array:
        """Velocity of the tool (6,) in the base's axes; zero where nothing is wanted at all."""
        linear, angular = reading.twist[:3], reading.twist[3:]
        if not reading.twist.any():
            return np.zeros(6)
        if reading.frame == 'tool':
            linear, angular = tool[:3, :3] @ linear, tool[:3, :3] @ angular
        if not linear.any():
            linear = _GAIN * (self._kept_position - tool[:3, 3])
        if not angular.any():
            angular = _GAIN * rotation_vector(self._kept_rotation @ tool[:3, :3].T)
        return np.concatenate([self._before_walls(tool[:3, 3], linear), angular])

    def _keep_what_rests(self, position: Array, reading: DeviceReading) -> None:
        """From where on the parts of the motion that nobody asks for are to stay as they are."""
        linear, angular = reading.twist[:3].any(), reading.twist[3:].any()
        tool = self._arm.chain.forward(position[self._columns])
        if linear or not angular:
            self._kept_position = tool[0]
        if angular or not linear:
            self._kept_rotation = tool[1]

    def _before_walls(self, tool: Array, linear: Array) -> Array:
        """`linear` (3,) [m/s], slower towards a wall of the box and no further: it slides along."""
        room = np.where(linear > 0, self._guard.box_max - tool, tool - self._guard.box_min)
        most = stoppable(np.maximum(room, 0.0), _BRAKE, self._dt)
        return np.clip(linear, -most, most)

    def _heed_toggle(self, position: Array, reading: DeviceReading) -> None:
        if reading.gripper:
            self._toggled = None
        if 'gripper_toggle' in reading.pressed:
            grippers, limits = ~self.moves, self._limits
            middle = (limits.position_min[grippers] + limits.position_max[grippers]) / 2
            self._toggled = bool((position[grippers] < middle).any())

    def _gripper(self, position: Array, reading: DeviceReading) -> Array:
        """Velocity of the gripper's joints (N,), zero for the arm's."""
        share = reading.gripper
        if self._toggled is not None:
            share = 1.0 if self._toggled else -1.0
        return np.asarray(np.where(self.moves, 0.0, share * self._guard.velocity))
