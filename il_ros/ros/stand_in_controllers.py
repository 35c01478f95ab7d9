"""The controllers of a driver's stand-in: who moves which joint of the simulated robot."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from il_ros.core.driver_description import ControllerDescription, DriverDescription
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS
from il_ros.core.joint_order import indices_of
from il_ros.core.limits import Array
from il_ros.core.trajectory import Trajectory
from il_ros.ros.background_subscriptions import BackgroundSubscriptions
from il_ros.ros.controller_state_publisher import ControllerStatePublisher
from il_ros.ros.managed_node import ManagedNode
from il_ros.ros.message_conversion import to_ns
from il_ros.ros.qos import COMMAND
from il_ros.sim.controller import TrajectoryController

_AT_ONCE = 1e-3  # s in which a position that is commanded is reached, as by a drive


class StandInController:
    """One controller that moves joints.

    Args:
        node: Owner of its publishers.
        about: What it is.
        names: Joints of the robot in the order of every array.

    Attributes:
        about: What it is.
        topic: Of its commands.
        active: Whether it moves its joints.
        columns: Of its joints among the robot's, (n,).
    """

    def __init__(
        self, node: ManagedNode, about: ControllerDescription, names: Sequence[str]
    ) -> None:
        self.about, self.active = about, about.active
        self._follows = about.takes == 'joint_trajectory'
        self.topic = f'{about.name}/{"joint_trajectory" if self._follows else "commands"}'
        self.message_type = JointTrajectory if self._follows else Float64MultiArray
        self.columns = indices_of(about.joints, names)
        self._states = (
            ControllerStatePublisher(node, self.topic, about.joints) if self._follows else None
        )

    def begin(self, posture: Array) -> None:
        """Hold the robot's `posture`, (N,) [rad or m], and forget what came before."""
        self._motion = TrajectoryController(
            self.about.joints, posture[self.columns], period=_AT_ONCE
        )

    def take(self, message: Any, now: float) -> int:
        """Carry out a command from `now` [s] on; gives its stamp, or 0 [ns].

        Raises:
            IlRosError: If a controller would refuse it.
        """
        if self._follows:
            trajectory, stamp = read_trajectory(message, now)
            self._motion.follow(message.joint_names, trajectory, now)
            return stamp
        values = np.asarray(message.data, dtype=np.float64)
        if len(values) != len(self.columns):
            # As update() answers ERROR, the controller manager deactivates it.
            self.active = False
            raise IlRosError(
                f'{len(values)} values: the controller is inactive now',
                where=self.topic,
                allowed=f'{len(self.columns)}, in the order {", ".join(self.about.joints)}',
            )
        self._motion.command(values, now)
        return 0

    def positions(self, times: Array) -> Array:
        """Set-points of its joints at `times` (absolute, shape (T,)), shape (T, n)."""
        return self._motion.positions(times)

    def say_what_is_followed(self, posture: Array, stamp: int) -> None:
        """Publish the state at `stamp` [ns] of a robot measured at `posture` (N,)."""
        if self._states is not None and self.active:
            self._states.publish(self._motion, posture[self.columns], stamp)


class StandInControllers:
    """All controllers of a driver; a joint that none moves stays where it was sent.

    Args:
        node: Owner of the publishers.
        driver: Says which there are.
        names: Joints of the robot in the order of every array.
        lock: Guards the motions: commands come in another thread than questions.
        clock: Simulated time [ns].
        tell: Is called, with the lock held, when a command has been taken.

    Attributes:
        all: Every controller that moves joints, by its name.
    """

    def __init__(
        self,
        node: ManagedNode,
        driver: DriverDescription,
        names: Sequence[str],
        *,
        lock: threading.Condition,
        clock: Callable[[], int],
    ) -> None:
        self._node, self._lock, self._clock = node, lock, clock
        self.all = {
            about.name: StandInController(node, about, names)
            for about in driver.controllers
            if about.takes != 'nothing'
        }
        self.newest = 0

    def subscribe(self, intake: BackgroundSubscriptions) -> None:
        """Listen to every command topic."""
        for controller in self.all.values():
            take = partial(self._on_command, controller)
            intake.subscribe(controller.message_type, controller.topic, take, COMMAND)

    def begin(self, posture: Array) -> None:
        """Hold the robot's `posture`, (N,) [rad or m]."""
        self._hold = posture.copy()
        for controller in self.all.values():
            controller.begin(posture)

    def positions(self, times: Array) -> Array:
        """Set-points of all joints at `times` (T,), shape (T, N)."""
        setpoints = np.tile(self._hold, (len(times), 1))
        for controller in self.all.values():
            if controller.active:
                setpoints[:, controller.columns] = controller.positions(times)
        self._hold = setpoints[-1].copy()
        return setpoints

    def say_what_is_followed(self, posture: Array, stamp: int) -> None:
        """Publish the states of the active ones."""
        for controller in self.all.values():
            controller.say_what_is_followed(posture, stamp)

    def switch(self, activate: Sequence[str], deactivate: Sequence[str]) -> str:
        """Activate and deactivate controllers, as STRICT does; gives what is wrong, or nothing."""
        with self._lock:
            unknown = [name for name in (*activate, *deactivate) if name not in self.all]
            if unknown:
                return f'no controller {", ".join(unknown)} that can be switched'
            after = {name for name, one in self.all.items() if one.active}
            after = after - set(deactivate) | set(activate)
            claimed = [joint for name in after for joint in self.all[name].about.joints]
            twice = sorted({joint for joint in claimed if claimed.count(joint) > 1})
            if twice:
                return f'two active controllers would claim {", ".join(twice)}'
            for name, controller in self.all.items():
                if name in after and not controller.active:
                    controller.begin(self._hold)
                controller.active = name in after
        return ''

    def _on_command(self, controller: StandInController, message: Any) -> None:
        """In the intake's thread."""
        if not self._node.active:
            return
        with self._lock:
            if not controller.active:
                text = f'{controller.topic}: not active, the command is ignored'
                self._node.get_logger().warning(text, throttle_duration_sec=1.0)
                return
            try:
                stamp = controller.take(message, self._clock() / NS)
            except IlRosError as problem:
                text = f'{controller.topic}: command refused: {problem}'
                self._node.get_logger().error(text, throttle_duration_sec=1.0)
                return
            self.newest = max(self.newest, stamp or self._clock())
            self._lock.notify()


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
