"""What the summary of an MCAP file says of its chunks, held against the chunks themselves.

A reader that goes by the summary reads whatever it names: one chunk a thousand times, a chunk
within another, or all chunks at once where their times overlap.

Layout: https://mcap.dev/spec (chunk, chunk index, footer).
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from mcap.opcode import Opcode

from il_ros.bags.mcap_summary import CHUNK, HEADER

_FOOTER = struct.Struct('<BQQQI8x')
_INDEX_HEAD, _INDEX_TAIL = struct.Struct('<QQQQI'), struct.Struct('<QQ')
_STRING, _LENGTH = struct.Struct('<I'), struct.Struct('<Q')
_RECORDS = 1 << 19  # of a summary; a bag of 500 GB in chunks of 1 MB has that many


@dataclass(frozen=True, kw_only=True)
class IndexedChunk:
    """A chunk as the summary lists it.

    Attributes:
        offset: Where its record begins [bytes].
        end: Where it ends [bytes].
        start_time: Of its first message [ns].
        end_time: Of its last message [ns].
        size: Size when decompressed [bytes].
    """

    offset: int
    end: int
    start_time: int
    end_time: int
    size: int


def read_chunk_index(file: BinaryIO, size: int) -> list[IndexedChunk]:
    """Chunks that the summary of a file of `size` bytes lists, in the order of the file.

    Empty if it lists none: then a file is read from its begin to its end.

    Raises:
        ValueError: If one is not there as it says, or two of them share a byte.
    """
    listed = sorted(_listed(file, size), key=lambda chunk: chunk.offset)
    for one, other in itertools.pairwise(listed):
        if one.end > other.offset:
            raise ValueError(f'the summary names the bytes at {other.offset} twice')
    return listed


def most_at_once(chunks: Sequence[IndexedChunk]) -> int:
    """What the chunks of one time become together, at the worst time [bytes].

    To give messages in the order of their times, a reader holds every chunk of that time.
    """
    ends = sorted((max(chunk.start_time, chunk.end_time), chunk.size) for chunk in chunks)
    held = most = ended = 0
    for start, size in sorted((chunk.start_time, chunk.size) for chunk in chunks):
        while ends[ended][0] < start:
            held, ended = held - ends[ended][1], ended + 1
        held += size
        most = max(most, held)
    return most


def _listed(file: BinaryIO, size: int) -> Iterator[IndexedChunk]:
    file.seek(max(0, size - _FOOTER.size))
    content = file.read(_FOOTER.size)
    if len(content) < _FOOTER.size:
        return
    opcode, _, position, _, _ = _FOOTER.unpack(content)
    records = 0
    while opcode == Opcode.FOOTER and 0 < position < size:
        file.seek(position)
        if len(head := file.read(HEADER.size)) < HEADER.size:
            return
        kind, length = HEADER.unpack(head)
        if kind in (Opcode.FOOTER, Opcode.SUMMARY_OFFSET):
            return
        if (records := records + 1) > _RECORDS:
            raise ValueError(f'a summary of more than {_RECORDS} records')
        position += HEADER.size + length
        if kind == Opcode.CHUNK_INDEX and position < size:
            yield _chunk(file, file.read(length))


def _chunk(file: BinaryIO, body: bytes) -> IndexedChunk:
    """The chunk that a record of the summary names.

    Raises:
        ValueError: If there is none, or another one.
    """
    try:
        start_time, end_time, offset, _, channels = _INDEX_HEAD.unpack_from(body)
        at = _INDEX_HEAD.size + channels + _LENGTH.size
        (named,) = _STRING.unpack_from(body, at)
        at += _STRING.size + named
        compressed, size = _INDEX_TAIL.unpack_from(body, at)
    except struct.error as problem:
        raise ValueError(f'the summary is damaged: {problem}') from None
    name = body[at - named : at]
    length = CHUNK.size + _STRING.size + named + _LENGTH.size + compressed
    head = HEADER.pack(Opcode.CHUNK, length % (1 << 64))
    tail = _STRING.pack(named) + name + _LENGTH.pack(compressed)
    there = _read(file, offset, HEADER.size + CHUNK.size + len(tail))
    if (
        not there.startswith(head)
        or not there.endswith(tail)
        or CHUNK.unpack_from(there, HEADER.size)[2] != size
    ):
        raise ValueError(f'the summary names a chunk at byte {offset} that is not there')
    return IndexedChunk(
        offset=offset,
        end=offset + HEADER.size + length,
        start_time=start_time,
        end_time=end_time,
        size=size,
    )


def _read(file: BinaryIO, offset: int, length: int) -> bytes:
    if offset >= 1 << 63:  # no file goes as far
        return b''
    file.seek(offset)
    return file.read(length)
