"""Arrays of a bundle in safetensors files, whose sizes are checked before they are read."""

from __future__ import annotations

import hashlib
import math
import operator
import struct
from collections.abc import Mapping
from io import SEEK_END
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from il_ros.core.documents import load_json
from il_ros.core.errors import BundleError, reason
from il_ros.core.regular_files import open_regular

LIMIT = 256 << 20
"""Bytes of the largest file of arrays."""

_HEADER_LIMIT = 1 << 20  # bytes; of some thousand arrays
_LENGTH = struct.Struct('<Q')
_TYPES = {'F64': '<f8', 'F32': '<f4', 'F16': '<f2', 'I64': '<i8', 'U64': '<u8', 'I32': '<i4',
          'U32': '<u4', 'I16': '<i2', 'U16': '<u2', 'I8': 'i1', 'U8': 'u1',
          'BOOL': '?'}  # fmt: skip

Arrays = Mapping[str, NDArray[np.generic]]


def read_arrays(file: Path, *, bytes: int, sha256: str) -> Arrays:
    """Arrays of one file of a bundle, which has to be of this size and hash (hex).

    Raises:
        BundleError: If it is missing, cut, changed, larger than `LIMIT`, or no such file.
    """
    try:
        with open_regular(file, LIMIT) as stream:
            content = _content(file, stream, bytes)
    except (FileNotFoundError, IsADirectoryError):
        raise damaged(file, 'missing') from None
    except OSError as problem:
        raise damaged(file, f'cannot be read: {reason(problem)}') from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise damaged(file, f'SHA-256 {digest[:16]}', sha256[:16])
    return _arrays(content)


def _content(file: Path, stream: BinaryIO, size: int) -> memoryview:
    """All of a file of this size whose header is in order; the body is held once.

    Raises:
        BundleError: If it is of another size, or its header is not in order.
        OSError: If it cannot be read.
    """
    if (there := stream.seek(0, SEEK_END)) != size:
        raise damaged(file, f'{there} bytes', f'{size} bytes')
    stream.seek(0)
    head = stream.read(_LENGTH.size + _HEADER_LIMIT)
    try:
        _require_plain(head, size)
    except Exception as problem:  # it may be any JSON
        text = str(problem) or type(problem).__name__
        raise damaged(file, f'not safetensors: {text}') from None
    content = bytearray(size)
    content[: len(head)] = head
    end = len(head)
    with memoryview(content) as room:
        while count := stream.readinto(room[end:]):  # type: ignore[attr-defined]
            end += count
    if end != size or stream.read(1):  # it changed meanwhile
        raise damaged(file, f'{end} bytes', f'{size} bytes')
    return memoryview(content).toreadonly()


def _arrays(content: memoryview) -> Arrays:
    """The arrays in the content of a file that is in order; they share its memory."""
    header, start = _header(content)
    return {
        name: np.require(
            np.frombuffer(
                content[start:][slice(*array['data_offsets'])], _TYPES[array['dtype']]
            ).reshape(array['shape']),
            requirements='A',
        )
        for name, array in header.items()
    }


def damaged(file: Path, problem: str, allowed: str = '') -> BundleError:
    """The error for a file of a bundle that is not what was written."""
    fix = 'copy the bundle again, or train again'
    return BundleError(problem, where=str(file), allowed=allowed, fix=fix)


def _header(head: bytes | memoryview) -> tuple[dict[str, Any], int]:
    """What the beginning of a file says of its arrays, by name, and where their bytes begin.

    Raises:
        ValueError: If it is too long, or no JSON.
    """
    (length,) = _LENGTH.unpack(bytes(head[: _LENGTH.size]).ljust(_LENGTH.size, b'\xff'))
    if length > _HEADER_LIMIT:
        raise ValueError(f'a header of {length} bytes')
    header = load_json(bytes(head[_LENGTH.size : _LENGTH.size + length]))
    arrays = {name: array for name, array in header.items() if name != '__metadata__'}
    return arrays, _LENGTH.size + length


def _require_plain(head: bytes, size: int) -> None:
    """Refuse a header that is too long, or says of an array what its bytes do not have.

    Raises:
        ValueError: With what is wrong.
    """
    header, start = _header(head)
    if start > size:
        raise ValueError(f'a header of {start - _LENGTH.size} bytes')
    places = []
    for array in header.values():
        begin, end = array['data_offsets']
        shape = [operator.index(length) for length in array['shape']]
        needed = np.dtype(_TYPES[array['dtype']]).itemsize * math.prod(shape)
        if end - begin != needed or min(shape, default=0) < 0:
            raise ValueError(f'an array of {needed} bytes in {end - begin}')
        places.append((operator.index(begin), operator.index(end)))
    last = 0
    for begin, end in sorted(places):
        if begin != last:
            raise ValueError(f'an array begins at {begin}, not at {last}')
        last = end
    if last != size - start:
        raise ValueError(f'arrays of {last} bytes in {size - start}')
