"""The controllers of a driver's stand-in: who moves which joint of the simulated robot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from il_ros.core.driver_description import ControllerDescription, DriverDescription
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS
from il_ros.core.geometry import unwrapped
from il_ros.core.joint_order import indices_of
from il_ros.core.limits import Array
from il_ros.core.trajectory import Trajectory
from il_ros.ros.controller_state_publisher import ControllerStatePublisher
from il_ros.ros.interbotix_outputs import ARM, GROUP, SINGLE
from il_ros.ros.message_conversion import to_ns
from il_ros.ros.message_types import message_type
from il_ros.ros.served_gripper import ServedGripper
from il_ros.sim.command_path import checked
from il_ros.sim.controller import TrajectoryController
from il_ros.sim.servo_motion import ServoMotion

_AT_ONCE = 1e-3  # s in which a position that is commanded is reached, as by a drive


class StandInController:
    """One controller that moves joints.

    Args:
        node: Owner of its publishers.
        about: What it is.
        names: Joints of the robot in the order of every array.
        turning: Joints of which a position and one a turn apart are the same.
        delay: How much later than the observation that it answers a trajectory is stamped [s].

    Attributes:
        about: What it is.
        topic: Of its commands.
        message_type: Of its commands.
        follows: Whether it follows trajectories.
        active: Whether it moves its joints.
        columns: Of its joints among the robot's, (n,).
        answered: Stamp of the newest observation that a command has answered [ns].
    """

    def __init__(
        self,
        node: Node,
        about: ControllerDescription,
        names: Sequence[str],
        *,
        turning: Collection[str],
        delay: float,
    ) -> None:
        self.about, self.active, self.answered = about, about.active, 0
        self.follows = about.takes == 'joint_trajectory'
        self.topic, self.message_type = about.topic, _type_of(about)
        own = [about.prefix + name for name in about.joints]
        self.columns = indices_of(own, names)
        self._turns = np.array([name in turning for name in own])
        self._delay = round(delay * NS)
        self._states = (
            ControllerStatePublisher(node, self.topic, about.joints) if self.follows else None
        )

    def begin(self, posture: Array) -> None:
        """Hold the robot's `posture`, (N,) [rad or m], and forget what came before."""
        self._motion = TrajectoryController(
            self.about.joints, posture[self.columns], period=_AT_ONCE
        )
        self._servo = None
        if self.about.servo is not None:
            speed, acceleration = self.about.servo
            self._servo = ServoMotion(posture[self.columns], speed=speed, acceleration=acceleration)
        self._shift: Array = np.zeros(len(self.columns))  # from what was sent to what is followed

    def take(self, message: Any, now: float, stamp: int) -> None:
        """Carry out a command from `now` [s] on; by default it answers what is stamped `stamp`.

        Raises:
            IlRosError: If a controller would refuse it.
        """
        if not self.active:
            raise IlRosError('the controller is not active', where=self.about.name)
        if self.follows:
            trajectory, begins = read_trajectory(message, now)
            trajectory = self._near(trajectory, message.joint_names, now)
            self._motion.follow(message.joint_names, trajectory, now)
            stamp = min(begins - self._delay, stamp) if begins else stamp
        elif self.about.takes == 'forward_command':
            self._command(np.asarray(message.data, dtype=np.float64), now)
        else:
            self._command_servos(message, now)
        self.answered = max(self.answered, stamp)

    def _near(self, trajectory: Trajectory, names: Sequence[str], now: float) -> Trajectory:
        """The same, by whole turns so that its first point is next to where the joints are.

        What it says that it follows stays as it was sent.
        """
        shape = (len(trajectory.times), len(self.about.joints))
        if trajectory.positions.shape != shape or sorted(names) != sorted(self.about.joints):
            return trajectory  # which is refused
        order = indices_of(names, self.about.joints)
        here = self._motion.positions(np.array([now]))[0][order]
        moved = unwrapped(trajectory.positions, here, self._turns[order])
        self._shift[order] = (moved - trajectory.positions)[-1]
        return replace(trajectory, positions=moved)

    def _command(self, values: Array, now: float) -> None:
        if len(values) != len(self.columns):
            self.active = False  # update() answers ERROR, and the controller manager does this
            raise IlRosError(
                f'{len(values)} values: it is inactive now',
                where=self.about.name,
                allowed=f'{len(self.columns)}, in the order {", ".join(self.about.joints)}',
            )
        if self._servo is None:
            self._motion.command(values, now)
        else:
            self._servo.go(checked(values, (len(self.columns),), 'position', 'command'), now)

    def _command_servos(self, message: Any, now: float) -> None:
        """What is not for these servos is left, as by Interbotix' driver, which goes on."""
        several = self.about.takes == 'joint_group_command'
        values = np.atleast_1d(np.asarray(message.cmd, dtype=np.float64))
        name = ARM if several else self.about.joints[0]
        if message.name != name or len(values) != len(self.columns):
            raise IlRosError(
                f'{len(values)} numbers for {message.name!r}',
                where=self.topic,
                allowed=f'{len(self.columns)} for {name!r}',
            )
        self._motion.command(values, now)

    def positions(self, times: Array) -> Array:
        """Set-points of its joints at `times` (absolute, shape (T,)), shape (T, n)."""
        moves = self._motion if self._servo is None else self._servo
        return moves.positions(times)

    def say_what_is_followed(self, posture: Array, stamp: int) -> None:
        """Publish the state at `stamp` [ns] of a robot measured at `posture` (N,)."""
        if self._states is not None and self.active:
            measured = posture[self.columns] - self._shift
            self._states.publish(self, measured, stamp)

    @property
    def start(self) -> float:
        """When what is followed began [s]."""
        return self._motion.start

    def reference(self, now: float) -> tuple[Array, Array, Array]:
        """Position, velocity and acceleration that it follows, as they were sent, each (n,)."""
        position, velocity, acceleration = self._motion.reference(now)
        return position - self._shift, velocity, acceleration


