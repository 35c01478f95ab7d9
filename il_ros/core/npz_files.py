"""Arrays in one file: whole or absent, and never pickled."""

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

from il_ros.core.atomic_files import write_atomic
from il_ros.core.errors import DatasetError
from il_ros.core.regular_files import open_regular

_DAMAGE = (  # what numpy and zipfile raise for a damaged file
    OSError, LookupError, ValueError, TypeError, EOFError, RuntimeError, BadZipFile, zlib.error,
    struct.error,
)  # fmt: skip


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays into one file (npz), whole or not at all.

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
        with open_regular(path) as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except _DAMAGE as problem:
        raise unreadable(path, problem) from None


def unreadable(path: Path, problem: Exception) -> DatasetError:
    """The error for a file whose arrays are not what was written."""
    return DatasetError(
        f'cannot be read: {problem}', where=str(path), fix='remove it, and run again'
    )
