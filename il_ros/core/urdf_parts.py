"""One URDF of two arms, and those of each: in one file no two joints may have one name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from operator import add
from xml.etree import ElementTree

import numpy as np

from il_ros.core.kinematics import LimbDescription, Numbers3
from il_ros.core.limits import Array
from il_ros.core.urdf import moving_joints, parsed_xml, read_urdf

_ORIGIN = (0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class PlacedUrdf:
    """One arm's description.

    Attributes:
        text: The URDF.
        xyz: Where its root link is in the common base link [m].
        rpy: How it is turned there [rad].
    """

    text: str
    xyz: Numbers3 = _ORIGIN
    rpy: Numbers3 = _ORIGIN


def one_of_several(text: str, tip: str, prefix: str) -> str:
    """The description of one arm, as its own driver has it: joints without the prefix.

    Args:
        text: Of all.
        tip: A link of the arm; what it stands on is the link below the root.
        prefix: What the names of its joints begin with.

    Raises:
        ContractError: If the text is no URDF, or has no such link.
    """
    urdf, root = read_urdf(text, 'URDF'), parsed_xml(text, 'URDF')
    foot = urdf.joints_to(tip)[0].child
    own = {link for link in urdf.collision if foot in (j.child for j in urdf.joints_to(link))}
    arm = ElementTree.Element('robot', name=foot.rpartition('/')[0] or foot)
    mine = {name for name, joint in urdf.joints.items() if joint.parent in own}
    known = {'link': own, 'joint': mine}
    arm.extend(one for one in root if one.get('name') in known.get(one.tag, ()))
    _rename(arm, lambda name: name.removeprefix(prefix))
    return ElementTree.tostring(arm, encoding='unicode')


def placed(text: str, limb: LimbDescription, prefix: str) -> PlacedUrdf:
    """One arm's own description, where a contract has that arm: no driver says where it stands.

    Args:
        text: The URDF.
        limb: The contract's arm.
        prefix: What the names of its joints begin with.

    Raises:
        ContractError: If the text is no URDF, or has no such arm.
    """
    urdf = read_urdf(text, f'robot description of {prefix}')
    tip = limb.tip if limb.tip in urdf.collision else limb.tip.removeprefix(prefix)
    way = urdf.joints_to(tip)
    joints, _ = moving_joints(urdf, way[0].parent if way else tip, tip)
    pose = limb.joints[0].origin.matrix @ np.linalg.inv(joints[0].origin.matrix)
    x, y, z = pose[:3, 3].tolist()
    return PlacedUrdf(text=text, xyz=(x, y, z), rpy=rpy_of(pose))


def rpy_of(pose: Array) -> Numbers3:
    """The turn of a pose (4, 4) as a URDF has it: about the fixed x, then y, then z axis [rad]."""
    roll, yaw = math.atan2(pose[2, 1], pose[2, 2]), math.atan2(pose[1, 0], pose[0, 0])
    return roll, math.atan2(-pose[2, 0], math.hypot(pose[0, 0], pose[1, 0])), yaw


def joined(arms: Mapping[str, PlacedUrdf], *, name: str, base: str) -> str:
    """One description of several arms.

    Args:
        arms: By the prefix that each arm's joints get; links keep their names, and get the prefix
            where two arms have the same.
        name: Of the whole.
        base: Link that they stand on.

    Raises:
        ContractError: If a text is no URDF.
    """
    whole = ElementTree.Element('robot', name=name)
    ElementTree.SubElement(whole, 'link', name=base)
    taken = {base}
    for prefix, arm in arms.items():
        where = f'robot description of {prefix}'
        urdf, root = read_urdf(arm.text, where), parsed_xml(arm.text, where)
        if taken & urdf.collision.keys():
            _rename_links(root, prefix)
        links = [link.get('name', '') for link in root.findall('link')]
        taken |= set(links)
        moved = {child.get('link') for child in root.findall('joint/child')}
        _rename(root, partial(add, prefix))
        mount = ElementTree.SubElement(whole, 'joint', name=f'{prefix}{base}', type='fixed')
        ElementTree.SubElement(mount, 'parent', link=base)
        ElementTree.SubElement(mount, 'child', link=next(n for n in links if n not in moved))
        place = {'xyz': ' '.join(map(repr, arm.xyz)), 'rpy': ' '.join(map(repr, arm.rpy))}
        ElementTree.SubElement(mount, 'origin', place)
        whole.extend(element for element in root if element.tag in ('link', 'joint'))
    return ElementTree.tostring(whole, encoding='unicode')


def _rename(root: ElementTree.Element, renamed: Callable[[str], str]) -> None:
    """Give the joints other names, and where one follows another, that, too."""
    for joint in root.findall('joint'):
        joint.set('name', renamed(joint.get('name', '')))
    for mimic in root.findall('joint/mimic'):
        mimic.set('joint', renamed(mimic.get('joint', '')))


def _rename_links(root: ElementTree.Element, prefix: str) -> None:
    for link in root.findall('link'):
        link.set('name', prefix + link.get('name', ''))
    for end in (*root.findall('joint/parent'), *root.findall('joint/child')):
        end.set('link', prefix + end.get('link', ''))
