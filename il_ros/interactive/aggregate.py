"""The data set of interactive imitation on disk: one file of arrays for each episode."""

from __future__ import annotations

from pathlib import Path

from il_ros.algorithms.transitions import COLUMNS, Transitions
from il_ros.core.npz_files import load_arrays, save_arrays, unreadable

_SCORE = 'score.'


def save_steps(path: Path, steps: Transitions) -> None:
    """Write steps into one file, whole or not at all.

    Raises:
        IlRosError: If it cannot be written.
    """
    scores = {_SCORE + name: column for name, column in steps.scores.items()}
    save_arrays(path, {**{name: getattr(steps, name) for name in COLUMNS}, **scores})


def load_steps(path: Path) -> Transitions:
    """Read what `save_steps` wrote.

    Raises:
        DatasetError: If it is no such file.
    """
    arrays = load_arrays(path)
    try:
        columns = {name: arrays.pop(name) for name in COLUMNS}
        scores = {name.removeprefix(_SCORE): column for name, column in arrays.items()}
        if {len(column) for column in (*columns.values(), *scores.values())} != {
            len(columns['source'])
        }:
            raise ValueError('columns of different lengths')
        return Transitions(**columns, scores=scores)
    except (KeyError, ValueError, TypeError) as problem:
        raise unreadable(path, problem) from None
