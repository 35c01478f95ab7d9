"""The contract: the one place that says what every topic of a robot and a task means.

Recorder, dataset conversion, policy, monitor, simulator and experts all read it. Its text and
hash travel in every bag, dataset and bundle, and two that differ are never mixed.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, NoReturn, Protocol

import numpy as np
import yaml

from il_ros.core.config import parse, read_yaml
from il_ros.core.errors import ContractError
from il_ros.core.limits import KeepOut, Limits
from il_ros.core.streams import ImageStream, Stream, check_image, check_stream

VERSION = 1
_KEY = re.compile(r'[A-Za-z][A-Za-z0-9_]*')


@dataclass(frozen=True, kw_only=True)
class JointBounds:
    """Bounds per commanded joint, in the order of the action's names.

    Attributes:
        position_min: Lower position bound [rad or m].
        position_max: Upper position bound [rad or m].
        velocity: Largest speed [rad/s or m/s].
        acceleration: Largest acceleration [rad/s^2 or m/s^2].
        jerk: Largest jerk [rad/s^3 or m/s^3].
    """

    position_min: tuple[float, ...]
    position_max: tuple[float, ...]
    velocity: tuple[float, ...]
    acceleration: tuple[float, ...]
    jerk: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Output:
    """How commands leave for the robot's controller.

    Attributes:
        adapter: `joint_trajectory` (trajectory_msgs/JointTrajectory, as a
            joint_trajectory_controller takes), `forward_command` (std_msgs/Float64MultiArray) or
            `twist` (geometry_msgs/TwistStamped of the tool centre point, as a servoing node takes).
        topic: The controller's command topic.
        ahead: How far in the future a trajectory begins [control periods], below 1. One that comes
            late by no more than that changes nothing of the motion; one that comes later has to be
            caught up with. The other adapters' commands hold from when they come.
    """

    adapter: Literal['joint_trajectory', 'forward_command', 'twist'] = 'joint_trajectory'
    topic: str = 'arm_controller/joint_trajectory'
    ahead: float = 0.5

    @property
    def streams(self) -> bool:
        """Whether a command is good for one period only, so that stops have to be sent, too."""
        return self.adapter != 'joint_trajectory'


@dataclass(frozen=True, kw_only=True)
class Fallback:
    """What the monitor does when the policy is out of its depth; hard faults always stop.

    Attributes:
        kind: `hold` decelerates and stays; `slow` goes on slowly and asks for help, and holds when
            that does not help; `retreat` goes back along the path just travelled; `posture` goes to
            a safe posture; `expert` hands over to the expert, if one is there, else holds.
        speed: Share of the speed limits that the arm uses while the monitor warns, and on its way
            back or to the posture.
        seconds: For `slow`, how long it goes on slowly; for `retreat`, how far it goes back [s].
        posture: Joint positions of `posture`, in the order of the action's names [rad or m].
    """

    kind: Literal['hold', 'slow', 'retreat', 'posture', 'expert'] = 'hold'
    speed: float = 0.3
    seconds: float = 2.0
    posture: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """Where the action comes from in a bag that was recorded without this package's monitor.

    Attributes:
        topic: Relative topic of the commands; empty to take the position measured at the next
            frame, as in teaching by hand.
        type: ROS message type of the commands.
        names: Names in the message that stand for the action's joints, in the order of the
            action's names; the action's own names by default.
        time: Whose clock orders the commands: the message's `header` or the moment of `receive`.
        latency: How much later than its stamp a command reaches the robot [s].
        max_age: Age from which a command no longer counts [s].
    """

    topic: str = ''
    type: Literal[
        'sensor_msgs/msg/JointState',
        'trajectory_msgs/msg/JointTrajectory',
        'std_msgs/msg/Float64MultiArray',
    ] = 'sensor_msgs/msg/JointState'
    names: tuple[str, ...] = ()
    time: Literal['header', 'receive'] = 'receive'
    latency: float = 0.0
    max_age: float = 0.2


@dataclass(frozen=True, kw_only=True)
class Action:
    """What a policy commands.

    Attributes:
        names: Commanded joints, in the order of every action array.
        position: Keys of the observations that measure these joints, one after the other.
        velocity: Keys of the observations that measure their speeds, likewise.
        limits: Bounds that the monitor enforces.
        executed: Topic of what the monitor really commanded, in the policy's space.
        output: How commands leave for the robot.
        demonstration: Where the action comes from where nobody published on `executed`; without
            it such a bag is no demonstration.
    """

    names: tuple[str, ...]
    position: tuple[str, ...]
    velocity: tuple[str, ...]
    limits: JointBounds
    executed: str = 'monitor/executed'
    output: Output = field(default_factory=Output)
    demonstration: Demonstration | None = None


@dataclass(frozen=True, kw_only=True)
class Box:
    """An axis-aligned box in the base frame.

    Attributes:
        min: Lower corner [m].
        max: Upper corner [m].
    """

    min: tuple[float, float, float]
    max: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Zone(Box):
    """A box that no part of the arm may enter.

    Attributes:
        name: What is there, for messages.
    """

    name: str


@dataclass(frozen=True, kw_only=True)
class Workspace(Box):
    """Where the tool centre point may be, and where no part of the arm may.

    Attributes:
        keep_out: Boxes that neither links nor tool may enter: posts, shelves, people's places.
    """

    keep_out: tuple[Zone, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WrenchLimits:
    """Largest contact at the wrist.

    Attributes:
        key: Observation that measures it: force [N] and torque [N m], six numbers.
        force: Largest norm of the force [N].
        torque: Largest norm of the torque [N m].
    """

    key: str
    force: float
    torque: float


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What the topics of one robot and one task mean.

    Attributes:
        version: Version of this format.
        name: Name of the contract.
        arm: Name of the kinematic model, for the tool centre point; empty when none fits.
        base_frame: Frame of every Cartesian quantity.
        rate: Ticks per second [Hz].
        clock: Observation whose samples pace the ticks.
        grace: How long a tick waits for streams that are due, on the receiving clock [s].
        observations: What the policy sees, in the order of its input.
        privileged: What only experts and evaluation may see.
        images: Cameras, by key.
        action: What the policy commands.
        workspace: Where the tool centre point may be, and where no part of the arm may.
        wrench: Largest contact; none when the arm has no such sensor.
        fallback: What the monitor does when the policy is out of its depth.
    """

    version: int
    name: str
    arm: str = ''
    base_frame: str
    rate: float
    clock: str
    grace: float = 0.02
    observations: Mapping[str, Stream]
    privileged: Mapping[str, Stream] = field(default_factory=dict)
    images: Mapping[str, ImageStream] = field(default_factory=dict)
    action: Action
    workspace: Workspace
    wrench: WrenchLimits | None = None
    fallback: Fallback = field(default_factory=Fallback)
    text: str = field(default='', init=False, repr=False, compare=False)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of what the contract says, whatever its layout and comments (hex)."""
        canonical = yaml.safe_dump(yaml.safe_load(self.text), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def period(self) -> float:
        """Time between two ticks [s]."""
        return 1.0 / self.rate

    @property
    def streams(self) -> dict[str, Stream]:
        """Observations and privileged observations by key."""
        return {**self.observations, **self.privileged}

    @property
    def inputs(self) -> dict[str, Stream | ImageStream]:
        """Everything that is subscribed to: streams, then images, by key."""
        return {**self.streams, **self.images}

    @property
    def command_delay(self) -> float:
        """How much later than the monitor's plan the arm is to move [s]."""
        output = self.action.output
        return 0.0 if output.streams else output.ahead * self.period

    def by_topic(self, keys: Iterable[str]) -> dict[str, list[str]]:
        """These streams by their topics, in the order in which an instant is taken in.

        The stream that paces the ticks comes last, topic and stream: what was published with it
        is there already when its tick begins.
        """
        groups: dict[str, list[str]] = defaultdict(list)
        for key in sorted(keys, key=lambda key: key == self.clock):
            groups[self.streams[key].topic].append(key)
        clock_topic = self.streams[self.clock].topic
        return dict(sorted(groups.items(), key=lambda item: item[0] == clock_topic))

    @cached_property
    def limits(self) -> Limits:
        """Bounds as arrays."""
        bounds = self.action.limits
        return Limits(
            names=self.action.names,
            position_min=np.array(bounds.position_min),
            position_max=np.array(bounds.position_max),
            velocity=np.array(bounds.velocity),
            acceleration=np.array(bounds.acceleration),
            jerk=np.array(bounds.jerk),
            workspace_min=np.array(self.workspace.min),
            workspace_max=np.array(self.workspace.max),
            force=self.wrench.force if self.wrench else math.inf,
            torque=self.wrench.torque if self.wrench else math.inf,
            keep_out=tuple(
                KeepOut(name=zone.name, min=np.array(zone.min), max=np.array(zone.max))
                for zone in self.workspace.keep_out
            ),
        )


