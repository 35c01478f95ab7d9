"""The arm of a contract whose `arm` names a URDF: found, expanded, read and put in its place."""

from __future__ import annotations

import importlib.util
import logging
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from il_ros.core.config import parse
from il_ros.core.errors import ContractError, reason
from il_ros.core.regular_files import read_text, require_regular
from il_ros.core.urdf import LIMIT, Urdf, arm_description, find_file, read_urdf
from il_ros.core.urdf_body import REPLACED, with_parts

_LOG = logging.getLogger(__name__)
_EXPANDING = 60.0  # s that xacro may take
_SHOWN = 500  # characters of what it says
_NAMED = 3  # meshes that are named where many are not read
_LIMITS = {'position_min': 'lower', 'position_max': 'upper', 'velocity': 'velocity'}
_SLACK = 1e-6  # rad or m that a limit may be beyond the URDF's: digits of degrees


@dataclass(frozen=True, kw_only=True)
class UrdfArm:
    """What a contract's file says of an arm that is described by a URDF.

    Attributes:
        urdf: The file: relative to the contract's folder, `file://PATH` or `package://PACKAGE/PATH`;
            one that ends in `.xacro` is expanded.
        base: Link that the arm stands on; the contract's base frame by default.
        tip: Link of the tool centre point; of several arms a mapping from what the keys of each
            one's observations begin with (`left`, `right`) to its link, or a list of links.
        gripper: Joint of the gripper; of several arms a mapping likewise. By default the commanded
            joint that is not on the way to the tip.
        home: Positions of joints at rest [rad or m]; by default 0, within the limits.
        near: Pairs of links that may touch, besides neighbours and those that do so at home.
        arguments: Of xacro.
    """

    urdf: str
    base: str = ''
    tip: str | tuple[str, ...] | Mapping[str, str]
    gripper: str | Mapping[str, str] = ''
    home: Mapping[str, float] = field(default_factory=dict)
    near: tuple[tuple[str, str], ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def tips(self) -> dict[str, str]:
        """Links of the tool centre points by side; the side of a single one is empty."""
        if isinstance(self.tip, str):
            return {'': self.tip}
        if isinstance(self.tip, Mapping):
            return dict(self.tip)
        return {'' if len(self.tip) == 1 else _key_of(link): link for link in self.tip}


def with_resolved_arm(data: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """A contract's mapping with the numbers of its arm, and its limits where it has none.

    Args:
        data: As in its file, what it extends included; `arm` names a URDF.
        path: Of the contract.

    Raises:
        ContractError: With what is wrong, and where.
    """
    where = f'{path.name}.arm'
    arm = parse(UrdfArm, data['arm'], where=where, error=ContractError)
    file = find_file(arm.urdf, path.parent, f'{where}.urdf')
    urdf = read_urdf(_text(file, arm.arguments, f'{where}.urdf'), arm.urdf)
    base = arm.base or str(data.get('base_frame', ''))
    if base != data.get('base_frame'):
        raise ContractError(
            f'got {base!r}',
            where=f'{where}.base',
            allowed=f'the base_frame {data.get("base_frame")!r}, of workspace and tool poses too',
        )
    commanded = _names(data)
    description = arm_description(
        urdf,
        base=base,
        tips=arm.tips,
        grippers=_grippers(arm, urdf, base, commanded, where),
        home=arm.home,
    )
    description = with_parts(description, urdf, file.parent, arm.near)
    _tell(arm.urdf, description.notes)
    return {**_limited(data, urdf, commanded, path.name), 'arm': _plain(asdict(description))}


def _tell(file: str, notes: Sequence[str]) -> None:
    """Log the notes; all meshes that are not read are one line."""
    meshes = [note for note in notes if note.endswith(REPLACED)]
    if len(meshes) > 1:
        text = '; '.join(note.rpartition('; ')[0] for note in meshes[:_NAMED])
        more = f'; and {len(meshes) - _NAMED} more' if len(meshes) > _NAMED else ''
        _LOG.warning(
            '%s: %d meshes are not read, visuals or capsules stand for them: %s%s',
            *(file, len(meshes), text, more),
        )
    for note in notes:  # links that may touch are normal, the rest is worth a look
        level = logging.INFO if note.endswith('not held apart') else logging.WARNING
        if len(meshes) < 2 or note not in meshes:
            _LOG.log(level, '%s: %s', file, note)


def _plain(value: Any) -> Any:
    """The same without tuples, and without what is empty or None."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v is not None and v not in ('', ())}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _key_of(link: str) -> str:
    """A link's name as keys of observations may begin with."""
    text = ''.join(char if char.isalnum() else '_' for char in link)
    return text if text[:1].isalpha() else f'arm_{text}'


def _names(data: Mapping[str, Any]) -> list[str]:
    action = data.get('action')
    names = action.get('names') if isinstance(action, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []


def _grippers(
    arm: UrdfArm, urdf: Urdf, base: str, commanded: Sequence[str], where: str
) -> dict[str, str]:
    """The joint of each limb's gripper: as it is said, or what else is commanded."""
    sides = arm.tips
    if isinstance(arm.gripper, Mapping):
        if strange := [side for side in arm.gripper if side not in sides]:
            raise ContractError(f'got {strange}', where=f'{where}.gripper', allowed=sides)
        return dict(arm.gripper)
    if arm.gripper:
        return dict.fromkeys(sides, arm.gripper)
    on_the_way = {side: urdf.path(base, tip)[1] for side, tip in sides.items()}
    known = {joint.name for way in on_the_way.values() for joint in way}
    found: dict[str, str] = {}
    for name in commanded:
        if name not in known and (side := _limb_of(urdf, name, on_the_way)) is not None:
            found.setdefault(side, name)
    return found


def _limb_of(urdf: Urdf, name: str, ways: Mapping[str, Sequence[Any]]) -> str | None:
    """The side of the limb that a joint is mounted on; None where that is not known."""
    if len(ways) == 1:
        return next(iter(ways))
    if name not in urdf.joints:
        return None
    above = {joint.name for joint in urdf.joints_to(urdf.joints[name].parent)}
    shared = {side: sum(joint.name in above for joint in way) for side, way in ways.items()}
    best = max(shared.values())
    sides = [side for side, count in shared.items() if count == best]
    return sides[0] if len(sides) == 1 else None


def _limited(
    data: Mapping[str, Any], urdf: Urdf, commanded: Sequence[str], source: str
) -> dict[str, Any]:
    """The contract with the URDF's limits where it leaves them out, and none beyond them."""
    action = data.get('action')
    if not isinstance(action, dict) or not commanded:
        return dict(data)
    limits = action.get('limits') or {}
    if not isinstance(limits, dict):
        return dict(data)
    filled = dict(limits)
    for name, attribute in _LIMITS.items():
        own = limits.get(name)
        if own is None:
            own = [None] * len(commanded)
        if not isinstance(own, list) or len(own) != len(commanded):
            continue  # what is wrong with it is said when the contract is parsed
        known = [getattr(urdf.joints.get(joint), attribute, None) for joint in commanded]
        where = f'{source}.action.limits.{name}'
        filled[name] = [
            _limit(value, given, joint, name, where)
            for value, given, joint in zip(own, known, commanded, strict=True)
        ]
    return {**data, 'action': {**action, 'limits': filled}}


def _limit(own: Any, known: float | None, joint: str, name: str, where: str) -> Any:
    if own is None:
        if known is None:
            raise ContractError(
                f'the URDF has none for {joint}',
                where=where,
                fix='write a list with one number for each joint here; null takes the URDF one',
            )
        return known
    beyond = (
        isinstance(own, int | float)
        and known is not None
        and (own < known - _SLACK if name == 'position_min' else own > known + _SLACK)
    )
    if beyond:
        raise ContractError(
            f'{own} for {joint}',
            where=where,
            allowed=f'{known} of the URDF, or narrower',
            fix='narrow it, or correct the URDF',
        )
    return own


def _text(path: Path, arguments: Mapping[str, str], where: str) -> str:
    if path.suffix == '.xacro':
        return _expanded(path, arguments, where)
    if arguments:
        raise ContractError(f'{path.name} is no xacro', where=where, fix='remove arm.arguments')
    try:
        return read_text(path, LIMIT)
    except (OSError, UnicodeDecodeError) as problem:
        raise ContractError(
            f'cannot be read: {reason(problem)}', where=f'{where}: {path}', fix='check the path'
        ) from None


def _expanded(path: Path, arguments: Mapping[str, str], where: str) -> str:
    """The URDF of a xacro file, by the `xacro` of ROS or of PyPI in a process of its own."""
    where = f'{where}: {path}'
    try:
        require_regular(path, LIMIT)
    except OSError as problem:
        raise ContractError(f'cannot be read: {reason(problem)}', where=where) from None
    if odd := [name for name in arguments if not name.isidentifier()]:
        # Of one that begins with a dash xacro would take an option, such as a file to write.
        raise ContractError(
            f'argument {odd[0]!r}', where=where, allowed='a name of letters, digits, _'
        )
    given = [f'{name}:={value}' for name, value in arguments.items()]
    command = [*_xacro(where), str(path), *given]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_EXPANDING, text=True, check=False
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as problem:
        raise ContractError(f'xacro failed: {problem}', where=where) from None
    if done.returncode:
        raise ContractError(f'xacro failed: {done.stderr.strip()[-_SHOWN:]}', where=where)
    return done.stdout


def _xacro(where: str) -> list[str]:
    if executable := shutil.which('xacro'):
        return [executable]
    if importlib.util.find_spec('xacro') is not None:
        # What it imports is what this process would, and nothing that lies in the current folder.
        code = f'import sys; sys.path[:] = {sys.path!r}; import xacro; sys.exit(xacro.main())'
        return [sys.executable, '-c', code]
    raise ContractError(
        'it is xacro, and there is no xacro here',
        where=where,
        fix='install it (apt install ros-$ROS_DISTRO-xacro, or pip install xacro), or expand it '
        'elsewhere and name the URDF: xacro FILE.xacro > FILE.urdf',
    )
