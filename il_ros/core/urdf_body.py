"""Capsules that cover the collision bodies of a URDF's links, each in the frame of a joint.

A body that moves with a joint behind the tool or beside the arm, as a finger's, is covered wherever
that joint may be. A mesh is covered by its surface.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from il_ros.core.errors import ContractError, reason
from il_ros.core.kinematics import (
    MOST_PARTS,
    ArmDescription,
    Capsule,
    LimbDescription,
    Mimic,
    Numbers3,
    segment_distance,
)
from il_ros.core.limits import Array
from il_ros.core.regular_files import read_regular
from il_ros.core.urdf import Urdf, UrdfJoint, UrdfShape, find_file

REPLACED = ' instead'
"""What the note of a mesh that is not read ends with."""

_MESH = 64 << 20  # bytes of the largest mesh file
_TRIANGLES = 1_000_000
_UNKNOWN = 0.06  # m, radius of what stands for a mesh that cannot be read
_ROUND = 12  # corners of the polygon around a cylinder
_SPLITS = (0.2, 0.35, 0.5, 0.65, 0.8)  # where a mesh is cut, of its length
_WORTH = 0.75  # share of the volume below which two capsules are better than one
_LARGEST = 1e20  # of a number in a mesh; the squares of larger ones are none
_LOOKED_AT = 1000  # triangles of a mesh, about, that say where to cut it
_DIGITS = 5  # of a metre
_POSTURES = 200  # at random, at which half-neighbours are looked at
_OFTEN = 0.1  # share of them from which on two capsules say nothing of their links
_STEPS = {1: 33, 2: 9}  # positions of one joint, or of each of two, that a body is covered in
_FAR = 1.2  # of the deviation between these positions that is estimated
# Within a line and without a way back: of white space alone any other takes the square of the time.
_OBJ_VERTEX = re.compile(rb'^v[ \t]++(\S++)[ \t]++(\S++)[ \t]++(\S++)', re.MULTILINE)
_STL_VERTEX = re.compile(rb'^[ \t]*+vertex[ \t]++(\S++)[ \t]++(\S++)[ \t]++(\S++)', re.MULTILINE)


def _directions(count: int) -> Array:
    """Unit vectors (count, 3) all around, evenly (a Fibonacci sphere)."""
    z = 1 - (2 * np.arange(count) + 1) / count
    turn = math.pi * (1 + math.sqrt(5)) * np.arange(count)
    around = np.sqrt(1 - z * z)
    return np.stack([around * np.cos(turn), around * np.sin(turn), z], axis=1)


_DIRECTIONS = _directions(64)


@dataclass(frozen=True)
class _Ball:
    """Balls of one radius each: centres (V, 3) and radii (V,) [m]; what a capsule is put around."""

    centres: Array
    radii: Array


def with_parts(
    description: ArmDescription, urdf: Urdf, folder: Path, near: Iterable[Sequence[str]] = ()
) -> ArmDescription:
    """The description with the parts of each limb, and with the links that may touch.

    Args:
        description: Of the arm, without parts.
        urdf: What it is of.
        folder: Of the URDF's file, for meshes that are named by a relative path.
        near: Pairs of links that may touch, besides those that do so at home.

    Raises:
        ContractError: If a joint beside the arm is one that nothing can be said of, or there are
            too many bodies.
    """
    notes: list[str] = []
    limbs = tuple(_with_parts(description, urdf, folder, notes))
    if not any(part.frame >= 0 for limb in limbs for part in limb.parts):
        limbs = tuple(replace(limb, parts=tuple(_sticks(limb))) for limb in limbs)
        notes.append(
            f'it has no collision bodies: each link is taken for a capsule of {_UNKNOWN} m'
        )
    limbs = tuple(_with_sticks(limb, limbs, notes) for limb in limbs)
    touching = {(a, b): why for limb in limbs for a, b, why in _touching(limb, _ranges(limb, urdf))}
    notes += [f'{a} and {b} {why}: they are not held apart' for (a, b), why in touching.items()]
    known = [tuple(pair) for pair in near]
    if wrong := [link for pair in known for link in pair if link not in urdf.collision]:
        raise ContractError(f'no link {wrong[0]!r}', where=f'{urdf.where}: near')
    pairs = dict.fromkeys((*touching, *((pair[0], pair[-1]) for pair in known)))
    return replace(description, limbs=limbs, near=tuple(pairs), notes=tuple(notes))


def _with_parts(
    description: ArmDescription, urdf: Urdf, folder: Path, notes: list[str]
) -> Iterator[LimbDescription]:
    _require_few(sum(map(len, urdf.collision.values())), urdf)  # each takes some milliseconds
    covers = _Covers(urdf, folder, notes)
    for limb in description.limbs:
        parts = tuple(_parts(limb, description, urdf, covers, notes))
        _require_few(len(parts), urdf)  # a mesh may have become two
        yield replace(limb, parts=parts)


def _require_few(bodies: int, urdf: Urdf) -> None:
    if bodies > MOST_PARTS:
        raise ContractError(
            f'{bodies} collision bodies',
            where=urdf.where,
            allowed=f'up to {MOST_PARTS}',
            fix='give each link fewer and simpler ones',
        )


def _parts(
    limb: LimbDescription,
    description: ArmDescription,
    urdf: Urdf,
    covers: _Covers,
    notes: list[str],
) -> Iterator[Capsule]:
    """The parts of one limb, and what stands at the base."""
    own = {joint.name: index for index, joint in enumerate(limb.joints)}
    known = {joint.name for other in description.limbs for joint in other.joints}
    for link in urdf.collision:
        bodies = covers.of(link)
        above = urdf.joints_to(link) if bodies else []
        carriers = [i for i, joint in enumerate(above) if joint.name in known]
        if not bodies or (carriers and above[carriers[-1]].name not in own):
            continue  # another limb's
        shift, rest, frame = np.eye(4), above, -1
        if carriers:
            frame, rest = own[above[carriers[-1]].name], above[carriers[-1] + 1 :]
        elif (still := _beside(urdf, description.base, link)) is not None:
            shift, rest = still
        else:
            notes.append(f'{link} is moved by joints that are not of the arm: it is not covered')
            continue
        for body in bodies:
            part = _swept(urdf, rest, body, notes, link)
            yield replace(_moved(part, shift), name=link, frame=frame)


def _beside(urdf: Urdf, base: str, link: str) -> tuple[Array, list[UrdfJoint]] | None:
    """How a link stands at the base: a shift (4, 4) and fixed joints; None where it moves."""
    try:
        shift, joints = urdf.path(base, link)
    except ContractError:  # the base itself moves against it
        return None
    return None if any(joint.type != 'fixed' for joint in joints) else (shift, joints)


def _pose(joints: Sequence[UrdfJoint]) -> Array:
    result = np.eye(4)
    for joint in joints:
        result = result @ joint.origin
    return result


class _Covers:
    """Capsules of the links' bodies, each in its link's frame, made once."""

    def __init__(self, urdf: Urdf, folder: Path, notes: list[str]) -> None:
        self._urdf, self._folder, self._notes = urdf, folder, notes
        self._known: dict[str, list[Capsule]] = {}

    def of(self, link: str) -> list[Capsule]:
        if link not in self._known:
            shapes = self._urdf.collision[link]
            self._known[link] = [part for shape in shapes for part in self._around(link, shape)]
        return self._known[link]

    def _around(self, link: str, shape: UrdfShape) -> list[Capsule]:
        if shape.kind != 'mesh':
            return [_cover(_primitive(shape), link)]
        triangles = self._mesh(link, shape)
        if triangles is None:
            return [self._stick(link)]
        return [_cover(_balls(part), link) for part in _split(triangles)]

    def _mesh(self, link: str, shape: UrdfShape) -> Array | None:
        """Corners of its triangles, (F, 3, 3) [m, link frame]; of what is seen where it must be."""
        problems = []
        for one in (shape, *self._urdf.visual[link]):
            if one.kind != 'mesh':
                continue
            try:
                triangles = read_mesh(find_file(one.file, self._folder, link))
            except (OSError, ValueError, ContractError) as problem:
                told = problem.problem if isinstance(problem, ContractError) else reason(problem)
                problems.append(f'{one.file}: {told}')
                continue
            if problems:
                self._notes.append(f'{link}: {problems[0]}; its visual {one.file}{REPLACED}')
            scaled = triangles * one.size
            return np.asarray(scaled @ one.origin[:3, :3].T + one.origin[:3, 3])
        text = (
            f'{link}: {problems[0]}; a capsule of {_UNKNOWN} m from its joint to the next{REPLACED}'
        )
        self._notes.append(text)
        return None

    def _stick(self, link: str) -> Capsule:
        """From a link's joint to the next that moves, or to its last fixed one."""
        ends = [joint.origin[:3, 3] for joint in self._urdf.joints.values() if joint.parent == link]
        far = max(ends, key=lambda end: float(np.linalg.norm(end)), default=np.zeros(3))
        return Capsule(link, 0, _UNKNOWN, (0.0, 0.0, 0.0), _three(far))