def load_contract(path: str | Path) -> Contract:
    """Read and check a contract file.

    Raises:
        ContractError: With the dotted path of what is wrong.
    """
    path = Path(path)
    read_yaml(path, ContractError)
    return parse_contract(path.read_text(encoding='utf-8'), source=path.name)


def parse_contract(text: str, *, source: str = 'contract') -> Contract:
    """Check a contract's text; `source` names it in errors.

    Raises:
        ContractError: With the dotted path of what is wrong.
    """
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise ContractError(f'not YAML: {problem}', where=source) from None
    contract = parse(Contract, data, where=source, error=ContractError)
    object.__setattr__(contract, 'text', text)
    _check(contract, source)
    return contract


def require_same(mine: Contract, theirs: Contract, *, where: str) -> None:
    """Refuse to mix what was made for two contracts.

    Raises:
        ContractError: With the lines in which they differ.
    """
    if mine.hash == theirs.hash:
        return
    lines = difflib.unified_diff(
        theirs.text.splitlines(), mine.text.splitlines(), 'made for', 'in use', lineterm='', n=0
    )
    shown = '\n  '.join(list(lines)[:20])
    raise ContractError(
        f'made for contract {theirs.name!r} ({theirs.hash[:12]}), not {mine.name!r} '
        f'({mine.hash[:12]})',
        where=where,
        fix=f'use the contract it was made for, or make it again; they differ in:\n  {shown}',
    )


