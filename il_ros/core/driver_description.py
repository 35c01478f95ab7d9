"""What the ROS 2 driver of an arm publishes and takes, as a stand-in for it shows.

One file of `config/drivers` a driver: it names the driver's own files that it follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from il_ros.core.config import parse, read_yaml
from il_ros.core.errors import IlRosError

Table = tuple[tuple[float, float], ...]

_COMMANDS = {
    'joint_trajectory': 'joint_trajectory',
    'forward_command': 'commands',
    'joint_group_command': 'commands/joint_group',
    'joint_single_command': 'commands/joint_single',
}
"""Where a controller takes its commands, behind its name."""


@dataclass(frozen=True, kw_only=True)
class JointStates:
    """One topic of sensor_msgs/JointState.

    Attributes:
        topic: Its name.
        rate: Messages per second [Hz].
        names: Joints in the order in which they are sent.
        frame_id: As sent; often not a link.
        velocity: Whether velocities are sent.
        effort: Whether efforts are sent.
        nan: Joints of whose parts `velocity` and `effort` NaN is sent.
        zero: Joints of whose parts 0 is sent, whatever is true.
        prefix: What the robot's names of these joints begin with and those that are sent do not.
        wrapped: Joints whose position is sent within [-pi, pi].
        merges: Topics whose newest message it repeats, as a joint_state_publisher does; before
            the first one it sends 0.
        quiet: Rates while no gripper action runs: before the first one, and after one [Hz];
            none for always `rate`.
    """

    topic: str
    rate: float
    names: tuple[str, ...]
    prefix: str = ''
    frame_id: str = ''
    velocity: bool = True
    effort: bool = True
    nan: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    zero: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    wrapped: tuple[str, ...] = ()
    merges: tuple[str, ...] = ()
    quiet: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class LinkPose:
    """One topic of geometry_msgs/PoseStamped: where a link is.

    Attributes:
        topic: Its name.
        rate: Messages per second [Hz].
        link: Whose pose it is.
        frame: The link in whose frame it is told.
        frame_id: As sent.
        child: What /tf calls the link's pose, each time it is sent; none where /tf has no such.
        best_effort: Whether it is sent as sensor data.
    """

    topic: str
    rate: float
    link: str
    frame: str
    frame_id: str
    child: str = ''
    best_effort: bool = False


@dataclass(frozen=True, kw_only=True)
class Wrench:
    """One topic of geometry_msgs/WrenchStamped: what the surroundings do to the tool.

    Attributes:
        topic: Its name.
        rate: Messages per second [Hz].
        link: In whose axes, and about whose origin, it is told.
        frame_id: As sent.
        best_effort: Whether it is sent as sensor data.
    """

    topic: str
    rate: float
    link: str
    frame_id: str
    best_effort: bool = False


@dataclass(frozen=True, kw_only=True)
class Status:
    """A topic that always says the same while all is well.

    Attributes:
        topic: Its name.
        type: Bool or Float64 of std_msgs.
        value: What it says.
        rate: Messages per second [Hz]; 0 for once, kept for those who come later.
    """

    topic: str
    type: Literal['std_msgs/msg/Bool', 'std_msgs/msg/Float64']
    value: float
    rate: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ControllerDescription:
    """A controller of the controller manager.

    Attributes:
        name: Its name, with which its topics begin.
        type: Of its plugin.
        active: Whether it is from the beginning.
        joints: That it commands, in the order in which forward commands come; none of broadcasters.
        takes: What: `joint_trajectory`, `forward_command`, `joint_group_command`,
            `joint_single_command`, or nothing that a stand-in follows.
        prefix: What the robot's names of these joints begin with and the commands' do not.
        interfaces: Of the joints, that it claims.
        servo: Speed and acceleration with which each joint's servo goes to a position that is
            commanded [rad/s, rad/s^2]; none where it is there at once.
    """

    name: str
    type: str
    active: bool = False
    joints: tuple[str, ...] = ()
    takes: Literal[
        'joint_trajectory',
        'forward_command',
        'joint_group_command',
        'joint_single_command',
        'nothing',
    ] = 'nothing'
    prefix: str = ''
    interfaces: tuple[str, ...] = ('position',)
    servo: tuple[float, float] | None = None

    @property
    def topic(self) -> str:
        """Of its commands; empty where a stand-in follows none."""
        return f'{self.name}/{_COMMANDS[self.takes]}' if self.takes in _COMMANDS else ''


@dataclass(frozen=True, kw_only=True)
class GripperAction:
    """The action of a gripper, with what is peculiar to it.

    Attributes:
        action: Its name.
        type: Of control_msgs.
        joint: That it moves.
        speed: Of the joint [rad/s or m/s].
        scale: What the position of a goal is multiplied by to get the joint's.
        told: What the joint's position is multiplied by in results and feedback.
        range: Least and largest position of a goal that is not aborted; none for any.
        goal_tolerance: Distance from the goal at which it is reached.
        stall_timeout: How long the joint stands, by its own speed, until it has stalled [s]; 0 if
            nobody looks.
        stall_succeeds: Whether a goal that stalls ends well.
        reports: Whether `reached_goal` and `stalled` are filled in.
    """

    action: str
    type: Literal['GripperCommand', 'ParallelGripperCommand']
    joint: str
    speed: float
    scale: float = 1.0
    told: float = 1.0
    range: tuple[float, float] | None = None
    goal_tolerance: float = 0.01
    stall_timeout: float = 1.0
    stall_succeeds: bool = False
    reports: bool = True


@dataclass(frozen=True, kw_only=True)
class DriverDescription:
    """A driver and the arm behind it.

    Attributes:
        driver: The driver's name, version and date.
        sources: Its files that say what is said here.
        robot: URDF of the arm, relative to this file.
        tool: Link whose frame is the tool centre point; of a pair a mapping from `left` and
            `right`, which the names of each arm's joints begin with, to its link.
        home: Posture that tasks start around, of every commanded joint; the gripper's comes last,
            of a pair arm by arm [rad or m].
        rate: Update rate of the controller manager, or of the driver [Hz].
        opening: How far each finger is from where they meet, by the position of the gripper joint:
            rows of both [rad or m, m].
        manager: Name of the controller manager; empty where there is none.
        hardware: Name of its hardware component.
        joint_states: Topics of joints.
        tools: Topics of links' poses.
        wrenches: Topics of wrenches.
        statuses: Topics of what does not change.
        controllers: Of the controller manager.
        grippers: Actions of grippers.
        description: Topic of the robot's description; of a pair a mapping from `left` and `right`
            to each arm's own, whose joints have no side in their names.
        tasks: Settings of tasks that are made for larger arms, by the name of the task.
    """

    driver: str
    sources: tuple[str, ...]
    robot: str
    tool: str | Mapping[str, str]
    home: Mapping[str, float]
    rate: float
    opening: Table = ()
    manager: str = 'controller_manager'
    hardware: str = ''
    joint_states: tuple[JointStates, ...]
    tools: tuple[LinkPose, ...] = ()
    wrenches: tuple[Wrench, ...] = ()
    statuses: tuple[Status, ...] = ()
    controllers: tuple[ControllerDescription, ...] = ()
    grippers: tuple[GripperAction, ...] = ()
    description: str | Mapping[str, str] = 'robot_description'
    tasks: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)
    folder: Path = field(default=Path(), init=False, repr=False, compare=False)

    @property
    def urdf(self) -> Path:
        """File of the arm."""
        return self.folder / self.robot

    @property
    def topics(self) -> list[str]:
        """Every topic that it publishes."""
        return [
            *(joints.topic for joints in self.joint_states),
            *(tool.topic for tool in self.tools),
            *(wrench.topic for wrench in self.wrenches),
            *(status.topic for status in self.statuses),
        ]

    @property
    def wrapped(self) -> frozenset[str]:
        """Joints whose position is sent within [-pi, pi]."""
        return frozenset(name for joints in self.joint_states for name in joints.wrapped)


def read_driver(path: str | Path) -> DriverDescription:
    """A driver's description.

    Raises:
        IlRosError: With the dotted path of what is wrong.
    """
    path = Path(path)
    driver = parse(DriverDescription, read_yaml(path), where=path.name)
    object.__setattr__(driver, 'folder', path.parent)
    if not driver.home or not driver.joint_states:
        raise IlRosError('no joints', where=f'{path.name}.home and joint_states')
    if isinstance(driver.description, Mapping) and (
        isinstance(driver.tool, str) or driver.tool.keys() != driver.description.keys()
    ):
        where = f'{path.name}.description and tool'
        raise IlRosError('not of the same arms', where=where, allowed='left and right in both')
    return driver
