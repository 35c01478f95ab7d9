"""A simulated gripper that is moved by an action."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node

from il_ros.core.driver_description import GripperAction
from il_ros.core.frames import NS
from il_ros.core.joint_order import indices_of
from il_ros.core.limits import Array
from il_ros.ros.gripper_server import GripperServer


class ServedGripper:
    """Serves the action of one gripper and moves its joint.

    Args:
        node: Serves the action.
        about: What is peculiar to it.
        names: Joints of the robot in the order of every array.
        tells_speed: Whether the driver knows how fast the joint moves; else it says 0.
        lock: Guards the motion.
        clock: Simulated time [ns].
        offset: As `GripperServer` takes it.

    Attributes:
        columns: Of its joint among the robot's, (1,).
        server: Of the action.

    Raises:
        IlRosError: If the type of the action is not there.
    """

    def __init__(
        self,
        node: Node,
        about: GripperAction,
        names: Sequence[str],
        *,
        tells_speed: bool,
        lock: Any,
        clock: Callable[[], int],
        offset: float = 0.0,
    ) -> None:
        self.columns = indices_of((about.joint,), names)
        self.server = GripperServer(node, about, lock=lock, clock=clock, offset=offset)
        self._tells_speed, self._lock, self._clock = tells_speed, lock, clock
        self._before = 0.0, 0.0  # when and where it was measured [s; rad or m]

    def begin(self, posture: Array) -> None:
        """Hold the robot's `posture`, (N,) [rad or m], and forget what came before."""
        position = float(posture[self.columns[0]])
        self.server.begin(position)
        self._before = self._clock() / NS, position

    def positions(self, times: Array) -> Array:
        """Set-points of its joint at `times` (absolute, shape (T,)), shape (T, 1)."""
        return self.server.positions(times)[:, None]

    def look(self, posture: Array, stamp: int) -> None:
        """See how its goal goes, at `stamp` [ns], with the robot measured at `posture` (N,)."""
        before, was = self._before
        now, position = stamp / NS, float(posture[self.columns[0]])
        speed = (position - was) / (now - before) if now > before else 0.0
        self._before = now, position
        with self._lock:
            self.server.look(position, speed if self._tells_speed else 0.0)
