"""The joints of a robot description (URDF): what a contract is written from, and compared with."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from il_ros.core.urdf import UrdfJoint, read_urdf

_FIXED = 'fixed'


@dataclass(frozen=True, kw_only=True)
class DescribedJoint:
    """One joint of a description.

    Attributes:
        name: Its name.
        type: `revolute`, `continuous`, `prismatic` or `fixed`; others are as they are.
        parent: Link that it is on.
        child: Link that it moves.
        lower: Least position [rad or m]; minus infinite where there is none.
        upper: Largest position [rad or m]; infinite where there is none.
        velocity: Largest speed [rad/s or m/s]; infinite where there is none.
        mimics: Joint that it follows; empty for one of its own.
        reach: How far its origin is from its parent link's [m].
    """

    name: str
    type: str
    parent: str
    child: str
    lower: float = -math.inf
    upper: float = math.inf
    velocity: float = math.inf
    mimics: str = ''
    reach: float = 0.0

    @property
    def bounded(self) -> bool:
        """Whether its travel has ends."""
        return self.type != 'continuous'

    @property
    def moves(self) -> bool:
        """Whether it can be commanded."""
        return self.type in ('revolute', 'continuous', 'prismatic') and not self.mimics


class RobotDescription:
    """The joints of a URDF, as a tree.

    Args:
        text: The URDF, with xacro expanded.

    Attributes:
        name: Of the robot.
        text: The URDF.
        urdf: What was read of it.
        joints: By name.

    Raises:
        ContractError: If it is no URDF.
    """

    def __init__(self, text: str) -> None:
        self.urdf = read_urdf(text, 'robot description')
        self.name, self.text = self.urdf.name, text
        self.joints = {name: _joint(joint) for name, joint in self.urdf.joints.items()}

    @cached_property
    def links(self) -> frozenset[str]:
        """Names of the links that a joint has."""
        return frozenset(link for joint in self.joints.values() for link in _ends(joint))

    @cached_property
    def _above(self) -> dict[str, DescribedJoint]:
        return {joint.child: joint for joint in self.joints.values()}

    def path(self, link: str) -> list[DescribedJoint]:
        """The joints from the root of the tree to a link."""
        found: list[DescribedJoint] = []
        while link in self._above and len(found) <= len(self.joints):
            found.insert(0, self._above[link])
            link = found[0].parent
        return found

    def chain(self, names: Iterable[str]) -> list[DescribedJoint]:
        """The path to the last of these joints that has the most of them on it."""
        chosen = set(names) & self.joints.keys()
        paths = [self.path(self.joints[name].child) for name in sorted(chosen)]
        return max(paths, key=lambda path: sum(j.name in chosen for j in path), default=[])

    def fixed_below(self, link: str) -> list[str]:
        """A link and those that are fixed to it, the nearest first."""
        found = [link]
        for at in found:
            below = (j for j in self.joints.values() if j.parent == at and j.type == _FIXED)
            found += [joint.child for joint in below if joint.child not in found]
        return found


def _ends(joint: DescribedJoint) -> tuple[str, str]:
    return joint.parent, joint.child


def _joint(joint: UrdfJoint) -> DescribedJoint:
    return DescribedJoint(
        name=joint.name,
        type=joint.type,
        parent=joint.parent,
        child=joint.child,
        lower=-math.inf if joint.lower is None else joint.lower,
        upper=math.inf if joint.upper is None else joint.upper,
        velocity=math.inf if joint.velocity is None else joint.velocity,
        mimics=joint.mimic.joint if joint.mimic else '',
        reach=float(np.linalg.norm(joint.origin[:3, 3])),
    )
