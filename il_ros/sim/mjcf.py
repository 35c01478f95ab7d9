"""A robot of one's own: the arm that a MuJoCo file describes takes the place of a drawn one.

The file gives bodies, joints with their ranges, masses and looks. Of its keyframes only `home`
counts, and its actuators and sensors are left out: the simulator's own servos stand for the arm's
controller, and gravity is compensated.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from il_ros.core.arms import AnyArm, Arm, require_single
from il_ros.core.errors import IlRosError
from il_ros.core.geometry import rotation_vector
from il_ros.core.joint_order import indices_of
from il_ros.core.limits import Array, Limits
from il_ros.sim.robot import Limb, Robot, add_sensors

TOOL = 'tcp'  # the site that every robot has
PREFIX = 'robot/'  # of the file's names in the scene, so that none is the scene's own
FREQUENCY = 80.0  # of the arm's servos, critically damped [rad/s]
INERTIA = 0.1  # least inertia that they are made for: a rotor's behind its gear [kg m^2]
GRIP = 5000.0, 70.0  # stiffness and damping of the gripper's servo [N/m, N s/m]
APART, TURNED = 0.005, 0.05  # how far the tool may be off the arm's kinematics [m, rad]


def read_robot(path: Path, limits: Limits, arm: AnyArm | None = None) -> Robot:
    """The arm of an MJCF file; the plane z = 0 of its world is the table's surface.

    The file's first joints are the commanded ones in their order: hinges, then the slide of the
    gripper, with a range. Joints that an equality ties to one of them follow it. The site `tcp` is
    the tool centre point. Tasks start around the keyframe `home`; without it around the home of
    `arm`, and without that around the posture of the file.

    Args:
        path: The file.
        limits: Bounds of the commanded joints; their names are the joints'.
        arm: Kinematics that the file must agree with; none where they are not known.

    Raises:
        IlRosError: If the file cannot be read, lacks something, or disagrees with `arm`; or if
            that is a pair.
    """
    arm = None if arm is None else require_single(arm, where=str(path))
    with _readable(path):
        model = _specification(path).compile()
    _check_joints(model, path, limits.names)
    hand = _tool_body(model, path)
    data = mujoco.MjData(model)
    home = _home(model, data, path, limits, arm)
    if arm is not None:
        _check_tool(data, path, arm, home[arm.columns(limits.names)])
    stiffness, damping = _gains(model, data, len(home))
    load_at = data.xmat[hand].reshape(3, 3).T @ (data.subtree_com[hand] - data.xpos[hand])
    low, high = model.joint(limits.names[-1]).range
    return Robot(
        name=path.stem,
        prefix=PREFIX,
        limbs=(
            Limb(
                names=limits.names,
                stroke=(float(low), float(high)),
                foot=PREFIX + model.body(model.jnt_bodyid[0]).name,
                hand=PREFIX + model.body(hand).name,
                load=float(model.body_subtreemass[hand]),
                load_at=load_at,
            ),
        ),
        home=home,
        lead=damping / stiffness,
        add=partial(
            _add,
            path=path,
            servos=tuple(zip(limits.names, stiffness, damping, strict=True)),
            load_at=load_at,
        ),
    )


def _specification(path: Path) -> Any:
    """What the file says, every body with a name."""
    with _readable(path):
        spec = mujoco.MjSpec.from_file(str(path))
    for index, body in enumerate(spec.bodies):
        body.name = body.name or f'body{index}'
    return spec


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except ValueError as problem:
        raise IlRosError(
            f'no MJCF that can be read: {" ".join(str(problem).split())}',
            where=str(path),
            fix='correct the file; the `simulate` of MuJoCo shows it when it is right',
        ) from None


def _check_joints(model: Any, path: Path, names: tuple[str, ...]) -> None:
    found = [model.joint(i).name for i in range(model.njnt)]
    if missing := [name for name in names if name not in found]:
        raise IlRosError(
            f'no joint {", ".join(missing)}; it has {", ".join(found) or "none"}',
            where=str(path),
            fix='give the joints one name in the file and in the contract',
        )
    if tuple(found[: len(names)]) != names:
        raise IlRosError(
            f'the joints come as {", ".join(found)}',
            where=str(path),
            allowed=f'in the order of the contract, before any other: {", ".join(names)}',
        )
    hinge, slide = int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)
    for i, name in enumerate(names):
        last = i == len(names) - 1
        if int(model.jnt_type[i]) != (slide if last else hinge):
            kind = 'a slide: the last one moves the gripper' if last else 'a hinge'
            raise IlRosError(f'joint {name} is of another type', where=str(path), allowed=kind)
    if not model.jnt_limited[len(names) - 1]:
        raise IlRosError(f'joint {names[-1]} has no range', where=str(path), fix='give it one')


def _tool_body(model: Any, path: Path) -> int:
    """The body that carries the tool centre point."""
    site = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, TOOL)
    if site < 0:
        raise IlRosError(
            f'no site {TOOL}',
            where=str(path),
            fix='add it at the tool centre point, its z out of the tool',
        )
    body = int(model.site_bodyid[site])
    if model.body_weldid[body] == 0:
        raise IlRosError(f'no joint moves the site {TOOL}', where=str(path), fix='put it on a link')
    return body


def _home(model: Any, data: Any, path: Path, limits: Limits, arm: Arm | None) -> Array:
    """Put `data` in the home posture; its commanded joints, shape (N,) [rad, m]."""
    n, key = len(limits.names), mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_KEY, 'home')
    if key >= 0:
        mujoco.mj_resetDataKeyframe(model, data, key)
    elif arm is not None:
        data.qpos[:n] = arm.home[indices_of(limits.names, arm.names)]
    mujoco.mj_forward(model, data)
    home: Array = data.qpos[:n].copy()
    outside = (home < limits.position_min) | (home > limits.position_max)
    if outside.any():
        which = ', '.join(np.array(limits.names)[outside])
        raise IlRosError(
            f'at home {which} is outside the position limits of the contract',
            where=str(path),
            fix="give the file a keyframe called 'home' inside them",
        )
    return home


def _check_tool(data: Any, path: Path, arm: Arm, joints: Array) -> None:
    """Refuse a file whose tool at `joints` (n,) is not where the arm's kinematics have it."""
    position, rotation = arm.chain.forward(joints)
    site = data.site(TOOL)
    apart = float(np.linalg.norm(site.xpos - position))
    turned = float(np.linalg.norm(rotation_vector(rotation @ site.xmat.reshape(3, 3).T)))
    if apart > APART or turned > TURNED:
        raise IlRosError(
            f'at home the site {TOOL} is {apart:.3f} m and {turned:.2f} rad from where the '
            f'kinematics of the arm {arm.name!r} have it',
            where=str(path),
            fix='move the base or the site; or name no arm in the contract, if it is another one',
        )


