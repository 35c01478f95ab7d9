"""Output adapters: the monitor's plan as the message that a robot's controller takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from geometry_msgs.msg import PoseStamped, TwistStamped
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from il_ros.core.arms import arm_of, require_commanded, require_single
from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS
from il_ros.core.geometry import matrix_from_quaternion, pose, rotation_vector
from il_ros.core.kinematics import resolve
from il_ros.core.limits import Array
from il_ros.core.registry import lookup
from il_ros.core.trajectory import Trajectory
from il_ros.monitors.plan import Plan
from il_ros.monitors.planned_motion import trajectory_of
from il_ros.ros.message_conversion import doubles, to_duration, to_ns, to_stamp

_DAMPING = 0.02  # of the simulated servoing
_STEPS = 8  # of the simulated servoing to a pose
_PERIOD = np.array([0.0, 0.5, 1.0])  # begin, middle and end of a period


class Controller(Protocol):
    """What a simulated robot does with what it is sent (`sim.controller.TrajectoryController`)."""

    def follow(self, names: Sequence[str], trajectory: Trajectory, now: float) -> None:
        """Replace what is being followed, from `now` [s] on."""

    def command(self, position: Array, now: float) -> None:
        """Move linearly to `position`, shape (N,), within one period."""

    def command_velocity(self, velocity: Array, now: float) -> None:
        """Move with `velocity`, shape (N,) [rad/s or m/s], from where it is at `now` [s]."""

    def positions(self, times: Array) -> Array:
        """Set-points at `times` (absolute, shape (T,)), shape (T, N)."""


class OutputAdapter(Protocol):
    """Turns plans into one controller's messages, and, for the simulator, back.

    Attributes:
        message_type: Of the controller's command topic.
        waits: Whether the controller waits, at the end of its period, where a command has brought
            the arm; else it goes on for a while.
    """

    message_type: Any
    waits: bool

    def message(self, plan: Plan, begin: float, stamp: int) -> Any:
        """The command for `plan` from `begin` on [s, time of the plan], which is `stamp` [ns]."""

    def apply(self, message: Any, controller: Controller, now: float) -> int:
        """Give a received command to a simulated controller; gives its stamp [ns], or 0."""


class JointTrajectoryOutput:
    """One trajectory a tick: the motion until the next tick, and behind it a stop.

    It begins a little in the future, so that the controller gets it before the one in hand brakes.
    On its way to the first point it follows the motion before, which the plan continues. The points
    carry positions, velocities and accelerations, so that the controller's quintic
    splines follow the plan; the last point rests, so that a monitor that falls silent leaves an arm
    that comes to a standstill within its limits.
    """

    message_type = JointTrajectory
    waits = True

    def __init__(self, contract: Contract) -> None:
        self._names, self._dt = list(contract.action.names), contract.period
        self._ahead = round(contract.command_delay * NS)

    def message(self, plan: Plan, begin: float, stamp: int) -> JointTrajectory:
        """Points of the plan, the last of them at rest."""
        return self.trajectory_message(trajectory_of(plan, begin, self._dt), stamp)

    def trajectory_message(self, points: Trajectory, stamp: int) -> JointTrajectory:
        """A trajectory that begins, by the time of the plan, at `stamp` [ns]."""
        assert points.velocities is not None
        assert points.accelerations is not None
        message = JointTrajectory(joint_names=list(self._names))
        message.header.stamp = to_stamp(stamp + self._ahead)
        message.points = [
            JointTrajectoryPoint(
                positions=doubles(points.positions[i]),
                velocities=doubles(points.velocities[i]),
                accelerations=doubles(points.accelerations[i]),
                time_from_start=to_duration(float(time)),
            )
            for i, time in enumerate(points.times)
        ]
        return message

    def apply(self, message: JointTrajectory, controller: Controller, now: float) -> int:
        """Follow it."""
        if not message.points:
            raise IlRosError('no points', where='trajectory')
        stamp = to_ns(message.header.stamp)
        times = [to_ns(point.time_from_start) / NS for point in message.points]
        trajectory = Trajectory(
            start=stamp / NS if stamp else now,
            times=np.array(times),
            positions=_matrix(message, 'positions'),
            velocities=_optional(message, 'velocities'),
            accelerations=_optional(message, 'accelerations'),
        )
        controller.follow(message.joint_names, trajectory, now)
        return stamp - self._ahead if stamp else 0


class ForwardCommandOutput:
    """The position at the next tick, for a forward_command_controller."""

    message_type = Float64MultiArray
    waits = True

    def __init__(self, contract: Contract) -> None:
        self._dt = contract.period

    def message(self, plan: Plan, begin: float, stamp: int) -> Float64MultiArray:
        """Position of each joint at the next tick."""
        return Float64MultiArray(data=doubles(plan.at(begin + self._dt)[0]))

    def apply(self, message: Float64MultiArray, controller: Controller, now: float) -> int:
        """Move to it."""
        controller.command(np.asarray(message.data), now)
        return 0


class _ToolOutput:
    """What commands a tool: the arm's kinematics, for the joints of the contract.

    It says nothing of a gripper, which has to be commanded another way. Nor does it of an elbow: an
    arm with more than six joints drifts away from the plan's joints while its tool follows, and
    then the check of `tracking_error` stops it. Take `joint_trajectory` where there is a choice.
    """

    def __init__(self, contract: Contract) -> None:
        adapter = contract.action.output.adapter
        self._arm = require_single(arm_of(contract), where=f'output adapter {adapter}')
        names, where = contract.action.names, f'contract {contract.name}.action.names'
        require_commanded(self._arm, names, where=where)
        self._columns = self._arm.columns(names)
        self._dt, self._frame_id = contract.period, contract.base_frame

    def _servo(self, position: Array, twist: Array) -> Array:
        """Motion of the joints (N,) for one of the tool (6,); only the arm's joints move."""
        motion, rest = np.zeros(len(position)), np.zeros(len(self._columns))
        jacobian = self._arm.chain.jacobian(position[self._columns])
        motion[self._columns] = resolve(jacobian, twist, damping=_DAMPING, pull=rest)
        return motion


