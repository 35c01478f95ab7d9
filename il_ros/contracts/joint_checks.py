"""Whether a robot's joints and tool are where and what a contract says."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from il_ros.contracts.check_findings import (
    SHARE,
    CheckInput,
    Finding,
    fine,
    most_frequent,
    unseen,
    wrong,
)
from il_ros.contracts.described_joints import RobotDescription
from il_ros.contracts.joint_sources import publishers_of_joints
from il_ros.core.errors import IlRosError
from il_ros.core.kinematics import ArmDescription
from il_ros.core.limits import Array
from il_ros.core.seen_graph import listed
from il_ros.core.urdf import differences

_DEGREE = math.pi / 180.0
_SPEED = 1.5  # of a limit that a measured speed may have: an arm that is led by hand is faster
_NOISE = 0.02  # rad or m that a joint may be measured outside of its limits
_EPSILON = 1e-3  # of rounding, between the contract's limits and the URDF's
_SHOWN = 3


def check_positions(given: CheckInput) -> Iterable[Finding]:
    """Whether measured positions are within the limits, and in radians."""
    subject, limits = 'action.limits (positions seen)', given.contract.limits
    seen = dict(_ranges(given, given.contract.action.position, free=_continuous(given)))
    outside, degrees = [], []
    for i, (low, high) in seen.items():
        least, most = limits.position_min[i], limits.position_max[i]
        if least - _NOISE <= low and high <= most + _NOISE:
            continue
        name, largest = given.contract.action.names[i], max(abs(low), abs(high))
        outside.append(f'{name} at {low:.2f} .. {high:.2f}, limits {least:.2f} .. {most:.2f}')
        if largest > 2 * math.pi + _NOISE and largest * _DEGREE <= max(abs(least), abs(most)):
            degrees.append(name)
    if not seen:
        yield unseen(subject, 'no positions')
    elif degrees:
        fix = f'{listed(degrees)} seem to be in degrees: let the driver publish radians'
        yield wrong(subject, (listed(outside, _SHOWN), fix))
    elif outside:
        fix = 'move the arm inside its limits, or correct them'
        yield wrong(subject, (listed(outside, _SHOWN), fix))
    else:
        yield fine(subject, 'within the limits')


def check_speeds(given: CheckInput) -> Iterable[Finding]:
    """Whether measured speeds can be those of the joints, in rad/s."""
    subject, limits = 'action.limits.velocity (speeds seen)', given.contract.limits
    seen = dict(_ranges(given, given.contract.action.velocity))
    fast = [
        f'{given.contract.action.names[i]} at {max(-low, high):.2f}, limit {limits.velocity[i]:.2f}'
        for i, (low, high) in seen.items()
        if max(-low, high) > _SPEED * limits.velocity[i]
    ]
    if not seen:
        yield unseen(subject, 'no speeds')
    elif fast:
        fix = 'in degrees, or a fault of the driver: let it publish rad/s, or correct the limit'
        yield wrong(subject, (listed(fast, _SHOWN), fix))
    else:
        yield fine(subject, 'within the limits')


def check_agreement(given: CheckInput) -> Iterable[Finding]:
    """Whether each joint comes from one publisher, and goes no faster than it can."""
    subject, rivals = 'one publisher a joint', _rivals(given)
    measured = any(given.replay.keys[key].values for key in given.contract.action.position)
    if rivals:
        yield wrong(subject, (rivals, 'end all but one of these nodes'))
    elif given.replay.joints:
        text, _, fix = given.replay.joints[0].partition('; ')
        yield wrong(subject, (text, fix))
    elif measured:
        yield fine(subject, 'all samples of a joint agree')
    else:
        yield unseen(subject, 'no positions')


def check_description(given: CheckInput) -> Iterable[Finding]:
    """Whether the contract's joints and limits are within those of the URDF."""
    subject, description = 'action.limits (URDF)', given.description
    if description is None:
        yield unseen(subject, given.undescribed)
        return
    problems = list(_beyond(given, description))
    if problems:
        fix = 'correct the names or the limits, or publish the robot_description of this robot'
        yield wrong(subject, (listed(problems, _SHOWN), fix))
    else:
        yield fine(subject, f'within those of {description.name or "the robot description"}')


