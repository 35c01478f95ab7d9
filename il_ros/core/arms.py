"""The arms that are known: kinematics and limits; one constant and one registry line each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from il_ros.core.geometry import matrix_about
from il_ros.core.kinematics import Capsule, SerialChain
from il_ros.core.limits import Limits
from il_ros.core.registry import lookup

Array = NDArray[np.float64]

ARMS = {'franka': 'il_ros.core.arms:FRANKA'}


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


def _franka_tool() -> Array:
    """Flange (0.107 m), hand (turned by -45 degrees) and tool centre point (0.1034 m)."""
    tool = np.eye(4)
    tool[:3, :3] = matrix_about(2, -math.pi / 4)
    tool[2, 3] = 0.107 + 0.1034
    return tool


def _part(name: str, frame: int, radius: float, *ends: tuple[float, float, float]) -> Capsule:
    return Capsule(name=f'fr3_{name}', frame=frame, start=ends[0], end=ends[1], radius=radius)


# Each link's housings and the arm between them. The housings are at least as large as the capsules
# that the franka_description URDF gives for self-collision; the link's first and last joint are
# joined by one more. Hand and fingers are given from the tool centre point.
_FRANKA_BODY = (
    _part('link1', 0, 0.06, (0, 0, -0.19), (0, 0, 0)),
    _part('link2', 1, 0.06, (0, 0, -0.06), (0, 0, 0.06)),
    _part('link2', 1, 0.06, (0, 0, 0), (0, -0.19, 0)),
    _part('link3', 2, 0.06, (0, 0, -0.22), (0, 0, 0)),
    _part('link3', 2, 0.06, (0, 0, 0), (0.0825, 0, 0)),
    _part('link4', 3, 0.06, (0, 0, -0.06), (0, 0, 0.06)),
    _part('link4', 3, 0.06, (0, 0, 0), (-0.0825, 0.124, 0)),
    _part('link5', 4, 0.06, (0, 0, -0.31), (0, 0, 0)),
    _part('link5', 4, 0.03, (0, 0.08, -0.2), (0, 0.08, -0.06)),
    _part('link6', 5, 0.05, (0, 0, -0.07), (0, 0, 0.01)),
    _part('link6', 5, 0.05, (0, 0, 0), (0.088, 0, 0)),
    _part('link7', 6, 0.045, (0, 0, -0.06), (0, 0, 0.107)),
    _part('link7', 6, 0.03, (0.055, 0, 0.082), (0.065, 0, 0.082)),
    _part('hand', 7, 0.04, (0, -0.09, -0.0734), (0, 0.09, -0.0734)),
    _part('fingers', 7, 0.033, (0, -0.045, -0.02), (0, 0.045, -0.02)),
)


# Franka Research 3 with the Franka Hand. Kinematics and joint limits: Franka Control Interface
# documentation, "Robot and interface specifications". Gripper range, speed and force: the
# franka_description URDF; the documentation gives no acceleration and jerk for it, and the ones
# here are what its servo follows without lag. Home: the tool points straight down, 0.3 m above
# the middle of the table.
FRANKA = Arm(
    name='franka',
    joints=tuple(f'fr3_joint{i}' for i in range(1, 8)),
    gripper='fr3_finger_joint1',
    chain=SerialChain(
        a=(0.0, 0.0, 0.0, 0.0825, -0.0825, 0.0, 0.088),
        d=(0.333, 0.0, 0.316, 0.0, 0.384, 0.0, 0.0),
        alpha=(
            *(0.0, -math.pi / 2, math.pi / 2, math.pi / 2),
            *(-math.pi / 2, math.pi / 2, math.pi / 2),
        ),
        tool=_franka_tool(),
    ),
    position_min=np.array([-2.7437, -1.7837, -2.9007, -3.0421, -2.8065, 0.5445, -3.0159, 0.0]),
    position_max=np.array([2.7437, 1.7837, 2.9007, -0.1518, 2.8065, 4.5169, 3.0159, 0.04]),
    velocity=np.array([2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26, 0.2]),
    acceleration=np.array([10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 4.0]),
    jerk=np.array([5000.0, 5000.0, 5000.0, 5000.0, 5000.0, 5000.0, 5000.0, 2000.0]),
    torque=np.array([87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0, 100.0]),
    home=np.array([0.0, -0.2594, 0.0, -2.4315, 0.0, 2.1721, math.pi / 4, 0.04]),
    body=_FRANKA_BODY,
)
