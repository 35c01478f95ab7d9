"""Two ViperX 300 6-DoF arms that face each other over a table, as in ALOHA: kinematics and limits.

Kinematics, joint names and position limits: the `vx300s` of interbotix_xsarm_descriptions. Layout,
the longer ALOHA fingers and how far they open: MuJoCo Menagerie's `aloha`, whose gripper joint,
like the one here, is 0 where the fingers' mounts touch (Interbotix's driver counts the same finger
from 0.021 m to 0.057 m). Torques: the stall torques of the Dynamixels in each joint at 12 V
(XM540-W270: 10.6 N m, two of them in shoulder and elbow; XM430-W350: 4.1 N m). Interbotix publish
no acceleration and jerk; the ones here are what the simulated servo follows without lag.

Names begin with `left_` and `right_`, for one joint_trajectory_controller commands both arms: a
slash, as Menagerie has it, would divide a ros2_control interface's name (`<joint>/position`).

Base frame: on the table midway between the arms, x from the left to the right one, z up. The left
is an operator's who stands at negative y. Home: each tool points straight down, 0.25 m in front of
its own base and 0.25 m above the table.
"""

from __future__ import annotations

import math

import numpy as np

from il_ros.core.arms import Arm, ArmPair
from il_ros.core.geometry import transform
from il_ros.core.kinematics import Capsule, SerialChain

HALF = 0.469  # of the way from one base to the other [m]
FOOT = 0.02  # height of the plates that the arms are bolted to [m]
# From the shoulder's axis up and forward to the elbow's [m]; its angle is the shoulder's offset.
_UP, _FORWARD = 0.3, 0.05955
_LEAN = math.atan2(_UP, _FORWARD)

# Where the upper arm, which is straight up at position 0, bends towards the elbow.
KNEE = (_UP * math.sin(_LEAN), -_UP * math.cos(_LEAN), 0.0)
ELBOW = (math.hypot(_UP, _FORWARD), 0.0, 0.0)

# Radii are estimates on the large side; the gripper's and fingers' are given from the tool's frame.
_BODY = (
    Capsule('shoulder_link', 0, 0.06, (0, 0, -0.127), (0, 0, 0)),
    Capsule('upper_arm_link', 1, 0.05, (0, 0, 0), KNEE),
    Capsule('upper_arm_link', 1, 0.045, KNEE, ELBOW),
    Capsule('upper_forearm_link', 2, 0.045, (0, 0, 0), (0, -0.2, 0)),
    Capsule('lower_forearm_link', 3, 0.045, (0, 0, -0.1), (0, 0, 0)),
    Capsule('wrist_link', 4, 0.04, (0, 0, 0), (0, -0.07, 0)),
    Capsule('gripper_link', 5, 0.04, (0, 0, 0), (0, 0, 0.04)),
    Capsule('gripper_base', 6, 0.035, (0, -0.06, -0.11), (0, 0.06, -0.11)),
    Capsule('left_finger_link', 6, 0.02, (0, 0.047, -0.09), (0, 0.047, -0.005)),
    Capsule('right_finger_link', 6, 0.02, (0, -0.047, -0.09), (0, -0.047, -0.005)),
)

VIPERX = Arm(
    name='viperx',
    joints=('waist', 'shoulder', 'elbow', 'forearm_roll', 'wrist_angle', 'wrist_rotate'),
    gripper='left_finger',
    chain=SerialChain.of_parameters(
        a=(0.0, 0.0, math.hypot(_UP, _FORWARD), 0.0, 0.0, 0.0),
        d=(0.079 + 0.04805, 0.0, 0.0, 0.2 + 0.1, 0.0, 0.069744),
        alpha=(0.0, -math.pi / 2, 0.0, math.pi / 2, -math.pi / 2, math.pi / 2),
        theta=(0.0, -_LEAN, math.pi / 2 + _LEAN, 0.0, 0.0, 0.0),
        tool=transform((0.0, 0.0, 0.15), math.pi),  # between the fingers' tips
    ),
    position_min=np.array(
        [-math.pi, *np.radians([-106, -101]), -math.pi, *np.radians([-107]), -math.pi, 0.002]
    ),
    position_max=np.array(
        [math.pi, *np.radians([72, 92]), math.pi, *np.radians([128]), math.pi, 0.037]
    ),
    velocity=np.array([math.pi, math.pi, math.pi, math.pi, math.pi, math.pi, 0.2]),
    acceleration=np.array([10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 4.0]),
    jerk=np.array([5000.0, 5000.0, 5000.0, 5000.0, 5000.0, 5000.0, 2000.0]),
    torque=np.array([10.6, 21.2, 21.2, 10.6, 10.6, 4.1, 35.0]),
    home=np.array([0.0, -0.3578, 0.2883, 0.0, 1.6403, 0.0, 0.037]),
    body=_BODY,
    feels=False,
)

VIPERX_PAIR = ArmPair.of(
    'viperx_pair',
    VIPERX,
    left=transform((-HALF, 0.0, FOOT)),
    right=transform((HALF, 0.0, FOOT), math.pi),
)
