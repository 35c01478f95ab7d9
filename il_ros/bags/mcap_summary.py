"""The summary of an MCAP file whose writer cannot end it any more.

Layout: https://mcap.dev/spec (data end, summary section, summary offsets, footer).
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import Counter
from collections.abc import Sequence

from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    ChunkIndex,
    DataEnd,
    McapRecord,
    Schema,
    Statistics,
    SummaryOffset,
)
from mcap.writer import MCAP0_MAGIC

HEADER = struct.Struct('<BQ')
CHUNK = struct.Struct('<QQQI')
_FOOTER_LENGTH = 20


def append_summary(
    fd: int, end: int, schemas: Sequence[Schema], channels: Sequence[Channel]
) -> None:
    """Write what comes after the data of an MCAP file; nothing of the data is read but its frame.

    Args:
        fd: The file, open for reading and writing, cut at `end`.
        end: Where its last whole chunk and that chunk's indexes end [bytes].
        schemas: All schemas in it.
        channels: All channels in it.

    Raises:
        OSError: If the disk refuses.
    """
    chunks, counts = _read_index(fd, end)
    statistics = Statistics(
        attachment_count=0,
        channel_count=len(channels),
        channel_message_counts=counts,
        chunk_count=len(chunks),
        message_count=counts.total(),
        message_start_time=min((chunk.message_start_time for chunk in chunks), default=0),
        message_end_time=max((chunk.message_end_time for chunk in chunks), default=0),
        metadata_count=0,
        schema_count=len(schemas),
    )
    groups: tuple[tuple[Opcode, Sequence[McapRecord]], ...] = (
        (Opcode.SCHEMA, schemas),
        (Opcode.CHANNEL, channels),
        (Opcode.STATISTICS, [statistics]),
        (Opcode.CHUNK_INDEX, chunks),
    )
    builder = RecordBuilder()
    DataEnd(0).write(builder)
    start = end + builder.count
    offsets = []
    for opcode, records in groups:
        first = end + builder.count
        for record in records:
            record.write(builder)
        offsets.append(
            SummaryOffset(
                group_opcode=opcode, group_start=first, group_length=end + builder.count - first
            )
        )
    offsets_start = end + builder.count
    for offset in offsets:
        offset.write(builder)
    content: bytes = builder.end()  # type: ignore[no-untyped-call]
    footer = struct.pack('<BQQQ', Opcode.FOOTER, _FOOTER_LENGTH, start, offsets_start)
    crc = zlib.crc32(footer, zlib.crc32(content[start - end :]))
    _write(fd, end, content + footer + struct.pack('<I', crc) + MCAP0_MAGIC)


def _read_index(fd: int, end: int) -> tuple[list[ChunkIndex], Counter[int]]:
    """The index of each chunk of a sound file, and its messages by channel."""
    chunks: list[ChunkIndex] = []
    counts: Counter[int] = Counter()
    offset = len(MCAP0_MAGIC)
    while offset < end:
        opcode, length = HEADER.unpack(os.pread(fd, HEADER.size, offset))
        if opcode == Opcode.CHUNK:
            chunks.append(_chunk_index(fd, offset, length))
        elif opcode == Opcode.MESSAGE_INDEX:
            channel, size = struct.unpack('<HI', os.pread(fd, 6, offset + HEADER.size))
            counts[channel] += size // 16
            chunks[-1].message_index_offsets[channel] = offset
            chunks[-1].message_index_length += HEADER.size + length
        offset += HEADER.size + length
    return chunks, counts


def _chunk_index(fd: int, offset: int, length: int) -> ChunkIndex:
    start, end, size, _ = CHUNK.unpack(os.pread(fd, CHUNK.size, offset + HEADER.size))
    at = offset + HEADER.size + CHUNK.size
    (named,) = struct.unpack('<I', os.pread(fd, 4, at))
    compression = os.pread(fd, named, at + 4).decode()
    (compressed,) = struct.unpack('<Q', os.pread(fd, 8, at + 4 + named))
    return ChunkIndex(
        chunk_length=HEADER.size + length,
        chunk_start_offset=offset,
        compression=compression,
        compressed_size=compressed,
        message_start_time=start,
        message_end_time=end,
        message_index_length=0,
        message_index_offsets={},
        uncompressed_size=size,
    )


def _write(fd: int, offset: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        offset, view = offset + written, view[written:]