class TwistOutput(_ToolOutput):
    """The velocity of the tool centre point in the coming period, for a servoing node.

    Linear [m/s] and angular [rad/s] in the contract's base frame: the plan's mean joint velocities
    in the period through the geometric Jacobian of its middle (Siciliano et al. 2009, section 3.1),
    so that what the tool moves adds up to the plan's.
    """

    message_type = TwistStamped
    waits = False

    def message(self, plan: Plan, begin: float, stamp: int) -> TwistStamped:
        """Twist of the tool; zero once the plan rests."""
        begins, middle, ends = plan.at(begin + self._dt * _PERIOD)[0][:, self._columns]
        twist = (self._arm.chain.jacobian(middle) @ ((ends - begins) / self._dt)).tolist()
        message = TwistStamped()
        message.header.stamp, message.header.frame_id = to_stamp(stamp), self._frame_id
        linear, angular = message.twist.linear, message.twist.angular
        linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = twist
        return message

    def apply(self, message: TwistStamped, controller: Controller, now: float) -> int:
        """Move the joints so that the tool has this twist (damped least squares)."""
        linear, angular = message.twist.linear, message.twist.angular
        twist = np.array([linear.x, linear.y, linear.z, angular.x, angular.y, angular.z])
        here = controller.positions(np.array([now]))[0]
        velocity = self._servo(here, twist)
        # A servo turns with the arm many times within a period: the middle stands for it.
        velocity = self._servo(here + velocity * self._dt / 2, twist)
        controller.command_velocity(velocity, now)
        return to_ns(message.header.stamp)


class PoseOutput(_ToolOutput):
    """The pose of the tool centre point at the next tick, for a servoing node that takes poses.

    In the contract's base frame, by the arm's forward kinematics.
    """

    message_type = PoseStamped
    waits = True

    def message(self, plan: Plan, begin: float, stamp: int) -> PoseStamped:
        """Where the plan has the tool at the next tick."""
        joints = plan.at(begin + self._dt)[0][self._columns]
        message = PoseStamped()
        message.header.stamp, message.header.frame_id = to_stamp(stamp), self._frame_id
        place, turn = message.pose.position, message.pose.orientation
        numbers = pose(*self._arm.chain.forward(joints)).tolist()
        place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w = numbers
        return message

    def apply(self, message: PoseStamped, controller: Controller, now: float) -> int:
        """Move the joints so that the tool gets there (damped least squares, a few steps)."""
        place, turn = message.pose.position, message.pose.orientation
        wanted = np.array([place.x, place.y, place.z])
        matrix = matrix_from_quaternion(np.array([turn.x, turn.y, turn.z, turn.w]))
        joints = controller.positions(np.array([now]))[0]
        for _ in range(_STEPS):
            position, here = self._arm.chain.forward(joints[self._columns])
            way = np.append(wanted - position, rotation_vector(matrix @ here.T))
            joints = joints + self._servo(joints, way)
        controller.command(joints, now)
        return to_ns(message.header.stamp)


OUTPUT_ADAPTERS = {
    'joint_trajectory': 'il_ros.ros.output_adapters:JointTrajectoryOutput',
    'forward_command': 'il_ros.ros.output_adapters:ForwardCommandOutput',
    'twist': 'il_ros.ros.output_adapters:TwistOutput',
    'pose': 'il_ros.ros.output_adapters:PoseOutput',
    'joint_group_command': 'il_ros.ros.interbotix_outputs:JointGroupOutput',
    'joint_single_command': 'il_ros.ros.interbotix_outputs:JointSingleOutput',
    'gripper_command': 'il_ros.ros.gripper_sender:GripperSender',
    'parallel_gripper_command': 'il_ros.ros.gripper_sender:GripperSender',
}
"""Built-in adapters; each is made from the contract. Those of grippers are no `OutputAdapter`s."""


def make_output(contract: Contract) -> OutputAdapter:
    """The adapter that the contract names.

    Third parties bring theirs by an entry point of the group `il_ros.output_adapter`, which loads a
    class that is made from a contract.

    Raises:
        UnknownNameError: If there is none of that name.
    """
    adapter = lookup('output_adapter', contract.action.output.adapter, OUTPUT_ADAPTERS)
    output: OutputAdapter = adapter(contract)
    return output


def _matrix(message: JointTrajectory, part: str) -> Array:
    rows = [getattr(point, part) for point in message.points]
    if len({len(row) for row in rows}) != 1:
        return np.empty((0, 0))
    return np.array(rows, dtype=float)


def _optional(message: JointTrajectory, part: str) -> Array | None:
    return _matrix(message, part) if len(getattr(message.points[0], part)) else None