def _gains(model: Any, data: Any, n: int) -> tuple[Array, Array]:
    """Stiffness and damping of the servos, each shape (n,), for the inertia of the home posture."""
    inertia = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, inertia)
    seen = np.maximum(np.diag(inertia)[:n], INERTIA)
    stiffness, damping = FREQUENCY**2 * seen, 2.0 * FREQUENCY * seen
    stiffness[-1], damping[-1] = GRIP
    return stiffness, damping


def _add(
    scene: Any, path: Path, servos: Iterable[tuple[str, float, float]], load_at: Array
) -> None:
    """Add the file's arm, servos (name, stiffness, damping), and sensors to the scene."""
    spec = _specification(path)
    for unused in (*spec.actuators, *spec.sensors, *spec.keys):
        spec.delete(unused)
    for body in spec.bodies[1:]:
        body.gravcomp = 1
    for joint in spec.joints:
        joint.actgravcomp = True
    cameras = {camera.name for camera in spec.cameras} - {camera.name for camera in scene.cameras}
    scene.attach(spec, prefix=PREFIX, frame=scene.worldbody.add_frame())
    for name in cameras - {''}:  # they are asked for by these names
        scene.camera(PREFIX + name).name = name
    for name, kp, kv in servos:
        servo = scene.add_actuator(
            name=name, target=PREFIX + name, trntype=mujoco.mjtTrn.mjTRN_JOINT
        )
        servo.set_to_position(kp=kp, kv=kv)
    tool = scene.site(PREFIX + TOOL)
    tool.name = TOOL
    add_sensors(scene, tool.parent, load_at)
