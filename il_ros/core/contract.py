"""The contract: the one definition of what every topic of a robot and a task means.

Recorder, dataset conversion, policy, monitor, simulator and experts all read it. Its text and
hash travel in every bag, dataset and bundle, and two that differ are never mixed.
"""

from __future__ import annotations

import difflib
import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray

from il_ros.core.config import parse, read_yaml
from il_ros.core.contract_checks import GRIPPERS, TRAJECTORY, check_contract
from il_ros.core.documents import load_yaml
from il_ros.core.errors import ContractError, require
from il_ros.core.kinematics import ArmDescription
from il_ros.core.limits import Array, Box, Limits, Zone, is_whole_turn
from il_ros.core.regular_files import read_text
from il_ros.core.streams import ImageStream, Stream


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
class GripperConfig:
    """What the goals of a gripper's action are.

    Attributes:
        scale: What the joint's position is multiplied by in a goal.
        offset: What is added to that: the position of a goal that is the joint's zero.
        max_effort: How hard the gripper may press [N or N m]; 0 for the driver's own choice.
        tolerance: Way of the joint that is worth a new goal [rad or m]; 0 for 1 % of its range.
        replaces: Whether a goal takes the place of one that is being carried out. Else the next one
            waits until that has ended, and a stop cancels it.
        aborted: What an aborted goal means that does not say that the gripper stalled: a `fault`,
            which stops the arm, or a `grasp`, for drivers that abort where something is in between.
    """

    scale: float = 1.0
    offset: float = 0.0
    max_effort: float = 0.0
    tolerance: float = 0.0
    replaces: bool = True
    aborted: Literal['fault', 'grasp'] = 'fault'


@dataclass(frozen=True, kw_only=True)
class OutputConfig:
    """How the commands of some joints leave for their controller.

    Attributes:
        joints: Joints of the action that this controller moves, in its order; all of them, in the
            action's order, by default.
        prefix: What `joints` begin with and the controller's own names of them do not, as a
            stream's.
        adapter: `joint_trajectory` (trajectory_msgs/JointTrajectory, as a
            joint_trajectory_controller takes), `forward_command` (std_msgs/Float64MultiArray) or
            `twist` or `pose` (geometry_msgs/TwistStamped or PoseStamped of the tool centre point,
            as servoing nodes take),
            `joint_group_command` or `joint_single_command` (of interbotix_xs_msgs, the group `arm`
            and one servo, as Interbotix' driver takes),
            `gripper_command` or `parallel_gripper_command` (control_msgs/action/GripperCommand or
            ParallelGripperCommand, of one joint),
            or the name of a third party's (entry points of the group `il_ros.output_adapter`),
            whose commands are taken to be good for one period each.
        topic: The controller's command topic, or a gripper's action.
        ahead: How far in the future a trajectory begins [control periods], below 1. One that comes
            late by no more than that changes nothing of the motion; one that comes later has to be
            caught up with. The other adapters' commands hold from when they come.
        rate: Of a gripper, how many goals there are at most [Hz]; 0 for 10. Of the other adapters
            but `joint_trajectory`, how many set-points leave in real time [Hz], no fewer than
            ticks; 0 for one a tick.
        gripper: What the goals of a gripper are.
    """

    joints: tuple[str, ...] = ()
    prefix: str = ''
    adapter: str = TRAJECTORY
    topic: str = 'arm_controller/joint_trajectory'
    ahead: float = 0.5
    rate: float = 0.0
    gripper: GripperConfig | None = None

    @property
    def trajectories(self) -> bool:
        """Whether a command is a motion with its stop, for a joint_trajectory_controller."""
        return self.adapter == TRAJECTORY

    @property
    def setpoints(self) -> bool:
        """Whether a command is good for one period only, so that stops have to be sent, too."""
        return self.adapter != TRAJECTORY and self.adapter not in GRIPPERS

    @property
    def goals(self) -> GripperConfig:
        """What the goals of a gripper are, by default where nothing is said of them."""
        return self.gripper or GripperConfig()


