"""A Franka arm with its hand, drawn from primitive shapes: real kinematics, plausible masses.

The bodies follow the Denavit-Hartenberg chain of the arm, so the model's forward kinematics are the
chain's. The servos stand for the arm's internal joint controller: gravity is compensated, torque
is limited, and a moving set-point is followed without lag (see `Servo`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from il_ros.core.arms import Arm

Array = NDArray[np.float64]
Point = tuple[float, float, float]

WHITE, GREY, DARK = (0.9, 0.92, 0.93, 1.0), (0.6, 0.62, 0.65, 1.0), (0.25, 0.25, 0.28, 1.0)
HAND_MASS = 0.73  # [kg], with a finger on each side
FINGER_MASS = 0.015  # [kg]
FINGER_Z = 0.0584  # where the fingers are mounted, from the hand's frame [m]
TOOL_MASS_Z = 0.0323  # centre of the mass of hand and fingers, from the hand's frame [m]
ARMATURE = 0.1  # rotor inertia seen at a joint [kg m^2], and at a finger [kg]


@dataclass(frozen=True, kw_only=True)
class Link:
    """One link's shape: capsules in its own frame, and its mass.

    Attributes:
        mass: Of the whole link [kg] (Gaz et al. 2019, identified on the Panda).
        radius: Of its capsules [m].
        capsules: End points of each capsule [m].
    """

    mass: float
    radius: float
    capsules: tuple[tuple[Point, Point], ...]


LINKS = (
    Link(mass=4.97, radius=0.06, capsules=(((0, 0, -0.19), (0, 0, 0)),)),
    Link(mass=0.65, radius=0.06, capsules=(((0, 0, 0), (0, -0.17, 0)),)),
    Link(mass=3.23, radius=0.055, capsules=(((0, 0, -0.12), (0, 0, 0)), ((0, 0, 0), (0.08, 0, 0)))),
    Link(mass=3.59, radius=0.055, capsules=(((0, 0, 0), (-0.08, 0.1, 0)),)),
    Link(mass=1.23, radius=0.055, capsules=(((0, 0, -0.26), (0, 0, 0)),)),
    Link(mass=1.67, radius=0.05, capsules=(((0, 0, 0), (0.088, 0, 0)),)),
    Link(mass=0.74, radius=0.045, capsules=(((0, 0, 0), (0, 0, 0.07)),)),
)


@dataclass(frozen=True, kw_only=True)
class Servo:
    """Joint position servos: stiffness and damping, shape (n + 1,), gripper last.

    The damping acts on the error of the speed: a set-point's own speed is fed forward, as
    an arm's internal controller does, by leading the set-point by `damping / stiffness` seconds.
    """

    stiffness: Array
    damping: Array

    @property
    def lead(self) -> Array:
        """How far ahead of the set-point the servo is commanded, shape (n + 1,) [s]."""
        return self.damping / self.stiffness


SERVO = Servo(
    stiffness=np.array([4500.0, 4500.0, 3500.0, 3500.0, 2000.0, 2000.0, 2000.0, 5000.0]),
    damping=np.array([200.0, 200.0, 120.0, 120.0, 40.0, 40.0, 30.0, 70.0]),
)


def add_arm(spec: Any, arm: Arm) -> None:
    """Add `arm` on its base, with its servos and wrist sensors, at the origin of `spec`."""
    base = spec.worldbody.add_body(name='fr3_link0')
    base.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CYLINDER, size=[0.075, 0.07, 0], pos=[0, 0, 0.07], rgba=WHITE
    )
    names, body = ['fr3_link0'], base
    for index, link in enumerate(LINKS):
        body = _add_link(body, arm, index, link)
        names.append(body.name)
    names.append(_add_hand(body, arm).name)
    # Links that touch by design: neighbours and their neighbours. The fingers count with the hand.
    for i in range(len(names)):
        for j in range(i + 1, min(i + 3, len(names))):
            spec.add_exclude(bodyname1=names[i], bodyname2=names[j])
    for finger in ('fr3_leftfinger', 'fr3_rightfinger'):
        for name in names[-3:]:
            spec.add_exclude(bodyname1=name, bodyname2=finger)
    _add_servos(spec, arm)
    _add_sensors(spec)


def _add_link(parent: Any, arm: Arm, index: int, link: Link) -> Any:
    alpha, half = arm.chain.alpha[index], 0.5 * arm.chain.alpha[index]
    position = arm.chain.fixed[index, :3, 3]
    body = parent.add_body(
        name=f'fr3_link{index + 1}',
        pos=position,
        quat=[math.cos(half), math.sin(half), 0, 0] if alpha else [1, 0, 0, 0],
        gravcomp=1,
    )
    body.add_joint(
        name=arm.joints[index],
        axis=[0, 0, 1],
        range=[arm.position_min[index], arm.position_max[index]],
        limited=True,
        armature=ARMATURE,
        actgravcomp=True,
        actfrclimited=True,
        actfrcrange=[-arm.torque[index], arm.torque[index]],
    )
    for start, end in link.capsules:
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CAPSULE,
            fromto=[*start, *end],
            size=[link.radius, 0, 0],
            mass=link.mass / len(link.capsules),
            rgba=WHITE if index % 2 else GREY,
        )
    return body


def _add_hand(link7: Any, arm: Arm) -> Any:
    twist = -math.pi / 8
    hand = link7.add_body(
        name='fr3_hand',
        pos=[0, 0, 0.107],
        quat=[math.cos(twist), 0, 0, math.sin(twist)],
        gravcomp=1,
    )
    hand.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[0.02, 0.1, 0.03],
        pos=[0, 0, 0.03],
        mass=HAND_MASS - 2 * FINGER_MASS,
        rgba=WHITE,
    )
    hand.add_site(name='wrist')
    hand.add_site(name='tool_mass', pos=[0, 0, TOOL_MASS_Z])
    hand.add_site(name='tcp', pos=[0, 0, 0.1034], size=[0.005, 0, 0])
    for name, joint, turn in (
        ('fr3_leftfinger', arm.gripper, [1, 0, 0, 0]),
        ('fr3_rightfinger', _mirror(arm), [0, 0, 0, 1]),
    ):
        _add_finger(hand, name, joint, turn, arm.position_max[-1])
    hand.add_camera(name='wrist', pos=[0.07, 0, 0.02], quat=[0, 0.7071, 0.7071, 0], fovy=75)
    return hand


def _add_finger(hand: Any, name: str, joint: str, turn: Sequence[float], opening: float) -> None:
    finger = hand.add_body(name=name, pos=[0, 0, FINGER_Z], quat=turn, gravcomp=1)
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
        size=[0.0105, 0.0085, 0.027],
        pos=[0, 0.0085, 0.027],
        mass=FINGER_MASS,
        rgba=DARK,
    )


def _mirror(arm: Arm) -> str:
    """Name of the gripper's second joint, which the first one's motion is mirrored to."""
    return arm.gripper[:-1] + '2'


def _add_servos(spec: Any, arm: Arm) -> None:
    for index, joint in enumerate(arm.joints):
        _add_servo(spec, joint, mujoco.mjtTrn.mjTRN_JOINT, arm.torque[index], index)
    # The command moves both fingers: the tendon is their mean, the equality keeps them together.
    opening = spec.add_tendon(name='opening')
    opening.wrap_joint(arm.gripper, 0.5)
    opening.wrap_joint(_mirror(arm), 0.5)
    _add_servo(spec, 'opening', mujoco.mjtTrn.mjTRN_TENDON, arm.torque[-1], -1)
    spec.add_equality(
        type=mujoco.mjtEq.mjEQ_JOINT,
        name1=arm.gripper,
        name2=_mirror(arm),
        data=[0, 1, *[0] * 10],
    )


def _add_servo(spec: Any, target: str, transmission: Any, force: float, index: int) -> None:
    servo = spec.add_actuator(
        name=target,
        target=target,
        trntype=transmission,
        forcelimited=True,
        forcerange=[-force, force],
    )
    servo.set_to_position(kp=SERVO.stiffness[index], kv=SERVO.damping[index])


def _add_sensors(spec: Any) -> None:
    """Wrist force and torque, the tool's acceleration, and the tool centre point's position."""
    for name, kind, site in (
        ('force', mujoco.mjtSensor.mjSENS_FORCE, 'wrist'),
        ('torque', mujoco.mjtSensor.mjSENS_TORQUE, 'wrist'),
        ('acceleration', mujoco.mjtSensor.mjSENS_ACCELEROMETER, 'tool_mass'),
        ('tcp_position', mujoco.mjtSensor.mjSENS_FRAMEPOS, 'tcp'),
    ):
        spec.add_sensor(name=name, type=kind, objtype=mujoco.mjtObj.mjOBJ_SITE, objname=site)
