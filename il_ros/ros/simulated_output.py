"""Controllers of the simulated robot: what they take, do with it, and say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node

from il_ros.core.contract import Contract, OutputConfig
from il_ros.core.driver_description import GripperAction
from il_ros.core.joint_order import indices_of
from il_ros.core.limits import Array
from il_ros.ros.controller_state_publisher import ControllerStatePublisher
from il_ros.ros.output_adapters import make_output
from il_ros.ros.served_gripper import ServedGripper
from il_ros.sim.controller import TrajectoryController

_NEAR = 0.01  # of its range that a gripper may be from its goal


class SimulatedOutput:
    """The controller of one of a contract's outputs; it moves the joints of that alone.

    Args:
        node: Owner of its publishers.
        contract: Of the whole robot.
        output: One of its outputs.
        replacement: Whether a trajectory is blended into the one before.

    Attributes:
        topic: Of its commands.
        message_type: Of its commands.
        columns: Of its joints among those of the action, (n,).
        trajectories: Whether it is a joint_trajectory_controller.
        answered: Stamp of the newest observation that a command has answered [ns].
    """

    def __init__(
        self, node: Node, contract: Contract, output: OutputConfig, *, replacement: bool
    ) -> None:
        part = contract.part(output)
        self._limits, self._period, self._replacement = part.limits, part.period, replacement
        self.topic, self.trajectories = output.topic, output.trajectories
        self.columns = indices_of(output.joints, contract.action.names)
        self._adapter = make_output(part)
        self.message_type = self._adapter.message_type
        self._states = (
            ControllerStatePublisher(node, output.topic, part.action.names)
            if self.trajectories
            else None
        )
        self.answered = 0

    def begin(self, posture: Array) -> None:
        """Hold the robot's `posture`, (N,) [rad or m], and forget what came before."""
        self._controller = TrajectoryController(
            self._limits.names,
            posture[self.columns],
            period=self._period,
            acceleration=self._limits.acceleration,
            replacement=self._replacement,
        )

    def take(self, message: Any, now: float, stamp: int) -> None:
        """Carry out a command from `now` [s] on; by default it answers what is stamped `stamp`.

        Raises:
            IlRosError: If a controller would refuse it.
        """
        answers = self._adapter.apply(message, self._controller, now)
        # One that begins later, because others were late, does not answer what is not there yet.
        self.answered = max(self.answered, min(answers or stamp, stamp))

    def positions(self, times: Array) -> Array:
        """Set-points of its joints at `times` (absolute, shape (T,)), shape (T, n)."""
        return self._controller.positions(times)

    def say_what_is_followed(self, posture: Array, stamp: int) -> None:
        """Publish the state at `stamp` [ns] of a robot measured at `posture` (N,)."""
        if self._states is not None:
            self._states.publish(self._controller, posture[self.columns], stamp)


class SimulatedGripper(ServedGripper):
    """The action server of a gripper that is one of a contract's outputs.

    Its speed is the joint's velocity limit.

    Args:
        node: Serves the action.
        contract: Of the whole robot.
        output: One of its outputs.
        lock: Guards the motion.
        clock: Simulated time [ns].

    Attributes:
        topic: The action's name.
        columns: Of its joint among those of the action, (1,).
        trajectories: Whether it is a joint_trajectory_controller.
        server: Of the action.
    """

    trajectories = False

    def __init__(
        self,
        node: Node,
        contract: Contract,
        output: OutputConfig,
        *,
        lock: Any,
        clock: Callable[[], int],
    ) -> None:
        part, goals = contract.part(output), output.goals
        self.topic = output.topic
        about = GripperAction(
            action=output.topic,
            type=(
                'GripperCommand'
                if output.adapter == 'gripper_command'
                else 'ParallelGripperCommand'
            ),
            joint=output.joints[0],
            speed=float(part.limits.velocity[0]),
            scale=1.0 / goals.scale,
            told=goals.scale,
            goal_tolerance=_NEAR * float(part.limits.position_max[0] - part.limits.position_min[0]),
            stall_succeeds=True,
        )
        super().__init__(
            node,
            about,
            contract.action.names,
            tells_speed=True,
            lock=lock,
            clock=clock,
            offset=goals.offset,
        )

    def say_what_is_followed(self, posture: Array, stamp: int) -> None:
        """See how its goal goes; nobody is told."""
        self.look(posture, stamp)
