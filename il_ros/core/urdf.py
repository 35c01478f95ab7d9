"""URDF: a robot's links and joints, and the arms from one base link to each tip.

The tree is read with ElementTree alone: MuJoCo's own reader wants every mesh and knows no mimic
joints, pinocchio is a heavy dependency, and a monitor that compares a live description with its
contract needs neither. Meshes are not opened here (`il_ros.core.urdf_body`).
Source: the XML specification of urdf (wiki.ros.org/urdf/XML).
"""

from __future__ import annotations

import math
import operator
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree

import numpy as np

from il_ros.core.documents import shown
from il_ros.core.errors import ContractError
from il_ros.core.geometry import matrix_about, quaternion_from_matrix
from il_ros.core.kinematics import (
    ArmDescription,
    JointDescription,
    LimbDescription,
    Mimic,
    Numbers3,
    Placement,
)
from il_ros.core.limits import Array, Limits

LIMIT = 4 << 20
"""Characters of the longest URDF."""

_DEPTH, _TAGS, _LINKS = 50, 100_000, 1000
_SAME = 1e-6  # m, rad or rad/s up to which numbers are the same
_SAME_ANGLE = 1e-5  # rad; the angle of a quaternion of rounded numbers is no better
_LARGEST = 1e20  # of a number; the squares of larger ones are none
_MOVES = ('revolute', 'continuous', 'prismatic')
_TYPES = (*_MOVES, 'fixed', 'floating', 'planar')


@dataclass(frozen=True, kw_only=True)
class UrdfShape:
    """A body that stands for part of a link.

    Attributes:
        kind: `box`, `cylinder`, `sphere`, `capsule` or `mesh`.
        size: Edges of a box, radius and length, radius, or scale of a mesh, shape (3,) at most [m].
        file: Where the mesh is; as it stands there.
        origin: Its frame in the link's, shape (4, 4).
    """

    kind: str
    size: tuple[float, ...]
    file: str
    origin: Array


@dataclass(frozen=True, kw_only=True)
class UrdfJoint:
    """A joint, whether it moves or not.

    Attributes:
        name: Its name.
        type: As in the file.
        parent: Link that it begins at.
        child: Link that it moves.
        origin: The child's frame at position 0 in the parent's, shape (4, 4).
        axis: Unit vector in the child's frame.
        lower: Least position [rad or m]; None where the file has none.
        upper: Largest position [rad or m]; None where the file has none.
        velocity: Largest speed [rad/s or m/s]; None where the file has none.
        mimic: The joint that it follows, if any.
    """

    name: str
    type: str
    parent: str
    child: str
    origin: Array
    axis: Numbers3
    lower: float | None = None
    upper: float | None = None
    velocity: float | None = None
    mimic: Mimic | None = None


@dataclass(frozen=True, kw_only=True)
class Urdf:
    """A robot.

    Attributes:
        name: Its name.
        where: What errors begin with.
        collision: By link: the bodies that it collides with.
        visual: By link: those that it is seen as.
        joints: By name.
        above: By link: the joint that moves it; the root has none.
    """

    name: str
    where: str
    collision: Mapping[str, Sequence[UrdfShape]]
    visual: Mapping[str, Sequence[UrdfShape]]
    joints: Mapping[str, UrdfJoint]
    above: Mapping[str, UrdfJoint] = field(repr=False)

    def joints_to(self, link: str) -> list[UrdfJoint]:
        """The joints from the root to a link.

        Raises:
            ContractError: If there is no such link; it lists those there are.
        """
        if link not in self.collision:
            raise ContractError(f'no link {link!r}', where=self.where, allowed=self.collision)
        found: list[UrdfJoint] = []
        while link in self.above:
            found.append(self.above[link])
            link = found[-1].parent
        return found[::-1]

    def path(self, base: str, tip: str) -> tuple[Array, list[UrdfJoint]]:
        """The common link's frame in the base's, (4, 4), and the joints from there to the tip.

        Raises:
            ContractError: If a link is not there, or a joint above the base link moves it.
        """
        up, down = self.joints_to(base), self.joints_to(tip)
        same = sum(1 for one, other in zip(up, down, strict=False) if one is other)
        offset = np.eye(4)
        for joint in up[same:]:
            if joint.type != 'fixed':
                raise ContractError(
                    f'{joint.name} moves {base} against {tip}',
                    where=f'{self.where}: base {base}',
                    allowed='a link that does not move, at which the arm begins',
                )
            offset = offset @ joint.origin
        return rigid_inverse(offset), down[same:]


