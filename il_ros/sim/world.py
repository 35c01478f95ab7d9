"""One simulated robot and its task, stepped control period by control period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from il_ros.core.arm_geometry import Clearance
from il_ros.core.arms import AnyArm, ArmPair, get_arm
from il_ros.core.errors import IlRosError, UnknownNameError, require
from il_ros.core.images import Renderer
from il_ros.core.limits import Array, Limits
from il_ros.sim.command_path import CommandPath, checked
from il_ros.sim.mjcf import read_robot
from il_ros.sim.mujoco_versions import require_simulator
from il_ros.sim.perturbations import KINDS, Perturbation, RandomStream
from il_ros.sim.plant import OF_OBJECT, Plant
from il_ros.sim.robot import Robot
from il_ros.sim.robots import make_robot
from il_ros.sim.scene_cameras import CameraConfig, Cameras, Choice
from il_ros.sim.sensing import Sensing
from il_ros.sim.success_tracker import SuccessTracker
from il_ros.sim.tasks import default_arm, make_task
from il_ros.sim.tasks.task import Task
from il_ros.sim.violations import Violations

START_NOISE = 0.05  # largest offset of each joint from the home posture at the start [rad]
OUTSIDE = 0.08  # how far beyond the training box, when a perturbation does not say [m]
# When no limits are given: bounds of the wrist [N, N m], how near two arms may come [m].
FORCE, TORQUE, SEPARATION = 60.0, 15.0, 0.02


@dataclass(frozen=True, kw_only=True)
class TaskState:
    """How an episode stands.

    Attributes:
        task: Name of the task.
        seed: Seed of the last reset.
        time: Since the reset [s].
        success: Whether the goal has been reached and held.
        progress: How much of the way is done, 0 to 1.
        done: Whether the episode is over: success, or the time limit.
        violations: Counts by kind; see `il_ros.sim.violations`.
    """

    task: str
    seed: int
    time: float
    success: bool
    progress: float
    done: bool
    violations: dict[str, int]


class World:
    """An arm or a pair, a table and a task; deterministic for one seed and the same commands.

    It starts as after `reset(0)`. Stepping on after an episode is done is allowed.

    Args:
        task: A task or its name.
        limits: What counts as a violation; by default the arm's limits and the task's workspace.
            Their joints may be in any order.
        rate: Control rate [Hz].
        timestep: Physics step [s]; the control period must be a multiple of it.
        arm: The arm or its name, by default the task's; the name may be empty where there is a
            model.
        model: MJCF file of the arm, in the place of the one that is drawn; it takes `limits`.
        robot: The simulated robot, in the place of both; it takes `limits`.
        renderer: How images are made, see `il_ros.sim.scene_cameras.CameraConfig`.

    Attributes:
        task: What is to be done.
        robot: The simulated robot.
        names: The commanded joints, N of them, in the order of the set-points: the arm's own.
        limbs: Its arms, one or two.
        limits: What counts as a violation.
        clearance: Distances between the arms of a pair; none of a single arm.
        substeps: Physics steps in a control period.
        period: Control period [s].
        cameras: Names of the cameras that `render` knows.
        plant: The physics, with the model and the state of this episode.
        start: Posture at the reset, and set-point before the first command, shape (N,) [rad, m].
        path: The way of this episode's commands.
        sensing: The way of its readings.

    Raises:
        UnknownNameError: If the task, the arm or the renderer is unknown.
        IlRosError: If `rate` and `timestep` do not fit, the limits name other joints, the model
            cannot be used (`il_ros.sim.mjcf`), the task is for another number of arms, or MuJoCo
            is too old.
    """

    def __init__(
        self,
        task: str | Task,
        *,
        limits: Limits | None = None,
        rate: float = 20.0,
        timestep: float = 0.002,
        arm: str | AnyArm | None = None,
        model: Path | None = None,
        robot: Robot | None = None,
        renderer: Choice = CameraConfig.renderer,
    ) -> None:
        require_simulator()
        self.task = make_task(task) if isinstance(task, str) else task
        own = _known(default_arm(self.task.name) if arm is None else arm)
        self.limits = limits or _own_limits(own, self.task, model)
        self.robot = robot or _robot(own, model, self.limits)
        self.names, self.limbs = self.robot.names, self.robot.limbs
        self.period = 1.0 / rate
        self.substeps = _substeps(self.period, timestep)
        if sorted(self.limits.names) != sorted(self.names):
            raise IlRosError(
                f'limits for joints {", ".join(self.limits.names)}',
                where='simulator',
                allowed=self.names,
            )
        self.limits = self.limits.ordered(self.names)
        self.clearance = Clearance(own) if isinstance(own, ArmPair) else None
        self.plant = Plant(self.task, self.robot, timestep, self.substeps)
        self._timestep = timestep
        self._cameras = Cameras(self.plant.model, renderer)
        self.cameras = self._cameras.names
        self._scene: dict[str, Array] = {}
        self.reset(0)
        self._check_task()

    def _check_task(self) -> None:
        try:
            self.state()
        except KeyError as missing:
            raise IlRosError(
                f'the task {self.task.name} needs {missing}, which {self.robot.name} has not',
                where='simulator',
                allowed=[key for key in self._scene if key.endswith('_pose')],
                fix='take an arm for one hand, or a pair for two, as the task needs',
            ) from None

    @property
    def time(self) -> float:
        """Time since the reset [s]."""
        return self._ticks * self.period

    def reset(self, seed: int, perturbations: Sequence[Perturbation] = ()) -> None:
        """Start the episode that `seed` and `perturbations` describe.

        Raises:
            UnknownNameError: If a perturbation names no observation or camera of this task.
            IlRosError: If the seed is negative, or a perturbation needs an object and the task has
                none. After an error the episode before goes on as it was.
        """
        require(seed >= 0, seed, 'seed', '0 or more')
        for p in perturbations:
            if KINDS[p.kind].target in ('body', 'surface') or p.kind in OF_OBJECT:
                self.plant.body(p)
            elif KINDS[p.kind].target == 'camera' and p.target not in self.cameras:
                raise UnknownNameError(
                    f'unknown camera {p.target!r}',
                    where=f'perturbation {p.kind}',
                    allowed=self.cameras,
                )
        noise = RandomStream.SENSOR_NOISE.generator(seed)
        sensing = Sensing(perturbations, self._scene, noise)
        rng = np.random.default_rng(seed)
        outside = [p for p in perturbations if p.kind == 'object_outside']
        draw = self.task.draw(rng, max((*p.value, OUTSIDE)[0] for p in outside) if outside else 0)
        start = self.robot.home.copy()
        grippers = self.robot.grippers
        arms = ~grippers
        start[arms] += rng.uniform(-START_NOISE, START_NOISE, int(arms.sum()))
        start[grippers] *= rng.uniform(size=int(grippers.sum()))
        start[grippers] = np.maximum(start[grippers], [limb.stroke[0] for limb in self.robot.limbs])
        self._seed, self._ticks, self.start = seed, 0, start
        self._perturbations = tuple(perturbations)
        self.plant.reset(start, draw, perturbations)
        self._goal = draw.goal
        noise = RandomStream.COMMAND_NOISE.generator(seed)
        self.path = CommandPath(perturbations, start, self._timestep, noise, grippers)
        self._violations = Violations(self.limits, start, self.period, self.clearance)
        self._scene = self._look()
        self._outcome = SuccessTracker(self.task, self._scene, self.period)
        self.sensing = sensing
        self._seen = self.sensing.observe(self._scene, self.time)

    def step(self, targets: Array) -> None:
        """Advance one control period.

        Args:
            targets: Joint set-points, shape (substeps, N) [rad, m], one for each physics step.

        Raises:
            IlRosError: If the set-points have another shape or are not finite.
        """
        targets = checked(targets, (self.substeps, len(self.names)), 'set-points', 'simulator')
        start, end = self.time, (self._ticks + 1) * self.period
        for p in self._perturbations:
            if p.kind == 'object_moved' and start <= p.start < end:
                self.plant.move_object(p.value)
        self.plant.push([p for p in self._perturbations if p.kind == 'push' and p.active(start)])
        self._violations.command(targets[-1])
        self._violations.motion(*self.plant.step(self.path.apply(targets, start)))
        self._ticks += 1
        self._scene = self._look()
        self._seen = self.sensing.observe(self._scene, self.time)
        self._outcome.update(self._scene)

    def observe(self) -> dict[str, Array | None]:
        """What the robot's sensors say now, by observation key; None for what has dropped out.

        Keys are joint_position (n,), joint_velocity (n,), joint_effort (n + 1,), gripper_position
        (1,), gripper_velocity (1,), tcp_pose (7,), wrench (6,), goal_position (3,) and a pose
        (7,) for each body that the task observes, as object_pose; rad, m, N, s; n is the arm's
        number of joints; poses are in the base frame, the wrench in the hand's. Of a pair each
        arm has its own, as left_joint_position, and no wrench if it has no sensor for it.
        """
        return {key: None if value is None else value.copy() for key, value in self._seen.items()}

    def privileged(self) -> dict[str, Array]:
        """The same keys as `observe`, as they truly are."""
        return {key: value.copy() for key, value in self._scene.items()}

    def wrench(self) -> Array:
        """What the surroundings truly do to the tool of the first arm, shape (6,) [N, N m]."""
        return self.robot.limbs[0].external_wrench(self.plant.data.sensordata)

    def posture(self, scene: Mapping[str, Array] | None = None) -> Array:
        """Where the commanded joints truly are, shape (..., N) [rad, m], in a scene or now."""
        scene = self._scene if scene is None else scene
        keys = ('joint_position', 'gripper_position')
        sides = [limb.prefix for limb in self.robot.limbs]
        return np.concatenate([scene[side + key] for side in sides for key in keys], -1)

    def state(self) -> TaskState:
        """How the episode stands."""
        success = bool(self._outcome.success)
        return TaskState(
            task=self.task.name,
            seed=self._seed,
            time=self.time,
            success=success,
            progress=float(self._outcome.progress(self._scene)),
            done=success or self.time >= self.task.time_limit - 1e-9,
            violations={kind: int(count) for kind, count in self._violations.counts.items()},
        )

    @property
    def renderer(self) -> Renderer:
        """Who makes the images."""
        return self._cameras.renderer

    def render(self, camera: str, width: int, height: int) -> NDArray[np.uint8]:
        """One RGB image, shape (height, width, 3), of the camera.

        Raises:
            UnknownNameError: If the scene has no such camera.
            IlRosError: If OpenGL was chosen and is missing.
        """
        return self._cameras.render(self.plant.data, camera, width, height)

    def close(self) -> None:
        """Release the renderer; the world stays usable."""
        self._cameras.close()

    def _look(self) -> dict[str, Array]:
        return {**self.plant.scene(), 'goal_position': self._goal.copy()}


def _substeps(period: float, timestep: float) -> int:
    substeps = round(period / timestep)
    if substeps < 1 or abs(substeps * timestep - period) > 1e-9:
        raise IlRosError(
            f'a period of {period} s is no multiple of the physics step of {timestep} s',
            where='simulator',
            fix='choose a rate whose period is a multiple of the physics step',
        )
    return substeps


def _known(arm: str | AnyArm) -> AnyArm | None:
    """The arm itself; None where its name is empty."""
    if isinstance(arm, str):
        return get_arm(arm) if arm else None
    return arm


def _own_limits(arm: AnyArm | None, task: Task, model: Path | None) -> Limits:
    if model is not None or arm is None:
        raise IlRosError('a model without limits', where='simulator', fix="give a contract's")
    return arm.limits(*task.workspace, force=FORCE, torque=TORQUE, separation=SEPARATION)


def _robot(arm: AnyArm | None, model: Path | None, limits: Limits) -> Robot:
    if model is not None:
        return read_robot(model, limits, arm)
    if arm is None:
        raise IlRosError('no arm and no model', where='simulator', fix='name an arm, or a model')
    return make_robot(arm)
