"""The URDF of a simulated robot: links with the shapes that MuJoCo collides, joints with limits."""

from __future__ import annotations

import math
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import mujoco
import numpy as np

from il_ros.core.limits import Array

WORLD = 'world'

_TURN, _SLIDE = int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)
_GEOM = mujoco.mjtGeom
_SPEED = math.pi  # of every joint, as a model has none [rad/s or m/s]


def urdf_text(model: Any, name: str, prefix: str = '', *, world: str = WORLD) -> str:
    """A description that shows and moves as the model does.

    Args:
        model: The robot alone: a mujoco.MjModel whose joints turn or slide about the origins of
            their bodies.
        name: Of the robot.
        prefix: That its names lose.
        world: Name of the link that it stands on; where a part of it has this name, it is that.
    """
    robot = Element('robot', name=name)
    names = [model.body(index).name.removeprefix(prefix) for index in range(1, model.nbody)]
    if world not in names:
        SubElement(robot, 'link', name=world)
    for index in range(1, model.nbody):
        _add_link(robot, model, index, prefix)
    for index, child in enumerate(names, start=1):
        if child != world:
            _add_joint(robot, model, index, prefix, world)
    ElementTree.indent(robot)
    return '<?xml version="1.0"?>\n' + ElementTree.tostring(robot, encoding='unicode') + '\n'


def _add_link(robot: Element, model: Any, index: int, prefix: str) -> None:
    body = model.body(index)
    link = SubElement(robot, 'link', name=body.name.removeprefix(prefix))
    if float(body.mass[0]) > 0.0:
        inertial = SubElement(link, 'inertial')
        _add_origin(inertial, body.ipos, body.iquat)
        SubElement(inertial, 'mass', value=_text(body.mass))
        x, y, z = (_text([value]) for value in body.inertia)
        SubElement(inertial, 'inertia', ixx=x, iyy=y, izz=z, ixy='0', ixz='0', iyz='0')
    for geom in range(int(body.geomadr[0]), int(body.geomadr[0] + body.geomnum[0])):
        for tag in ('visual', 'collision'):
            _add_shapes(link, tag, model.geom(geom))


def _add_shapes(link: Element, tag: str, geom: Any) -> None:
    """One shape; a capsule is a cylinder and two balls, as not every reader knows capsules."""
    kind, size = int(geom.type[0]), geom.size
    at: list[tuple[Array, str, dict[str, str]]] = []
    if kind == int(_GEOM.mjGEOM_BOX):
        at = [(geom.pos, 'box', {'size': _text(2 * size)})]
    elif kind == int(_GEOM.mjGEOM_SPHERE):
        at = [(geom.pos, 'sphere', {'radius': _text(size[:1])})]
    elif kind in (int(_GEOM.mjGEOM_CYLINDER), int(_GEOM.mjGEOM_CAPSULE)):
        tube = {'radius': _text(size[:1]), 'length': _text(2 * size[1:2])}
        at = [(geom.pos, 'cylinder', tube)]
        if kind == int(_GEOM.mjGEOM_CAPSULE):
            matrix = np.zeros(9)
            mujoco.mju_quat2Mat(matrix, geom.quat)
            along = matrix.reshape(3, 3)[:, 2] * size[1]
            ball = {'radius': _text(size[:1])}
            at += [(geom.pos + sign * along, 'sphere', ball) for sign in (1.0, -1.0)]
    for position, shape, about in at:
        element = SubElement(link, tag)
        _add_origin(element, position, geom.quat)
        SubElement(SubElement(element, 'geometry'), shape, about)


def _add_joint(robot: Element, model: Any, index: int, prefix: str, world: str) -> None:
    body = model.body(index)
    parent = model.body(int(body.parentid[0])).name if body.parentid[0] else world
    child = body.name.removeprefix(prefix)
    moved = model.joint(int(body.jntadr[0])) if body.jntnum[0] else None
    joint = SubElement(robot, 'joint')
    joint.set('name', f'{child}_mount' if moved is None else moved.name.removeprefix(prefix))
    _add_origin(joint, body.pos, body.quat)
    SubElement(joint, 'parent', link=parent.removeprefix(prefix))
    SubElement(joint, 'child', link=child)
    if moved is None:
        joint.set('type', 'fixed')
        return
    turns, limited = int(moved.type[0]) == _TURN, bool(model.jnt_limited[moved.id])
    joint.set('type', ('revolute' if limited else 'continuous') if turns else 'prismatic')
    SubElement(joint, 'axis', xyz=_text(moved.axis))
    force = float(np.abs(model.jnt_actfrcrange[moved.id]).max()) or 100.0
    bounds = {'velocity': _text([_SPEED]), 'effort': _text([force])}
    if limited or not turns:
        bounds |= {'lower': _text(moved.range[:1]), 'upper': _text(moved.range[1:])}
    SubElement(joint, 'limit', bounds)
    _add_mimic(joint, model, moved, prefix)


def _add_mimic(joint: Element, model: Any, moved: Any, prefix: str) -> None:
    """Of two tied joints the second in the model follows the first."""
    for tie in np.flatnonzero(model.eq_type == int(mujoco.mjtEq.mjEQ_JOINT)):
        one, other = int(model.eq_obj1id[tie]), int(model.eq_obj2id[tie])
        offset, slope = (float(value) for value in model.eq_data[tie, :2])
        if other < 0 or moved.id != max(one, other) or not slope:
            continue
        if moved.id == other:  # one = offset + slope * other
            offset, slope = -offset / slope, 1.0 / slope
        led = model.joint(min(one, other)).name.removeprefix(prefix)
        SubElement(joint, 'mimic', joint=led, multiplier=_text([slope]), offset=_text([offset]))


def _add_origin(element: Element, position: Array, quaternion: Array) -> None:
    """A place [m] and a quaternion wxyz; what is in place already has none."""
    matrix = np.zeros(9)
    mujoco.mju_quat2Mat(matrix, quaternion)
    r = matrix.reshape(3, 3)
    level = math.hypot(r[0, 0], r[1, 0])
    roll, yaw = math.atan2(r[2, 1], r[2, 2]), math.atan2(r[1, 0], r[0, 0])
    if level < 1e-9:  # straight up or down: only their sum counts
        roll, yaw = math.atan2(-r[1, 2], r[1, 1]), 0.0
    turn = (roll, math.atan2(-r[2, 0], level), yaw)
    if any(position) or any(turn):
        SubElement(element, 'origin', xyz=_text(position), rpy=_text(turn))


def _text(values: Any) -> str:
    return ' '.join(f'{float(value) + 0.0:.12g}' for value in values)
