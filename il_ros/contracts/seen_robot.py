"""What a robot is by what was seen of it: arms, grippers, who moves and who measures them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from il_ros.contracts.command_paths import CommandPath, adapter_of, command_paths
from il_ros.contracts.described_joints import RobotDescription
from il_ros.contracts.joint_sources import JointSource, best_source, joint_sources
from il_ros.core.arms import ARMS, get_arm
from il_ros.core.contract_checks import JOINT_GROUP
from il_ros.core.errors import ContractError
from il_ros.core.seen_graph import DESCRIPTION, SeenGraph, listed

_GRIPPER = re.compile(r'gripper|finger|knuckle|drive_joint|jaw|hand', re.IGNORECASE)
_SIDES = ('left', 'right')
_SHARED = ('/clock', '/tf', '/tf_static')


@dataclass(frozen=True, kw_only=True)
class SeenGroup:
    """Joints that follow one another in the action and come from one place.

    Attributes:
        prefix: What the keys of its observations begin with: `left_` of a pair, else empty.
        gripper: Whether they are a gripper's.
        joints: In the order of the action.
        position: Who measures them; None where nobody does.
        commanded: Whether somebody takes commands for them.
    """

    prefix: str
    gripper: bool
    joints: tuple[str, ...]
    position: JointSource | None
    commanded: bool

    def key(self, field: str) -> str:
        """The key of an observation: `left_gripper_position`."""
        return f'{self.prefix}{"gripper" if self.gripper else "joint"}_{field}'


@dataclass(frozen=True, kw_only=True)
class SeenRobot:
    """One robot, of one arm or several.

    Attributes:
        whole: The part of the graph that a contract may name.
        seen: The part of that which is the robot's own.
        description: Its URDF, where one was seen or given.
        built_in: Name of the built-in arm with the same joints; where there is no URDF.
        paths: Who takes commands for its joints.
        groups: Its joints in the order of the action.
        sources: Who measures joints.
        base: Link that several robots stand on; empty of one.
        place_doubt: What is not sure of where its arms stand.
    """

    whole: SeenGraph
    seen: SeenGraph
    description: RobotDescription | None
    built_in: str
    paths: tuple[CommandPath, ...]
    groups: tuple[SeenGroup, ...]
    sources: tuple[JointSource, ...]
    base: str = ''
    place_doubt: str = ''

    @property
    def names(self) -> tuple[str, ...]:
        """Commanded joints in the order of the action."""
        return tuple(name for group in self.groups for name in group.joints)

    @property
    def arms(self) -> list[SeenGroup]:
        """The groups that are no gripper's."""
        return [group for group in self.groups if not group.gripper]


def commanded_groups(robot: SeenRobot, paths: Sequence[CommandPath]) -> list[SeenGroup]:
    """The groups that these paths command, in the order of the action; all where there are none."""
    taken = {joint for path in paths for joint in path.joints}
    return [group for group in robot.groups if not paths or set(group.joints) <= taken]


def inside(seen: SeenGraph, namespace: str) -> SeenGraph:
    """The part of a graph that is in a namespace, and what is the same for all robots on it."""
    start = f'/{namespace.strip("/")}/' if namespace.strip('/') else '/'

    def mine(name: str) -> bool:
        return name.startswith(start)

    topics = {n: t for n, t in seen.topics.items() if mine(n) or n in _SHARED}
    if not any(n.rpartition('/')[2] == DESCRIPTION for n in topics):
        name = f'/{DESCRIPTION}'
        topics |= {n: t for n, t in seen.topics.items() if n == name}
    controllers = None
    if seen.controllers is not None:
        controllers = tuple(c for c in seen.controllers if mine(c.name))
    actions = {name: kind for name, kind in seen.actions.items() if mine(name)}
    return replace(seen, topics=topics, controllers=controllers, actions=actions)


def seen_robot(
    seen: SeenGraph, *, namespace: str = '/', robot: str = '', urdf: str = ''
) -> SeenRobot:
    """Tell a robot from what was seen.

    Args:
        seen: All that was seen.
        namespace: That the contract's names are relative to; nothing else is looked at.
        robot: Namespace of the robot, where there are several.
        urdf: Its URDF; by default the one that is published.

    Raises:
        ContractError: If there is no robot, or several with joints of the same names.
    """
    whole = inside(seen, namespace)
    seen = inside(whole, robot)
    sources = joint_sources(seen)
    description = RobotDescription(urdf) if urdf else _description(seen)
    measured = {name for source in sources for name in source.names}
    arm, grippers = _split(description, sources)
    paths = command_paths(seen, [name for name in grippers if name in measured])
    rest = measured - {joint for path in paths for joint in path.joints}
    paths = [
        _completed(
            path,
            [n for n in (arm if path.adapter == JOINT_GROUP else (*arm, *grippers)) if n in rest],
        )
        for path in paths
    ]
    names = [joint for path in paths for joint in path.joints]
    if not set(names) & set(arm):  # nobody takes commands for the arm: it is there all the same
        every = (*arm, *(grippers[:1] if not paths else ()))
        joints = tuple(name for name in every if name in measured)
        paths.insert(0, CommandPath(adapter='', topic='', joints=joints, namespace=''))
    groups = [group for path in paths for group in _groups(path, grippers, sources)]
    if not any(group.joints for group in groups):
        raise ContractError(
            'no joints: nobody publishes sensor_msgs/msg/JointState, and no controller is active',
            where=seen.source,
            fix='start the driver of the robot, or name its namespace and ROS_DOMAIN_ID',
        )
    _refuse_twins(groups, sources)
    known = not description and _built_in([n for g in groups if not g.gripper for n in g.joints])
    return SeenRobot(
        whole=whole,
        seen=seen,
        description=description,
        built_in=known or '',
        paths=tuple(path for path in paths if path.topic),
        groups=tuple(_prefixed(groups)),
        sources=tuple(sources),
    )


