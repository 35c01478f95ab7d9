"""Whether the measured pose of each tool agrees with where the measured joints put it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from il_ros.core.arms import Arm, arm_of
from il_ros.core.cdr import NS
from il_ros.core.contract import Contract
from il_ros.core.errors import ContractError
from il_ros.core.frames import Frame
from il_ros.core.geometry import matrix_from_quaternion, norm
from il_ros.core.limits import Array

# Poses and joints that are measured by two devices may be this much apart in time, besides what
# their stamps say; what the tool moves in this time is allowed on top.
_DELAY = 0.1  # s
_MEMORY = 0.5  # s of postures that an older pose is compared with


class ToolConsistency:
    """Compares poses of tools with forward kinematics, at the time of each pose.

    A pose that another node measures or computes is a second witness of where the arm is. Where
    both come from one driver they agree whatever that driver says.

    Args:
        contract: Names the arm, the observations and the tolerances.

    Raises:
        ContractError: If `tool.keys` does not name one pose a tool, or a joint of the arm is not
            commanded.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._tools = [_Tool(contract, limb, key) for limb, key in _poses(contract)]
        self._frame: Frame | None = None
        self._problems: list[str] = []

    @property
    def looks(self) -> bool:
        """Whether there is a pose to compare."""
        return bool(self._tools)

    def look(self, frame: Frame) -> None:
        """Compare what a frame holds, once."""
        position = self._contract.action.position
        if not self._tools or frame is self._frame:
            return
        self._frame, self._problems = frame, []
        if not frame.all_valid(position):
            return
        joints = frame.vector(position)
        oldest = max(self._age(frame, key) for key in position)
        texts = (tool.compare(frame, joints, oldest) for tool in self._tools)
        self._problems = [text for text in texts if text]

    def problems(self) -> list[str]:
        """One text for each tool that is not where the joints put it, by the last frame."""
        return self._problems

    def _age(self, frame: Frame, key: str) -> float:
        """How long before the frame's stamp a value is of [s]."""
        between = self._contract.observations[key].align.strategy == 'interpolate'
        return 0.0 if between else frame.age[key]


def _poses(contract: Contract) -> list[tuple[Arm, str]]:
    """The arms whose tool is measured, and by which observation."""
    check, streams = contract.tool, contract.observations
    arm = arm_of(contract) if check.position or check.orientation else None
    if arm is None:
        return []
    limbs = arm.limbs
    if check.keys and len(check.keys) != len(limbs):
        raise ContractError(
            f'got {list(check.keys)}',
            where=f'contract {contract.name}.tool.keys',
            allowed=f'one pose for each of {len(limbs)} tools',
        )
    chosen = check.keys or tuple(f'{limb.prefix}tcp_pose' for limb in limbs)
    return [
        (limb, key)
        for limb, key in zip(limbs, chosen, strict=True)
        if key in streams and streams[key].fields[0] == 'pose.position'
    ]


@dataclass(frozen=True)
class _Posture:
    """Where the joints put a tool: time [ns], position (3,) [m], rotation (3, 3), and its speed."""

    time: int
    position: Array
    rotation: Array
    speed: float = 0.0  # m/s
    turning: float = 0.0  # rad/s


class _Tool:
    """One tool, its observation, and where the joints have put it lately."""

    def __init__(self, contract: Contract, limb: Arm, key: str) -> None:
        self._limb, self._key, self._check = limb, key, contract.tool
        self._columns = limb.columns(contract.action.names)
        self._turned = 'pose.orientation' in contract.observations[key].fields[1:2]
        self._between = contract.observations[key].align.strategy == 'interpolate'
        self._past: deque[_Posture] = deque()

    def compare(self, frame: Frame, joints: Array, age: float) -> str:
        """How the pose in a frame disagrees with `joints` (N,), which are `age` [s] old."""
        newest = self._posture(frame.stamp - round(NS * age), joints)
        if not frame.valid[self._key]:
            return ''
        late = 0.0 if self._between else frame.age[self._key]
        expected = self._at(frame.stamp - round(NS * late)) or newest
        pose, check = frame.values[self._key], self._check
        speed = max(past.speed for past in self._past)
        turning = max(past.turning for past in self._past)
        away = norm(pose[:3] - expected.position)
        most = check.position + _DELAY * speed
        if check.position and not away <= most:
            return self._text(f'{away:.3f} m', f'{most:.3f} m')
        if not (check.orientation and self._turned):
            return ''
        angle = _angle(matrix_from_quaternion(pose[3:7]), expected.rotation)
        most = check.orientation + _DELAY * turning
        return '' if angle <= most else self._text(f'{angle:.3f} rad', f'{most:.3f} rad')

    def _text(self, found: str, most: str) -> str:
        return (
            f'{self._key}: {found} from where the joints put the tool, allowed {most}: one of them '
            'is wrong, or the tool or its frame is another than the contract says (see `tool`)'
        )

    def _posture(self, time: int, joints: Array) -> _Posture:
        past = self._past
        if past and not 0 < time - past[-1].time <= NS * _MEMORY:
            past.clear()
        position, rotation = self._limb.chain.forward(joints[self._columns])
        speed = turning = 0.0
        if past:
            seconds = (time - past[-1].time) / NS
            speed = norm(position - past[-1].position) / seconds
            turning = _angle(rotation, past[-1].rotation) / seconds
        past.append(_Posture(time, position, rotation, speed, turning))
        while time - past[0].time > NS * _MEMORY:
            past.popleft()
        return past[-1]

    def _at(self, time: int) -> _Posture | None:
        """Where the joints put the tool then; None outside of what is remembered."""
        after = next((past for past in self._past if past.time >= time), None)
        before = next((past for past in reversed(self._past) if past.time <= time), None)
        if before is None or after is None or before is after:
            return before or after
        share = (time - before.time) / (after.time - before.time)
        position = before.position + share * (after.position - before.position)
        return _Posture(time, position, (after if share > 0.5 else before).rotation)


def _angle(one: Array, other: Array) -> float:
    """Angle between two rotations (3, 3) [rad]."""
    trace = float(np.vdot(one, other))  # of one.T @ other
    return math.acos(min(max((trace - 1.0) / 2.0, -1.0), 1.0))
