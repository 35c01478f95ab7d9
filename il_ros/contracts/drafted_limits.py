"""The limits of a drafted contract: the URDF's, and careful ones where it has none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from il_ros.contracts.described_joints import DescribedJoint
from il_ros.contracts.draft_text import joined
from il_ros.contracts.seen_robot import SeenRobot
from il_ros.core.arms import Arm, ArmPair, get_arm
from il_ros.core.limits import Array
from il_ros.core.seen_graph import listed
from il_ros.core.urdf import Urdf

_SLOW, _FAST = 1.0, 2 * math.pi  # rad/s: where a description has no limit; from where it is doubted
_CAREFUL = 2.0  # rad/s in place of a doubtful one
_STARTUP = 2.0  # 1/s: acceleration by speed; full speed after half a second
_HALF_TURN = 3.1416  # rad
_SMOOTH = 20.0  # 1/s: jerk by acceleration
_ROUNDED = 0.01  # of its range, by which a mimic joint's limits may be narrower than its leader's
_LIMITS = ('position_min', 'position_max', 'velocity', 'acceleration', 'jerk')


def joint_limits(
    robot: SeenRobot, names: Sequence[str]
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """The bounds of joints by name, in this order, and the doubts about them."""
    if robot.description is None and robot.built_in:
        return _built_in_limits(robot, names)
    joints = robot.description.joints if robot.description else {}
    made = [_bounds(joints.get(name)) for name in names]
    limits = {name: [values[i] for values, _ in made] for i, name in enumerate(_LIMITS)}
    doubts: dict[str, dict[str, list[str]]] = {name: {} for name in _LIMITS}
    for joint, (_, why) in zip(names, made, strict=True):
        for name, text in why.items():
            doubts[name].setdefault(text, []).append(joint)
    if robot.description:
        for name, row in zip(names, made, strict=True):
            for text in _narrow_followers(robot.description.urdf, name, *row[0][:2]):
                doubts['position_max'].setdefault(text, [])
    grippers = {name for group in robot.groups if group.gripper for name in group.joints}
    if endless := [n for n in names if n in grippers and n in joints and not joints[n].bounded]:
        for name in ('position_min', 'position_max'):
            doubts[name].setdefault('a gripper that turns without end by the URDF', endless)
    doubts['acceleration'] = {'a URDF has none: full speed after half a second': []}
    doubts['jerk'] = {'likewise: that acceleration after a twentieth of a second': []}
    return limits, {
        name: joined(f'{text}{": " if who else ""}{listed(who)}' for text, who in texts.items())
        for name, texts in doubts.items()
    }


def _bounds(joint: DescribedJoint | None) -> tuple[list[float], Mapping[str, str]]:
    """Least and largest position, speed, acceleration and jerk of a joint; and the doubts."""
    if joint is None:
        missing = 'in no URDF'
        speed, low, high = _SLOW, -math.pi, math.pi
        return _row(low, high, speed), {'position_min': missing, 'velocity': missing}
    doubts = {}
    low, high = joint.lower, joint.upper
    if joint.type == 'continuous':  # a whole turn: there is no bound
        low, high = -_HALF_TURN, _HALF_TURN
    elif not (math.isfinite(low) and math.isfinite(high) and low < high):
        low, high = -math.pi, math.pi
        doubts['position_min'] = 'no limits in the URDF'
    speed = joint.velocity
    if not math.isfinite(speed):
        speed, doubts['velocity'] = _SLOW, 'no speed limit in the URDF'
    elif speed > _FAST and joint.type != 'prismatic':
        doubts['velocity'] = f'{speed:g} rad/s by the URDF, which looks made up'
        speed = _CAREFUL
    return _row(low, high, speed), doubts


def _narrow_followers(urdf: Urdf, name: str, low: float, high: float) -> Iterator[str]:
    """Which mimic joints would leave their own limits, their leader being in `low` to `high`."""
    for joint in urdf.joints.values():
        if joint.mimic is None or joint.mimic.joint != name:
            continue
        if joint.lower is None or joint.upper is None:
            continue
        least, most = sorted(joint.mimic.offset + joint.mimic.multiplier * x for x in (low, high))
        slack = _ROUNDED * (most - least)
        if least < joint.lower - slack or most > joint.upper + slack:
            yield (
                f'{joint.name} mimics {name} and would be at {least:g} to {most:g}, '
                f'its own limits are {joint.lower:g} to {joint.upper:g}'
            )


def _row(low: float, high: float, speed: float) -> list[float]:
    inward = math.ceil(low * 1e4) / 1e4, math.floor(high * 1e4) / 1e4
    speed = math.floor(speed * 1e4) / 1e4
    acceleration = _STARTUP * speed
    return [*inward, speed, acceleration, _SMOOTH * acceleration]


def _built_in_limits(
    robot: SeenRobot, names: Sequence[str]
) -> tuple[dict[str, list[float]], dict[str, str]]:
    arm: Arm | ArmPair = get_arm(robot.built_in)
    bounds: dict[str, Array] = arm.bounds()
    place = {name: i for i, name in enumerate(arm.names)}
    unknown = [name for name in names if name not in place]
    rows = [
        [float(bounds[limit][place[name]]) for limit in _LIMITS]
        if name in place
        else _bounds(None)[0]
        for name in names
    ]
    doubt = f'{listed(unknown)}: not of the built-in arm' if unknown else ''
    return {n: [row[i] for row in rows] for i, n in enumerate(_LIMITS)}, {'position_min': doubt}