class _Fail(Protocol):
    def __call__(self, problem: str, where: str, allowed: object = '') -> NoReturn: ...


def _check(contract: Contract, source: str) -> None:
    def fail(problem: str, where: str, allowed: object = '') -> NoReturn:
        raise ContractError(problem, where=f'{source}.{where}', allowed=str(allowed))

    if contract.version != VERSION:
        fail(f'got {contract.version}', 'version', VERSION)
    for name in ('rate', 'grace'):
        if not (0 < getattr(contract, name) < math.inf):
            fail(f'got {getattr(contract, name)}', name, 'a positive number')
    if contract.clock not in contract.observations:
        fail(f'got {contract.clock!r}', 'clock', ', '.join(contract.observations))
    _check_keys(contract, fail)
    for key, stream in contract.streams.items():
        part = 'observations' if key in contract.observations else 'privileged'
        check_stream(stream, f'{source}.{part}.{key}')
    for key, image in contract.images.items():
        check_image(image, f'{source}.images.{key}')
    if contract.observations[contract.clock].align.strategy == 'interpolate':
        fail('paces the ticks', f'observations.{contract.clock}.align.strategy', 'asof, hold, drop')
    _check_action(contract, fail)


def _check_keys(contract: Contract, fail: _Fail) -> None:
    seen: set[str] = set()
    for part in ('observations', 'privileged', 'images'):
        for key in getattr(contract, part):
            if key in seen:
                fail('a key that is there already', f'{part}.{key}')
            # Keys name a dataset's files.
            if not _KEY.fullmatch(key):
                fail(f'got {key!r}', part, 'keys of letters, digits and _, beginning with a letter')
            seen.add(key)


