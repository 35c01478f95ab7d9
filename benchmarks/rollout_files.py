"""Rollouts in files, so that a study that was interrupted resumes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError
from il_ros.core.frames import Frame
from il_ros.core.npz_files import load_arrays, save_arrays, unreadable
from il_ros.rollouts.rollout import Rollout

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