@dataclass(frozen=True, kw_only=True)
class Fallback:
    """What the monitor does when the scores stop the policy; hard faults always stop the arm.

    Attributes:
        kind: `hold` decelerates and stays; `slow` continues slowly and asks for help, and holds if
            that does not help; `retreat` goes back along the path just travelled; `posture` goes to
            a safe posture; `expert` hands over to the expert, if one is there, else holds.
        speed: Fraction of the speed limits while the monitor warns, and on the way back or to the
            posture.
        seconds: For `slow`, how long it continues slowly; for `retreat`, how far it goes back [s].
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
        names: Names in the message of the action's joints, in the order of the
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
        space: `joints` are positions of joints, which observations measure and the monitor keeps
            within the limits. `normalised` are numbers from -1 to 1 that the simulator of another
            package takes and gives a meaning to; none of the next three, no monitor and no
            controller goes with them.
        accepts: Spaces that action chunks may be in besides joints (`core.action_spaces`); all that
            the arm can have, where it is left out.
        position: Keys of the observations that measure these joints, one after the other.
        velocity: Keys of the observations that measure their speeds, likewise.
        continuous: Joints that turn without end, so that positions a turn apart are the same, where
            no URDF says which. Their position limits are -pi and pi, for there is none.
        limits: Bounds that the monitor enforces.
        executed: Topic of what the monitor really commanded, in the policy's space.
        output: How commands leave for the robot, where one controller takes all of them.
        outputs: The same where several controllers do, each with its joints; then no `output`.
        demonstration: Where the action comes from if nothing was published on `executed`; without
            it such a bag is no demonstration.
    """

    names: tuple[str, ...]
    space: Literal['joints', 'normalised'] = 'joints'
    accepts: tuple[Literal['joint_delta', 'tool_pose', 'tool_delta'], ...] | None = None
    position: tuple[str, ...] = ()
    velocity: tuple[str, ...] = ()
    continuous: tuple[str, ...] = ()
    limits: JointBounds | None = None
    executed: str = 'monitor/executed'
    output: OutputConfig = field(default_factory=OutputConfig)
    outputs: tuple[OutputConfig, ...] = ()
    demonstration: Demonstration | None = None


@dataclass(frozen=True, kw_only=True)
class Workspace(Box):
    """Where each tool centre point may be, and where no part of an arm may.

    Attributes:
        keep_out: Boxes that neither links nor tool may enter: posts, shelves, people's places.
        separation: Least distance between the two arms of a pair [m].
    """

    keep_out: tuple[Zone, ...] = ()
    separation: float = 0.0

    @property
    def bounded(self) -> bool:
        """Whether there is a place where the tool may not be."""
        return bool(np.isfinite([self.min, self.max]).any())


ANYWHERE = Workspace(min=(-math.inf,) * 3, max=(math.inf,) * 3)
"""The workspace of a contract that demands none."""