def _check_action(contract: Contract, fail: _Fail) -> None:
    action = contract.action
    if len(set(action.names)) != len(action.names) or not action.names:
        fail(f'got {list(action.names)}', 'action.names', 'one or more different names')
    if action.output.adapter == 'twist' and not contract.arm:
        fail("'twist' without an arm", 'action.output.adapter', 'an arm, for its kinematics')
    if not 0.0 <= action.output.ahead < 1.0:
        fail(f'got {action.output.ahead}', 'action.output.ahead', '0 or more, below 1')
    _check_bounds(action, fail)
    _check_demonstration(action, fail)
    _check_boxes(contract, fail)
    _check_fallback(contract, fail)
    for part in ('position', 'velocity'):
        for key in getattr(action, part):
            if key not in contract.observations:
                fail(f'got {key!r}', f'action.{part}', ', '.join(contract.observations))
    for part in ('position', 'velocity'):
        measured = [n for key in getattr(action, part) for n in contract.observations[key].names]
        if tuple(measured) != action.names:
            fail(f'measures {measured}', f'action.{part}', f'the joints {list(action.names)}')
    if contract.wrench:
        key = contract.wrench.key
        if key not in contract.observations or contract.observations[key].size != 6:
            fail(f'got {key!r}', 'wrench.key', 'an observation of six numbers')


def _check_boxes(contract: Contract, fail: _Fail) -> None:
    workspace = contract.workspace
    boxes: list[tuple[str, Box]] = [('workspace', workspace)]
    boxes += [(f'workspace.keep_out[{i}]', zone) for i, zone in enumerate(workspace.keep_out)]
    for where, box in boxes:
        if not np.all(np.isfinite([box.min, box.max])):
            fail('not finite', where, 'finite numbers')
        if not np.all(np.less(box.min, box.max)):
            fail(f'not below {where}.max', f'{where}.min')
    if workspace.keep_out and not contract.arm:
        fail('the contract names no arm', 'workspace.keep_out', 'nothing without a kinematic model')


def _check_fallback(contract: Contract, fail: _Fail) -> None:
    fallback, limits = contract.fallback, contract.action.limits
    if not 0 < fallback.speed <= 1:
        fail(f'got {fallback.speed}', 'fallback.speed', '0 < speed <= 1')
    if not 0 < fallback.seconds < math.inf:
        fail(f'got {fallback.seconds}', 'fallback.seconds', 'a positive number')
    if fallback.kind != 'posture':
        if fallback.posture:
            fail(f'not used by {fallback.kind}', 'fallback.posture', 'nothing')
        return
    if len(fallback.posture) != len(contract.action.names):
        fail(
            f'got {len(fallback.posture)} entries',
            'fallback.posture',
            f'{len(contract.action.names)}, one a joint',
        )
    bounds = zip(limits.position_min, fallback.posture, limits.position_max, strict=True)
    if not all(low <= value <= high for low, value, high in bounds):
        fail('outside the position limits', 'fallback.posture')


def _check_demonstration(action: Action, fail: _Fail) -> None:
    demonstration = action.demonstration
    if demonstration is None:
        return
    if demonstration.topic.startswith('/'):
        fail(f'got {demonstration.topic!r}', 'action.demonstration.topic', 'a relative name')
    if demonstration.names and len(demonstration.names) != len(action.names):
        fail(
            f'got {len(demonstration.names)} names',
            'action.demonstration.names',
            f'{len(action.names)}, one a joint of the action',
        )
    if demonstration.type.endswith('Float64MultiArray') and demonstration.time == 'header':
        fail('the type has no header', 'action.demonstration.time', 'receive')
    if not 0 < demonstration.max_age < math.inf or not 0 <= demonstration.latency < math.inf:
        fail('got a number out of range', 'action.demonstration', 'max_age > 0, latency >= 0')


def _check_bounds(action: Action, fail: _Fail) -> None:
    n = len(action.names)
    for name, values in vars(action.limits).items():
        if len(values) != n:
            fail(f'got {len(values)} entries', f'action.limits.{name}', f'{n}, one a joint')
        if not np.all(np.isfinite(values)):
            fail(f'got {list(values)}', f'action.limits.{name}', 'finite numbers')
        if not name.startswith('position') and min(values) <= 0:
            fail(f'got {list(values)}', f'action.limits.{name}', 'positive numbers')
    if not np.all(np.less(action.limits.position_min, action.limits.position_max)):
        fail('not below position_max', 'action.limits.position_min')
