"""A parallel gripper drawn from boxes: two fingers that mirror each other, and a camera."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import mujoco

from il_ros.core.arms import Arm

WHITE, DARK = (0.9, 0.92, 0.93, 1.0), (0.25, 0.25, 0.28, 1.0)
ARMATURE = 0.1  # motor inertia seen at a finger [kg]


@dataclass(frozen=True, kw_only=True)
class Gripper:
    """A gripper on an arm's last link; unless an arm says otherwise it measures as a Franka Hand.

    Of a pair the names begin with the arm's prefix.

    Attributes:
        hand: Name of the body that carries the fingers.
        fingers: Names of the two fingers' bodies.
        mirror: Name of the second finger's joint; the first one's is the arm's gripper joint.
        mount: Where the hand's frame is along z of the last joint's frame [m].
        turn: By how much it is turned about that axis [rad].
        tip: Where the tool centre point is along z of the hand's frame [m].
        mass: Of the hand with both fingers [kg].
        mass_z: Where the centre of that mass is along z of the hand's frame [m].
        finger_mass: Of each finger [kg].
        finger_z: Where the fingers are mounted along z of the hand's frame [m].
        size: Half of the hand's box [m].
        height: Where its middle is along z of the hand's frame [m].
        finger: Half of a finger's box [m].
    """

    hand: str
    fingers: tuple[str, str]
    mirror: str
    mount: float = 0.0
    turn: float = 0.0
    tip: float = 0.1034
    mass: float = 0.73
    mass_z: float = 0.0323
    finger_mass: float = 0.015
    finger_z: float = 0.0584
    size: tuple[float, float, float] = (0.02, 0.1, 0.03)
    height: float = 0.03
    finger: tuple[float, float, float] = (0.0105, 0.0085, 0.027)


def add_gripper(link: Any, arm: Arm, gripper: Gripper) -> Any:
    """Add a gripper and the site `<prefix>tcp` to the last link; returns the body of the hand."""
    half = 0.5 * gripper.turn
    hand = link.add_body(
        name=arm.prefix + gripper.hand,
        pos=[0, 0, gripper.mount],
        quat=[math.cos(half), 0, 0, math.sin(half)],
        gravcomp=1,
    )
    hand.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=gripper.size,
        pos=[0, 0, gripper.height],
        mass=gripper.mass - 2 * gripper.finger_mass,
        rgba=WHITE,
    )
    hand.add_site(name=f'{arm.prefix}tcp', pos=[0, 0, gripper.tip], size=[0.005, 0, 0])
    left, right = gripper.fingers
    for name, joint, turn in (
        (left, arm.gripper, [1, 0, 0, 0]),
        (right, arm.prefix + gripper.mirror, [0, 0, 0, 1]),
    ):
        finger = hand.add_body(
            name=arm.prefix + name, pos=[0, 0, gripper.finger_z], quat=turn, gravcomp=1
        )
        _add_finger(finger, joint, gripper, arm.position_max[-1])
    hand.add_camera(
        name=f'{arm.prefix}wrist', pos=[0.07, 0, 0.02], quat=[0, 0.7071, 0.7071, 0], fovy=75
    )
    return hand


def _add_finger(finger: Any, joint: str, gripper: Gripper, opening: float) -> None:
    _, thick, length = gripper.finger
    finger.add_joint(
        name=joint,
        type=mujoco.mjtJoint.mjJNT_SLIDE,
        axis=[0, 1, 0],
        range=[0, opening],
        limited=True,
        armature=ARMATURE,
        damping=2.0,
    )
    finger.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=gripper.finger,
        pos=[0, thick, length],
        mass=gripper.finger_mass,
        rgba=DARK,
    )
