"""A simulated arm behind the topics of its vendor's driver, in the place of the contract's."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from rclpy.node import Node

from il_ros.core.arms import ArmPair, arm_of
from il_ros.core.contract import Contract
from il_ros.core.driver_description import DriverDescription, read_driver
from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.core.limits import Array, Limits
from il_ros.core.regular_files import read_text
from il_ros.core.urdf_parts import one_of_several
from il_ros.launching.packages import share
from il_ros.ros.beat import Beat
from il_ros.ros.controller_manager_stand_in import ControllerManagerStandIn
from il_ros.ros.driver_publishers import DriverPublishers
from il_ros.ros.managed_node import ManagedNode
from il_ros.ros.sensor_publishers import SensorPublishers
from il_ros.ros.served_gripper import ServedGripper
from il_ros.ros.stand_in_controllers import StandInControllers
from il_ros.ros.tf_publishers import TfPublishers
from il_ros.sim.robot import Robot
from il_ros.sim.robot_view import RobotView
from il_ros.sim.tasks import make_task
from il_ros.sim.urdf_robot import read_urdf_robot
from il_ros.sim.world import World

_STEP = 0.002  # longest physics step [s]


class DriverStandIn:
    """What a driver publishes and takes; what the contract has besides, as an object's pose, too.

    Of a world that is as slow as the contract, as in lock-step, every topic is.

    Args:
        node: Owner of the publishers.
        driver: What it stands in for.
        contract: Of the task.
        world: The simulated robot.

    Attributes:
        commanded: What takes commands: `topic`, `message_type` and `take` of each.
        managers: Names of the controller managers.
        controllers: Names of the controllers of trajectories.
        ticks: Periods of the world in one of the contract's.
    """

    def __init__(
        self, node: ManagedNode, driver: DriverDescription, contract: Contract, world: World
    ) -> None:
        self._world, self._about = world, driver
        view = RobotView(world.robot, world.plant)
        self._transforms = TfPublishers(node, view, _descriptions(driver))
        self._driver = DriverPublishers(node, driver, view, self._transforms.send)
        own = {node.resolve_topic_name(topic) for topic in driver.topics}
        self._others = SensorPublishers(
            node,
            contract,
            world.names,
            leave_out=[
                topic
                for topic in contract.by_topic(contract.observations)
                if node.resolve_topic_name(topic) in own
            ],
        )
        self._all = StandInControllers(node, driver, world.names, delay=contract.command_delay)
        self.commanded = self._all.commanded
        wanted = {node.resolve_topic_name(output.topic) for output in contract.outputs}
        self._awaited = [
            one for one in self.commanded if node.resolve_topic_name(one.topic) in wanted
        ]
        self.managers = [driver.manager] if driver.manager else []
        if driver.manager:
            ControllerManagerStandIn(node, driver, self.commanded)
        self.controllers = [one.about.name for one in self.commanded if one.follows]
        self.ticks = round(contract.period / world.period)
        self._beat = Beat(contract.rate)

    def serve(self, node: Node, *, lock: threading.Condition, clock: Callable[[], int]) -> None:
        """Serve the actions of grippers by a node that nothing blocks.

        Where control_msgs lacks their types a gripper stays where it is, and the log says so.

        Args:
            node: Takes the goals.
            lock: Guards the motions: goals come in another thread than questions.
            clock: Simulated time [ns].
        """
        still = {name for one in self._about.joint_states for name in one.zero.get('velocity', ())}
        for about in self._about.grippers:
            try:
                gripper = ServedGripper(
                    node,
                    about,
                    self._world.names,
                    tells_speed=about.joint not in still,
                    lock=lock,
                    clock=clock,
                )
            except IlRosError as problem:
                node.get_logger().warning(f'no {about.action}: {problem}')
                continue
            self._all.grippers.append(gripper)

    def begin(self, stamp: int) -> None:
        """Hold the robot where it is at `stamp` [ns], and forget what came before."""
        self._all.begin(self._world.posture())
        self._transforms.say_what_stands(stamp)

    def positions(self, times: Array) -> Array:
        """Set-points of the world's joints at `times` [s], absolute, (T,): shape (T, N)."""
        return self._all.positions(times)

    def say_what_is_followed(self, stamp: int) -> None:
        """Publish the controllers' states at `stamp` [ns]."""
        self._all.say_what_is_followed(self._world.posture(), stamp)
        self._driver.tell_of_action(self._all.gripping)

    def period_begins(self, stamp: int) -> bool:
        """Publish what the driver does at `stamp` [ns]; whether a period of the contract begins."""
        if self._beat(stamp):
            return True  # then `publish` does it, last of all
        self._publish_driver(stamp)
        return False

    def publish(self, stamp: int) -> bool:
        """Publish the other topics of the contract, then the driver's, which pace the ticks."""
        self._others.publish(self._world.observe(), stamp)
        self._publish_driver(stamp)
        return True

    def _publish_driver(self, stamp: int) -> None:
        self._transforms.publish(stamp)
        self._driver.publish(self._world.wrench(), stamp)

    def unanswered(self, stamp: int) -> list[str]:
        """Command topics on which none has answered the observation of `stamp` [ns]."""
        return [one.topic for one in self._awaited if one.active and one.answered < stamp]


