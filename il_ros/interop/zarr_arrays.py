"""Arrays of a zarr folder, version 2, read a block of rows at a time; nothing in it is trusted.

The layout is that of the zarr storage specification, version 2: a folder an array with `.zarray`
(JSON) and a file a chunk, `0.0` or `0/0`; a chunk without a file holds the fill value. Of codecs
only those are used that make bytes of bytes: others run code that a file names.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.documents import load_json
from il_ros.core.errors import DatasetError
from il_ros.core.regular_files import read_regular, read_text
from il_ros.interop.foreign_files import library
from il_ros.interop.read_limits import files_size, step

ARRAY_FILE = '.zarray'
COMPRESSORS = ('blosc', 'zstd', 'lz4', 'zlib', 'gzip', 'bz2', 'lzma')
"""Compressors that are read."""

_TEXT = 1 << 16  # bytes of a `.zarray`
_CHUNK = 1 << 30  # bytes that a chunk has, packed or not
_PARTS = 4096  # chunks that make a block of rows
# An array may have so many times more bytes than the folder; all that its files lack is filled.
_EXPANDS = 1100


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """What `.zarray` says."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    order: str
    fill: Any
    separator: str
    compressor: Mapping[str, Any] | None


class ZarrArray:
    """One array, with a row a frame.

    Args:
        path: Its folder.
        root: Folder that nothing of it may leave.

    Attributes:
        shape: Its shape.
        dtype: Type of its numbers.

    Raises:
        DatasetError: If it is damaged, of another version, or has what is not read.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self._path, self._root = path, root
        self._layout = _layout(path, root)
        self.shape, self.dtype = self._layout.shape, self._layout.dtype
        self._codec = _codec(self._layout.compressor, path)
        self._last: tuple[int, NDArray[Any]] = (-1, np.empty(0))

    def require_stored(self) -> None:
        """Refuse an array that has far more bytes than the folder; call it before reading.

        Raises:
            DatasetError: If it has.
        """
        claimed, stored = math.prod(self.shape) * self.dtype.itemsize, files_size(self._root)
        if claimed > _EXPANDS * max(stored, 1 << 16):
            raise self._refused(f'claims {claimed} bytes, {stored} are stored')

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Rows from `start` up to `stop`, shape (stop - start, ...).

        Raises:
            DatasetError: If a chunk is damaged.
        """
        return np.concatenate(list(self.blocks(start, stop)))

    def blocks(self, start: int, stop: int) -> Iterator[NDArray[Any]]:
        """The same, as they lie in chunks one after another."""
        size = self._layout.chunks[0]
        for number in range(start // size, -(-stop // size)):
            first = number * size
            yield self._block(number)[max(start - first, 0) : stop - first]

    def _block(self, number: int) -> NDArray[Any]:
        """All rows of the chunks with this number; two episodes often share one."""
        if self._last[0] != number:
            self._last = number, self._read(number)
        return self._last[1]

    def _read(self, number: int) -> NDArray[Any]:
        layout = self._layout
        block = np.empty((layout.chunks[0], *layout.shape[1:]), layout.dtype)
        counts = [
            range(-(-n // c)) for n, c in zip(layout.shape[1:], layout.chunks[1:], strict=True)
        ]
        for place in product(*counts):
            part = self._chunk((number, *place))
            inside = tuple(
                slice(i * c, min((i + 1) * c, n))
                for i, c, n in zip(place, layout.chunks[1:], layout.shape[1:], strict=True)
            )
            whole = part[(slice(None), *(slice(s.stop - s.start) for s in inside))]
            block[(slice(None), *inside)] = whole
        return block

    def _chunk(self, place: tuple[int, ...]) -> NDArray[Any]:
        layout = self._layout
        path = _inside(self._path / layout.separator.join(map(str, place)), self._root)
        step()
        if not path.exists():
            return np.full(layout.chunks, layout.fill, layout.dtype)
        packed, size = read_regular(path, _CHUNK), math.prod(layout.chunks) * layout.dtype.itemsize
        try:
            data = packed if self._codec is None else self._unpacked(packed, size)
        except Exception as problem:  # each codec has errors of its own
            raise self._refused(f'chunk {path.name}: {problem or type(problem).__name__}') from None
        if len(data) != size:
            raise self._refused(f'chunk {path.name} of {len(data)} bytes', f'{size} bytes')
        flat = np.frombuffer(data, layout.dtype)
        return flat.reshape(layout.chunks, order='F' if layout.order == 'F' else 'C')

    def _unpacked(self, packed: bytes, size: int) -> bytes:
        if self._layout.compressor and self._layout.compressor['id'] == 'blosc':
            # c-blosc goes by the sizes in its header.
            made, stated = (int.from_bytes(packed[i : i + 4], 'little') for i in (4, 12))
            if len(packed) < 16 or stated != len(packed) or made != size:
                raise ValueError(f'{made} bytes of {stated}, where {len(packed)} are stored')
        return bytes(self._codec.decode(packed))

    def _refused(self, problem: str, allowed: str = '') -> DatasetError:
        return DatasetError(problem, where=str(self._path), allowed=allowed, fix='get it again')


def _inside(path: Path, root: Path) -> Path:
    """A path of the folder, unless a link leads out of it.

    Raises:
        DatasetError: If one does.
    """
    if not path.resolve().is_relative_to(root.resolve()):
        raise DatasetError(
            f'{path.name!r} leads out of the folder',
            where=str(root),
            fix='copy the dataset with its links followed (cp -rL)',
        )
    return path


def _layout(path: Path, root: Path) -> _Layout:
    data = load_json(read_text(_inside(path / ARRAY_FILE, root), _TEXT))
    if not isinstance(data, dict) or not {'shape', 'chunks', 'dtype'} <= data.keys():
        raise DatasetError('no zarr array', where=str(path), allowed='shape, chunks, dtype, ...')
    if data.get('zarr_format') != 2:
        raise DatasetError(
            f'zarr_format {data.get("zarr_format")}', where=str(path), allowed='2',
            fix='store it with zarr_format=2',
        )  # fmt: skip
    if data.get('filters'):
        raise DatasetError(
            'it has filters', where=str(path), allowed='none', fix='store it without filters'
        )
    shape, chunks = (_sizes(data[name], name) for name in ('shape', 'chunks'))
    dtype = _dtype(data['dtype'], path)
    if not shape or len(shape) != len(chunks) or min(chunks) < 1:
        raise DatasetError(f'shape {shape} in chunks of {chunks}', where=str(path))
    parts = math.prod(-(-n // c) for n, c in zip(shape[1:], chunks[1:], strict=True))
    block = max(math.prod(chunks), chunks[0] * math.prod(shape[1:])) * dtype.itemsize
    if block > _CHUNK or parts > _PARTS:
        raise DatasetError(
            f'{parts} chunks of {block} bytes', where=str(path),
            allowed=f'at most {_PARTS} of {_CHUNK} bytes beside one another',
            fix='store it in smaller chunks',
        )  # fmt: skip
    fill = data.get('fill_value')
    return _Layout(
        shape=shape,
        chunks=chunks,
        dtype=dtype,
        order=str(data.get('order', 'C')),
        fill=dtype.type(0 if fill is None else fill),  # numpy knows 'NaN' and 'Infinity'
        separator='/' if data.get('dimension_separator') == '/' else '.',
        compressor=data.get('compressor'),
    )


def _sizes(given: Any, name: str) -> tuple[int, ...]:
    if not isinstance(given, list) or len(given) > 8:
        raise ValueError(f'{name} {given!r}')
    if any(type(n) is not int or not 0 <= n < 1 << 48 for n in given):
        raise ValueError(f'{name} {given!r}')
    return tuple(given)


def _dtype(given: Any, path: Path) -> np.dtype[Any]:
    dtype = np.dtype(given) if isinstance(given, str) and len(given) < 8 else None
    if dtype is None or dtype.kind not in 'fiub':
        raise DatasetError(f'dtype {given!r}', where=str(path), allowed='numbers')
    return dtype


def _codec(given: Mapping[str, Any] | None, path: Path) -> Any:
    if given is None:
        return None
    name = given.get('id') if isinstance(given, dict) else None
    if name not in COMPRESSORS:
        raise DatasetError(
            f'compressor {name!r}', where=str(path), allowed=COMPRESSORS,
            fix='store it with one of these, or without',
        )  # fmt: skip
    return library('numcodecs').get_codec({'id': name})
