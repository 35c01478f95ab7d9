"""The record of one episode: in memory, and as part of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from il_ros.core.frames import NS, Frame
from il_ros.core.limits import Array
from il_ros.datasets.manifest import EpisodeEntry
from il_ros.datasets.memory_dataset import EpisodeFrames


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """One episode: its frames, answers and commands, and how it ended.

    Attributes:
        seed: Seed of the scene.
        perturbation: Name of the perturbations; empty for none.
        frames: F frames in order; their stamps begin at one second.
        chunks: The driver's answer to each frame, shape (H, N) [rad or m]; None without an answer.
        actions: Command for the end of each frame's period, shape (F, N) [rad or m]; NaN without
            a command.
        success: Whether the task was solved without a stop.
        progress: Progress on the task, 0 to 1.
        duration: From the reset to the goal, the time limit or the stop [s].
        elapsed: From the reset to the last command [s]; an episode continues briefly after a stop.
        violations: Number of limit violations by kind.
        alarm: When the safety filter stopped the driver, since the reset [s]; None if it did not.
        reason: Why the safety filter stopped the driver.
    """

    seed: int
    perturbation: str = ''
    frames: tuple[Frame, ...]
    chunks: tuple[Array | None, ...]
    actions: Array
    success: bool
    progress: float
    duration: float
    elapsed: float
    violations: Mapping[str, int] = field(default_factory=dict)
    alarm: float | None = None
    reason: str = ''

    @property
    def outcome(self) -> str:
        """The outcome: `success`, `stopped` or `time limit`."""
        if self.alarm is not None:
            return 'stopped'
        return 'success' if self.success else 'time limit'

    @property
    def violated(self) -> int:
        """Number of limit violations of all kinds."""
        return sum(self.violations.values())

    @property
    def times(self) -> Array:
        """Time of each frame since the reset, shape (F,) [s]."""
        return np.array([frame.stamp - NS for frame in self.frames]) / NS


def episode_data(task: str, rollout: Rollout) -> EpisodeFrames:
    """Convert a rollout to an episode of a dataset."""
    entry = EpisodeEntry(
        id=f'{task}_{rollout.seed}',
        start=0,
        length=0,
        outcome='success' if rollout.success else 'failure',
        task=task,
        seed=rollout.seed,
    )
    return EpisodeFrames(entry=entry, frames=rollout.frames, actions=rollout.actions)