def find_driver(name: str) -> DriverDescription:
    """The driver of this name, or of the file of this name.

    Raises:
        UnknownNameError: If there is none of that name; it lists those there are.
        IlRosError: If its file is wrong.
    """
    if name.endswith('.yaml'):
        return read_driver(name)
    folder = share('il_ros', os.environ, 'driver') / 'config/drivers'
    known = sorted(path.stem for path in folder.glob('*.yaml'))
    if name not in known:
        raise UnknownNameError(f'unknown driver {name!r}', where='driver', allowed=known)
    return read_driver(folder / f'{name}.yaml')


def world_behind(
    driver: DriverDescription, contract: Contract, task: str, *, lock_step: bool, **options: Any
) -> World:
    """The simulated robot of a driver.

    Args:
        driver: Of whom.
        contract: Of the task.
        task: What is to be done.
        lock_step: Whether time advances by whole periods of the contract alone.
        options: Of the world.
    """
    robot = read_urdf_robot(driver.urdf, tool=driver.tool, home=driver.home)
    rate = contract.rate if lock_step else driver.rate
    period, arm = 1.0 / rate, arm_of(contract)
    return World(
        make_task(task, driver.tasks.get(task)),
        limits=whole_limits(contract.limits, robot, driver),
        rate=rate,
        timestep=period / int(np.ceil(period / _STEP - 1e-9)),
        arm=arm if isinstance(arm, ArmPair) else '',  # whose arms are to be held apart
        robot=robot,
        **options,
    )


def _descriptions(driver: DriverDescription) -> dict[str, str]:
    """The URDF by the topic, of a pair that of each arm."""
    text, topics, tools = read_text(driver.urdf), driver.description, driver.tool
    if isinstance(topics, str):
        return {topics: text}
    assert not isinstance(tools, str)
    return {topic: one_of_several(text, tools[side], f'{side}_') for side, topic in topics.items()}


def whole_limits(limits: Limits, robot: Robot, driver: DriverDescription) -> Limits:
    """A contract's limits, with the stroke alone of a gripper that it does not command.

    A gripper that an action moves sets out and stops as its driver does: no acceleration counts.
    """
    missing = [limb for limb in robot.limbs if limb.names[-1] not in limits.names]
    names = (*limits.names, *(limb.names[-1] for limb in missing))
    fill = {'position_min': 0, 'position_max': 1}
    bounds: dict[str, Any] = {
        name: np.append(
            values, [limb.stroke[fill[name]] if name in fill else np.inf for limb in missing]
        )
        for name, values in limits.bounds().items()
    }
    bounds['acceleration'][np.isin(names, [gripper.joint for gripper in driver.grippers])] = np.inf
    return replace(limits, names=names, **bounds)
