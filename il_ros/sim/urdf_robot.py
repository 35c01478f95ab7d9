"""An arm that a URDF describes, in the place of a drawn one.

MuJoCo reads the file: links with their masses and shapes, joints with their ranges and efforts, and
mimic joints as ties. What a URDF lacks is added here: servos, a rotor's inertia behind each gear,
compensated gravity, the tool centre point. The links of the arm touch the surroundings and never
one another: their shapes are larger than they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.core.limits import Array
from il_ros.core.regular_files import read_text
from il_ros.sim.robot import Limb, Robot, add_sensors

PREFIX = 'robot/'  # of the file's names in the scene, so that none is the scene's own

_FREQUENCY = 80.0  # of the servos, critically damped [rad/s]
_ROTOR = 0.1  # least inertia behind the gear of an arm's joint [kg m^2 or kg]
_FINGER = 1e-3  # inertia behind the gear of each finger joint [kg m^2], as of a small motor
_GRIP = 64.0, 1.6, 5.0  # stiffness, damping and torque of a gripper that turns [N m/rad, N m]
_SLIDE = 5000.0, 70.0, 60.0  # the same of one that slides [N/m, N]
_KEEP = '<mujoco><compiler fusestatic="false" discardvisual="true"/></mujoco></robot>'


def read_urdf_robot(path: Path, *, tool: str, home: Mapping[str, float], gripper: str) -> Robot:
    """The arm of a URDF; the plane z = 0 of its root link is the table's surface.

    Args:
        path: The file; its shapes are primitive ones.
        tool: The link whose frame is the tool centre point.
        home: Posture that tasks start around, of the arm's joints and the gripper's [rad or m].
        gripper: The joint that moves the fingers.

    Raises:
        IlRosError: If the file cannot be read, or lacks what is named here.
    """
    model = _specification(path).compile()
    names = _commanded(model, path, home, gripper)
    if mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, tool) < 0:
        links = [model.body(i).name for i in range(1, model.nbody)]
        raise UnknownNameError(f'no link {tool!r}', where=str(path), allowed=links)
    data = mujoco.MjData(model)
    for name in names:
        data.joint(name).qpos[0] = home[name]
    mujoco.mj_forward(model, data)
    inertia = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, inertia)
    seen = np.diag(inertia)[: len(names)] + _ROTOR
    stiffness, damping = _FREQUENCY**2 * seen, 2.0 * _FREQUENCY * seen
    joint = model.joint(gripper)
    turns = int(joint.type[0]) == int(mujoco.mjtJoint.mjJNT_HINGE)
    stiffness[-1], damping[-1], force = _GRIP if turns else _SLIDE
    hand = int(model.jnt_bodyid[len(names) - 2])
    load_at = data.xmat[hand].reshape(3, 3).T @ (data.subtree_com[hand] - data.xpos[hand])
    low, high = joint.range
    return Robot(
        name=path.stem,
        prefix=PREFIX,
        limbs=(
            Limb(
                names=names,
                stroke=(float(low), float(high)),
                foot=PREFIX + model.body(model.jnt_bodyid[0]).name,
                hand=PREFIX + model.body(hand).name,
                load=float(model.body_subtreemass[hand]),
                load_at=load_at,
            ),
        ),
        home=np.array([home[name] for name in names]),
        lead=damping / stiffness,
        add=partial(
            _add,
            path=path,
            tool=tool,
            servos=tuple(zip(names, stiffness, damping, strict=True)),
            grip=force,
            load_at=load_at,
        ),
    )


def _specification(path: Path) -> Any:
    text = read_text(path)
    if '</robot>' not in text:
        raise IlRosError('no URDF: it has no <robot>', where=str(path))
    try:
        spec = mujoco.MjSpec.from_string(_KEEP.join(text.rsplit('</robot>', 1)))
        spec.compile()
    except ValueError as problem:
        raise IlRosError(
            f'no URDF that can be simulated: {" ".join(str(problem).split())}', where=str(path)
        ) from None
    return spec


def _commanded(model: Any, path: Path, home: Mapping[str, float], gripper: str) -> tuple[str, ...]:
    """The commanded joints, which come first in the model: the arm's, then the gripper's."""
    found = [model.joint(i).name for i in range(model.njnt)]
    first = tuple(found[: len(home)])
    if sorted(first) != sorted(home) or first[-1] != gripper:
        raise IlRosError(
            f'the joints come as {", ".join(found) or "none"}',
            where=str(path),
            allowed=f'those of home before any other, and {gripper} last: {", ".join(home)}',
        )
    return first


def _add(
    scene: Any,
    *,
    path: Path,
    tool: str,
    servos: tuple[tuple[str, float, float], ...],
    grip: float,
    load_at: Array,
) -> None:
    """Add the file's arm, servos (name, stiffness, damping), and sensors to the scene."""
    spec = _specification(path)
    commanded = [name for name, _, _ in servos]
    for body in spec.bodies[1:]:
        body.gravcomp = 1
    for geom in spec.geoms:
        geom.contype, geom.conaffinity = 0, 1  # its own links never touch
        geom.rgba = (0.7, 0.72, 0.75, 1.0)
    for joint in spec.joints:
        joint.actgravcomp = joint.name in commanded
        joint.armature = _ROTOR if joint.name in commanded[:-1] else _armature(joint)
    spec.body(tool).add_site(name='tcp', size=[0.005, 0, 0])
    hand = spec.joint(commanded[-2]).parent.name
    scene.attach(spec, prefix=PREFIX, frame=scene.worldbody.add_frame())
    for index, (name, kp, kv) in enumerate(servos):
        servo = scene.add_actuator(
            name=name, target=PREFIX + name, trntype=mujoco.mjtTrn.mjTRN_JOINT
        )
        servo.set_to_position(kp=kp, kv=kv)
        if index == len(servos) - 1:
            servo.forcelimited, servo.forcerange = True, [-grip, grip]
    scene.site(PREFIX + 'tcp').name = 'tcp'
    add_sensors(scene, scene.body(PREFIX + hand), load_at)


def _armature(joint: Any) -> float:
    return _ROTOR if joint.type == mujoco.mjtJoint.mjJNT_SLIDE else _FINGER