def read_urdf(text: str, where: str) -> Urdf:
    """A robot from the text of its URDF; `where` names it in errors.

    Raises:
        ContractError: If it is no URDF, or goes beyond a limit of this module.
    """
    root = parsed_xml(text, where)
    if root.tag != 'robot':
        raise ContractError(f'its root is <{root.tag}>', where=where, allowed='<robot>, as of URDF')
    if any('xacro' in element.tag for element in root.iter()):
        raise ContractError(
            'xacro that is not expanded', where=where, fix='xacro FILE.xacro > FILE.urdf'
        )
    links = _named(root, 'link', where)
    joints = {
        name: _joint(element, where) for name, element in _named(root, 'joint', where).items()
    }
    above: dict[str, UrdfJoint] = {}
    for joint in joints.values():
        for link in (joint.parent, joint.child):
            if link not in links:
                raise ContractError(f'no link {link!r}', where=f'{where}: joint {joint.name}')
        if joint.child in above:
            raise ContractError(
                f'a second joint moves {joint.child}', where=f'{where}: {joint.name}'
            )
        above[joint.child] = joint
    _check_tree(links, above, where)
    return Urdf(
        name=root.get('name', 'robot'),
        where=where,
        collision={name: _shapes(link, 'collision', where) for name, link in links.items()},
        visual={name: _shapes(link, 'visual', where) for name, link in links.items()},
        joints=joints,
        above=above,
    )


def parsed_xml(text: str, where: str) -> ElementTree.Element:
    """The elements of a URDF, without their texts.

    Raises:
        ContractError: If it is no XML, or takes too much memory.
    """
    if len(text) > LIMIT:
        raise ContractError(f'{len(text)} characters', where=where, allowed=f'up to {LIMIT}')
    parser = ElementTree.XMLParser(target=_BoundedBuilder(where))
    try:
        parser.feed(text)
        root: ElementTree.Element = parser.close()
    except (ElementTree.ParseError, ValueError, LookupError) as problem:
        raise ContractError(f'not XML: {problem}', where=where) from None
    return root


class _BoundedBuilder:
    """Builds the tree, without texts; refuses what takes memory or names other files."""

    def __init__(self, where: str) -> None:
        self._builder, self._where = ElementTree.TreeBuilder(), where
        self._deep = self._tags = 0

    def start(self, tag: str, attributes: dict[str, str]) -> Any:
        self._deep, self._tags = self._deep + 1, self._tags + 1
        if self._deep > _DEPTH or self._tags > _TAGS:
            self._refuse(f'tags more than {_DEPTH} deep, or more than {_TAGS} of them')
        return self._builder.start(tag, attributes)

    def end(self, tag: str) -> Any:
        self._deep -= 1
        return self._builder.end(tag)

    def doctype(self, *_: object) -> None:
        self._refuse('a document type declaration')

    def close(self) -> Any:
        return self._builder.close()

    def _refuse(self, problem: str) -> NoReturn:
        raise ContractError(problem, where=self._where, allowed='a plain URDF')


def _named(root: ElementTree.Element, tag: str, where: str) -> dict[str, ElementTree.Element]:
    """The children of the root with this tag, by name; those of <transmission> are not among."""
    found: dict[str, ElementTree.Element] = {}
    for element in root.findall(tag):
        name = element.get('name', '')
        if not name or name in found:
            raise ContractError(f'a {tag} named {name!r}, empty or there twice', where=where)
        found[name] = element
    if len(found) > _LINKS:
        raise ContractError(f'{len(found)} {tag}s', where=where, allowed=f'up to {_LINKS}')
    return found


def _check_tree(links: Iterable[str], above: Mapping[str, UrdfJoint], where: str) -> None:
    fine: set[str] = set()
    for start in links:
        link, way = start, {start}
        while link in above and link not in fine:
            link = above[link].parent
            if link in way:
                raise ContractError(f'a circle of joints through {link}', where=where)
            way.add(link)
        fine |= way


