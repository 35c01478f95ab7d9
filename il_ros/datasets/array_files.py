"""Arrays on disk: written a piece at a time and hashed on the way, opened memory-mapped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from il_ros.core.errors import DatasetError
from il_ros.datasets.layout import ArraySpec

Array = NDArray[Any]

_BLOCK = 4 << 20  # bytes that are hashed at a time


class ArrayFile:
    """An `.npy` file that grows by rows; nothing of it is kept in memory.

    Args:
        path: The file.
        column: What a row is.
    """

    def __init__(self, path: Path, column: ArraySpec) -> None:
        self._column, self._rows = column, 0
        self._digest = hashlib.sha256()
        self._file = path.open('wb')
        self._write_header()

    def append(self, rows: Array) -> None:
        """Write rows behind those that are there; `rows` has shape (n, *row).

        Raises:
            DatasetError: If they are of another shape.
        """
        if rows.shape[1:] != self._column.shape:
            raise DatasetError(
                f'rows of shape {rows.shape[1:]}',
                where=Path(self._file.name).stem,
                allowed=str(self._column.shape),
            )
        data = np.ascontiguousarray(rows, dtype=self._column.dtype).data.cast('B')
        self._file.write(data)
        self._digest.update(data)
        self._rows += len(rows)

    def close(self) -> str:
        """Write how many rows there are; give the hash of type, shape and contents (hex)."""
        self._file.seek(0)
        self._write_header()
        self._file.close()
        return _named_digest(self._digest, self._column, self._rows)

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def _write_header(self) -> None:
        # numpy leaves room in the header for the count of rows to grow, so it stays as long.
        header = {
            'descr': self._column.dtype.str,
            'fortran_order': False,
            'shape': (self._rows, *self._column.shape),
        }
        npy.write_array_header_1_0(self._file, header)  # type: ignore[no-untyped-call]


class BlobFile:
    """Pieces of bytes of any length, one behind the other, and where each begins.

    Args:
        path: File of the bytes.
        offsets: `.npy` file of the offsets, int64 of shape (pieces + 1,) [bytes].
    """

    def __init__(self, path: Path, offsets: Path) -> None:
        self._digest, self._end = hashlib.sha256(), 0
        self._offsets = ArrayFile(offsets, ArraySpec(dtype=np.dtype(np.int64)))
        self._file = path.open('wb')
        self._offsets.append(np.zeros(1, np.int64))

    def append(self, pieces: Iterable[bytes]) -> None:
        """Write pieces behind those that are there."""
        ends = []
        for piece in pieces:
            self._file.write(piece)
            self._digest.update(piece)
            self._end += len(piece)
            ends.append(self._end)
        self._offsets.append(np.array(ends, np.int64))

    def close(self) -> tuple[str, str]:
        """Give the hashes of the bytes and of the offsets (hex)."""
        self._file.close()
        return self._digest.hexdigest(), self._offsets.close()

    def __enter__(self) -> BlobFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._file.close()
        finally:
            self._offsets.__exit__(kind, error, trace)


def open_array(folder: Path, name: str, column: ArraySpec, rows: int) -> Array:
    """Open an array of a dataset, memory-mapped.

    Raises:
        DatasetError: If it is missing or damaged, or has another type or shape.
    """
    path, shape = folder / f'{name}.npy', (rows, *column.shape)
    try:
        array: Array = np.load(path, mmap_mode='r', allow_pickle=False)
    except Exception as problem:  # numpy lets errors of its header's parser through
        raise DatasetError(
            f'cannot be opened: {problem}', where=str(path), fix='build the dataset again'
        ) from None
    found = (getattr(array, 'shape', None), getattr(array, 'dtype', None))
    if found != (shape, column.dtype) or not array.flags.c_contiguous:
        raise DatasetError(
            f'{found[1]} of shape {found[0]}',
            where=str(path),
            allowed=f'{column.dtype} of shape {shape}',
            fix='build the dataset again',
        )
    behind = path.stat().st_size - getattr(array, 'offset', 0) - array.nbytes
    if behind:
        raise DatasetError(
            f'{behind} bytes behind the array', where=str(path), fix='build the dataset again'
        )
    return array


def hash_array(array: Array) -> str:
    """SHA-256 of an array as `ArrayFile` gives it, read a block at a time (hex)."""
    digest = hashlib.sha256()
    rows = max(1, _BLOCK // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        digest.update(np.ascontiguousarray(array[start : start + rows]).data.cast('B'))
    return _named_digest(digest, ArraySpec(dtype=array.dtype, shape=array.shape[1:]), len(array))


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes (hex)."""
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def _named_digest(digest: Any, column: ArraySpec, rows: int) -> str:
    whole = digest.copy()
    whole.update(f'{column.dtype.str} {(rows, *column.shape)}'.encode())
    return str(whole.hexdigest())
