"""Several robots in one contract, as two arms whose drivers run in namespaces of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from il_ros.contracts.described_joints import RobotDescription
from il_ros.contracts.seen_robot import SeenRobot, inside, seen_robot
from il_ros.core.cdr import Cdr
from il_ros.core.errors import ContractError, IlRosError
from il_ros.core.geometry import matrix_from_quaternion
from il_ros.core.limits import Array
from il_ros.core.seen_graph import STATIC, SeenGraph
from il_ros.core.urdf_parts import PlacedUrdf, joined, rpy_of

_SIDES = ('left', 'right')
_BASE = 'base'  # where nobody says what the arms stand on

Place = tuple[str, Array]
"""A parent link, and the pose (4, 4) of a link in its frame."""


def joined_robots(seen: SeenGraph, robots: Sequence[str], *, namespace: str = '/') -> SeenRobot:
    """Tell robots from what was seen, and take them for one.

    The joints of each get the side that its namespace names, or the namespace, as a prefix.

    Args:
        seen: All that was seen.
        robots: Namespace of each.
        namespace: That the contract's names are relative to; nothing else is looked at.

    Raises:
        ContractError: If one is no robot, or they cannot be told apart.
    """
    prefixes = dict(zip(_prefixes(robots), robots, strict=True))
    parts = {
        prefix: _renamed(seen_robot(seen, namespace=namespace, robot=robot), prefix)
        for prefix, robot in prefixes.items()
    }
    whole = inside(seen, namespace)
    description, base, doubt = _description(parts, whole)
    first = next(iter(parts.values()))
    return replace(
        first,
        seen=_union([part.seen for part in parts.values()], whole),
        description=description,
        built_in='',
        paths=tuple(path for part in parts.values() for path in part.paths),
        groups=tuple(group for part in parts.values() for group in part.groups),
        sources=tuple(source for part in parts.values() for source in part.sources),
        base=base,
        place_doubt=doubt,
    )


def _prefixes(robots: Sequence[str]) -> list[str]:
    names = [robot.strip('/').replace('/', '_') for robot in robots]
    sides = [[side for side in _SIDES if side in name.lower()] for name in names]
    found = [own[0] if len(own) == 1 else name for own, name in zip(sides, names, strict=True)]
    found = found if len(set(found)) == len(found) else names
    if len(set(found)) < len(found) or not all(found):
        raise ContractError(
            f'got {" ".join(robots)}', where='--robot', allowed='namespaces that differ'
        )
    return [f'{name}_' for name in found]


def _renamed(robot: SeenRobot, prefix: str) -> SeenRobot:
    """The same with names of joints that no other robot has."""
    sources = {
        id(source): replace(
            source, names=tuple(prefix + name for name in source.names), prefix=prefix
        )
        for source in robot.sources
    }
    return replace(
        robot,
        sources=tuple(sources.values()),
        paths=tuple(
            replace(path, joints=tuple(prefix + name for name in path.joints), prefix=prefix)
            for path in robot.paths
        ),
        groups=tuple(
            replace(
                group,
                prefix=prefix + group.prefix,
                joints=tuple(prefix + name for name in group.joints),
                position=sources.get(id(group.position)),
            )
            for group in robot.groups
        ),
    )


def _union(parts: Sequence[SeenGraph], whole: SeenGraph) -> SeenGraph:
    controllers = [one for part in parts for one in part.controllers or ()]
    return replace(
        whole,
        topics={name: topic for part in parts for name, topic in part.topics.items()},
        controllers=tuple(controllers) if whole.controllers is not None else None,
        actions={name: kind for part in parts for name, kind in part.actions.items()},
    )


def _description(
    parts: Mapping[str, SeenRobot], seen: SeenGraph
) -> tuple[RobotDescription | None, str, str]:
    """One description of all, what they stand on, and what is not sure of where each stands."""
    found = {p: part.description for p, part in parts.items() if part.description is not None}
    if len(found) < len(parts):
        return None, '', ''
    places = _static_places(seen)
    roots = {p: next(iter(each.links - _moved(each))) for p, each in found.items()}
    bases = {places[root][0] for root in roots.values() if root in places}
    told = len(bases) == 1 and all(root in places for root in roots.values())
    arms = {
        p: _placed(each.text, places[roots[p]][1] if told else np.eye(4))
        for p, each in found.items()
    }
    base = bases.pop() if told else _BASE
    text = joined(arms, name='robot', base=base)
    doubt = '' if told else 'no /tf_static says where the arms stand: say so in the URDF'
    return RobotDescription(text), base, doubt


def _moved(description: RobotDescription) -> set[str]:
    return {joint.child for joint in description.joints.values()}


def _placed(text: str, pose: Array) -> PlacedUrdf:
    x, y, z = pose[:3, 3].tolist()
    return PlacedUrdf(text=text, xyz=(x, y, z), rpy=rpy_of(pose))


def _static_places(seen: SeenGraph) -> dict[str, Place]:
    """By link where /tf_static puts it."""
    found: dict[str, Place] = {}
    topic = seen.topics.get(STATIC)
    for sample in topic.samples if topic is not None else ():
        try:
            found |= _transforms(sample.data)
        except IlRosError:
            continue
    return found


def _transforms(data: bytes) -> dict[str, Place]:
    """What a tf2_msgs/TFMessage says."""
    reader, found = Cdr(data), {}
    for _ in range(reader.uint32()):
        reader.stamp()
        parent, child = reader.string(), reader.string()
        numbers = np.array(reader.doubles(7))
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = matrix_from_quaternion(numbers[3:]), numbers[:3]
        found[child] = parent, pose
    return found
