"""An arm with a gripper, drawn from primitive shapes along the chain of its kinematics.

The bodies follow the Denavit-Hartenberg chain of the arm, so the model's forward kinematics are the
chain's. The servos stand for the arm's internal joint controller: gravity is compensated, torque
is limited, and a moving set-point is followed without lag (see `ArmModel`). What is an arm's own is
in `il_ros.sim.robots`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np

from il_ros.core.arms import AnyArm, Arm
from il_ros.core.geometry import quaternion_from_matrix
from il_ros.core.kinematics import SerialChain
from il_ros.core.limits import Array
from il_ros.sim.gripper import WHITE, Gripper, add_gripper
from il_ros.sim.robot import Limb, Robot, View, add_sensors

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


@dataclass(frozen=True)
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
class ArmModel:
    """How a known arm looks and moves in the simulator.

    The damping of its servos acts on the error of the speed: a set-point's own speed is fed
    forward, as an arm's internal controller does, by leading the set-point by `damping /
    stiffness` seconds.

    Attributes:
        base: What it stands on.
        links: What each joint moves, n of them.
        gripper: What is on the last link.
        stiffness: Torque or force of each servo for an error of the position, shape (n + 1,),
            gripper last [N m/rad, N/m].
        damping: Torque or force for an error of the speed, shape (n + 1,) [N m s/rad, N s/m].
        armature: Rotor inertia seen at each of the arm's joints [kg m^2].
        view: Where the table and the camera are.
    """

    base: Base
    links: tuple[Link, ...]
    gripper: Gripper
    stiffness: Array
    damping: Array
    armature: float = 0.1
    view: View = field(default_factory=View)


def drawn_robot(arm: AnyArm, model: ArmModel) -> Robot:
    """The arm as the scene and the physics take it, or two arms of this model."""

    def add(spec: Any) -> None:
        for limb in arm.limbs:
            _add_arm(spec, limb, model)

    return Robot(
        name=arm.name,
        limbs=tuple(
            Limb(
                names=limb.names,
                stroke=(limb.position_min[-1], limb.position_max[-1]),
                foot=limb.prefix + model.links[0].name,
                hand=limb.prefix + model.gripper.hand,
                load=model.gripper.mass,
                load_at=np.array([0.0, 0.0, model.gripper.mass_z]),
                prefix=limb.prefix,
                feels=limb.feels,
            )
            for limb in arm.limbs
        ),
        home=arm.home,
        lead=np.tile(model.damping / model.stiffness, len(arm.limbs)),
        add=add,
        view=model.view,
    )


def _add_arm(spec: Any, arm: Arm, model: ArmModel) -> None:
    body = _add_base(spec, arm, model.base)
    for index, link in enumerate(model.links):
        body = _add_link(body, arm, index, link, model.armature)
    hand = add_gripper(body, arm, model.gripper)
    _exclude_contacts(spec, arm, model)
    _add_servos(spec, arm, model)
    add_sensors(spec, hand, np.array([0.0, 0.0, model.gripper.mass_z]), arm.prefix)


def _add_base(spec: Any, arm: Arm, base: Base) -> Any:
    """Its frame is the base frame, wherever the arm stands in it."""
    body, half = spec.worldbody.add_body(name=arm.prefix + base.name), base.height / 2
    x, y, z = (0.0, 0.0, 0.0) if arm.chain.base is None else arm.chain.base[:3, 3]
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        size=[base.radius, half, 0],
        pos=[x, y, z + half],
        rgba=WHITE,
    )
    return body


def _exclude_contacts(spec: Any, arm: Arm, model: ArmModel) -> None:
    """Of what touches by design: neighbours and their neighbours; fingers count with the hand."""
    links = [link.name for link in model.links]
    names = [arm.prefix + name for name in (model.base.name, *links, model.gripper.hand)]
    for i in range(len(names)):
        for j in range(i + 1, min(i + 3, len(names))):
            spec.add_exclude(bodyname1=names[i], bodyname2=names[j])
    for finger in model.gripper.fingers:
        for name in names[-3:]:
            spec.add_exclude(bodyname1=name, bodyname2=arm.prefix + finger)


def _add_link(parent: Any, arm: Arm, index: int, link: Link, armature: float) -> Any:
    body = parent.add_body(
        name=arm.prefix + link.name,
        pos=_placed(arm.chain, index)[:3, 3],
        quat=_turn(arm.chain, index),
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


def _placed(chain: SerialChain, index: int) -> Array:
    """Transform (4, 4) from the frame of the joint before, or of the base, to a joint's own."""
    fixed = chain.fixed[index]
    return fixed if index or chain.base is None else np.asarray(chain.base @ fixed)


def _turn(chain: SerialChain, index: int) -> list[float]:
    """Quaternion wxyz of a joint's frame at position 0 in that of the joint before."""
    fixed = chain.fixed
    if np.all(fixed[:, 0, 0] == 1.0) and (index or chain.base is None):  # turned about x alone
        half = 0.5 * math.atan2(fixed[index, 2, 1], fixed[index, 1, 1])
        return [math.cos(half), math.sin(half), 0, 0] if half else [1, 0, 0, 0]
    x, y, z, w = quaternion_from_matrix(_placed(chain, index)[:3, :3])
    return [w, x, y, z]


def _add_servos(spec: Any, arm: Arm, model: ArmModel) -> None:
    # The command moves both fingers: the tendon is their mean, the equality keeps them together.
    tendon_name, mirror = f'{arm.prefix}opening', arm.prefix + model.gripper.mirror
    opening = spec.add_tendon(name=tendon_name)
    opening.wrap_joint(arm.gripper, 0.5)
    opening.wrap_joint(mirror, 0.5)
    spec.add_equality(
        type=mujoco.mjtEq.mjEQ_JOINT, name1=arm.gripper, name2=mirror, data=[0, 1, *[0] * 10]
    )
    joint, tendon = mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_TENDON
    targets = [*((name, joint) for name in arm.joints), (tendon_name, tendon)]
    for (target, transmission), force, kp, kv in zip(
        targets, arm.torque, model.stiffness, model.damping, strict=True
    ):
        servo = spec.add_actuator(
            name=target,
            target=target,
            trntype=transmission,
            forcelimited=True,
            forcerange=[-force, force],
        )
        servo.set_to_position(kp=kp, kv=kv)