@dataclass(frozen=True, kw_only=True)
class ToolCheck:
    """How far the measured pose of a tool may be from where the measured joints put it.

    Attributes:
        keys: Observations of each tool's pose in the base frame, one for each arm; by default
            `tcp_pose`, of a pair `left_tcp_pose` and `right_tcp_pose`, where there are such.
        position: Largest distance of a tool that stands [m]; 0 for no check.
        orientation: Largest angle [rad]; 0 for no check.
    """

    keys: tuple[str, ...] = ()
    position: float = 0.03
    orientation: float = 0.2


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
        arm: Kinematic model of one arm or of several: the name of a built-in one, or what was read
            from a URDF; empty when none fits. Ask `il_ros.core.arms.arm_of` for the arm itself.
        base_frame: Frame of every Cartesian quantity whose stream names no other.
        rate: Ticks per second [Hz].
        clock: Observation whose samples pace the ticks.
        grace: How long a tick waits for streams that are due, on the receiving clock [s].
        observations: What the policy sees, in the order of its input.
        privileged: What only experts and evaluation may see.
        images: Cameras, by key.
        action: What the policy commands.
        workspace: Where each tool centre point may be, and where no part of an arm may; by default
            anywhere. To watch it takes an `arm`.
        tool: How the measured pose of the tool is checked against the joints, where there is one.
        wrench: Largest contact; None if the arm has no such sensor.
        fallback: What the monitor does when the scores stop the policy.
    """

    version: int
    name: str
    arm: str | ArmDescription = ''
    base_frame: str
    rate: float
    clock: str
    grace: float = 0.02
    observations: Mapping[str, Stream]
    privileged: Mapping[str, Stream] = field(default_factory=dict)
    images: Mapping[str, ImageStream] = field(default_factory=dict)
    action: Action
    workspace: Workspace = ANYWHERE
    tool: ToolCheck = field(default_factory=ToolCheck)
    wrench: WrenchLimits | None = None
    fallback: Fallback = field(default_factory=Fallback)
    text: str = field(default='', init=False, repr=False, compare=False)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the content, independent of layout and comments (hex)."""
        canonical = yaml.safe_dump(load_yaml(self.text), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def arm_name(self) -> str:
        """What its arm is called; empty without one."""
        return self.arm if isinstance(self.arm, str) else self.arm.name

    @cached_property
    def continuous(self) -> frozenset[str]:
        """Names of the joints that turn without end: positions apart by a turn are the same.

        One whose limits keep it within less than a turn is none of them, whatever the URDF says.
        """
        named = self.action.continuous if isinstance(self.arm, str) else self.arm.continuous
        bounded = {
            name
            for name, low, high in zip(
                self.action.names, *self._position_bounds, strict=self.action.limits is not None
            )
            if not is_whole_turn(low, high)
        }
        return frozenset(named) - bounded

    @property
    def _position_bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        bounds = self.action.limits
        return (bounds.position_min, bounds.position_max) if bounds else ((), ())

    @cached_property
    def endless(self) -> NDArray[np.bool_]:
        """Which of the commanded joints turn without end, shape (N,)."""
        return np.isin(self.action.names, list(self.continuous))

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

    def most_publishers(self, topic: str) -> int:
        """How many publishers a topic has at most: the most that one of its streams says."""
        return max(each.publishers for each in self.inputs.values() if each.topic == topic)

    def frame_of(self, key: str) -> str:
        """The coordinate frame that a stream's messages have to be in."""
        return self.streams[key].frame_in(self.base_frame)

    @cached_property
    def outputs(self) -> tuple[OutputConfig, ...]:
        """How commands leave for the robot: each joint of the action is in exactly one of these."""
        output = self.action.output
        return self.action.outputs or (replace(output, joints=output.joints or self.action.names),)

    @property
    def setpoints(self) -> bool:
        """Whether commands are good for one period only, so that stops have to be sent, too."""
        return any(output.setpoints for output in self.outputs)

    @property
    def command_delay(self) -> float:
        """How much later than the monitor's plan the arm is to move [s]."""
        ahead = [output.ahead for output in self.outputs if output.trajectories]
        return ahead[0] * self.period if ahead else 0.0

    def part(self, output: OutputConfig) -> Contract:
        """The contract as the controller of one output sees it.

        Its joints are all there are, under the controller's own names; an arm whose joints have
        others is none of it.
        """
        names, action = output.joints, self.action
        if names == action.names and not action.outputs and not output.prefix:
            return self
        columns = [action.names.index(name) for name in names]
        bounds = {k: tuple(v[i] for i in columns) for k, v in vars(self.require_joints()).items()}
        own = replace(
            action, names=names, limits=JointBounds(**bounds), output=output, outputs=(),
            position=(), velocity=(), demonstration=None,
        )  # fmt: skip
        made = replace(self, action=own)
        if output.prefix:
            made = replace(self, arm='', action=_renamed(own, output.prefix, self.continuous))
        object.__setattr__(made, 'text', self.text)
        return made

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

    @property
    def action_range(self) -> tuple[Array, Array]:
        """Least and largest action, shape (N,) each [rad or m, or normalised].

        Of a joint that turns without end it is a turn, which its actions may go beyond.
        """
        if self.action.limits is None:
            ones = np.ones(len(self.action.names))
            return -ones, ones
        low, high = self._position_bounds
        return np.array(low), np.array(high)

    def require_joints(self) -> JointBounds:
        """The bounds of the joints.

        Raises:
            ContractError: If the action is not one of joints.
        """
        if self.action.limits is None:
            raise ContractError(
                f'its action.space is {self.action.space}: nothing is known of joints',
                where=f'contract {self.name!r}',
                allowed='a contract of an arm, whose action.space is joints',
            )
        return self.action.limits

    @cached_property
    def limits(self) -> Limits:
        """Bounds of an arm as arrays; a joint that turns without end is not bounded.

        Raises:
            ContractError: If the action is not one of joints.
        """
        bounds: dict[str, Any] = {k: np.array(v) for k, v in vars(self.require_joints()).items()}
        bounds['position_min'] = np.where(self.endless, -math.inf, bounds['position_min'])
        bounds['position_max'] = np.where(self.endless, math.inf, bounds['position_max'])
        return Limits(
            names=self.action.names,
            workspace_min=np.array(self.workspace.min),
            workspace_max=np.array(self.workspace.max),
            force=self.wrench.force if self.wrench else math.inf,
            torque=self.wrench.torque if self.wrench else math.inf,
            keep_out=self.workspace.keep_out,
            separation=self.workspace.separation,
            **bounds,
        )


def _renamed(action: Action, prefix: str, continuous: Iterable[str]) -> Action:
    """The same of joints without the prefix; `continuous` are those that turn without end."""

    def own(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(name.removeprefix(prefix) for name in names)

    output, endless = action.output, [name for name in action.names if name in set(continuous)]
    return replace(
        action, names=own(action.names), continuous=own(endless),
        output=replace(output, joints=own(output.joints), prefix=''),
    )  # fmt: skip


def load_contract(path: str | Path) -> Contract:
    """Read and check a contract file.

    A contract with `extends: FILE` holds only what differs from the contract in FILE, next to it:
    mappings are merged key by key, anything else is replaced, and what is null is left out. What
    travels in bags, datasets and bundles is the whole. So it is with `arm: {urdf: ...}`: the
    numbers of the arm take the place of the file's name (`il_ros.core.urdf_files`).

    Raises:
        ContractError: With the dotted path of what is wrong.
    """
    path = Path(path)
    data = _merged(path, ())
    whole = read_yaml(path, ContractError) if data is None else data
    if isinstance(whole, dict) and names_urdf(whole.get('arm')):
        from il_ros.core.urdf_files import with_resolved_arm

        text = yaml.safe_dump(
            with_resolved_arm(whole, path), sort_keys=False, default_flow_style=None, width=100
        )
    elif data is None:
        text = read_text(path)
    else:
        text = yaml.safe_dump(data, sort_keys=False)
    return parse_contract(text, source=path.name)


def names_urdf(arm: object) -> bool:
    """Whether the `arm` of a contract names a URDF, rather than being what was read from one."""
    return isinstance(arm, dict) and 'urdf' in arm


def _merged(path: Path, behind: tuple[Path, ...]) -> Any:
    """The mapping of a contract file laid over what it extends; None if it extends nothing."""
    data = read_yaml(path, ContractError)
    if behind and not isinstance(data, dict):
        raise ContractError('not a mapping', where=path.name)
    if not isinstance(data, dict) or 'extends' not in data:
        return data if behind else None
    base = data.pop('extends')
    is_plain_name = isinstance(base, str) and base != '' and Path(base).name == base
    require(is_plain_name, base, f'{path.name}.extends', 'a file next to it', ContractError)
    chain = (*behind, path)
    if path.with_name(base) in chain:
        names = ' > '.join(file.name for file in chain)
        raise ContractError(f'{names} > {base}', where=f'{path.name}.extends', allowed='no circle')
    return _over(_merged(path.with_name(base), chain), data)


def _over(base: Any, own: Any) -> Any:
    """`own` laid over `base`."""
    if not isinstance(base, dict) or not isinstance(own, dict):
        return own
    merged = {**base, **{key: _over(base.get(key), value) for key, value in own.items()}}
    return {key: value for key, value in merged.items() if value is not None}


def parse_contract(text: str, *, source: str = 'contract') -> Contract:
    """Check a contract's text; `source` names it in errors.

    Raises:
        ContractError: With the dotted path of what is wrong.
    """
    try:
        data = load_yaml(text)
    except yaml.YAMLError as problem:
        raise ContractError(f'not YAML: {problem}', where=source) from None
    if isinstance(data, dict) and names_urdf(data.get('arm')):
        raise ContractError(
            'it names a URDF, which only a contract in a file may',
            where=f'{source}.arm.urdf',
            fix='load the contract from its file: what is made with it has the numbers of the arm',
        )
    contract = parse(Contract, data, where=source, error=ContractError)
    object.__setattr__(contract, 'text', text)
    check_contract(contract, source)
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
