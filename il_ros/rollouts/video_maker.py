"""Videos of failed episodes of an evaluation, made by running them again.

Episodes are reproducible, so the evaluation itself needs no images and the worst episodes are
recorded afterwards. A repetition that differs from the evaluated episode is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import nan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS, Frame
from il_ros.core.images import Renderer, animate, caption
from il_ros.core.limits import Array
from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.evaluation.report_videos import (
    EpisodeVideo,
    ReportVideos,
    fingerprint,
    read_videos,
    video_name,
    write_videos,
)
from il_ros.evaluation.worst_episodes import worst_episodes
from il_ros.rollouts.episode_cases import EpisodeCase
from il_ros.rollouts.episode_runner import EpisodeRunner
from il_ros.rollouts.evaluator import Perturbations
from il_ros.rollouts.rollout import Rollout
from il_ros.rollouts.rollout_pool import EpisodeSetup, stream
from il_ros.sim.scene_cameras import CameraConfig, Choice

CLOSE = 0.005
"""Largest accepted distance from the commands on a graph [rad, m]: less than one video pixel."""

LATE = 2
"""Largest accepted difference from the end of the episode on a graph [periods]."""


@dataclass(frozen=True, kw_only=True)
class VideoConfig:
    """Settings of the videos.

    Attributes:
        count: Number of videos, of the worst episodes first; 0 for none.
        camera: Name of the camera.
        width: Width of the images [pixel].
        height: Height of the images [pixel].
        rate: Images per second of the episode [Hz].
        rest: How long the last image stays [s].
        quality: Quality of the images, 1 to 100 (WebP).
        renderer: How images are rendered; see `il_ros.sim.scene_cameras.CameraConfig`.
    """

    count: int = 4
    camera: str = 'front'
    width: int = 256
    height: int = 192
    rate: float = 10.0
    rest: float = 1.5
    quality: int = 70
    renderer: Choice = CameraConfig.renderer


@dataclass(frozen=True, kw_only=True)
class RepeatedEpisode:
    """One repeated episode with its video.

    Attributes:
        rollout: The repetition.
        video: The video (WebP).
        renderer: Renderer of the images.
        period: Control period [s].
    """

    rollout: Rollout
    video: bytes
    renderer: Renderer
    period: float


class VideoMaker:
    """Makes the videos of one evaluation.

    Args:
        setups: Driver, task and safety filter of each suite.
        perturbations: Perturbations by name.
        exact: Whether the episodes were run in process; see `difference`.
        config: Settings.
        processes: Number of videos made at once.
    """

    def __init__(
        self,
        setups: Mapping[str, EpisodeSetup],
        perturbations: Perturbations,
        *,
        exact: bool,
        config: VideoConfig = VideoConfig(),
        processes: int = 1,
    ) -> None:
        self._setups, self._perturbations = setups, perturbations
        self._exact, self._config, self._processes = exact, config, processes

    def make_videos(self, out: Path, episodes: Iterable[EpisodeResult]) -> ReportVideos:
        """Make videos of the worst episodes next to the report in `out`; existing ones stay.

        If no video can be made, for example without a renderer, the result says why.
        """
        if not self._config.count:
            return ReportVideos(missing='they were not asked for')
        worst = [problem.episode for problem in worst_episodes(episodes)][: self._config.count]
        try:
            return self._videos(out, {video_name(episode): episode for episode in worst})
        except IlRosError as problem:
            return ReportVideos(missing=str(problem))

    def _videos(self, out: Path, worst: Mapping[str, EpisodeResult]) -> ReportVideos:
        existing, contents = read_videos(out), {}
        videos = {
            name: existing[name]
            for name, episode in worst.items()
            if name in existing and existing[name].episode == fingerprint(episode)
        }
        new = {name: episode for name, episode in worst.items() if name not in videos}
        config = self._config
        jobs = [
            (
                replace(self._setups[one.suite], renderer=config.renderer),
                partial(repeat_episode, case=self._case(one), config=config),
            )
            for one in new.values()
        ]
        repetitions = stream(jobs, processes=self._processes)
        for (name, episode), repeated in zip(new.items(), repetitions, strict=True):
            videos[name] = self._checked(episode, repeated)
            if videos[name].file:
                contents[videos[name].file] = repeated.video
        if videos or existing:
            write_videos(out, videos, contents)
        return ReportVideos(by_name=videos)

    def _checked(self, episode: EpisodeResult, repeated: RepeatedEpisode) -> EpisodeVideo:
        """The video, unless the repetition differs from the evaluated episode."""
        again, period = repeated.rollout, repeated.period
        differs = difference(episode, again, period, exact=self._exact)
        if differs:
            text = f'No video: the repetition differs in {differs}.'
            return EpisodeVideo(episode=fingerprint(episode), text=text)
        same = 'every command is the same'
        if not self._exact:
            distance = 1e3 * command_distance(episode, again, period)
            same = f'commands are within {distance:.1f} mrad or mm'
        return EpisodeVideo(
            episode=fingerprint(episode),
            text=f'Repetition: {same}, and it ends alike; images by {repeated.renderer}.',
            file=f'{video_name(episode)}.webp',
        )

    def _case(self, episode: EpisodeResult) -> EpisodeCase:
        name = ''.join(episode.perturbations)
        perturbations = tuple(self._perturbations[name]) if name else ()
        return EpisodeCase(seed=episode.seed, name=name, perturbations=perturbations)


def repeat_episode(
    runner: EpisodeRunner, *, case: EpisodeCase, config: VideoConfig
) -> RepeatedEpisode:
    """Run one case and record it.

    Raises:
        IlRosError: If no image can be rendered.
    """
    camera = _Camera(runner, config)
    rollout = runner.run(case.seed, case.perturbations, name=case.name, watch=camera.watch)
    camera.capture(rollout.elapsed)
    ends = [*camera.times[1:], rollout.elapsed + config.rest]
    return RepeatedEpisode(
        rollout=rollout,
        video=animate(camera.images, np.subtract(ends, camera.times), quality=config.quality),
        renderer=runner.renderer,
        period=runner.contract.period,
    )


class _Camera:
    """Renders images of a runner at the rate of the video."""

    def __init__(self, runner: EpisodeRunner, config: VideoConfig) -> None:
        self._runner, self._config = runner, config
        self.images: list[NDArray[np.uint8]] = []
        self.times: list[float] = []

    def watch(self, frame: Frame, chunk: Array | None) -> None:
        """See `EpisodeRunner.run`."""
        time = (frame.stamp - NS) / NS
        if not self.times or time >= self.times[-1] + 1 / self._config.rate - 1e-6:
            self.capture(time)

    def capture(self, time: float) -> None:
        """Render an image, captioned with the time and whether the driver is stopped."""
        config = self._config
        image = self._runner.render(config.camera, config.width, config.height)
        caption(image, f'{time:.1f} s{" stopped" if self._runner.safety_filter.stopped else ""}')
        self.images.append(image)
        self.times.append(time)


def difference(evaluated: EpisodeResult, repeated: Rollout, period: float, *, exact: bool) -> str:
    """List what differs between an evaluated episode and its repetition; empty if nothing does.

    Args:
        evaluated: The evaluated episode.
        repeated: The repetition, run in process.
        period: Control period [s].
        exact: Whether the episode was also run in process, so that everything must be equal. Over
            a graph the last digits differ and contacts can amplify them: outcomes must be equal,
            commands within `CLOSE`, and times within `LATE`.
    """
    late = 0.0 if exact else LATE * period + 1e-6
    violations = dict(evaluated.violations) != dict(repeated.violations)
    differences = {
        'success': evaluated.success != repeated.success,
        'stop by the monitor': _other_time(evaluated.fallback_time, repeated.alarm, late),
        'duration': abs(evaluated.duration - repeated.elapsed) > late,
        'progress': exact and evaluated.progress != repeated.progress,
        'violations': exact and violations,
        'commands': _other_commands(evaluated, repeated, period, exact),
    }
    return ', '.join(name for name, differs in differences.items() if differs)


def command_distance(evaluated: EpisodeResult, repeated: Rollout, period: float) -> float:
    """Largest distance of the two runs' commands at the same tick [rad, m]; NaN without any."""
    here, there = (
        _by_tick(evaluated.times, evaluated.joints, period),
        _by_tick(repeated.times, repeated.actions, period),
    )
    ticks = sorted(here.keys() & there.keys())
    steps = np.abs(np.array([here[tick] - there[tick] for tick in ticks])).ravel()
    known = steps[np.isfinite(steps)]
    return float(known.max()) if known.size else nan


def _by_tick(times: Array, commands: Array, period: float) -> dict[int, Array]:
    # An episode without commands has no rows.
    return dict(zip(np.rint(times / period).astype(int).tolist(), commands, strict=False))


def _other_time(one: float | None, other: float | None, late: float) -> bool:
    if one is None or other is None:
        return one is not other
    return abs(one - other) > late


def _other_commands(
    evaluated: EpisodeResult, repeated: Rollout, period: float, exact: bool
) -> bool:
    if exact:
        return not np.array_equal(evaluated.joints, repeated.actions, equal_nan=True)
    return not command_distance(evaluated, repeated, period) <= CLOSE  # NaN counts as a difference
