"""The arrays in a dataset folder: which there are, and how they are written, hashed, opened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.regular_files import open_regular, require_regular
from il_ros.core.streams import ImageStream
from il_ros.datasets.episode_arrays import FIXED
from il_ros.datasets.manifest import ImageFormat, damaged_dataset

Array = NDArray[Any]
T = TypeVar('T')

_BLOCK = 4 << 20  # bytes that are hashed at a time


@dataclass(frozen=True, kw_only=True)
class ArraySpec:
    """One array of a dataset, a row for each frame.

    Attributes:
        dtype: Type of its numbers.
        shape: Shape of a row.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...] = ()


def array_specs(
    contract: Contract, image_format: ImageFormat, labels: int = 0
) -> dict[str, ArraySpec]:
    """Arrays of a dataset by name; encoded images are not among them.

    Args:
        contract: What they mean.
        image_format: How images are stored.
        labels: Steps of the expert's labels; 0 where there are none.

    Raises:
        DatasetError: If a key of the contract is the name of another array.
    """
    taken = [key for key in contract.inputs if key in (*FIXED, 'label')]
    if taken:
        raise DatasetError(
            f'the key {taken[0]!r} is the name of an array that every dataset has',
            where=f'contract {contract.name}',
            allowed=f'keys other than {", ".join((*FIXED, "label"))}',
        )
    floats, joints = np.dtype(np.float32), (len(contract.action.names),)
    specs = {key: ArraySpec(dtype=floats, shape=(s.size,)) for key, s in contract.streams.items()}
    specs |= {f'{key}.valid': ArraySpec(dtype=np.dtype(np.bool_)) for key in contract.inputs}
    if image_format == 'raw':
        specs |= {f'{key}.pixels': pixels_spec(s) for key, s in contract.images.items()}
    if labels:
        specs['label'] = ArraySpec(dtype=floats, shape=(labels, *joints))
    return specs | {
        'stamp': ArraySpec(dtype=np.dtype(np.int64)),
        'age': ArraySpec(dtype=floats, shape=(len(contract.inputs),)),
        'action': ArraySpec(dtype=floats, shape=joints),
        'action_raw': ArraySpec(dtype=floats, shape=joints),
        'source': ArraySpec(dtype=np.dtype(np.uint8)),
    }


def described_columns(columns: Mapping[str, T], contract: Contract) -> dict[str, T]:
    """Those of the `columns` that a manifest has statistics of."""
    return {key: columns[key] for key in (*contract.streams, 'action', 'action_raw')}


def pixels_spec(stream: ImageStream) -> ArraySpec:
    """Pixels of one image: uint8 (H, W, 3) RGB, uint8 (H, W) gray, or uint16 (H, W) depth [mm]."""
    colours = (3,) if stream.encoding == 'rgb8' else ()
    kind = np.uint16 if stream.encoding == '16UC1' else np.uint8
    return ArraySpec(dtype=np.dtype(kind), shape=(*stream.size, *colours))


class ArrayFile(AbstractContextManager['ArrayFile']):
    """An `.npy` file that grows by rows; nothing of it is kept in memory.

    Args:
        path: The file.
        spec: What a row is.
    """

    def __init__(self, path: Path, spec: ArraySpec) -> None:
        self._spec, self._rows = spec, 0
        self._digest = hashlib.sha256()
        self._file = path.open('wb')
        self._write_header()

    def append(self, rows: Array) -> None:
        """Write rows after those that are there; `rows` has shape (n, *row).

        Raises:
            DatasetError: If they are of another shape.
        """
        if rows.shape[1:] != self._spec.shape:
            raise DatasetError(
                f'rows of shape {rows.shape[1:]}',
                where=Path(self._file.name).stem,
                allowed=str(self._spec.shape),
            )
        data = np.ascontiguousarray(rows, dtype=self._spec.dtype).data.cast('B')
        self._file.write(data)
        self._digest.update(data)
        self._rows += len(rows)

    def close(self) -> str:
        """Write how many rows there are; give the hash of type, shape and contents (hex)."""
        self._file.seek(0)
        self._write_header()
        self._file.close()
        return _named_digest(self._digest, self._spec, self._rows)

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _write_header(self) -> None:
        # numpy leaves room in the header for the count of rows to grow, so it stays as long.
        header = {
            'descr': self._spec.dtype.str,
            'fortran_order': False,
            'shape': (self._rows, *self._spec.shape),
        }
        npy.write_array_header_1_0(self._file, header)  # type: ignore[no-untyped-call]


class BlobFile(AbstractContextManager['BlobFile']):
    """Pieces of bytes of any length, one after another, and where each begins.

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
        """Write pieces after those that are there."""
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

    def __exit__(self, *_: object) -> None:
        try:
            self._file.close()
        finally:
            self._offsets.__exit__()


def open_array(folder: Path, name: str, spec: ArraySpec, rows: int) -> Array:
    """Open an array of a dataset, memory-mapped.

    Raises:
        DatasetError: If it is missing or damaged, or has another type or shape.
    """
    path, shape = folder / f'{name}.npy', (rows, *spec.shape)
    try:
        require_regular(path)
        array: Array = np.load(path, mmap_mode='r', allow_pickle=False)
    except Exception as problem:  # numpy lets errors of its header's parser through
        raise damaged_dataset(f'cannot be opened: {problem}', str(path)) from None
    has = (getattr(array, 'shape', None), getattr(array, 'dtype', None))
    if has != (shape, spec.dtype) or not array.flags.c_contiguous:
        raise damaged_dataset(
            f'{has[1]} of shape {has[0]}', str(path), allowed=f'{spec.dtype} of shape {shape}'
        )
    excess = path.stat().st_size - getattr(array, 'offset', 0) - array.nbytes
    if excess:
        raise damaged_dataset(f'{excess} bytes after the array', str(path))
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
    with open_regular(path) as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def _named_digest(digest: Any, spec: ArraySpec, rows: int) -> str:
    whole = digest.copy()
    whole.update(f'{spec.dtype.str} {(rows, *spec.shape)}'.encode())
    return str(whole.hexdigest())
