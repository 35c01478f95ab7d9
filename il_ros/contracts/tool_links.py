"""Where an arm begins and where its tool is, by the names of links and by the measured pose."""

from __future__ import annotations

import math

import numpy as np

from il_ros.contracts.described_joints import DescribedJoint, RobotDescription
from il_ros.contracts.seen_robot import SeenGroup, SeenRobot
from il_ros.contracts.seen_streams import frame_of
from il_ros.core.decoders import decoder_for
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.core.seen_graph import SeenTopic, listed
from il_ros.core.urdf import arm_description

_TIPS = ('tcp', 'tool', 'ee_gripper', 'end_effector', 'gripper_frame', 'eef', 'link_ee', 'ee_',
         'grasp', 'flange', 'hand')  # fmt: skip
_NEAR = 0.005  # m that a measured tool may be from the link that it is


def base_links(robot: SeenRobot) -> list[str]:
    """The link that each arm stands on."""
    description = robot.description
    if description is None:
        return []
    paths = [description.chain(arm.joints) for arm in robot.arms]
    firsts = [next((joint for joint in path if joint.moves), None) for path in paths]
    return [_base(description, first) for first in firsts if first is not None]


def _base(description: RobotDescription, first: DescribedJoint) -> str:
    """The link that a person calls the base: behind the world, and before the first joint."""
    above = description.path(first.parent)
    links = [joint.parent for joint in above] + [first.parent]
    named = [link for link in links if 'base' in link.rpartition('/')[2].lower()]
    return (named or links)[0]


def tip_links(robot: SeenRobot, pose: SeenTopic | None = None) -> list[tuple[str, str]]:
    """The link of each arm's tool, and the doubt about it.

    Args:
        robot: The robot.
        pose: Where the pose of its tool is measured, of one with one arm.
    """
    description = robot.description
    if description is None:
        return []
    if pose is not None and len(robot.arms) == 1:
        measured = _measured_tip(description, robot.arms[0], pose)
        if measured is not None:
            return [measured]
    return [_tip(description, arm) for arm in robot.arms]


def _candidates(description: RobotDescription, arm: SeenGroup) -> list[str]:
    path = [joint for joint in description.chain(arm.joints) if joint.name in arm.joints]
    return description.fixed_below(path[-1].child) if path else []


def _tip(description: RobotDescription, arm: SeenGroup) -> tuple[str, str]:
    """The tool's link by its name."""
    links = _candidates(description, arm)
    for word in _TIPS:
        named = [link for link in links if word in link.rpartition('/')[2].lower()]
        if named:
            others = [link for link in named if link != named[-1]]
            return named[-1], f'also there: {listed(others)}' if others else ''
    return (links[-1], 'no link is named as a tool') if links else ('', 'no link was found')


def _measured_tip(
    description: RobotDescription, arm: SeenGroup, pose: SeenTopic
) -> tuple[str, str] | None:
    """The tool's link by where the joints put it and where it is measured; None if none fits."""
    found = _last_position(pose)
    source = arm.position
    if found is None or source is None or frame_of(pose) not in description.links:
        return None
    posture = dict(zip(source.names, source.position[-1], strict=True))
    base, named = frame_of(pose), _tip(description, arm)[0]
    distances = {}
    for link in _candidates(description, arm):
        position = _position(description, base, link, posture)
        if position is not None:
            distances[link] = float(np.linalg.norm(position - found))
    near = [link for link, distance in distances.items() if distance < _NEAR]
    if near:  # of several in one place the one that is named as a tool
        return named if named in near else near[-1], ''
    if named in distances:
        why = (
            f'the pose on {pose.name} is {distances[named]:.3f} m from it: has the tool an offset?'
        )
        return named, why
    return None


def _last_position(pose: SeenTopic) -> Array | None:
    try:
        content = decoder_for(pose.type).decode(pose.samples[-1].data, ('pose.position',), ())
    except (IlRosError, IndexError):
        return None
    return content[:3]


def _position(
    description: RobotDescription, base: str, link: str, posture: dict[str, float]
) -> Array | None:
    """Where the joints put a link in the base's frame, (3,) [m]; None where they cannot."""
    try:
        limb = arm_description(
            description.urdf, base=base, tips={'': link}, grippers={}, home={}
        ).limbs[0]
    except IlRosError:
        return None
    if not posture.keys() >= set(limb.free):
        return None
    chain, _ = limb.chain()
    return chain.forward(np.array([posture[name] for name in limb.free]))[0]


def reach(robot: SeenRobot) -> float:
    """How far the longest arm can get from its base, at the most [m]; 0 where nothing says so."""
    if robot.description is None:
        return 0.0
    reaches = []
    for arm, (tip, _) in zip(robot.arms, tip_links(robot), strict=True):
        path = robot.description.path(tip)
        begin = next((i for i, joint in enumerate(path) if joint.name in arm.joints), 0)
        reaches.append(sum(joint.reach for joint in path[begin:]))
    return math.ceil(max(reaches, default=0.0) * 10) / 10
