"""What an arm is to the package, and which ones are known: a file of numbers and a line each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from il_ros.core.kinematics import Capsule, SerialChain
from il_ros.core.limits import Limits
from il_ros.core.registry import lookup

Array = NDArray[np.float64]

ARMS = {
    'franka': 'il_ros.core.robots.franka:FRANKA',
    'ur5e': 'il_ros.core.robots.ur5e:UR5E',
}

DEFAULT_ARM = 'franka'  # where nobody names one, and no contract is there to


@dataclass(frozen=True, kw_only=True)
class Arm:
    """An arm with a one-degree-of-freedom gripper: n revolute joints, then the gripper joint.

    Attributes:
        name: Its name in the registry.
        joints: Names of the arm's joints, n of them, from the base on.
        gripper: Name of the gripper joint; its position is half of the opening [m].
        chain: Kinematics from the base to the tool centre point.
        position_min: Lower position bounds, shape (n + 1,) [rad, m].
        position_max: Upper position bounds, shape (n + 1,) [rad, m].
        velocity: Largest speeds, shape (n + 1,) [rad/s, m/s].
        acceleration: Largest accelerations, shape (n + 1,) [rad/s^2, m/s^2].
        jerk: Largest jerks, shape (n + 1,) [rad/s^3, m/s^3].
        torque: Largest joint torques and gripper force, shape (n + 1,) [N m, N].
        home: Posture that tasks start around, shape (n + 1,) [rad, m].
        body: What moves of the arm, the gripper fully open; together these parts cover it.
    """

    name: str
    joints: tuple[str, ...]
    gripper: str
    chain: SerialChain
    position_min: Array
    position_max: Array
    velocity: Array
    acceleration: Array
    jerk: Array
    torque: Array
    home: Array
    body: tuple[Capsule, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Commanded joints in the contract's order: the arm's, then the gripper's."""
        return (*self.joints, self.gripper)

    def limits(
        self, workspace_min: Array, workspace_max: Array, *, force: float, torque: float
    ) -> Limits:
        """The arm's own joint limits, with a task's workspace box [m] and wrist bounds [N, N m]."""
        return Limits(
            names=self.names,
            position_min=self.position_min,
            position_max=self.position_max,
            velocity=self.velocity,
            acceleration=self.acceleration,
            jerk=self.jerk,
            workspace_min=workspace_min,
            workspace_max=workspace_max,
            force=force,
            torque=torque,
        )


def get_arm(name: str) -> Arm:
    """The arm called `name`.

    Raises:
        UnknownNameError: If no arm has this name; it lists those that do.
    """
    arm: Arm = lookup('arm', name, ARMS)
    return arm
