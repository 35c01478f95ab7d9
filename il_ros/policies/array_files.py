"""Arrays of a bundle in safetensors files, whose sizes are checked before they are read."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from il_ros.core.documents import load_json
from il_ros.core.errors import BundleError, reason
from il_ros.core.regular_files import open_regular

LIMIT = 256 << 20
"""Bytes of the largest file of arrays."""

_HEADER_LIMIT = 1 << 20  # bytes; of some thousand arrays
_LENGTH = struct.Struct('<Q')
_WIDTHS = {'F64': 8, 'F32': 4, 'F16': 2, 'BF16': 2, 'I64': 8, 'U64': 8, 'I32': 4, 'U32': 4,
           'I16': 2, 'U16': 2, 'I8': 1, 'U8': 1, 'BOOL': 1}  # fmt: skip

Arrays = Mapping[str, NDArray[np.generic]]


def read_arrays(file: Path, *, bytes: int, sha256: str) -> Arrays:
    """Arrays of one file of a bundle, which has to be of this size and hash (hex).

    Raises:
        BundleError: If it is missing, cut, changed, larger than `LIMIT`, or no such file.
    """
    try:
        with open_regular(file, LIMIT) as stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            head = stream.read(_LENGTH.size + _HEADER_LIMIT) if size == bytes else b''
            wrong = _wrong(head, size) if size == bytes else ''
            content = b'' if wrong or size != bytes else head + stream.read(size - len(head))
    except (FileNotFoundError, IsADirectoryError):
        raise damaged(file, 'missing') from None
    except OSError as problem:
        raise damaged(file, f'cannot be read: {reason(problem)}') from None
    if wrong:
        raise damaged(file, f'not safetensors: {wrong}')
    if size != bytes or len(content) != bytes:
        raise damaged(file, f'{size} bytes', f'{bytes} bytes')
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise damaged(file, f'SHA-256 {digest[:16]}', sha256[:16])
    try:
        arrays: Arrays = safetensors.numpy.load(content)
    except Exception as problem:  # safetensors has no error type of its own for all cases
        raise damaged(file, f'not safetensors: {problem}') from None
    return arrays


def damaged(file: Path, problem: str, allowed: str = '') -> BundleError:
    """The error for a file of a bundle that is not what was written."""
    fix = 'copy the bundle again, or train again'
    return BundleError(problem, where=str(file), allowed=allowed, fix=fix)


def _wrong(head: bytes, size: int) -> str:
    """What is wrong with the header of a file of `size` bytes; empty if nothing is."""
    try:
        _require_plain(head, size)
    except Exception as problem:  # it may be any JSON
        return str(problem) or type(problem).__name__
    return ''


def _require_plain(head: bytes, size: int) -> None:
    """Refuse a header that is too long, or says of an array what its bytes do not have.

    Raises:
        ValueError: With what is wrong.
    """
    (length,) = _LENGTH.unpack(head[: _LENGTH.size].ljust(_LENGTH.size, b'\xff'))
    room = size - _LENGTH.size - length
    if length > _HEADER_LIMIT or room < 0:
        raise ValueError(f'a header of {length} bytes')
    header = load_json(head[_LENGTH.size : _LENGTH.size + length])
    for name, array in header.items():
        if name == '__metadata__':
            continue
        begin, end = array['data_offsets']
        needed = _WIDTHS[array['dtype']] * math.prod(array['shape'])
        if not 0 <= begin <= end <= room or end - begin != needed:
            raise ValueError(f'an array of {needed} bytes in {end - begin}')
