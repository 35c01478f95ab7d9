"""A Universal Robots UR5e with a gripper: capsules, published masses, servos that follow closely.

The links' masses are those Universal Robots publish ("Parameters for calculations of kinematics and
dynamics"); where they lie follows from the capsules, whose radii are estimates, and the tubes'
offsets are ur_description's. Stiffness and damping are plausible values with which the servo
follows the limits of `il_ros.core.robots.ur5e` without lag.
"""

from __future__ import annotations

import numpy as np

from il_ros.sim.arm_model import ArmModel, Base, Link
from il_ros.sim.gripper import Gripper

UR5E = ArmModel(
    base=Base(name='base_link_inertia', radius=0.075, height=0.08),
    links=(
        Link('shoulder_link', 3.761, 0.06, (((0, 0, -0.06), (0, 0, 0)),)),
        Link(
            'upper_arm_link',
            8.058,
            0.055,
            (((0, 0, 0), (0, 0, 0.138)), ((0, 0, 0.138), (-0.425, 0, 0.138))),
        ),
        Link(
            'forearm_link',
            2.846,
            0.045,
            (((0, 0, 0.007), (0, 0, 0.12)), ((0, 0, 0.007), (-0.3922, 0, 0.007))),
        ),
        Link('wrist_1_link', 1.37, 0.04, (((0, 0, -0.06), (0, 0, 0)), ((0, 0, 0), (0, -0.04, 0)))),
        Link('wrist_2_link', 1.3, 0.04, (((0, 0, -0.04), (0, 0, 0)), ((0, 0, 0), (0, 0.04, 0)))),
        Link('wrist_3_link', 0.365, 0.035, (((0, 0, -0.05), (0, 0, -0.035)),)),
    ),
    gripper=Gripper(
        hand='gripper_hand',
        fingers=('gripper_leftfinger', 'gripper_rightfinger'),
        mirror='gripper_finger_joint2',
    ),
    stiffness=np.array([4500.0, 4500.0, 3500.0, 2000.0, 2000.0, 2000.0, 5000.0]),
    damping=np.array([200.0, 200.0, 120.0, 40.0, 40.0, 30.0, 70.0]),
)
