"""Franka Research 3 with the Franka Hand: kinematics and limits.

Kinematics and joint limits: Franka Control Interface documentation, "Robot and interface
specifications". Gripper range, speed and force: the franka_description URDF; the documentation
gives no acceleration and jerk for it, and the ones here are what its servo follows without lag.
Home: the tool points straight down, 0.3 m above the table.
"""

from __future__ import annotations

import math

import numpy as np

from il_ros.core.arms import Arm
from il_ros.core.geometry import transform
from il_ros.core.kinematics import Capsule, SerialChain

# Each link's housings and the arm between them. The housings are at least as large as the capsules
# that the franka_description URDF gives for self-collision; the link's first and last joint are
# joined by one more. Hand and fingers are given from the tool centre point.
_BODY = (
    Capsule('fr3_link1', 0, 0.06, (0, 0, -0.19), (0, 0, 0)),
    Capsule('fr3_link2', 1, 0.06, (0, 0, -0.06), (0, 0, 0.06)),
    Capsule('fr3_link2', 1, 0.06, (0, 0, 0), (0, -0.19, 0)),
    Capsule('fr3_link3', 2, 0.06, (0, 0, -0.22), (0, 0, 0)),
    Capsule('fr3_link3', 2, 0.06, (0, 0, 0), (0.0825, 0, 0)),
    Capsule('fr3_link4', 3, 0.06, (0, 0, -0.06), (0, 0, 0.06)),
    Capsule('fr3_link4', 3, 0.06, (0, 0, 0), (-0.0825, 0.124, 0)),
    Capsule('fr3_link5', 4, 0.06, (0, 0, -0.31), (0, 0, 0)),
    Capsule('fr3_link5', 4, 0.03, (0, 0.08, -0.2), (0, 0.08, -0.06)),
    Capsule('fr3_link6', 5, 0.05, (0, 0, -0.07), (0, 0, 0.01)),
    Capsule('fr3_link6', 5, 0.05, (0, 0, 0), (0.088, 0, 0)),
    Capsule('fr3_link7', 6, 0.045, (0, 0, -0.06), (0, 0, 0.107)),
    Capsule('fr3_link7', 6, 0.03, (0.055, 0, 0.082), (0.065, 0, 0.082)),
    Capsule('fr3_hand', 7, 0.04, (0, -0.09, -0.0734), (0, 0.09, -0.0734)),
    Capsule('fr3_fingers', 7, 0.033, (0, -0.045, -0.02), (0, 0.045, -0.02)),
)

FRANKA = Arm(
    name='franka',
    joints=tuple(f'fr3_joint{i}' for i in range(1, 8)),
    gripper='fr3_finger_joint1',
    chain=SerialChain.of_parameters(
        a=(0.0, 0.0, 0.0, 0.0825, -0.0825, 0.0, 0.088),
        d=(0.333, 0.0, 0.316, 0.0, 0.384, 0.0, 0.0),
        alpha=(
            *(0.0, -math.pi / 2, math.pi / 2, math.pi / 2),
            *(-math.pi / 2, math.pi / 2, math.pi / 2),
        ),
        tool=transform((0.0, 0.0, 0.107 + 0.1034), -math.pi / 4),  # flange, and the turned hand
    ),
    position_min=np.array([-2.7437, -1.7837, -2.9007, -3.0421, -2.8065, 0.5445, -3.0159, 0.0]),
    position_max=np.array([2.7437, 1.7837, 2.9007, -0.1518, 2.8065, 4.5169, 3.0159, 0.04]),
    velocity=np.array([2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26, 0.2]),
    acceleration=np.array([10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 4.0]),
    jerk=np.array([5000.0, 5000.0, 5000.0, 5000.0, 5000.0, 5000.0, 5000.0, 2000.0]),
    torque=np.array([87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0, 100.0]),
    home=np.array([0.0, -0.2594, 0.0, -2.4315, 0.0, 2.1721, math.pi / 4, 0.04]),
    body=_BODY,
)