def _joint(element: ElementTree.Element, where: str) -> UrdfJoint:
    name, kind = element.get('name', ''), element.get('type', '')
    where = f'{where}: joint {name}'
    if kind not in _TYPES:
        raise ContractError(f'type {kind!r}', where=where, allowed=_TYPES)
    axis = _numbers(element.find('axis'), 'xyz', (1.0, 0.0, 0.0), where)
    length = math.hypot(*axis)
    if kind in _MOVES and not length > 1e-6:
        raise ContractError(f'axis {list(axis)}', where=where, allowed='a direction')
    lower, upper, velocity = _limit(element, kind, where)
    return UrdfJoint(
        name=name,
        type=kind,
        parent=_link(element, 'parent'),
        child=_link(element, 'child'),
        origin=_origin(element, where),
        axis=_unit(axis, length or 1.0),
        lower=lower,
        upper=upper,
        velocity=velocity,
        mimic=_mimic(element, where),
    )


def _unit(axis: tuple[float, ...], length: float) -> Numbers3:
    x, y, z = (value / length + 0.0 for value in axis)
    return x, y, z


def _link(element: ElementTree.Element, tag: str) -> str:
    found = element.find(tag)
    return '' if found is None else found.get('link', '')


def _limit(
    element: ElementTree.Element, kind: str, where: str
) -> tuple[float | None, float | None, float | None]:
    """Least and largest position, and speed; None for what is missing or allows no motion."""
    limit = element.find('limit')
    if limit is None or kind not in _MOVES:
        return None, None, None
    (speed,) = _numbers(limit, 'velocity', (0.0,), where, math.inf)
    velocity = speed if speed > 0.0 else None
    if kind == 'continuous':
        return None, None, velocity
    (lower,), (upper,) = (
        _numbers(limit, side, (0.0,), where, math.inf) for side in ('lower', 'upper')
    )
    known = lower < upper and max(-lower, upper) <= _LARGEST  # the largest double means none
    return (lower, upper, velocity) if known else (None, None, velocity)


def _mimic(element: ElementTree.Element, where: str) -> Mimic | None:
    mimic = element.find('mimic')
    if mimic is None:
        return None
    (multiplier,) = _numbers(mimic, 'multiplier', (1.0,), where)
    (offset,) = _numbers(mimic, 'offset', (0.0,), where)
    return Mimic(joint=mimic.get('joint', ''), multiplier=multiplier, offset=offset)


def _origin(element: ElementTree.Element, where: str) -> Array:
    origin, zero = element.find('origin'), (0.0, 0.0, 0.0)
    roll, pitch, yaw = _numbers(origin, 'rpy', zero, where)
    result = np.eye(4)
    result[:3, :3] = matrix_about(2, yaw) @ matrix_about(1, pitch) @ matrix_about(0, roll)
    result[:3, 3] = _numbers(origin, 'xyz', zero, where)
    return result


def _numbers(
    element: ElementTree.Element | None,
    name: str,
    default: tuple[float, ...],
    where: str,
    largest: float = _LARGEST,
) -> tuple[float, ...]:
    text = None if element is None else element.get(name)
    if text is None:
        return default
    try:
        values = tuple(float(word) for word in text.split())
    except ValueError:
        values = ()
    fine = all(math.isfinite(value) and abs(value) <= largest for value in values)
    if len(values) != len(default) or not fine:
        allowed = f'{len(default)} numbers, none beyond {largest:g}'
        raise ContractError(f'{name}={shown(text)}', where=where, allowed=allowed)
    return values


def _shapes(link: ElementTree.Element, tag: str, where: str) -> list[UrdfShape]:
    where = f'{where}: link {link.get("name")}'
    return [
        _shape(body, _origin(element, where), where)
        for element in link.findall(tag)
        for body in element.findall('geometry/*')
    ]