def _with_sticks(
    limb: LimbDescription, limbs: Sequence[LimbDescription], notes: list[str]
) -> LimbDescription:
    """A limb of several; with sticks where no part moves with its own joints, or none would be."""
    others = {joint.name for other in limbs if other is not limb for joint in other.joints}
    own = {i for i, joint in enumerate(limb.joints) if joint.name not in others}
    last = len(limb.joints) - 1
    if not own or any(min(part.frame, last) in own for part in limb.parts):
        return limb
    notes.append(
        f'no link of the arm to {limb.tip} has a collision body: each is taken for a capsule of '
        f'{_UNKNOWN} m'
    )
    sticks = [stick for stick in _sticks(limb) if stick.frame in own]
    return replace(limb, parts=(*limb.parts, *sticks))


def _sticks(limb: LimbDescription) -> Iterator[Capsule]:
    """A capsule from each joint to the next one, and to the tool."""
    ends = [joint.origin.xyz for joint in limb.joints[1:]] + [limb.tool.xyz]
    for index, (joint, end) in enumerate(zip(limb.joints, ends, strict=True)):
        yield Capsule(joint.name, index, _UNKNOWN, (0.0, 0.0, 0.0), end)


def read_mesh(path: Path) -> Array:
    """Corners of the triangles of an STL or OBJ file, shape (F, 3, 3), as they stand there.

    Of an OBJ the vertices alone are read, each as a triangle of no size: its faces may be anything.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is in another format, holds no triangles, or too many.
    """
    kind = path.suffix.lower()
    if kind not in ('.stl', '.obj'):
        raise ValueError(f'no reader for {kind or "a file without a suffix"}, only for STL and OBJ')
    content = read_regular(path, _MESH)
    if kind == '.stl':
        corners = _stl(content)
    else:
        corners = np.repeat(_vertices(_OBJ_VERTEX, content, _TRIANGLES), 3, axis=0)
    corners = corners.reshape(-1, 3, 3).astype(np.float64)
    if not 0 < len(corners) <= _TRIANGLES or not (np.abs(corners) <= _LARGEST).all():
        raise ValueError(f'{len(corners)} triangles, 1 to {_TRIANGLES} of finite numbers are read')
    return corners


