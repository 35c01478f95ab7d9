"""The record of one episode: in memory, on disk, and as part of a dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS, Frame
from il_ros.core.npz_files import load_arrays, save_arrays, unreadable
from il_ros.datasets.manifest import EpisodeEntry
from il_ros.datasets.memory_dataset import EpisodeFrames

Array = NDArray[np.float64]


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


_FACTS = (
    'seed', 'perturbation', 'success', 'progress', 'duration', 'elapsed', 'violations', 'alarm',
    'reason',
)  # fmt: skip


def save_rollouts(path: Path, rollouts: Sequence[Rollout]) -> None:
    """Write episodes of one contract and one driver into one file (npz), whole or not at all.

    Raises:
        IlRosError: If no frame was answered, or the file cannot be written.
    """
    frames = [frame for rollout in rollouts for frame in rollout.frames]
    chunks = [chunk for rollout in rollouts for chunk in rollout.chunks]
    answers = [chunk for chunk in chunks if chunk is not None]
    if not answers:
        raise IlRosError('nothing to save: no frame was answered', where=str(path))
    keys = list(frames[0].values)
    no_answer = np.full(answers[0].shape, np.nan)
    facts = [{name: getattr(rollout, name) for name in _FACTS} for rollout in rollouts]
    arrays: dict[str, Any] = {
        'facts': np.array(json.dumps({'keys': keys, 'episodes': facts})),
        'lengths': np.array([len(rollout.frames) for rollout in rollouts]),
        'stamps': np.array([frame.stamp for frame in frames], np.int64),
        'valid': np.array([[frame.valid[key] for key in keys] for frame in frames]),
        'age': np.array([[frame.age[key] for key in keys] for frame in frames]),
        'answered': np.array([chunk is not None for chunk in chunks]),
        'chunks': np.array([no_answer if chunk is None else chunk for chunk in chunks]),
        'actions': np.concatenate([rollout.actions for rollout in rollouts]),
        **{f'value.{key}': np.array([frame.values[key] for frame in frames]) for key in keys},
    }
    save_arrays(path, arrays)


def load_rollouts(path: Path) -> list[Rollout]:
    """Read what `save_rollouts` wrote.

    Raises:
        IlRosError: If the file does not hold rollouts.
    """
    arrays = load_arrays(path)
    try:
        facts = json.loads(str(arrays['facts']))
        ends = np.cumsum(arrays['lengths']).tolist()
        starts = [0, *ends[:-1]]
        return [
            _episode(arrays, facts['keys'], fact, slice(start, end))
            for fact, start, end in zip(facts['episodes'], starts, ends, strict=True)
        ]
    except (KeyError, ValueError, TypeError) as problem:
        raise unreadable(path, problem) from None


def _episode(
    arrays: Mapping[str, NDArray[Any]], keys: Sequence[str], fact: Mapping[str, Any], rows: slice
) -> Rollout:
    span = range(rows.start, rows.stop)
    return Rollout(
        **fact,
        frames=tuple(
            Frame(
                stamp=int(arrays['stamps'][i]),
                values={key: arrays[f'value.{key}'][i] for key in keys},
                valid=dict(zip(keys, arrays['valid'][i].tolist(), strict=True)),
                age=dict(zip(keys, arrays['age'][i].tolist(), strict=True)),
            )
            for i in span
        ),
        chunks=tuple(arrays['chunks'][i] if arrays['answered'][i] else None for i in span),
        actions=arrays['actions'][rows],
    )
