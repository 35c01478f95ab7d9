"""The contract: the one place that says what every topic of a robot and a task means.

Recorder, dataset conversion, policy, monitor, simulator and experts all read it. Its text and
hash travel in every bag, dataset and bundle, and two that differ are never mixed.
"""

from __future__ import annotations

import difflib
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, NoReturn, Protocol

import numpy as np
import yaml

from il_ros.core.config import parse, read_yaml
from il_ros.core.decoders import DECODERS, decoder_for
from il_ros.core.errors import ContractError
from il_ros.core.limits import Limits

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """How a stream's samples become the value of a tick.

    Attributes:
        strategy: `hold` takes the newest sample at or before the tick, however old; `asof` takes
            it up to `max_age`; `drop` only if it came within the tick's own period.
        max_age: For `asof`, the age from which a sample is no longer valid [s].
        time: Whose clock orders the samples: the message's `header` or the moment of `receive`.
    """

    strategy: Literal['hold', 'asof', 'drop'] = 'asof'
    max_age: float = 0.2
    time: Literal['header', 'receive'] = 'header'


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One observation: where it comes from and how a message becomes numbers.

    Attributes:
        topic: Relative topic name, so that a namespace and remappings apply.
        type: ROS message type, e.g. `sensor_msgs/msg/JointState`.
        fields: Parts of the message that are taken, in this order, e.g. `[position]` of a
            JointState or `[pose.position, pose.orientation]` of a PoseStamped.
        names: Joint names, for a JointState; their order is the order of the numbers.
        rate: Rate at which samples are expected [Hz]; 0 when they come only now and then.
        align: How samples become the value of a tick.
        required: Whether a frame without a valid value is unusable: the monitor stops, and
            training leaves the frame out.
    """

    topic: str
    type: str
    fields: tuple[str, ...]
    names: tuple[str, ...] = ()
    rate: float = 0.0
    align: Alignment = field(default_factory=Alignment)
    required: bool = True

    @cached_property
    def size(self) -> int:
        """How many numbers a sample has."""
        return decoder_for(self.type).size(self.fields, self.names)


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
            joint_trajectory_controller takes) or `forward_command` (std_msgs/Float64MultiArray).
        topic: The controller's command topic.
    """

    adapter: Literal['joint_trajectory', 'forward_command'] = 'joint_trajectory'
    topic: str = 'arm_controller/joint_trajectory'


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
    """

    names: tuple[str, ...]
    position: tuple[str, ...]
    velocity: tuple[str, ...]
    limits: JointBounds
    executed: str = 'monitor/executed'
    output: Output = field(default_factory=Output)


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
        action: What the policy commands.
        workspace: Where the tool centre point may be.
        wrench: Largest contact; none when the arm has no such sensor.
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
    action: Action
    workspace: Box
    wrench: WrenchLimits | None = None
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
    if set(contract.observations) & set(contract.privileged):
        fail('a key that observations have too', 'privileged')
    for key, stream in contract.streams.items():
        part = 'observations' if key in contract.observations else 'privileged'
        _check_stream(stream, f'{source}.{part}.{key}')
    _check_action(contract, fail)


def _check_stream(stream: Stream, where: str) -> None:
    if stream.topic.startswith('/'):
        raise ContractError(
            f'got {stream.topic!r}',
            where=f'{where}.topic',
            allowed='a relative name',
            fix='remove the leading slash and remap or namespace the node',
        )
    if stream.type not in DECODERS:
        raise ContractError(f'got {stream.type!r}', where=f'{where}.type', allowed=DECODERS)
    decoder = decoder_for(stream.type)
    decoder.check(stream.fields, stream.names, where)
    if stream.align.time == 'header' and not decoder.stamped:
        raise ContractError(
            f'{stream.type} has no header', where=f'{where}.align.time', allowed='receive'
        )
    if stream.rate < 0 or stream.align.max_age <= 0:
        raise ContractError('rate and align.max_age cannot be negative', where=where)


def _check_action(contract: Contract, fail: _Fail) -> None:
    action = contract.action
    if len(set(action.names)) != len(action.names) or not action.names:
        fail(f'got {list(action.names)}', 'action.names', 'one or more different names')
    _check_bounds(action, fail)
    if not np.all(np.less(contract.workspace.min, contract.workspace.max)):
        fail('not below workspace.max', 'workspace.min')
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
