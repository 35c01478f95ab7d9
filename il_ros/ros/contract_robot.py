"""The simulated robot as a contract describes it: its topics of sensors, its controllers."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from rclpy.node import Node

from il_ros.core.contract import Contract
from il_ros.core.contract_checks import GRIPPERS
from il_ros.core.joint_order import indices_of
from il_ros.core.limits import Array
from il_ros.ros.controller_watch import controller_name
from il_ros.ros.sensor_publishers import SensorPublishers
from il_ros.ros.simulated_output import SimulatedGripper, SimulatedOutput
from il_ros.ros.tf_publishers import TfPublishers
from il_ros.sim.robot_view import RobotView
from il_ros.sim.urdf_text import urdf_text
from il_ros.sim.world import World


class ContractRobot:
    """What publishes the contract's observations, and follows what comes on its outputs.

    Args:
        node: Owner of the publishers.
        contract: Says which there are.
        world: The simulated robot.
        replacement: Whether a trajectory is blended into the one before.

    Attributes:
        commanded: What takes commands: `topic`, `message_type` and `take` of each.
        managers: Names of the controller managers.
        controllers: Names of the controllers of trajectories.
        ticks: Periods of the world in one of the contract's.
    """

    ticks = 1

    def __init__(self, node: Node, contract: Contract, world: World, *, replacement: bool) -> None:
        self._world = world
        view = RobotView(world.robot, world.plant)
        robot, base = world.robot, contract.base_frame
        text = urdf_text(view.alone, robot.name, robot.prefix, world=base)
        self._transforms = TfPublishers(node, view, {'robot_description': text}, world=base)
        self._sensors = SensorPublishers(node, contract, world.names)
        self.commanded = [
            SimulatedOutput(node, contract, output, replacement=replacement)
            for output in contract.outputs
            if output.adapter not in GRIPPERS
        ]
        self._contract, self._grippers = contract, list[SimulatedGripper]()
        self._order = indices_of(contract.action.names, world.names)
        named = [
            controller_name(node.resolve_topic_name(output.topic))
            for output in self.commanded
            if output.trajectories
        ]
        self.managers, self.controllers = ['controller_manager'], [name for name in named if name]

    def serve(self, node: Node, *, lock: threading.Condition, clock: Callable[[], int]) -> None:
        """Serve the actions of grippers by a node that nothing blocks.

        Args:
            node: Takes the goals.
            lock: Guards the motions: goals come in another thread than questions.
            clock: Simulated time [ns].
        """
        for output in self._contract.outputs:
            if output.adapter in GRIPPERS:
                made = SimulatedGripper(node, self._contract, output, lock=lock, clock=clock)
                self._grippers.append(made)

    @property
    def _outputs(self) -> list[SimulatedOutput | SimulatedGripper]:
        return [*self.commanded, *self._grippers]

    def begin(self, stamp: int) -> None:
        """Hold the robot where it is at `stamp` [ns], and forget what came before."""
        posture = self._world.posture()[self._order]
        for output in self._outputs:
            output.begin(posture)
        self._transforms.say_what_stands(stamp)

    def positions(self, times: Array) -> Array:
        """Set-points of the world's joints at `times` [s], absolute, (T,): shape (T, N)."""
        setpoints = np.empty((len(times), len(self._order)))
        for output in self._outputs:
            setpoints[:, self._order[output.columns]] = output.positions(times)
        return setpoints

    def say_what_is_followed(self, stamp: int) -> None:
        """Publish the controllers' states at `stamp` [ns]."""
        measured = self._world.posture()[self._order]
        for output in self._outputs:
            output.say_what_is_followed(measured, stamp)

    def period_begins(self, stamp: int) -> bool:
        """Publish what comes more often than the contract's periods; whether one begins."""
        return True

    def publish(self, stamp: int) -> bool:
        """Publish the contract's topics; whether the one that paces the ticks was among them."""
        self._transforms.publish(stamp)
        return self._sensors.publish(self._world.observe(), stamp)

    def unanswered(self, stamp: int) -> list[str]:
        """Command topics on which none has answered the observation of `stamp` [ns]."""
        return [output.topic for output in self.commanded if output.answered < stamp]
