"""Arrays in one file: whole or absent, and never pickled."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from il_ros.core.atomic_files import write_atomic
from il_ros.core.errors import DatasetError
from il_ros.core.regular_files import open_regular

LIMIT = 1 << 30
"""Bytes that the arrays of one file have at most, whatever they take in it."""

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
        DatasetError: If it is no such file, or its arrays have more than `LIMIT` bytes.
    """
    try:
        with open_regular(path) as stream:
            _require_small(stream)
            with np.load(stream, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
    except _DAMAGE as problem:
        raise unreadable(path, problem) from None


def _require_small(stream: IO[bytes]) -> None:
    """Refuse a file whose members say that they become larger than `LIMIT`; none gives more.

    Raises:
        ValueError: With what is wrong.
    """
    with ZipFile(stream) as file:
        size = sum(member.file_size for member in file.infolist())
    if size > LIMIT:
        raise ValueError(f'arrays of {size} bytes, at most {LIMIT} are read')
    stream.seek(0)


def unreadable(path: Path, problem: Exception) -> DatasetError:
    """The error for a file whose arrays are not what was written."""
    return DatasetError(
        f'cannot be read: {problem}', where=str(path), fix='remove it, and run again'
    )
