"""A Franka Research 3 with its hand: capsules, identified masses, servos that follow closely.

The masses are Gaz et al. 2019's, identified on the Panda; the hand's are the description's.
"""

from __future__ import annotations

import math

import numpy as np

from il_ros.sim.arm_model import ArmModel, Base, Link
from il_ros.sim.gripper import Gripper

FRANKA = ArmModel(
    base=Base(name='fr3_link0', radius=0.075, height=0.14),
    links=(
        Link('fr3_link1', 4.97, 0.06, (((0, 0, -0.19), (0, 0, 0)),)),
        Link('fr3_link2', 0.65, 0.06, (((0, 0, 0), (0, -0.17, 0)),)),
        Link(
            'fr3_link3',
            3.23,
            0.055,
            (
                ((0, 0, -0.12), (0, 0, 0)),
                ((0, 0, 0), (0.08, 0, 0)),
            ),
        ),
        Link('fr3_link4', 3.59, 0.055, (((0, 0, 0), (-0.08, 0.1, 0)),)),
        Link('fr3_link5', 1.23, 0.055, (((0, 0, -0.26), (0, 0, 0)),)),
        Link('fr3_link6', 1.67, 0.05, (((0, 0, 0), (0.088, 0, 0)),)),
        Link('fr3_link7', 0.74, 0.045, (((0, 0, 0), (0, 0, 0.07)),)),
    ),
    gripper=Gripper(
        hand='fr3_hand',
        fingers=('fr3_leftfinger', 'fr3_rightfinger'),
        mirror='fr3_finger_joint2',
        mount=0.107,
        turn=-math.pi / 4,
    ),
    stiffness=np.array([4500.0, 4500.0, 3500.0, 3500.0, 2000.0, 2000.0, 2000.0, 5000.0]),
    damping=np.array([200.0, 200.0, 120.0, 120.0, 40.0, 40.0, 30.0, 70.0]),
)
