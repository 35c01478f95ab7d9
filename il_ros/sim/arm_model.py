"""An arm with a gripper, drawn from primitive shapes along the chain of its kinematics.

The bodies follow the Denavit-Hartenberg chain of the arm, so the model's forward kinematics are the
chain's. The servos stand for the arm's internal joint controller: gravity is compensated, torque
is limited, and a moving set-point is followed without lag (see `Servo`). What is an arm's own is
in `il_ros.sim.robots`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from il_ros.core.arms import Arm
from il_ros.sim.gripper import WHITE, Gripper, add_gripper
from il_ros.sim.robot import Robot, add_sensors

Array = NDArray[np.float64]
Point = tuple[float, float, float]

GREY = (0.6, 0.62, 0.65, 1.0)


@dataclass(frozen=True, kw_only=True)
class Base:
    """What the arm stands on: a cylinder on the table that does not move.

    Attributes:
        name: Of its body.
        radius: Of the cylinder [m].
        height: Of the cylinder [m].
    """

    name: str
    radius: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Link:
    """One link's shape: capsules in the frame of its joint, and its mass.

    Attributes:
        name: Of its body.
        mass: Of the whole link, shared by the capsules alike [kg].
        radius: Of its capsules [m].
        capsules: End points of each capsule [m].
    """

    name: str
    mass: float
    radius: float
    capsules: tuple[tuple[Point, Point], ...]


@dataclass(frozen=True, kw_only=True)
class Servo:
    """Joint position servos: stiffness and damping, shape (n + 1,), gripper last.

    The damping acts on the error of the speed: a set-point's own speed is fed forward, as
    an arm's internal controller does, by leading the set-point by `damping / stiffness` seconds.

    Attributes:
        stiffness: Torque or force for an error of the position [N m/rad, N/m].
        damping: Torque or force for an error of the speed [N m s/rad, N s/m].
        armature: Rotor inertia seen at each of the arm's joints [kg m^2].
    """

    stiffness: Array
    damping: Array
    armature: float = 0.1

    @property
    def lead(self) -> Array:
        """How far ahead of the set-point the servo is commanded, shape (n + 1,) [s]."""
        return self.damping / self.stiffness


@dataclass(frozen=True, kw_only=True)
class ArmModel:
    """How a known arm looks and moves in the simulator.

    Attributes:
        base: What it stands on.
        links: What each joint moves, n of them.
        gripper: What is on the last link.
        servo: What moves the joints.
    """

    base: Base
    links: tuple[Link, ...]
    gripper: Gripper
    servo: Servo


def drawn_robot(arm: Arm, model: ArmModel) -> Robot:
    """The arm as the scene and the physics take it."""
    gripper = model.gripper
    return Robot(
        name=arm.name,
        names=arm.names,
        home=arm.home,
        stroke=(arm.position_min[-1], arm.position_max[-1]),
        lead=model.servo.lead,
        foot=model.links[0].name,
        hand=gripper.hand,
        load=gripper.mass,
        load_at=np.array([0.0, 0.0, gripper.mass_z]),
        add=lambda spec: _add_arm(spec, arm, model),
    )


def _add_arm(spec: Any, arm: Arm, model: ArmModel) -> None:
    body = _add_base(spec, model.base)
    for index, link in enumerate(model.links):
        body = _add_link(body, arm, index, link, model.servo.armature)
    hand = add_gripper(body, arm, model.gripper)
    _exclude_contacts(spec, model)
    _add_servos(spec, arm, model)
    add_sensors(spec, hand, np.array([0.0, 0.0, model.gripper.mass_z]))


def _add_base(spec: Any, base: Base) -> Any:
    body, half = spec.worldbody.add_body(name=base.name), base.height / 2
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        size=[base.radius, half, 0],
        pos=[0, 0, half],
        rgba=WHITE,
    )
    return body


def _exclude_contacts(spec: Any, model: ArmModel) -> None:
    """Of what touches by design: neighbours and their neighbours; fingers count with the hand."""
    names = [model.base.name, *(link.name for link in model.links), model.gripper.hand]
    for i in range(len(names)):
        for j in range(i + 1, min(i + 3, len(names))):
            spec.add_exclude(bodyname1=names[i], bodyname2=names[j])
    for finger in model.gripper.fingers:
        for name in names[-3:]:
            spec.add_exclude(bodyname1=name, bodyname2=finger)


def _add_link(parent: Any, arm: Arm, index: int, link: Link, armature: float) -> Any:
    alpha, half = arm.chain.alpha[index], 0.5 * arm.chain.alpha[index]
    body = parent.add_body(
        name=link.name,
        pos=arm.chain.fixed[index, :3, 3],
        quat=[math.cos(half), math.sin(half), 0, 0] if alpha else [1, 0, 0, 0],
        gravcomp=1,
    )
    body.add_joint(
        name=arm.joints[index],
        axis=[0, 0, 1],
        range=[arm.position_min[index], arm.position_max[index]],
        limited=True,
        armature=armature,
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


def _add_servos(spec: Any, arm: Arm, model: ArmModel) -> None:
    # The command moves both fingers: the tendon is their mean, the equality keeps them together.
    opening, mirror = spec.add_tendon(name='opening'), model.gripper.mirror
    opening.wrap_joint(arm.gripper, 0.5)
    opening.wrap_joint(mirror, 0.5)
    spec.add_equality(
        type=mujoco.mjtEq.mjEQ_JOINT, name1=arm.gripper, name2=mirror, data=[0, 1, *[0] * 10]
    )
    joint, tendon = mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_TENDON
    targets = [*((name, joint) for name in arm.joints), ('opening', tendon)]
    for (target, transmission), force, kp, kv in zip(
        targets, arm.torque, model.servo.stiffness, model.servo.damping, strict=True
    ):
        servo = spec.add_actuator(
            name=target,
            target=target,
            trntype=transmission,
            forcelimited=True,
            forcerange=[-force, force],
        )
        servo.set_to_position(kp=kp, kv=kv)