def _description(seen: SeenGraph) -> RobotDescription | None:
    found = seen.descriptions()
    places = [c.namespace for c in seen.controllers or () if c.active and adapter_of(c)]
    chosen = [text for space, text in found.items() if space in places] or list(found.values())
    if len(set(chosen)) > 1:
        raise _several([space or '/' for space in found], seen.source)
    return RobotDescription(chosen[0]) if chosen else None


def _several(places: Iterable[str], where: str) -> ContractError:
    names = sorted(places)
    return ContractError(
        f'several robots: {listed(names)}', where=where, allowed='one of them',
        fix=f'say which, as --robot {names[0]}',
    )  # fmt: skip


def _split(
    description: RobotDescription | None, sources: Sequence[JointSource]
) -> tuple[list[str], list[str]]:
    """The joints of arms and those of grippers, in the order of the tree."""
    if description is None:
        names = list(dict.fromkeys(name for source in sources for name in source.names))
        for known in (get_arm(name) for name in ARMS):
            if set(known.joints) <= set(names):
                return list(known.joints), [n for n in known.names if n not in known.joints]
        grippers = [name for name in names if _GRIPPER.search(name)]
        return [name for name in names if name not in grippers], grippers
    joints = [joint for joint in description.joints.values() if joint.moves]
    followed = {joint.mimics for joint in description.joints.values() if joint.mimics}
    named = [j.name for j in joints if j.name in followed or _GRIPPER.search(j.name)]
    moved = {p.name for j in joints if j.name not in named for p in description.path(j.child)}
    grippers = [name for name in named if name not in moved]
    arm = [joint.name for joint in joints if joint.name not in grippers]
    depth = {name: len(description.path(description.joints[name].child)) for name in arm}
    root = {name: _first(description, name) for name in arm}
    return sorted(arm, key=lambda name: (root[name], depth[name])), grippers


def _first(description: RobotDescription, name: str) -> str:
    """The first joint on the way to this one that moves."""
    path = description.path(description.joints[name].child)
    return next(joint.name for joint in path if joint.moves)


def _completed(path: CommandPath, rest: Sequence[str]) -> CommandPath:
    """A path with all joints that no other takes, where nobody says which it moves."""
    return path if path.joints else replace(path, joints=tuple(rest))


def _groups(
    path: CommandPath, grippers: Sequence[str], sources: Sequence[JointSource]
) -> Iterable[SeenGroup]:
    for gripper, names in groupby(path.joints, key=lambda name: name in grippers):
        joints = tuple(names)
        yield SeenGroup(
            prefix='',
            gripper=gripper,
            joints=joints,
            position=best_source(sources, joints, path.namespace),
            commanded=bool(path.topic),
        )


def _prefixed(groups: Sequence[SeenGroup]) -> Iterable[SeenGroup]:
    """The groups with keys of their own."""
    taken: Mapping[bool, list[SeenGroup]] = {
        kind: [group for group in groups if group.gripper == kind] for kind in (False, True)
    }
    for group in groups:
        same = taken[group.gripper]
        yield replace(group, prefix=_prefix(group, same) if len(same) > 1 else '')


def _prefix(group: SeenGroup, among: Sequence[SeenGroup]) -> str:
    topic = group.position.topic if group.position else ''
    texts = f'{topic} {" ".join(group.joints)}'.lower()
    sides = [side for side in _SIDES if side in texts]
    if len(sides) == 1 and len(among) == len(_SIDES):
        return f'{sides[0]}_'
    return f'{"gripper" if group.gripper else "arm"}_{among.index(group) + 1}_'


def _refuse_twins(groups: Iterable[SeenGroup], sources: Sequence[JointSource]) -> None:
    """Refuse to guess between robots whose topics and joints have the same names."""
    for group in groups:
        if group.position is None or group.commanded:
            continue
        same = group.position.topic.rpartition('/')[2], set(group.position.names)
        twins = [s for s in sources if (s.topic.rpartition('/')[2], set(s.names)) == same]
        places = {source.namespace or '/' for source in twins}
        if len(places) > 1:
            raise _several(places, f'the joints {listed(group.joints)}')


def _built_in(joints: Sequence[str]) -> str:
    """The built-in arm with these joints, whatever their order; empty without one."""
    return next((name for name in ARMS if set(get_arm(name).joints) == set(joints)), '')