def check_arm(given: CheckInput) -> Iterable[Finding]:
    """Whether the robot describes the arm that the contract has, as the monitor demands."""
    subject, arm, description = 'arm (robot_description)', given.contract.arm, given.description
    if isinstance(arm, str):
        yield unseen(subject, f'it is the built-in {arm}' if arm else 'the contract names no arm')
    elif description is None:
        yield unseen(subject, given.undescribed)
    elif found := _differences(given, description, arm):
        fix = 'load the contract with the URDF of this robot, or start its driver with that one'
        yield wrong(subject, (listed(found, _SHOWN), fix))
    else:
        yield fine(subject, 'the same arm')


def check_tool(given: CheckInput) -> Iterable[Finding]:
    """Whether the tool is measured where the joints put it."""
    subject, frames = 'tool (forward kinematics)', len(given.replay.frames)
    text, count = most_frequent(given.replay.tool)
    if not given.contract.arm:
        yield unseen(subject, 'the contract names no arm')
    elif not given.replay.tool_looked:
        yield unseen(subject, 'the contract has no pose of the tool')
    elif not frames:
        yield unseen(subject, 'no ticks')
    elif count > SHARE * frames:
        fix = 'correct arm, base_frame or frame_id, or say in `tool` which pose it is'
        yield wrong(subject, (f'{count} of {frames} ticks: {text}', fix))
    else:
        yield fine(subject, 'where the joints put it')


def _differences(
    given: CheckInput, description: RobotDescription, arm: ArmDescription
) -> list[str]:
    try:
        return differences(description.urdf, arm, given.contract.limits)
    except IlRosError as problem:
        return [str(problem)]


def _ranges(
    given: CheckInput, keys: Iterable[str], free: frozenset[str] = frozenset()
) -> Iterator[tuple[int, tuple[float, float]]]:
    """Least and largest number of each joint, by its place in the action; none of `free`."""
    names = given.contract.action.names
    for key in keys:
        values = _finite(given, key)
        for column, name in enumerate(given.contract.observations[key].names):
            if len(values) and name not in free:
                column_of = values[:, column]
                yield names.index(name), (float(column_of.min()), float(column_of.max()))


def _finite(given: CheckInput, key: str) -> Array:
    values = given.replay.keys[key].values
    return np.array([value for value in values if np.isfinite(value).all()])


def _continuous(given: CheckInput) -> frozenset[str]:
    joints = given.description.joints.values() if given.description else ()
    return frozenset(joint.name for joint in joints if joint.type == 'continuous')


def _rivals(given: CheckInput) -> str:
    """Who publishes the same joint as somebody else, as far as messages tell."""
    for key in given.contract.action.position:
        stream = given.contract.observations[key]
        topic = given.topic(stream)
        publishers = publishers_of_joints(topic) if topic is not None else {}
        shared = [name for name in stream.sent_names if len(publishers.get(name, ())) > 1]
        if shared and topic is not None:
            nodes = listed(sorted(offer.node for offer in topic.publishers))
            return f'{topic.name}: several publish {listed(shared)} ({nodes})'
    return ''


def _beyond(given: CheckInput, description: RobotDescription) -> Iterator[str]:
    limits = given.contract.limits
    for i, name in enumerate(given.contract.action.names):
        joint = description.joints.get(name)
        if joint is None:
            yield f'there is no joint {name}'
        elif joint.mimics:
            yield f'{name} follows {joint.mimics}'
        elif limits.position_min[i] < joint.lower - _EPSILON:
            yield f'{name} from {limits.position_min[i]:g}, there {joint.lower:g}'
        elif limits.position_max[i] > joint.upper + _EPSILON:
            yield f'{name} up to {limits.position_max[i]:g}, there {joint.upper:g}'
        elif limits.velocity[i] > joint.velocity + _EPSILON:
            yield f'{name} at {limits.velocity[i]:g} a second, there {joint.velocity:g}'
