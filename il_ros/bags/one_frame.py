"""Compressed data that becomes no more than it says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]

from il_ros.bags.bag_metadata import RefusedError
from il_ros.core.regular_files import open_regular

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
"""What compressed data begins with (RFC 8878, 3.1.1), and no CDR."""

CHUNK_LIMIT = 128 << 20
"""Bytes of the largest chunk that is decompressed; recorders write some megabytes."""

MESSAGE_LIMIT = 256 << 20
"""Bytes of the largest message that is compressed for itself."""

_FILE_ROOM, _FILE_RATIO = 128 << 20, 100  # bytes that a file becomes: these, and times its own
_PIECE = 1 << 20


def decompress_zstd(data: bytes | memoryview, size: int) -> bytes:
    """What one zstd frame holds.

    Args:
        size: What it says that it becomes [bytes].

    Raises:
        ValueError: If it is no frame, not whole, becomes anything else, or more follows it.
    """
    return _decompress(zstd.ZstdDecompressor(), data, size)


def decompress_lz4(data: bytes | memoryview, size: int) -> bytes:
    """What one lz4 frame holds; as `decompress_zstd`."""
    return _decompress(LZ4FrameDecompressor(), data, size)


def decompress_message(data: bytes | memoryview) -> bytes:
    """A message that is compressed for itself, as rosbag2 does it.

    Raises:
        ValueError: If it is not one whole zstd frame, or becomes too large.
    """
    frame = zstd.ZstdDecompressor()
    try:
        content = frame.decompress(data, max_length=MESSAGE_LIMIT + 1)
    except (zstd.ZstdError, EOFError) as problem:
        raise ValueError(f'compressed message: {problem}') from None
    if len(content) > MESSAGE_LIMIT:
        raise ValueError(f'a message that becomes more than {MESSAGE_LIMIT} bytes')
    if not frame.eof or frame.unused_data:
        raise ValueError('a compressed message that is not one whole frame')
    return content


def is_whole(message: bytes | memoryview) -> bool:
    """Whether a message that is compressed for itself becomes one again."""
    try:
        decompress_message(message)
    except ValueError:
        return False
    return True


def unpack_file(source: Path, target: Path) -> None:
    """Write what a file holds that is compressed as a whole; of a damaged one, what comes before.

    Raises:
        RefusedError: If it becomes too large.
        ValueError: If it is damaged.
        OSError: If it is no regular file, or the disk refuses.
    """
    with open_regular(source) as file:
        room = _FILE_ROOM + _FILE_RATIO * source.stat().st_size
        try:
            with target.open('xb') as out:
                for piece in _pieces(file):
                    if (room := room - len(piece)) < 0:
                        raise RefusedError(
                            f'{source.name} becomes more than {_FILE_ROOM} bytes and '
                            f'{_FILE_RATIO} times its size',
                            where=str(source.parent),
                            fix='do not trust this bag; or unpack it yourself: zstd -d',
                        )
                    out.write(piece)
        except (zstd.ZstdError, EOFError) as problem:
            raise ValueError(f'{source.name}: {problem}') from None


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """What the frames of a file hold; of a cut one, every whole block before the cut."""
    frame = zstd.ZstdDecompressor()
    while packed := file.read(_PIECE):
        while packed or not (frame.needs_input or frame.eof):
            if frame.eof:
                frame = zstd.ZstdDecompressor()
            yield frame.decompress(packed, max_length=_PIECE)
            packed = frame.unused_data if frame.eof else b''
    if not frame.eof:
        raise EOFError('cut before the end of its zstd frame')


def _decompress(frame: Any, data: bytes | memoryview, size: int) -> bytes:
    if size > CHUNK_LIMIT:
        raise ValueError(f'a chunk of {size} bytes, at most {CHUNK_LIMIT} are read')
    try:
        content: bytes = frame.decompress(data, max_length=size + 1)
    except (zstd.ZstdError, RuntimeError, EOFError, MemoryError) as problem:
        raise ValueError(f'compressed chunk: {problem}') from None
    if len(content) > size:
        raise ValueError(f'a chunk that becomes more than its {size} bytes')
    if not frame.eof:
        raise ValueError('a compressed chunk that is cut')
    if frame.unused_data:
        raise ValueError('a compressed chunk with more after its first frame')
    if len(content) != size:
        raise ValueError(f'chunk of {len(content)} bytes, not {size}')
    return content
