"""The joints of a robot description (URDF): what a contract is written from, and compared with."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from xml.etree import ElementTree

from il_ros.core.errors import ContractError

_MOST = 8 << 20  # characters
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
        joints: By name, in the document's order.

    Raises:
        ContractError: If it is no URDF.
    """

    def __init__(self, text: str) -> None:
        root = _root(text)
        self.name, self.text = root.get('name', ''), text
        made = [_joint(element) for element in root.findall('joint')]
        self.joints = {joint.name: joint for joint in made}

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


def _root(text: str) -> ElementTree.Element:
    where, fix = 'robot description', 'publish an expanded URDF on robot_description, or name one'
    if len(text) > _MOST:
        raise ContractError(f'{len(text)} characters', where=where, allowed=f'up to {_MOST}')
    if '<!' in text.replace('<!--', ''):  # entities grow without bound
        raise ContractError('it has a document type', where=where, allowed='a plain URDF', fix=fix)
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as problem:
        raise ContractError(f'not XML: {problem}', where=where, fix=fix) from None
    if root.tag != 'robot':
        raise ContractError(f'it begins with <{root.tag}>', where=where, allowed='<robot>', fix=fix)
    return root


def _joint(element: ElementTree.Element) -> DescribedJoint:
    limit, mimic, origin = (element.find(tag) for tag in ('limit', 'mimic', 'origin'))
    kind = element.get('type', '')
    bounded = limit is not None and kind in ('revolute', 'prismatic')
    xyz = (origin.get('xyz', '') if origin is not None else '').split()
    return DescribedJoint(
        name=element.get('name', ''),
        type=kind,
        parent=_link(element, 'parent'),
        child=_link(element, 'child'),
        # The format's own default is 0.
        lower=_number(limit, 'lower', 0.0) if bounded else -math.inf,
        upper=_number(limit, 'upper', 0.0) if bounded else math.inf,
        velocity=_number(limit, 'velocity', math.inf) or math.inf,
        mimics=mimic.get('joint', '') if mimic is not None else '',
        reach=math.hypot(*(_float(number, 0.0) for number in xyz)) if xyz else 0.0,
    )


def _link(element: ElementTree.Element, tag: str) -> str:
    found = element.find(tag)
    return found.get('link', '') if found is not None else ''


def _number(element: ElementTree.Element | None, name: str, default: float) -> float:
    return _float(element.get(name), default) if element is not None else default


def _float(text: str | None, default: float) -> float:
    try:
        value = float(text) if text is not None else default
    except ValueError:
        return default
    return value if not math.isnan(value) else default
