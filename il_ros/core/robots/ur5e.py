"""Universal Robots UR5e with a parallel gripper of the Franka Hand's measures: kinematics, limits.

Kinematics: Universal Robots, "Parameters for calculations of kinematics and dynamics"; their table
is in standard Denavit-Hartenberg parameters, whose link lengths and twists belong to the next
joint in the modified ones that `SerialChain` takes. The base frame is theirs, `base`, in which the
arm at zero lies along -x (the URDF's `base_link` is turned against it by half a turn).

Joint names, ranges, speeds and torques: ur_description (`config/ur5e/joint_limits.yaml`), whose
elbow keeps to half a turn because the upper arm is in the way. Universal Robots publish no
acceleration and jerk; the ones here are what the simulated servo follows without lag. A UR5e comes
without a gripper: the one here, its joints' names and limits are made up after the Franka Hand.

Home: the tool points straight down, 0.3 m above the middle of the table, the elbow up.
"""

from __future__ import annotations

import math

import numpy as np

from il_ros.core.arms import Arm
from il_ros.core.geometry import transform
from il_ros.core.kinematics import Capsule, SerialChain

# How far the tubes run next to their joints is ur_description's; the radii of housings and tubes
# are estimates on the large side. Gripper and fingers are given from the tool centre point.
_BODY = (
    Capsule('shoulder_link', 0, 0.075, (0, 0, -0.08), (0, 0, 0)),
    Capsule('upper_arm_link', 1, 0.075, (0, 0, 0), (0, 0, 0.138)),
    Capsule('upper_arm_link', 1, 0.065, (0, 0, 0.138), (-0.425, 0, 0.138)),
    Capsule('forearm_link', 2, 0.065, (0, 0, 0.007), (0, 0, 0.138)),
    Capsule('forearm_link', 2, 0.055, (0, 0, 0.007), (-0.3922, 0, 0.007)),
    Capsule('forearm_link', 2, 0.055, (-0.3922, 0, 0.007), (-0.3922, 0, 0.06)),
    Capsule('wrist_1_link', 3, 0.05, (0, 0, -0.07), (0, 0, 0)),
    Capsule('wrist_1_link', 3, 0.05, (0, 0, 0), (0, -0.05, 0)),
    Capsule('wrist_2_link', 4, 0.05, (0, 0, -0.05), (0, 0, 0)),
    Capsule('wrist_2_link', 4, 0.05, (0, 0, 0), (0, 0.05, 0)),
    Capsule('wrist_3_link', 5, 0.045, (0, 0, -0.05), (0, 0, 0)),
    Capsule('gripper_hand', 6, 0.04, (0, -0.09, -0.0734), (0, 0.09, -0.0734)),
    Capsule('gripper_fingers', 6, 0.033, (0, -0.045, -0.02), (0, 0.045, -0.02)),
)

_TURN = 2 * math.pi

UR5E = Arm(
    name='ur5e',
    joints=(
        'shoulder_pan_joint',
        'shoulder_lift_joint',
        'elbow_joint',
        'wrist_1_joint',
        'wrist_2_joint',
        'wrist_3_joint',
    ),
    gripper='gripper_finger_joint1',
    chain=SerialChain.of_parameters(
        a=(0.0, 0.0, -0.425, -0.3922, 0.0, 0.0),
        d=(0.1625, 0.0, 0.0, 0.1333, 0.0997, 0.0996),
        alpha=(0.0, math.pi / 2, 0.0, 0.0, math.pi / 2, -math.pi / 2),
        tool=transform((0.0, 0.0, 0.1034)),  # in front of the flange; the gripper is not turned
    ),
    position_min=np.array([-_TURN, -_TURN, -math.pi, -_TURN, -_TURN, -_TURN, 0.0]),
    position_max=np.array([_TURN, _TURN, math.pi, _TURN, _TURN, _TURN, 0.04]),
    velocity=np.array([math.pi, math.pi, math.pi, math.pi, math.pi, math.pi, 0.2]),
    acceleration=np.array([10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 4.0]),
    jerk=np.array([5000.0, 5000.0, 5000.0, 5000.0, 5000.0, 5000.0, 2000.0]),
    torque=np.array([150.0, 150.0, 150.0, 28.0, 28.0, 28.0, 100.0]),
    home=np.array([2.8717, -1.5726, 1.7898, -1.7880, -math.pi / 2, -1.8407, 0.04]),
    body=_BODY,
)
