"""Episodes in one process: simulator, frame builder, driver and safety filter, without ROS.

A control period has the same steps as on the graph: the sensors are read, the frame is built, the
driver answers it, the safety filter decides the command, and the arm moves until the next tick.
The same seed, driver and safety filter give the same episode, bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from il_ros.core.arms import arm_of
from il_ros.core.contract import Contract
from il_ros.core.errors import ContractError
from il_ros.core.frames import NS, Frame, FrameBuilder, describe_invalid
from il_ros.core.images import Renderer
from il_ros.core.joint_order import JointRegrouping, arm_layout, indices_of, stream_layout
from il_ros.core.limits import Array
from il_ros.evaluation.episode_result import AFTER_ALARM
from il_ros.rollouts.drivers import Driver
from il_ros.rollouts.rollout import Rollout
from il_ros.rollouts.safety_filters import SafetyFilter
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.scene_cameras import CameraConfig, Choice
from il_ros.sim.world import World

Watch = Callable[[Frame, Array | None], None]


class FrameFeeder:
    """Feeds the frame builder once per control period, in the way of subscriptions.

    A lost sample silences its topic with every stream on it. A tick waits for such a stream for the
    contract's grace, then continues without it.

    Args:
        contract: Contract of the arm.
        keys: Observations in the frames; those of a policy by default.
    """

    def __init__(self, contract: Contract, keys: Iterable[str] | None = None) -> None:
        self.builder = FrameBuilder(contract, keys)
        self._contract = contract
        self._grace = round(contract.grace * NS)
        self._topics = list(contract.by_topic(self.builder.keys).values())

    def reset(self) -> None:
        """Forget every sample at the start of an episode."""
        self.builder.reset()

    def feed(self, readings: Mapping[str, Array | None], stamp: int) -> Frame | None:
        """Build the frame of this instant; None if the stream that paces the ticks was lost.

        Args:
            readings: A sample for each key; None if it was lost.
            stamp: Time of the samples [ns].

        Raises:
            ContractError: If the simulator has no such observation.
        """
        frames: list[Frame] = []
        for keys in self._topics:
            if missing := [key for key in keys if key not in readings]:
                raise ContractError(
                    'the simulator has no such observation',
                    where=missing[0],
                    allowed=sorted(readings),
                )
            lost = any(readings[key] is None for key in keys)
            for key in () if lost else keys:
                frames += self.builder.add(key, readings[key], header=stamp, receive=stamp)
        frames += self.builder.poll(stamp + self._grace)
        return frames[-1] if frames else None

    def invalid(self, frame: Frame) -> tuple[str, ...]:
        """One sentence for each required stream that is not valid in `frame`."""
        return tuple(describe_invalid(self._contract, frame, self.builder.rejected))


class EpisodeRunner:
    """Runs episodes of one simulated arm with one driver and one safety filter.

    Args:
        contract: Contract of the arm.
        task: Name of the simulator's task.
        driver: Policy or expert that drives.
        safety_filter: Filter between driver and arm.
        renderer: How images are rendered, if any are requested.

    Attributes:
        latency: Wall-clock time of the driver's last answer [s].

    Raises:
        UnknownNameError: If there is no such task.
    """

    def __init__(
        self,
        contract: Contract,
        task: str,
        driver: Driver,
        safety_filter: SafetyFilter,
        *,
        renderer: Choice = CameraConfig.renderer,
    ) -> None:
        self.contract, self.driver, self.safety_filter = contract, driver, safety_filter
        self._world = World(
            task,
            limits=contract.limits,
            rate=contract.rate,
            arm=arm_of(contract) or '',
            renderer=renderer,
        )
        self._feeder = FrameFeeder(contract, driver.keys)
        names, own = contract.action.names, self._world.names
        self._to_world, self._from_world = indices_of(own, names), indices_of(names, own)
        self._readings = JointRegrouping(arm_layout(self._world.limbs), stream_layout(contract))
        steps = np.arange(1, self._world.substeps + 1, dtype=np.float64)
        self.latency = 0.0
        self._offsets = steps * (self._world.period / self._world.substeps)

    def run(
        self,
        seed: int,
        perturbations: Sequence[Perturbation] = (),
        *,
        name: str = '',
        watch: Watch = lambda frame, chunk: None,
        over: Callable[[], bool] = lambda: False,
    ) -> Rollout:
        """Run one episode to the goal, the time limit, or shortly after a stop by the filter.

        If the safety filter then moves the arm by itself, the episode continues until it is done.

        Args:
            seed: Seed of the scene.
            perturbations: Perturbations to apply.
            name: Name of the perturbations.
            watch: Called with each frame and its answer, before the arm moves on.
            over: Called before each period; the episode ends when it returns true.
        """
        world, alarm, reason = self._world, None, ''
        no_command = np.full(len(world.names), np.nan)
        periods: list[tuple[Frame, Array | None, Array]] = []
        self._reset(seed, perturbations)
        while not (world.state().done or self._settled(alarm) or over()):
            now = world.time
            frame, chunk, action = self._tick(now)
            if frame is not None:
                periods.append((frame, chunk, no_command if action is None else action))
                watch(frame, chunk)
            setpoints = self.safety_filter.setpoints(_stamp(now) / NS + self._offsets)
            world.step(setpoints[:, self._to_world])
            if alarm is None and self.safety_filter.stopped:
                alarm, reason = now, self.safety_filter.stopped
        state = world.state()
        return Rollout(
            seed=seed,
            perturbation=name,
            frames=tuple(frame for frame, _, _ in periods),
            chunks=tuple(chunk for _, chunk, _ in periods),
            actions=np.array([action for _, _, action in periods]).reshape(-1, len(world.names)),
            success=state.success and alarm is None,
            progress=state.progress,
            duration=state.time if alarm is None else alarm,
            elapsed=state.time,
            violations=state.violations,
            alarm=alarm,
            reason=reason,
        )

    def truth(self) -> dict[str, Array]:
        """The true observations at this instant, by key, joints in the contract's order."""
        truth = self._readings(self._world.privileged())
        return {key: value for key, value in truth.items() if value is not None}

    @property
    def renderer(self) -> Renderer:
        """Renderer of the images."""
        return self._world.renderer

    def render(self, camera: str, width: int, height: int) -> NDArray[np.uint8]:
        """Render the scene at this instant; see `World.render`."""
        return self._world.render(camera, width, height)

    def _settled(self, alarm: float | None) -> bool:
        if alarm is None or self.safety_filter.moving:
            return False
        return self._world.time >= alarm + AFTER_ALARM - 1e-9

    def _reset(self, seed: int, perturbations: Sequence[Perturbation]) -> None:
        self._world.reset(seed, perturbations)
        self._feeder.reset()
        self.driver.reset()
        self.safety_filter.reset(self._world.posture()[self._from_world])

    def _tick(self, now: float) -> tuple[Frame | None, Array | None, Array | None]:
        """The frame of this instant, the driver's answer to it, and the command."""
        stamp = _stamp(now)
        frame = self._feeder.feed(self._readings(self._world.observe()), stamp)
        begin = time.perf_counter()
        chunk = None if frame is None else self.driver.act(frame)
        self.latency = time.perf_counter() - begin
        invalid = () if frame is None else self._feeder.invalid(frame)
        return frame, chunk, self.safety_filter.tick(frame, chunk, stamp / NS, invalid)


def _stamp(time_: float) -> int:
    """Time since the reset [s] as a stamp [ns]; an episode begins at one second."""
    return NS + round(time_ * NS)
