"""The simulator node: the contract's arm in MuJoCo, which looks to ROS like a real one."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters
from rclpy.timer import Timer
from rosgraph_msgs.msg import Clock as ClockMsg
from std_srvs.srv import SetBool

from il_ros.core import topics
from il_ros.core.arms import arm_of
from il_ros.core.contract import Contract, load_contract
from il_ros.core.errors import IlRosError, require
from il_ros.core.frames import NS, Frame
from il_ros.core.joint_order import JointRegrouping, arm_layout, stream_layout
from il_ros.core.limits import Array
from il_ros.msg import Observation, TaskState
from il_ros.ros import command_limits_watch, replacement_watch
from il_ros.ros.background_subscriptions import BackgroundSubscriptions
from il_ros.ros.camera_publishers import CameraPublishers
from il_ros.ros.contract_robot import ContractRobot
from il_ros.ros.diagnostics import OK, STALE, Report, publish_diagnostics
from il_ros.ros.driver_stand_in import DriverStandIn, find_driver, world_behind
from il_ros.ros.managed_node import ManagedNode, steady_timer
from il_ros.ros.message_conversion import (
    fill_stamp,
    observation_message,
    to_duration,
    to_seconds,
    to_stamp,
)
from il_ros.ros.node_parameters import declare, setting
from il_ros.ros.parameter_question import SERVICE
from il_ros.ros.qos import COMMAND, SENSOR_OUT
from il_ros.ros.sim_time_watch import CLOCK, clock_publishers, crowd_text
from il_ros.ros.simulated_output import SimulatedOutput
from il_ros.ros.spin import WAKE, run_node
from il_ros.ros.stand_in_controllers import StandInController
from il_ros.sim.command_limiter import CommandLimiter
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.scene_cameras import CameraConfig, Choice
from il_ros.sim.world import World
from il_ros.srv import ResetWorld, StepWorld

# Between two episodes, so that what was sensed before a reset is too old to use after it.
_GAP = NS // 4
_MOMENT = 0.01  # s
_STEPS = 10_000  # of one request, which no other is answered before
_WAIT = 60.0  # s
_PERTURBATIONS = 1_000  # of one episode
_LOST = NS  # further than that from a clock that it follows, time is set anew [ns]
_SHORTEST = 0.002  # s between two looks at the clock
_LOOK = 0.5  # s between two looks at who else publishes the clock


@dataclass(frozen=True, kw_only=True)
class SimulatorConfig:
    """Parameters of the simulator node."""

    contract: str = setting('', 'Contract file: what is published and taken.')
    task: str = setting('pick_place', 'Name of the task.')
    model: str = setting('', "MJCF file of the arm; without it the contract's arm is drawn.")
    driver: str = setting(
        '',
        'Driver that the simulator stands in for, or its file: its topics and controllers take the '
        "place of the contract's.",
    )
    seed: int = setting(0, 'Seed of the first episode.', low=0)
    speed: float = setting(
        1.0, 'Simulated seconds per second; 0 advances by ~/step alone.', low=0.0, high=100.0
    )
    renderer: str = setting(
        CameraConfig.renderer, 'Who makes images: opengl, rays, or auto (opengl where it works).'
    )
    tick: float = setting(
        0.01, 'Simulated time between two looks at the clock [s].', low=0.002, high=0.1
    )
    publish_clock: bool = setting(
        True,
        "Whether /clock is published. Else time is the node's own: the machine's, or another "
        "node's with use_sim_time.",
    )
    allow_trajectory_replacement: bool = setting(
        False,
        'Whether a trajectory is blended into the one before, as by a joint_trajectory_controller '
        'with this parameter; else it replaces it, as in Jazzy and Kilted.',
    )
    enforce_command_limits: bool = setting(
        True, "Whether set-points keep within the contract's speed limits, as ros2_control's."
    )


class SimulatorNode(ManagedNode):
    """Publishes what the arm's sensors would, and moves as its controller is told.

    Time begins at one second and never goes back: a reset leaves a gap. Without `publish_clock` it
    is that of the node's clock instead, as if the arm were real.
    """

    def __init__(self) -> None:
        super().__init__('simulator')
        self._config = declare(self, SimulatorConfig)
        self._paused = False
        self._intake: BackgroundSubscriptions | None = None
        self._commanded = threading.Condition()  # guards the controller

    def configure(self) -> None:
        """Build the world and everything that shows it."""
        config = self._config
        if config.speed != 1.0 and not config.publish_clock:
            raise IlRosError(f'speed is {config.speed}', allowed='1.0 without publish_clock')
        self._contract = contract = load_contract(config.contract)
        self._world, self._robot = self._make_robot(contract)
        self._readings = JointRegrouping(arm_layout(self._world.limbs), stream_layout(contract))
        self._images = CameraPublishers(self, contract, self._world)
        self._time = (
            self.create_publisher(ClockMsg, CLOCK, SENSOR_OUT) if config.publish_clock else None
        )
        self._rivals: list[str] = []
        if self._time is not None:
            steady_timer(self, _LOOK, self._look_for_rivals)
        self._state = self.create_publisher(TaskState, topics.TASK_STATE, SENSOR_OUT)
        self._privileged = self.create_publisher(Observation, '~/privileged', SENSOR_OUT)
        self._intake = BackgroundSubscriptions(self)
        for one in self._robot.commanded:
            take = partial(self._on_command, one)
            self._intake.subscribe(one.message_type, one.topic, take, COMMAND)
        self._robot.serve(self._intake.node, lock=self._commanded, clock=lambda: self._now)
        self._intake.start()
        self._runner: Timer | None = None
        self.serve(ResetWorld, '~/reset', self._on_reset)
        self.serve(StepWorld, '~/step', self._on_step)
        self.serve(SetBool, '~/pause', self._on_pause)
        for name in (*self._robot.managers, *self._robot.controllers):
            self.create_service(GetParameters, f'{name}{SERVICE}', self._on_question)
        publish_diagnostics(self, 'simulation', self._report, hardware_id=contract.name)
        self._timestep = self._world.period / self._world.substeps
        self._base, self._passed = NS, 0  # [ns], when the episode began and since then
        self._rows: list[Array] = []

    def _make_robot(self, contract: Contract) -> tuple[World, ContractRobot | DriverStandIn]:
        """The world, and what shows it: as the contract says, or as a driver does."""
        config = self._config
        renderer = cast(Choice, config.renderer)  # the world refuses others
        if config.driver:
            driver = find_driver(config.driver)
            world = world_behind(
                driver, contract, config.task, lock_step=config.speed == 0, renderer=renderer
            )
            return world, DriverStandIn(self, driver, contract, world)
        world = World(
            config.task,
            limits=contract.limits,
            rate=contract.rate,
            arm=arm_of(contract) or '',
            model=Path(config.model) if config.model else None,
            renderer=renderer,
        )
        replacement = config.allow_trajectory_replacement
        return world, ContractRobot(self, contract, world, replacement=replacement)

    def activate(self) -> None:
        """Begin the first episode; run by the wall clock unless in lock-step."""
        self._begin(self._config.seed, [])
        self._paused = False
        if self._config.speed > 0:
            # Without bursts, a driver's samples come one by one.
            tick = min(self._config.tick, max(self._world.period, _SHORTEST))
            self._tick = round(tick / self._timestep)
            self._runner = steady_timer(self, tick / self._config.speed, self._run)

    def deactivate(self) -> None:
        """Stand still."""
        if self._runner is not None:
            self.destroy_timer(self._runner)
            self._runner = None

    def release(self) -> None:
        """End the intake of commands."""
        if self._intake is not None:
            self._intake.close()
            self._intake = None

    @property
    def _now(self) -> int:
        return self._base + self._passed

    def _begin(self, seed: int, perturbations: list[Perturbation]) -> None:
        before = self._now if self._time is not None else self._clock_time()
        self._world.reset(seed, perturbations)
        self._base, self._passed, self._rows = before + _GAP, 0, []
        with self._commanded:
            self._robot.begin(self._now)
        limits = self._world.limits
        self._limiter = CommandLimiter(limits.velocity, self._timestep, self._world.posture())
        self._begun = self._time is not None  # else when its clock is there
        if self._begun:
            self._robot.say_what_is_followed(self._now)
            self._publish()

    def _publish(self) -> None:
        """Everything of this instant; the joints last, because they pace the ticks."""
        stamp = self._now
        self._tell_time(stamp)
        if not self._robot.period_begins(stamp):
            return
        self._stamp = stamp
        self._state.publish(self._task_state())
        if self._privileged.get_subscription_count():
            truth = self._readings(self._world.privileged())
            values = {key: value for key, value in truth.items() if value is not None}
            valid, age = dict.fromkeys(values, True), dict.fromkeys(values, 0.0)
            frame = Frame(stamp=stamp, values=values, valid=valid, age=age)
            self._privileged.publish(observation_message(frame, self._contract.base_frame))
        self._images.publish(stamp)
        # Without joints there is no tick that a command could answer.
        self._asked = self._robot.publish(stamp)

    def _task_state(self) -> TaskState:
        state = self._world.state()
        message = TaskState(
            task=state.task,
            seed=state.seed,
            elapsed=to_duration(state.time),
            success=state.success,
            progress=float(state.progress),
            done=state.done,
            violation_kinds=list(state.violations),
            violation_counts=list(state.violations.values()),
        )
        return fill_stamp(message, self._now, self._contract.base_frame)

    def _report(self) -> Report:
        if not self.active:
            return STALE, 'not active', {}
        state = self._world.state()
        values = {'task': state.task, 'seed': state.seed, 'elapsed [s]': f'{state.time:.2f}'}
        return OK, 'paused' if self._paused else 'running', values

    def _advance(self, substeps: int) -> None:
        """Let the controller go on for some physics steps.

        The physics follows, and the sensors speak, when a whole control period is together:
        in between only the time moves, so that a command acts from when it arrived.
        """
        times: Array = self._now / NS + self._timestep * np.arange(
            1, substeps + 1, dtype=np.float64
        )
        with self._commanded:
            self._rows.append(self._robot.positions(times))
            # What comes while the physics follows comes at the end of what was taken for it.
            ahead = sum(map(len, self._rows)) * self._timestep
            self._passed = round((self._world.time + ahead) * NS)
            self._robot.say_what_is_followed(self._now)
        if sum(map(len, self._rows)) < self._world.substeps:
            self._tell_time(self._now)
            return
        setpoints, self._rows = np.concatenate(self._rows), []
        if self._config.enforce_command_limits:
            setpoints = self._limiter.apply(setpoints)
        self._world.step(setpoints)
        self._publish()

    def _left(self) -> int:
        return self._world.substeps - sum(map(len, self._rows))

    def _run(self) -> None:
        if self._paused:
            return
        if self._time is not None:
            self._advance_by(self._tick)
        else:
            self._follow_clock()

    def _follow_clock(self) -> None:
        """Catch up with the node's clock, by one control period at most."""
        behind = self._clock_time() - self._now
        if abs(behind) > _LOST:
            self._base += behind
            return
        if behind >= 0 and not self._begun:
            self._begun = True
            self._publish()
        most = self._world.substeps * self._robot.ticks
        self._advance_by(min(int(behind / NS / self._timestep), most))

    def _advance_by(self, substeps: int) -> None:
        """Let some physics steps pass, whatever is published in between."""
        while substeps > 0:
            part = min(substeps, self._left())
            self._advance(part)
            substeps -= part

    def _clock_time(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _tell_time(self, stamp: int) -> None:
        if self._time is not None:
            self._time.publish(ClockMsg(clock=to_stamp(stamp)))

    def _look_for_rivals(self) -> None:
        """Say it when another node sets the time as well, and everybody's clock jumps."""
        names = clock_publishers(self)
        if names != self._rivals and len(names) > 1:
            self.get_logger().error(crowd_text(self.resolve_topic_name(CLOCK), names))
        self._rivals = names

    def _on_command(self, output: SimulatedOutput | StandInController, message: Any) -> None:
        """In the intake's thread."""
        if not self.active:
            return
        with self._commanded:
            try:
                output.take(message, self._now / NS, self._stamp)
            except IlRosError as problem:
                text = f'{output.topic}: command refused: {problem}'
                self.get_logger().error(text, throttle_duration_sec=1.0)
                return
            self._commanded.notify()

    def _on_question(
        self, request: GetParameters.Request, response: GetParameters.Response
    ) -> GetParameters.Response:
        """In the place of a controller manager and a controller, which have these parameters."""
        known = {
            command_limits_watch.PARAMETER: self._config.enforce_command_limits,
            replacement_watch.PARAMETER: self._config.allow_trajectory_replacement,
        }
        response.values = [
            ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=known[name])
            if name in known
            else ParameterValue()
            for name in request.names
        ]
        return response

    def _on_reset(self, request: ResetWorld.Request, response: ResetWorld.Response) -> None:
        self.require_active()
        count = len(request.perturbations)
        require(count <= _PERTURBATIONS, count, 'perturbations', f'0 to {_PERTURBATIONS}')
        perturbations = [
            Perturbation(
                kind=item.kind,
                target=item.target,
                start=to_seconds(item.start),
                duration=to_seconds(item.duration) or math.inf,
                value=tuple(item.value),
            )
            for item in request.perturbations
        ]
        self._begin(request.seed, perturbations)
        response.stamp, response.state = to_stamp(self._now), self._task_state()

    def _on_step(self, request: StepWorld.Request, response: StepWorld.Response) -> None:
        self.require_active()
        if self._time is None:
            raise IlRosError('time is not its own', fix='step it with publish_clock')
        require(request.steps <= _STEPS, request.steps, 'steps', f'0 to {_STEPS}')
        timeout, was_done = to_seconds(request.timeout) or 5.0, self._world.state().done
        require(0 <= timeout <= _WAIT, timeout, 'timeout', f'0 to {_WAIT} s')
        try:
            if request.wait_for_command and not request.steps:  # nothing moves
                self._wait_for_command(timeout)
            for _ in range(request.steps):
                if self._world.state().done and not was_done:
                    break
                if request.wait_for_command:
                    self._wait_for_command(timeout)
                for _ in range(self._robot.ticks):
                    self._advance(self._left())
                response.steps_taken += 1
        finally:
            response.stamp, response.state = to_stamp(self._now), self._task_state()

    def _wait_for_command(self, timeout: float) -> None:
        """Block until the newest observation is answered; it need not be if it had no joints.

        Then those who watch for silence get a moment of real time in each simulated period.

        Raises:
            IlRosError: If no answer comes in time, or the process is to end.
        """
        deadline = time.monotonic() + timeout
        with self._commanded:
            if not self._asked:
                self._commanded.wait(_MOMENT)
            while self._asked and (silent := self._robot.unanswered(self._stamp)):
                left = deadline - time.monotonic()
                if left <= 0 or self.stopped.is_set():
                    raise IlRosError(
                        f'no command for the observation of {self._stamp / NS:.3f} s came within '
                        f'{timeout} s on {", ".join(silent)}',
                        fix='see that a monitor is active and its source alive',
                    )
                self._commanded.wait(min(left, WAKE))

    def _on_pause(self, request: SetBool.Request, response: SetBool.Response) -> None:
        self._paused = bool(request.data)
        response.message = 'paused' if self._paused else 'running'


main = partial(run_node, SimulatorNode)
"""Run the node, then end the process with its exit code."""

if __name__ == '__main__':
    main()
