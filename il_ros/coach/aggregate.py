"""The data set of interactive imitation on disk: one file of arrays for each episode."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from il_ros.algorithms.steps import COLUMNS, Steps
from il_ros.core.errors import DatasetError
from il_ros.core.files import write_atomic

_SCORE = 'score.'
_DAMAGE = (  # what numpy and zipfile raise for a damaged file
    OSError, LookupError, ValueError, TypeError, EOFError, RuntimeError, BadZipFile, zlib.error,
    struct.error,
)  # fmt: skip


def save_steps(path: Path, steps: Steps) -> None:
    """Write steps into one file, whole or not at all.

    Raises:
        IlRosError: If it cannot be written.
    """
    scores = {_SCORE + name: column for name, column in steps.scores.items()}
    save_arrays(path, {**{name: getattr(steps, name) for name in COLUMNS}, **scores})


def load_steps(path: Path) -> Steps:
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
        return Steps(**columns, scores=scores)
    except (KeyError, ValueError, TypeError) as problem:
        raise _unreadable(path, problem) from None


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays into one file (npz, nothing pickled), whole or not at all.

    Raises:
        IlRosError: If it cannot be written.
    """
    content = io.BytesIO()
    np.savez(content, **dict[str, Any](arrays))
    write_atomic(path, content.getvalue())


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what `save_arrays` wrote.

    Raises:
        DatasetError: If it is no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except _DAMAGE as problem:
        raise _unreadable(path, problem) from None


def _unreadable(path: Path, problem: Exception) -> DatasetError:
    return DatasetError(
        f'cannot be read: {problem}', where=str(path), fix='remove it, and run again'
    )
