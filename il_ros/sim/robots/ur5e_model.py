"""A Universal Robots UR5e with a gripper: capsules, published masses, servos that follow closely.

The links' masses are those Universal Robots publish ("Parameters for calculations of kinematics and
dynamics"); where they lie follows from the capsules, whose radii are estimates, and the tubes'
offsets are ur_description's. Stiffness and damping are plausible values with which the servo
follows the limits of `il_ros.core.robots.ur5e` without lag.
"""

from __future__ import annotations

import numpy as np

from il_ros.sim.arm_model import ArmModel, Base, Link, Servo
from il_ros.sim.gripper import Gripper

UR5E = ArmModel(
    base=Base(name='base_link_inertia', radius=0.075, height=0.08),
    links=(
        Link(
            name='shoulder_link',
            mass=3.761,
            radius=0.06,
            capsules=(((0, 0, -0.06), (0, 0, 0)),),
        ),
        Link(
            name='upper_arm_link',
            mass=8.058,
            radius=0.055,
            capsules=(((0, 0, 0), (0, 0, 0.138)), ((0, 0, 0.138), (-0.425, 0, 0.138))),
        ),
        Link(
            name='forearm_link',
            mass=2.846,
            radius=0.045,
            capsules=(((0, 0, 0.007), (0, 0, 0.12)), ((0, 0, 0.007), (-0.3922, 0, 0.007))),
        ),
        Link(
            name='wrist_1_link',
            mass=1.37,
            radius=0.04,
            capsules=(((0, 0, -0.06), (0, 0, 0)), ((0, 0, 0), (0, -0.04, 0))),
        ),
        Link(
            name='wrist_2_link',
            mass=1.3,
            radius=0.04,
            capsules=(((0, 0, -0.04), (0, 0, 0)), ((0, 0, 0), (0, 0.04, 0))),
        ),
        Link(
            name='wrist_3_link',
            mass=0.365,
            radius=0.035,
            capsules=(((0, 0, -0.05), (0, 0, -0.035)),),
        ),
    ),
    gripper=Gripper(
        hand='gripper_hand',
        fingers=('gripper_leftfinger', 'gripper_rightfinger'),
        mirror='gripper_finger_joint2',
    ),
    servo=Servo(
        stiffness=np.array([4500.0, 4500.0, 3500.0, 2000.0, 2000.0, 2000.0, 5000.0]),
        damping=np.array([200.0, 200.0, 120.0, 40.0, 40.0, 30.0, 70.0]),
    ),
)