class StandInControllers:
    """All controllers of a driver; a joint that none moves stays where it was sent.

    Args:
        node: Owner of the publishers.
        driver: Says which there are.
        names: Joints of the robot in the order of every array.
        delay: How much later than the observation that it answers a trajectory is stamped [s].

    Attributes:
        commanded: Those that take commands.
        grippers: Those that are moved by an action.
    """

    def __init__(
        self, node: Node, driver: DriverDescription, names: Sequence[str], *, delay: float
    ) -> None:
        self.commanded = [
            StandInController(node, about, names, turning=driver.wrapped, delay=delay)
            for about in driver.controllers
            if about.takes != 'nothing'
        ]
        self.grippers: list[ServedGripper] = []

    @property
    def gripping(self) -> bool:
        """Whether the action of a gripper runs."""
        return any(gripper.server.busy for gripper in self.grippers)

    def begin(self, posture: Array) -> None:
        """Hold the robot's `posture`, (N,) [rad or m]."""
        self._hold = posture.copy()
        for controller in self.commanded:
            controller.begin(posture)
        for gripper in self.grippers:
            gripper.begin(posture)

    def positions(self, times: Array) -> Array:
        """Set-points of all joints at `times` (T,), shape (T, N)."""
        setpoints = np.tile(self._hold, (len(times), 1))
        for controller in self.commanded:
            if controller.active:
                setpoints[:, controller.columns] = controller.positions(times)
        for gripper in self.grippers:
            setpoints[:, gripper.columns] = gripper.positions(times)
        self._hold = setpoints[-1].copy()
        return setpoints

    def say_what_is_followed(self, posture: Array, stamp: int) -> None:
        """Publish the states of the active ones, and see how grippers' goals go."""
        for gripper in self.grippers:
            gripper.look(posture, stamp)
        for controller in self.commanded:
            controller.say_what_is_followed(posture, stamp)

    def switch(self, activate: Sequence[str], deactivate: Sequence[str]) -> str:
        """Activate and deactivate controllers, as STRICT does; gives what is wrong, or nothing."""
        known = {one.about.name: one for one in self.commanded}
        if unknown := [name for name in (*activate, *deactivate) if name not in known]:
            return f'no controller {", ".join(unknown)} that can be switched'
        after = {name for name, one in known.items() if one.active}
        after = after - set(deactivate) | set(activate)
        claimed = Counter(joint for name in after for joint in known[name].about.joints)
        if twice := sorted(joint for joint, count in claimed.items() if count > 1):
            return f'two active controllers would claim {", ".join(twice)}'
        for name, controller in known.items():
            if name in after and not controller.active:
                controller.begin(self._hold)
            controller.active = name in after
        return ''


def _type_of(about: ControllerDescription) -> Any:
    kinds = {'joint_group_command': GROUP, 'joint_single_command': SINGLE}
    if about.takes in kinds:
        return message_type(kinds[about.takes])
    return JointTrajectory if about.takes == 'joint_trajectory' else Float64MultiArray


def read_trajectory(message: JointTrajectory, now: float) -> tuple[Trajectory, int]:
    """The trajectory of a message, and its stamp [ns]; without a stamp it begins at `now` [s].

    Raises:
        IlRosError: If it has no points.
    """
    if not message.points:
        raise IlRosError('no points', where='trajectory')
    stamp = to_ns(message.header.stamp)
    trajectory = Trajectory(
        start=stamp / NS if stamp else now,
        times=np.array([to_ns(point.time_from_start) / NS for point in message.points]),
        positions=_rows(message, 'positions'),
        velocities=_optional(message, 'velocities'),
        accelerations=_optional(message, 'accelerations'),
    )
    return trajectory, stamp


def _rows(message: JointTrajectory, part: str) -> Array:
    rows = [getattr(point, part) for point in message.points]
    if len({len(row) for row in rows}) != 1:
        return np.empty((0, 0))
    return np.array(rows, dtype=np.float64)


def _optional(message: JointTrajectory, part: str) -> Array | None:
    return _rows(message, part) if len(getattr(message.points[0], part)) else None
