"""Arrays in one file: whole or absent, and never pickled."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from il_ros.core.atomic_files import write_atomic
from il_ros.core.errors import DatasetError
from il_ros.core.regular_files import open_regular

LIMIT = 1 << 30
"""Bytes of the arrays that `load_arrays` reads at most."""

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
        DatasetError: If it is no such file, or its arrays are larger than it, or than `LIMIT`.
    """
    try:
        with open_arrays(path, LIMIT) as file:
            return {name: file[name] for name in file.files}
    except _DAMAGE as problem:
        raise unreadable(path, problem) from None


@contextmanager
def open_arrays(path: Path, limit: int | None = None) -> Iterator[NpzFile]:
    """Open a file of arrays as `numpy.savez` writes it: none is compressed or pickled.

    An array's bytes are checked against their checksum (the CRC of a zip file) when it is read.

    Args:
        limit: Bytes of all arrays at most; by default no more than the file has.

    Raises:
        OSError: If it is no regular file.
        ValueError: If its arrays say that they are larger.
        BadZipFile: If it is no such file.
    """
    with open_regular(path) as stream:
        with ZipFile(stream) as members:
            arrays = sum(member.file_size for member in members.infolist())
        size = stream.seek(0, io.SEEK_END)
        if arrays > (most := size if limit is None else min(limit, size)):
            raise ValueError(
                f'arrays of {arrays} bytes in a file of {size}, at most {most} are read'
            )
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as file:
            if not isinstance(file, NpzFile):
                raise ValueError('one array, not a file of them')
            yield file


def unreadable(path: Path, problem: Exception) -> DatasetError:
    """The error for a file whose arrays are not what was written."""
    return DatasetError(
        f'cannot be read: {problem}', where=str(path), fix='remove it, and run again'
    )
