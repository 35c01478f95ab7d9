"""Compressed data that becomes no more than it says: rosbags decompresses without a bound."""

from __future__ import annotations

import sys
from typing import Any

from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]
from rosbags.rosbag2 import storage_mcap

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CHUNK_LIMIT = 128 << 20
"""Bytes of the largest chunk that is decompressed; recorders write some megabytes."""


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


def bound_rosbags() -> None:
    """Let rosbags decompress the chunks of MCAP files by these functions, in this process."""
    storage_mcap.DECOMPRESSORS.update({'zstd': decompress_zstd, 'lz4': decompress_lz4})


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