def _stl(content: bytes) -> Array:
    count = int.from_bytes(content[80:84], 'little')
    if len(content) >= 84 + 50 * count and count:
        if count > _TRIANGLES:
            raise ValueError(f'{count} triangles, at most {_TRIANGLES} are read')
        rows = np.frombuffer(content, np.uint8, 50 * count, 84).reshape(count, 50)
        return np.ascontiguousarray(rows[:, 12:48]).view('<f4').reshape(-1, 3)
    corners = _vertices(_STL_VERTEX, content, 3 * _TRIANGLES)
    return corners[: len(corners) // 3 * 3]


def _vertices(pattern: re.Pattern[bytes], content: bytes, most: int) -> Array:
    """Points (V, 3), one for each line that the pattern finds; none is read beyond `most`."""
    found = itertools.islice(pattern.finditer(content), most + 1)
    words = itertools.chain.from_iterable(match.groups() for match in found)
    points = np.fromiter(map(float, words), np.float64).reshape(-1, 3)
    if len(points) > most:
        raise ValueError(f'more than {most} vertices')
    return points


def _primitive(shape: UrdfShape) -> _Ball:
    """Balls whose hull covers a body, in its link's frame."""
    radius = 0.0
    if shape.kind == 'box':
        local = np.array(list(itertools.product((-0.5, 0.5), repeat=3))) * shape.size
    elif shape.kind == 'cylinder':
        turn = np.arange(_ROUND) * 2 * math.pi / _ROUND
        around = shape.size[0] / math.cos(math.pi / _ROUND)
        ring = np.stack([around * np.cos(turn), around * np.sin(turn), 0 * turn], axis=1)
        half = np.array([0.0, 0.0, shape.size[1] / 2])
        local = np.concatenate([ring - half, ring + half])
    else:
        radius = shape.size[0]
        half_length = shape.size[1] / 2 if shape.kind == 'capsule' else 0.0
        local = np.array([[0.0, 0.0, -half_length], [0.0, 0.0, half_length]])
    centres = local @ shape.origin[:3, :3].T + shape.origin[:3, 3]
    return _Ball(centres, np.full(len(centres), radius))


def _split(triangles: Array) -> list[Array]:
    """The corners (V, 3) of a mesh, in one set or in two if that makes capsules much smaller."""
    some = triangles[:: 1 + len(triangles) // _LOOKED_AT]  # where to cut is seen in a few of them
    axis = _main_axes(some.reshape(-1, 3))[-1]
    way = some.mean(axis=1) @ axis
    low, high = float(way.min()), float(way.max())
    best, least = math.inf, _WORTH * _volume(_cover(_balls(some), ''))
    for share in _SPLITS:
        cut = low + share * (high - low)
        sides = [some[way < cut], some[way >= cut]]
        if (
            all(map(len, sides))
            and (both := sum(_volume(_cover(_balls(x), '')) for x in sides)) < least
        ):
            best, least = cut, both
    below = triangles.mean(axis=1) @ axis < best
    return [side.reshape(-1, 3) for side in (triangles[below], triangles[~below]) if len(side)]


def _balls(triangles: Array) -> _Ball:
    corners = triangles.reshape(-1, 3)
    return _Ball(corners, np.zeros(len(corners)))


def _main_axes(points: Array) -> Array:
    """Unit vectors in rows, (3, 3): the last one is the longest way through the points."""
    return np.asarray(np.linalg.eigh(np.cov(points.T, bias=True))[1].T)


def _volume(capsule: Capsule) -> float:
    length = math.dist(capsule.start, capsule.end)
    return math.pi * capsule.radius**2 * (length + 4 / 3 * capsule.radius)


def _cover(balls: _Ball, name: str) -> Capsule:
    """A capsule that holds all the balls, small for what a few of them far outside show."""
    few = np.unique(np.argmax(balls.centres @ _DIRECTIONS.T + balls.radii[:, None], axis=0))
    outer = _Ball(balls.centres[few], balls.radii[few])
    axes = [*np.eye(3), *_main_axes(outer.centres)]
    gaps = outer.centres[:, None] - outer.centres
    square = np.einsum('ijk,ijk->ij', gaps, gaps)
    if square.max() > 0.0:
        axes.append(gaps[np.unravel_index(square.argmax(), square.shape)] / math.sqrt(square.max()))
    best = min(axes, key=lambda axis: _volume(_along(axis, outer, outer, name)))
    return _along(best, balls, outer, name)


def _along(axis: Array, balls: _Ball, outer: _Ball, name: str) -> Capsule:
    """The capsule along an axis that holds all the balls; its line goes by the outer ones."""
    side = np.eye(3)[int(np.argmin(np.abs(axis)))]
    x = np.cross(axis, side)
    x /= np.linalg.norm(x)
    y = np.cross(axis, x)
    plane = np.stack([x, y], axis=1)
    flat, middle = balls.centres @ plane, _middle(outer.centres @ plane, outer.radii)
    off = np.linalg.norm(flat - middle, axis=1)
    radius = float((off + balls.radii).max()) + 1e-9
    # How far beyond either end of the line a ball may lie, for its distance from the line.
    spare = np.sqrt(np.maximum((radius - balls.radii) ** 2 - off**2, 0.0))
    way = balls.centres @ axis
    first, last = float((way + spare).min()), float((way - spare).max())
    if first > last:
        first = last = (first + last) / 2
    at = middle[0] * x + middle[1] * y
    return Capsule(name, 0, radius, _three(at + first * axis), _three(at + last * axis))


def _middle(flat: Array, radii: Array) -> Array:
    """Near the middle of the smallest circle around circles (Badoiu and Clarkson 2003)."""
    middle: Array = (flat.min(axis=0) + flat.max(axis=0)) / 2
    for step in range(2, 60):
        away = flat - middle
        distance = np.hypot(away[:, 0], away[:, 1]) + radii
        middle = middle + away[int(np.argmax(distance))] / step / 2
    return middle


def _three(values: Array) -> Numbers3:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _moved(capsule: Capsule, pose: Array) -> Capsule:
    """In another frame, and rounded so that it still holds what it held."""
    ends = np.array([capsule.start, capsule.end]) @ pose[:3, :3].T + pose[:3, 3]
    start, end = np.round(ends, _DIGITS) + 0.0
    unit = 10.0**-_DIGITS
    radius = math.ceil((capsule.radius + unit) / unit) * unit
    return Capsule(capsule.name, capsule.frame, round(radius, _DIGITS), _three(start), _three(end))


def _swept(
    urdf: Urdf, rest: Sequence[UrdfJoint], part: Capsule, notes: list[str], link: str
) -> Capsule:
    """What holds a part wherever the joints `rest`, which carry it, may be."""
    leaders = {_leader(urdf, joint).joint for joint in rest if joint.type != 'fixed'}
    ends = np.array([part.start, part.end])
    if not leaders:
        pose = _pose(rest)
        start, end = ends @ pose[:3, :3].T + pose[:3, 3]
        return replace(part, start=_three(start), end=_three(end))
    ranges = {name: _range(urdf, name) for name in sorted(leaders)}
    if len(ranges) > max(_STEPS) or None in ranges.values():
        return _ball_around(rest, part, ranges, notes, link)
    grids = [np.linspace(*limits, _STEPS[len(ranges)]) for limits in ranges.values() if limits]
    places = np.empty((*(len(grid) for grid in grids), 2, 3))
    for index in np.ndindex(*places.shape[:-2]):
        at = {name: grid[i] for name, grid, i in zip(ranges, grids, index, strict=True)}
        pose = _pose_at(urdf, rest, at)
        places[index] = ends @ pose[:3, :3].T + pose[:3, 3]
    # Between two positions a point leaves the straight way by an eighth of the second difference.
    bend = sum(
        float(np.linalg.norm(np.diff(places, n=2, axis=axis), axis=-1).max()) / 8
        for axis in range(len(grids))
    )
    points = places.reshape(-1, 3)
    return _cover(_Ball(points, np.full(len(points), part.radius + _FAR * bend)), part.name)


def _ball_around(
    rest: Sequence[UrdfJoint],
    part: Capsule,
    ranges: Mapping[str, tuple[float, float] | None],
    notes: list[str],
    link: str,
) -> Capsule:
    """A ball around the first joint that moves a part by more joints than are followed."""
    first = next(i for i, joint in enumerate(rest) if joint.type != 'fixed')
    reach = max(math.hypot(*part.start), math.hypot(*part.end)) + part.radius
    for joint in rest[first + 1 :]:
        reach += float(np.linalg.norm(joint.origin[:3, 3]))
    slides = [joint for joint in rest if joint.type in ('prismatic', 'floating', 'planar')]
    for joint in slides:
        limits = ranges.get(joint.name)
        if limits is None or joint.mimic:
            notes.append(f'{link}: how far {joint.name} moves is not known; taken for 0.1 m')
        reach += max(map(abs, limits)) if limits and not joint.mimic else 0.1
    centre = _three(_pose(rest[: first + 1])[:3, 3])
    return Capsule(part.name, 0, reach, centre, centre)


def _leader(urdf: Urdf, joint: UrdfJoint) -> Mimic:
    """The joint that moves a joint, itself or the one that it follows at last, and how."""
    multiplier, offset = 1.0, 0.0
    for _ in range(len(urdf.joints)):
        if joint.mimic is None or joint.mimic.joint not in urdf.joints:
            break
        offset += multiplier * joint.mimic.offset
        multiplier *= joint.mimic.multiplier
        joint = urdf.joints[joint.mimic.joint]
    return Mimic(joint=joint.name, multiplier=multiplier, offset=offset)


def _range(urdf: Urdf, name: str) -> tuple[float, float] | None:
    joint = urdf.joints[name]
    if joint.lower is not None and joint.upper is not None:
        return joint.lower, joint.upper
    return (-math.pi, math.pi) if joint.type in ('revolute', 'continuous') else None


def _pose_at(urdf: Urdf, rest: Sequence[UrdfJoint], at: Mapping[str, float]) -> Array:
    result = np.eye(4)
    for joint in rest:
        result = result @ joint.origin
        if joint.type == 'fixed':
            continue
        leader = _leader(urdf, joint)
        position = leader.multiplier * at[leader.joint] + leader.offset
        result = result @ _motion(joint, position)
    return result


def _motion(joint: UrdfJoint, position: float) -> Array:
    """What a joint adds at a position: a shift along its axis, or a turn about it (Rodrigues)."""
    result, axis = np.eye(4), np.array(joint.axis)
    if joint.type == 'prismatic':
        result[:3, 3] = position * axis
        return result
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    result[:3, :3] += math.sin(position) * cross + (1 - math.cos(position)) * cross @ cross
    return result


def _touching(limb: LimbDescription, ranges: Array) -> Iterator[tuple[str, str, str]]:
    """Links that are not held apart, and why: they touch at home, or half-neighbours often do.

    A capsule is rounder than the housing in it: where two joints are between links, theirs may meet
    wherever the arm is.

    Args:
        limb: The limb with its parts.
        ranges: Least and largest positions of its free joints, shape (2, n) [rad or m].
    """
    chain, parts = limb.chain()
    low, high = ranges
    q = np.random.default_rng(0).uniform(low, high, (_POSTURES, len(limb.free)))
    q[0] = limb.home[: len(limb.free)]
    frames = np.empty((len(q), len(chain.fixed) + 2, 4, 4))
    frames[:, :-1], frames[:, -1] = chain.frames(q), np.eye(4)  # the last one, -1, does not move
    own = frames[:, [part.frame for part in parts]]
    ends = np.array([[part.start, part.end] for part in parts])
    at = np.einsum('tpij,pej->tpei', own[..., :3, :3], ends) + own[:, :, None, :3, 3]
    last = len(limb.joints) - 1
    for (i, one), (j, other) in itertools.combinations(enumerate(parts), 2):
        between = abs(min(one.frame, last) - min(other.frame, last))
        if between <= 1:
            continue
        gaps = segment_distance(at[:, i, 0], at[:, i, 1], at[:, j, 0], at[:, j, 1])
        touch = gaps < one.radius + other.radius
        names = min(one.name, other.name), max(one.name, other.name)
        if touch[0]:
            yield (*names, 'touch at home')
        elif between == 2 and touch.mean() > _OFTEN:
            yield (*names, f'touch in {touch.mean():.0%} of all postures')


def _ranges(limb: LimbDescription, urdf: Urdf) -> Array:
    """Least and largest positions of the free joints, shape (2, n) [rad or m]."""
    return np.array([_range(urdf, name) or (0.0, 0.0) for name in limb.free]).T
