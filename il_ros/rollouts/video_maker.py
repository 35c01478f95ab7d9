"""Videos of the episodes of an evaluation that went wrong, made by running them again.

An episode is the same whenever it is run, so that what was judged can be recorded afterwards, and
the evaluation itself needs no images. What turns out to be another episode is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS, Frame
from il_ros.core.images import Renderer, animate, caption
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
from il_ros.rollouts.repetition import apart, difference
from il_ros.rollouts.rollout import Rollout
from il_ros.rollouts.rollout_pool import EpisodeSetup, stream
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.scene_cameras import CameraConfig, Choice

Array = NDArray[np.float64]
Perturbations = Mapping[str, Sequence[Perturbation]]


@dataclass(frozen=True, kw_only=True)
class VideoConfig:
    """Settings of the videos.

    Attributes:
        count: Of how many episodes, the worst first; 0 for none.
        camera: Whose images they show.
        width: Of the images [pixel].
        height: Of the images [pixel].
        rate: Images a second of the episode.
        rest: How long the last image stays [s].
        quality: Of the images, 1 to 100 (WebP).
        renderer: Who makes the images, see `il_ros.sim.scene_cameras.CameraConfig`.
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
    """One episode, run again before a camera.

    Attributes:
        rollout: The repetition.
        video: The video of it (WebP).
        renderer: Who made its images.
        period: Control period [s].
    """

    rollout: Rollout
    video: bytes
    renderer: Renderer
    period: float


class VideoMaker:
    """Videos episodes of one evaluation.

    Args:
        setups: Who drove, by suite.
        perturbations: What went wrong, by name.
        exact: Whether the episodes were run in process; see `repetition.difference`.
        config: Settings.
        processes: How many videos are made at once.
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
        """Videos of the worst episodes, next to the report in `out`; those made before stay.

        Where none can be made, for want of images or of the arm, the result says why.
        """
        if not self._config.count:
            return ReportVideos(missing='they were not asked for')
        worst = [problem.episode for problem in worst_episodes(episodes)][: self._config.count]
        try:
            return self._videos(out, {video_name(episode): episode for episode in worst})
        except IlRosError as problem:
            return ReportVideos(missing=str(problem))

    def _videos(self, out: Path, worst: Mapping[str, EpisodeResult]) -> ReportVideos:
        there, contents = read_videos(out), {}
        videos = {
            name: there[name]
            for name, episode in worst.items()
            if name in there and there[name].episode == fingerprint(episode)
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
        takes = stream(jobs, processes=self._processes)
        for (name, episode), taken in zip(new.items(), takes, strict=True):
            videos[name] = self._judged(episode, taken)
            if videos[name].file:
                contents[videos[name].file] = taken.video
        if videos or there:
            write_videos(out, videos, contents)
        return ReportVideos(by_name=videos)

    def _judged(self, episode: EpisodeResult, taken: RepeatedEpisode) -> EpisodeVideo:
        """The video, if it is of this episode."""
        again, period = taken.rollout, taken.period
        differs = difference(episode, again, period, exact=self._exact)
        if differs:
            text = f'No video: run again it was another episode, by its {differs}.'
            return EpisodeVideo(episode=fingerprint(episode), text=text)
        same = 'every command as it was'
        if not self._exact:
            same = f'commands within {1e3 * apart(episode, again, period):.1f} mrad or mm'
        return EpisodeVideo(
            episode=fingerprint(episode),
            text=f'Run again: {same}, and the end; images by {taken.renderer}.',
            file=f'{video_name(episode)}.webp',
        )

    def _case(self, episode: EpisodeResult) -> EpisodeCase:
        name = ''.join(episode.perturbations)
        perturbations = tuple(self._perturbations[name]) if name else ()
        return EpisodeCase(seed=episode.seed, name=name, perturbations=perturbations)


def repeat_episode(
    stage: EpisodeRunner, *, case: EpisodeCase, config: VideoConfig
) -> RepeatedEpisode:
    """Run one case before a camera.

    Raises:
        IlRosError: If no image can be rendered.
    """
    camera = _Camera(stage, config)
    rollout = stage.run(case.seed, case.perturbations, name=case.name, watch=camera.watch)
    camera.shoot(rollout.elapsed)
    ends = [*camera.times[1:], rollout.elapsed + config.rest]
    return RepeatedEpisode(
        rollout=rollout,
        video=animate(camera.images, np.subtract(ends, camera.times), quality=config.quality),
        renderer=stage.renderer,
        period=stage.contract.period,
    )


class _Camera:
    """Takes an image of a stage now and then."""

    def __init__(self, stage: EpisodeRunner, config: VideoConfig) -> None:
        self._stage, self._config = stage, config
        self.images: list[NDArray[np.uint8]] = []
        self.times: list[float] = []

    def watch(self, frame: Frame, chunk: Array | None) -> None:
        """See `EpisodeRunner.run`."""
        time = (frame.stamp - NS) / NS
        if not self.times or time >= self.times[-1] + 1 / self._config.rate - 1e-6:
            self.shoot(time)

    def shoot(self, time: float) -> None:
        """Take an image, with the time on it, and whether the monitor has stopped the driver."""
        config = self._config
        image = self._stage.picture(config.camera, config.width, config.height)
        caption(image, f'{time:.1f} s{" stopped" if self._stage.guard.stopped else ""}')
        self.images.append(image)
        self.times.append(time)