def _shape(body: ElementTree.Element, origin: Array, where: str) -> UrdfShape:
    parts: dict[str, tuple[tuple[str, int], ...]] = {
        'box': (('size', 3),),
        'sphere': (('radius', 1),),
        'cylinder': (('radius', 1), ('length', 1)),
        'capsule': (('radius', 1), ('length', 1)),
        'mesh': (),
    }
    if body.tag not in parts:
        raise ContractError(f'<{body.tag}>', where=where, allowed=parts)
    if body.tag == 'mesh':
        size = _numbers(body, 'scale', (1.0, 1.0, 1.0), where)
    else:
        size = ()
        for name, count in parts[body.tag]:
            size += _numbers(body, name, (math.nan,) * count, where)
        if not all(value > 0.0 for value in size):
            raise ContractError(f'<{body.tag}> of size {size}', where=where, allowed='above 0')
    return UrdfShape(kind=body.tag, size=size, file=body.get('filename', ''), origin=origin)


def rigid_inverse(matrix: Array) -> Array:
    """The inverse of a rigid transform (4, 4)."""
    result = np.eye(4)
    result[:3, :3] = matrix[:3, :3].T
    result[:3, 3] = -matrix[:3, :3].T @ matrix[:3, 3]
    return result


def placement(matrix: Array) -> Placement:
    """A rigid transform (4, 4) as a contract has it."""
    x, y, z = (float(value) + 0.0 for value in matrix[:3, 3])
    i, j, k, w = (float(value) + 0.0 for value in quaternion_from_matrix(matrix[:3, :3]))
    return Placement(xyz=(x, y, z), quaternion=(i, j, k, w))


def moving_joints(
    urdf: Urdf, base: str, tip: str
) -> tuple[tuple[JointDescription, ...], Placement]:
    """The joints that move the tip against the base, fixed ones folded in, and the tool.

    Raises:
        ContractError: If there is no such way, or a joint on it is of no use in an arm.
    """
    frame, joints = urdf.path(base, tip)
    found = []
    for joint in joints:
        frame = frame @ joint.origin
        if joint.type == 'fixed':
            continue
        if joint.type not in _MOVES:
            where = f'{urdf.where}: joint {joint.name}'
            raise ContractError(
                f'type {joint.type!r} on the way to {tip}', where=where, allowed=_MOVES
            )
        found.append(
            JointDescription(
                name=joint.name,
                type=joint.type,  # type: ignore[arg-type]
                origin=placement(frame),
                axis=joint.axis,
                mimic=joint.mimic,
            )
        )
        frame = np.eye(4)
    if not any(joint.mimic is None for joint in found):
        raise ContractError(f'no joint moves {tip}', where=f'{urdf.where}: base {base}, tip {tip}')
    return tuple(found), placement(frame)


def arm_description(
    urdf: Urdf,
    *,
    base: str,
    tips: Mapping[str, str],
    grippers: Mapping[str, str],
    home: Mapping[str, float],
) -> ArmDescription:
    """What a contract holds of an arm, without the parts that cover it.

    Args:
        base: Link that it stands on.
        tips: Links of the tool centre points, by side; the side of a single one is empty.
        grippers: By side: the joint of its gripper, where it has one.
        home: Positions of joints at rest [rad or m]; 0 where there is none, within the limits.

    Raises:
        ContractError: If there is no such arm in it.
    """
    limbs = []
    for side, tip in tips.items():
        joints, tool = moving_joints(urdf, base, tip)
        gripper = grippers.get(side, '')
        names = [joint.name for joint in joints if joint.mimic is None]
        try:
            limb = LimbDescription(
                tip=tip,
                side=side,
                joints=joints,
                tool=tool,
                gripper=gripper,
                home=tuple(home.get(name, _rest(urdf, name)) for name in (*names, gripper) if name),
            )
        except ValueError as problem:
            raise ContractError(str(problem), where=f'{urdf.where}: tip {tip}') from None
        limbs.append(limb)
    return ArmDescription(name=urdf.name, base=base, limbs=tuple(limbs))


