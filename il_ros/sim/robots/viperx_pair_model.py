"""A ViperX 300 6-DoF with ALOHA's fingers, of which a pair has two: capsules, published masses.

The masses are MuJoCo Menagerie's `aloha` (the gripper's include the camera's mount, which is not
drawn); where they lie follows from the capsules, whose radii are estimates, as are the boxes of
the gripper. Stiffness, damping and armature are plausible values with which the servo follows the
limits of `il_ros.core.robots.viperx_pair` without lag: a real ViperX lags more.
"""

from __future__ import annotations

import math

import numpy as np

from il_ros.core.robots.viperx_pair import ELBOW, KNEE
from il_ros.sim.arm_model import ArmModel, Base, Link
from il_ros.sim.gripper import Gripper
from il_ros.sim.robot import View

VIPERX = ArmModel(
    base=Base(name='base_link', radius=0.06, height=0.06),
    links=(
        Link('shoulder_link', 0.799, 0.045, (((0, 0, -0.06), (0, 0, 0)),)),
        Link(
            'upper_arm_link',
            0.793,
            0.035,
            (
                ((0, 0, 0), KNEE),
                (KNEE, ELBOW),
            ),
        ),
        Link('upper_forearm_link', 0.322, 0.032, (((0, 0, 0), (0, -0.18, 0)),)),
        Link('lower_forearm_link', 0.415, 0.032, (((0, 0, -0.09), (0, 0, 0)),)),
        Link('wrist_link', 0.115, 0.03, (((0, 0, 0), (0, -0.05, 0)),)),
        Link('gripper_link', 0.252, 0.03, (((0, 0, 0), (0, 0, 0.03)),)),
    ),
    gripper=Gripper(
        hand='gripper_base',
        fingers=('left_finger_link', 'right_finger_link'),
        mirror='right_finger',
        turn=math.pi,
        tip=0.15,
        mass=0.594,
        mass_z=0.06,
        finger_mass=0.086,
        finger_z=0.055,
        size=(0.025, 0.06, 0.015),
        height=0.04,
        finger=(0.01, 0.0095, 0.05),
    ),
    stiffness=np.array([1500.0, 2500.0, 2000.0, 800.0, 800.0, 400.0, 5000.0]),
    damping=np.array([60.0, 100.0, 70.0, 20.0, 20.0, 10.0, 70.0]),
    armature=0.05,
    view=View(table=(0.0, 0.0), camera=(0.0, -1.0, 0.75), axes=(1, 0, 0, 0, 0.5, 0.8660254)),
)
