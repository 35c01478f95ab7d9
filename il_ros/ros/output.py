"""Output adapters: the monitor's plan as the message that a robot's controller takes."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS
from il_ros.monitors.plan import Plan
from il_ros.ros.convert import doubles, to_duration, to_ns, to_stamp
from il_ros.ros.qos import COMMAND
from il_ros.sim.controller import Trajectory, TrajectoryController

Array = NDArray[np.float64]

_FINE = 0.01  # s between points within the tick that the command is for
_COARSE = 0.04  # s between points of the stop behind it
_APART = 1e-3  # s that two points are apart at least


class Output(Protocol):
    """Turns plans into one controller's messages, and, for the simulator, back."""

    message_type: Any

    def message(self, plan: Plan, begin: float, stamp: int) -> Any:
        """The command for `plan` from `begin` on [s, time of the plan], which is `stamp` [ns]."""

    def apply(self, message: Any, controller: TrajectoryController, now: float) -> int:
        """Give a received command to a simulated controller; gives its stamp [ns], or 0."""


class JointTrajectoryOutput:
    """One trajectory a tick: the motion until the next tick, and behind it a stop.

    The points carry positions, velocities and accelerations, so that the controller's quintic
    spline is the plan; the last point rests, so that a monitor that falls silent leaves an arm
    that comes to a standstill within its limits.
    """

    message_type = JointTrajectory

    def __init__(self, contract: Contract) -> None:
        self._names, self._dt = list(contract.action.names), contract.period

    def message(self, plan: Plan, begin: float, stamp: int) -> JointTrajectory:
        """Points of the plan, the last of them at rest."""
        end = max(plan.end_time - begin, self._dt)
        step = min(_FINE, self._dt)
        fine = np.arange(step, self._dt + 1e-9, step)
        # Two points must not fall together: a controller refuses times that do not increase.
        coarse = np.arange(self._dt + _COARSE, end - _APART, _COARSE)
        offsets = np.concatenate([fine, coarse, [end]] if end > fine[-1] + _APART else [fine])
        position, velocity, acceleration = plan.at(begin + offsets)
        velocity[-1] = acceleration[-1] = 0.0
        message = JointTrajectory(joint_names=self._names)
        message.header.stamp = to_stamp(stamp)
        message.points = [
            JointTrajectoryPoint(
                positions=doubles(position[i]),
                velocities=doubles(velocity[i]),
                accelerations=doubles(acceleration[i]),
                time_from_start=to_duration(float(offset)),
            )
            for i, offset in enumerate(offsets)
        ]
        return message

    def apply(self, message: JointTrajectory, controller: TrajectoryController, now: float) -> int:
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
        return stamp


class ForwardCommandOutput:
    """The position at the next tick, for a forward_command_controller."""

    message_type = Float64MultiArray

    def __init__(self, contract: Contract) -> None:
        self._dt = contract.period

    def message(self, plan: Plan, begin: float, stamp: int) -> Float64MultiArray:
        """Position of each joint at the next tick."""
        return Float64MultiArray(data=doubles(plan.at(begin + self._dt)[0]))

    def apply(
        self, message: Float64MultiArray, controller: TrajectoryController, now: float
    ) -> int:
        """Step to it."""
        controller.command(np.asarray(message.data), now)
        return 0


_OUTPUTS: dict[str, type[Any]] = {
    'joint_trajectory': JointTrajectoryOutput,
    'forward_command': ForwardCommandOutput,
}


def make_output(contract: Contract) -> Output:
    """The adapter that the contract names."""
    output: Output = _OUTPUTS[contract.action.output.adapter](contract)
    return output


def command_publisher(node: Node, contract: Contract) -> tuple[Output, Any]:
    """The adapter and the one publisher of robot commands."""
    output = make_output(contract)
    topic = contract.action.output.topic
    return output, node.create_publisher(output.message_type, topic, COMMAND)


def _matrix(message: JointTrajectory, part: str) -> Array:
    rows = [getattr(point, part) for point in message.points]
    if len({len(row) for row in rows}) != 1:
        return np.empty((0, 0))
    return np.array(rows, dtype=float)


def _optional(message: JointTrajectory, part: str) -> Array | None:
    return _matrix(message, part) if len(getattr(message.points[0], part)) else None