def differences(urdf: Urdf, arm: ArmDescription, limits: Limits) -> list[str]:
    """In what a robot is not the arm of a contract, a text each; none where it is.

    Args:
        urdf: The robot.
        arm: Of the contract.
        limits: Its limits, with the names of the commanded joints: none may be beyond the robot's.

    Raises:
        ContractError: If the robot has no such base, tip or way between them.
    """
    found: dict[str, None] = {}
    for limb in arm.limbs:
        joints, tool = moving_joints(urdf, arm.base, limb.tip)
        names, known = ([joint.name for joint in each] for each in (joints, limb.joints))
        if names != known:
            return [f'the joints to {limb.tip} are {", ".join(names)}, not {", ".join(known)}']
        pairs = zip(joints, limb.joints, strict=True)
        texts = [text for one, other in pairs for text in _joint_differs(one, other)]
        texts += _apart(f'the tool {limb.tip}', tool, limb.tool)
        found |= dict.fromkeys(texts)
    return [*found, *_narrower(urdf, limits)]


def _joint_differs(one: JointDescription, other: JointDescription) -> Iterator[str]:
    if one.type != other.type:
        yield f'{one.name} is {one.type}, not {other.type}'
    if one.mimic != other.mimic:
        yield f'{one.name} follows {one.mimic or "none"}, not {other.mimic or "none"}'
    if math.dist(one.axis, other.axis) > _SAME:
        yield f'{one.name} has the axis {one.axis}, not {other.axis}'
    yield from _apart(one.name, one.origin, other.origin)


def _apart(what: str, one: Placement, other: Placement) -> Iterator[str]:
    if (away := math.dist(one.xyz, other.xyz)) > _SAME:
        yield f'{what} is {1000 * away:.3f} mm from where the contract has it'
    turned = 2 * math.acos(min(abs(sum(map(operator.mul, one.quaternion, other.quaternion))), 1.0))
    if turned > _SAME_ANGLE:
        yield f'{what} is turned by {turned:.6f} rad'


def _narrower(urdf: Urdf, limits: Limits) -> Iterator[str]:
    """Where the contract allows more than the robot does."""
    for i, name in enumerate(limits.names):
        joint = urdf.joints.get(name)
        if joint is None:
            continue
        bounds = (
            ('lower', joint.lower, -1.0, limits.position_min[i]),
            ('upper', joint.upper, 1.0, limits.position_max[i]),
            ('velocity', joint.velocity, 1.0, limits.velocity[i]),
        )
        for what, own, sign, allowed in bounds:
            if own is not None and sign * (allowed - own) > _SAME:
                yield f'the {what} limit of {name} is {own:g}, the contract has {allowed:g}'


def _rest(urdf: Urdf, name: str) -> float:
    """Position nearest to 0 that a joint can have."""
    joint = urdf.joints.get(name)
    if joint is None or joint.lower is None or joint.upper is None:
        return 0.0
    return min(max(0.0, joint.lower), joint.upper)


def find_file(uri: str, folder: Path, where: str) -> Path:
    """Where a file of a robot description is, which need not be there.

    Args:
        uri: `package://PACKAGE/PATH`, `file://PATH`, or a path relative to `folder`.
        folder: Of the file that names it.
        where: What errors begin with.

    Raises:
        ContractError: If the package is unknown, or the scheme is.
    """
    scheme, mark, rest = uri.partition('://')
    if not mark:
        return folder / uri
    if scheme == 'file':
        return Path(rest)
    if scheme != 'package':
        raise ContractError(f'got {uri!r}', where=where, allowed='package://, file://, or a path')
    package, _, inside = rest.partition('/')
    for place in _package_folders(package):
        if place.is_dir():
            return place / inside
    raise ContractError(
        f'unknown package {package!r}',
        where=f'{where}: {uri}',
        allowed='a package in AMENT_PREFIX_PATH or ROS_PACKAGE_PATH',
        fix='source the workspace that has it, or name the folder that it lies in: '
        'ROS_PACKAGE_PATH=FOLDER',
    )


def _package_folders(package: str) -> list[Path]:
    prefixes = [*os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep), sys.prefix]
    folders = os.environ.get('ROS_PACKAGE_PATH', '').split(os.pathsep)
    places = [Path(prefix) / 'share' / package for prefix in prefixes if prefix]
    places += [Path(folder) / package for folder in folders if folder]
    return places + [Path(folder) for folder in folders if Path(folder).name == package]
