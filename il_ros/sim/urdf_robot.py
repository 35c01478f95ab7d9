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
from il_ros.core.regular_files import read_text
from il_ros.sim.robot import Limb, Robot, add_sensors

PREFIX = 'robot/'  # of the file's names in the scene, so that none is the scene's own

_FREQUENCY = 80.0  # of the servos, critically damped [rad/s]
_ROTOR = 0.1  # least inertia behind the gear of an arm's joint [kg m^2 or kg]
_FINGER = 1e-3  # inertia behind the gear of each finger joint [kg m^2], as of a small motor
_GRIP = 64.0, 1.6, 5.0  # stiffness, damping and torque of a gripper that turns [N m/rad, N m]
_SLIDE = 5000.0, 70.0, 60.0  # the same of one that slides [N/m, N]
_KEEP = '<mujoco><compiler fusestatic="false" discardvisual="true"/></mujoco></robot>'


def read_urdf_robot(
    path: Path, *, tool: str | Mapping[str, str], home: Mapping[str, float]
) -> Robot:
    """The arm of a URDF, or the pair; the plane z = 0 of its root link is the table's surface.

    Args:
        path: The file; its shapes are primitive ones.
        tool: The link whose frame is the tool centre point; of a pair a mapping from `left` and
            `right`, which the names of each arm's joints begin with, to its link.
        home: Posture that tasks start around, of the arm's joints and the gripper's, which moves
            the fingers and comes last; of a pair arm by arm [rad or m].

    Raises:
        IlRosError: If the file cannot be read, or lacks what is named here.
    """
    model = _specification(path).compile()
    tools = {'': tool} if isinstance(tool, str) else dict(tool)
    limbs = {side: _commanded(model, path, home, side) for side in tools}
    names = tuple(name for limb in limbs.values() for name in limb)
    for link in tools.values():
        if mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, link) < 0:
            links = [model.body(i).name for i in range(1, model.nbody)]
            raise UnknownNameError(f'no link {link!r}', where=str(path), allowed=links)
    data = mujoco.MjData(model)
    for name in names:
        data.joint(name).qpos[0] = home[name]
    mujoco.mj_forward(model, data)
    inertia = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, inertia)
    seen = np.diag(inertia)[[model.joint(name).dofadr[0] for name in names]] + _ROTOR
    stiffness, damping, force = _FREQUENCY**2 * seen, 2.0 * _FREQUENCY * seen, np.zeros(len(names))
    for limb in limbs.values():
        last = names.index(limb[-1])
        turns = int(model.joint(limb[-1]).type[0]) == int(mujoco.mjtJoint.mjJNT_HINGE)
        stiffness[last], damping[last], force[last] = _GRIP if turns else _SLIDE
    made = tuple(_limb(model, data, side, limb) for side, limb in limbs.items())
    return Robot(
        name=path.stem,
        prefix=PREFIX,
        limbs=made,
        home=np.array([home[name] for name in names]),
        lead=damping / stiffness,
        add=partial(
            _add,
            path=path,
            tools=tuple(tools.values()),
            limbs=made,
            servos=tuple(zip(names, stiffness, damping, force, strict=True)),
        ),
    )


def _limb(model: Any, data: Any, side: str, names: tuple[str, ...]) -> Limb:
    """One arm at the posture of `data`, with what hangs on its wrist."""
    hand = int(model.jnt_bodyid[model.joint(names[-2]).id])
    low, high = model.joint(names[-1]).range
    return Limb(
        names=names,
        stroke=(float(low), float(high)),
        foot=PREFIX + model.body(model.jnt_bodyid[model.joint(names[0]).id]).name,
        hand=PREFIX + model.body(hand).name,
        load=float(model.body_subtreemass[hand]),
        load_at=data.xmat[hand].reshape(3, 3).T @ (data.subtree_com[hand] - data.xpos[hand]),
        prefix=f'{side}_' if side else '',
        feels=not side,
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


def _commanded(model: Any, path: Path, home: Mapping[str, float], side: str) -> tuple[str, ...]:
    """The commanded joints of one arm, first of its joints in the model; the gripper's is last."""
    prefix = f'{side}_' if side else ''
    found = [model.joint(i).name for i in range(model.njnt)]
    own = [name for name in found if name.startswith(prefix)]
    wanted = [name for name in home if name.startswith(prefix)]
    first = tuple(own[: len(wanted)])
    if not wanted or sorted(first) != sorted(wanted) or first[-1] != wanted[-1]:
        last = wanted[-1] if wanted else 'the gripper'
        raise IlRosError(
            f'the joints come as {", ".join(own) or "none"}',
            where=str(path),
            allowed=f'those of home before any other, and {last} last: {", ".join(wanted)}',
        )
    return first


def _add(
    scene: Any,
    *,
    path: Path,
    tools: tuple[str, ...],
    limbs: tuple[Limb, ...],
    servos: tuple[tuple[str, float, float, float], ...],
) -> None:
    """Add the file's arms, servos (name, stiffness, damping, force), and sensors to the scene."""
    spec = _specification(path)
    commanded = [name for name, *_ in servos]
    grippers = [limb.gripper for limb in limbs]
    for body in spec.bodies[1:]:
        body.gravcomp = 1
    for geom in spec.geoms:
        geom.contype, geom.conaffinity = 0, 1  # its own links never touch
        geom.rgba = (0.7, 0.72, 0.75, 1.0)
    for joint in spec.joints:
        arm = joint.name in commanded and joint.name not in grippers
        joint.actgravcomp = joint.name in commanded
        joint.armature = _ROTOR if arm else _armature(joint)
    for tool, limb in zip(tools, limbs, strict=True):
        spec.body(tool).add_site(name=f'{limb.prefix}tcp', size=[0.005, 0, 0])
    scene.attach(spec, prefix=PREFIX, frame=scene.worldbody.add_frame())
    for name, kp, kv, force in servos:
        servo = scene.add_actuator(
            name=name, target=PREFIX + name, trntype=mujoco.mjtTrn.mjTRN_JOINT
        )
        servo.set_to_position(kp=kp, kv=kv)
        if name in grippers:
            servo.forcelimited, servo.forcerange = True, [-force, force]
    for limb in limbs:
        scene.site(f'{PREFIX}{limb.prefix}tcp').name = f'{limb.prefix}tcp'
        add_sensors(scene, scene.body(limb.hand), limb.load_at, limb.prefix)


def _armature(joint: Any) -> float:
    return _ROTOR if joint.type == mujoco.mjtJoint.mjJNT_SLIDE else _FINGER
