"""Episodes in one process: simulator, frame builder, driver and guard, in lock-step without ROS.

One control period is what it is on the graph: the sensors speak, the frame is built, the driver
answers it, the guard says what is commanded, and the arm moves until the next instant. The same
seed, driver and guard give the same episode, bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.frames import NS, Frame
from il_ros.core.images import Renderer
from il_ros.evaluation.episode_result import AFTER_ALARM
from il_ros.rollouts.drivers import Driver
from il_ros.rollouts.frame_feeder import FrameFeeder
from il_ros.rollouts.rollout import Rollout
from il_ros.rollouts.safety_filters import SafetyFilter
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.scene_cameras import CameraConfig, Choice
from il_ros.sim.world import World

Array = NDArray[np.float64]
Watch = Callable[[Frame, Array | None], None]


class EpisodeRunner:
    """One simulated arm with its driver and its safety filter, for one episode after the other.

    Args:
        contract: What the topics mean.
        task: Name of the simulator's task.
        driver: Who drives.
        guard: What stands between driver and arm.
        renderer: How images are made, if any are asked for.

    Attributes:
        latency: Time that the driver took for its last answer, by the wall clock [s].

    Raises:
        UnknownNameError: If there is no such task.
    """

    def __init__(
        self,
        contract: Contract,
        task: str,
        driver: Driver,
        guard: SafetyFilter,
        *,
        renderer: Choice = CameraConfig.renderer,
    ) -> None:
        self.contract, self.driver, self.guard = contract, driver, guard
        self._world = World(
            task,
            limits=contract.limits,
            rate=contract.rate,
            arm=contract.arm,
            renderer=renderer,
        )
        self._senses = FrameFeeder(contract, driver.keys)
        steps = np.arange(1, self._world.substeps + 1, dtype=np.float64)
        self.latency = 0.0
        self._offsets = steps * (self._world.period / self._world.substeps)

    def run(
        self,
        seed: int,
        perturbations: Sequence[Perturbation] = (),
        *,
        name: str = '',
        watch: Watch | None = None,
        over: Callable[[], bool] = lambda: False,
    ) -> Rollout:
        """One episode: to the goal, the time limit, or a moment after the guard has stopped it.

        A guard that then moves the arm by itself is given the time to end that.

        Args:
            seed: Of the scene.
            perturbations: What goes wrong.
            name: What the perturbations are called.
            watch: Called with each frame and its answer, before the arm moves on.
            over: Asked before each period whether to end the episode here.
        """
        world, taken = self._begin(seed, perturbations)
        alarm: float | None = None
        while not (world.state().done or self._settled(alarm) or over()):
            self._period(taken, watch)
            if alarm is None and self.guard.stopped:
                alarm, taken.reason = taken.time, self.guard.stopped
        state = world.state()
        return Rollout(
            seed=seed,
            perturbation=name,
            frames=tuple(taken.frames),
            chunks=tuple(taken.chunks),
            actions=np.array(taken.actions).reshape(-1, len(world.names)),
            success=state.success and alarm is None,
            progress=state.progress,
            duration=state.time if alarm is None else alarm,
            elapsed=state.time,
            violations=state.violations,
            alarm=alarm,
            reason=taken.reason,
        )

    def truth(self) -> dict[str, Array]:
        """Every observation as it truly is at this instant, by key."""
        return self._world.privileged()

    @property
    def renderer(self) -> Renderer:
        """Who makes the images."""
        return self._world.renderer

    def picture(self, camera: str, width: int, height: int) -> NDArray[np.uint8]:
        """The scene as it is at this instant; see `World.render`."""
        return self._world.render(camera, width, height)

    def _settled(self, alarm: float | None) -> bool:
        if alarm is None or self.guard.moving:
            return False
        return self._world.time >= alarm + AFTER_ALARM - 1e-9

    def _begin(self, seed: int, perturbations: Sequence[Perturbation]) -> tuple[World, _Taken]:
        world = self._world
        world.reset(seed, perturbations)
        self._senses.reset()
        self.driver.reset()
        self.guard.reset(world.posture())
        return world, _Taken()

    def _period(self, taken: _Taken, watch: Watch | None) -> None:
        world = self._world
        taken.time = world.time
        stamp = NS + round(world.time * NS)
        frame = self._senses.look(world.observe(), stamp)
        begin = time.perf_counter()
        chunk = None if frame is None else self.driver.act(frame)
        self.latency = time.perf_counter() - begin
        invalid = () if frame is None else self._senses.invalid(frame)
        action = self.guard.tick(frame, chunk, stamp / NS, invalid)
        if frame is not None:
            taken.frames.append(frame)
            taken.chunks.append(chunk)
            taken.actions.append(np.full(len(world.names), np.nan) if action is None else action)
            if watch is not None:
                watch(frame, chunk)
        world.step(self.guard.setpoints(stamp / NS + self._offsets))


class _Taken:
    """What has been gathered of an episode so far."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.chunks: list[Array | None] = []
        self.actions: list[Array] = []
        self.time, self.reason = 0.0, ''
