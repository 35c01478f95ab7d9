"""The summary of an MCAP file whose writer cannot end it any more.

Layout: https://mcap.dev/spec (data end, summary section, summary offsets, footer).
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import Channel, ChunkIndex, DataEnd, Schema, Statistics, SummaryOffset
from mcap.writer import MCAP0_MAGIC

from il_ros.bags.bag_metadata import BagTopic

HEADER = struct.Struct('<BQ')
CHUNK = struct.Struct('<QQQI')
_FOOTER_LENGTH = 20


class _Record(Protocol):
    def write(self, stream: RecordBuilder) -> None: ...


@dataclass
class _Index:
    """Chunks of a file, with the messages in each counted by its message indexes."""

    chunks: list[ChunkIndex] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)

    def add_chunk(self, fd: int, offset: int, length: int) -> None:
        start, end, size, _ = CHUNK.unpack(os.pread(fd, CHUNK.size, offset + HEADER.size))
        at = offset + HEADER.size + CHUNK.size
        (named,) = struct.unpack('<I', os.pread(fd, 4, at))
        compression = os.pread(fd, named, at + 4).decode()
        (compressed,) = struct.unpack('<Q', os.pread(fd, 8, at + 4 + named))
        self.chunks.append(
            ChunkIndex(
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
        )

    def add_messages(self, fd: int, offset: int, length: int) -> None:
        channel, size = struct.unpack('<HI', os.pread(fd, 6, offset + HEADER.size))
        self.counts[channel] = self.counts.get(channel, 0) + size // 16
        self.chunks[-1].message_index_offsets[channel] = offset
        self.chunks[-1].message_index_length += HEADER.size + length

    def statistics(self, schemas: int, channels: int) -> Statistics:
        return Statistics(
            attachment_count=0,
            channel_count=channels,
            channel_message_counts=self.counts,
            chunk_count=len(self.chunks),
            message_count=sum(self.counts.values()),
            message_start_time=min((c.message_start_time for c in self.chunks), default=0),
            message_end_time=max((c.message_end_time for c in self.chunks), default=0),
            metadata_count=0,
            schema_count=schemas,
        )


def append_summary(fd: int, end: int, topics: Sequence[BagTopic]) -> None:
    """Write what comes after the data of an MCAP file; nothing of the data is read but its frame.

    Args:
        fd: The file, open for reading and writing, cut at `end`.
        end: Where its last whole chunk and that chunk's indexes end [bytes].
        topics: All topics, in the order in which their channels were registered.

    Raises:
        OSError: If the disk refuses.
    """
    index = _read_index(fd, end)
    schemas, channels = _definitions(topics)
    data_end = _bytes(DataEnd(0))
    groups: list[tuple[Opcode, Sequence[_Record]]] = [
        (Opcode.SCHEMA, schemas),
        (Opcode.CHANNEL, channels),
        (Opcode.STATISTICS, [index.statistics(len(schemas), len(channels))]),
        (Opcode.CHUNK_INDEX, index.chunks),
    ]
    start = end + len(data_end)
    summary, offsets = b'', []
    for opcode, records in groups:
        content = b''.join(_bytes(record) for record in records)
        offsets.append(
            SummaryOffset(
                group_opcode=opcode, group_start=start + len(summary), group_length=len(content)
            )
        )
        summary += content
    offsets_start = start + len(summary)
    summary += b''.join(_bytes(offset) for offset in offsets)
    footer = struct.pack('<BQQQ', Opcode.FOOTER, _FOOTER_LENGTH, start, offsets_start)
    crc = zlib.crc32(footer, zlib.crc32(summary))
    _write(fd, end, data_end + summary + footer + struct.pack('<I', crc) + MCAP0_MAGIC)


def frames(fd: int, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Opcode, offset and length of each record between two offsets of a sound file."""
    while start < end:
        opcode, length = HEADER.unpack(os.pread(fd, HEADER.size, start))
        yield opcode, start, length
        start += HEADER.size + length


def _read_index(fd: int, end: int) -> _Index:
    index = _Index()
    handlers: dict[int, Callable[[int, int, int], None]] = {
        Opcode.CHUNK: index.add_chunk,
        Opcode.MESSAGE_INDEX: index.add_messages,
    }
    for opcode, offset, length in frames(fd, len(MCAP0_MAGIC), end):
        if opcode in handlers:
            handlers[opcode](fd, offset, length)
    return index


def _definitions(topics: Sequence[BagTopic]) -> tuple[list[Schema], list[Channel]]:
    """Schemas and channels with the numbers that `McapFile` gave them."""
    schemas: dict[tuple[str, bytes], Schema] = {}
    channels = []
    for number, topic in enumerate(topics, 1):
        key = (topic.type, topic.definition)
        schema = schemas.setdefault(
            key,
            Schema(
                id=len(schemas) + 1,
                data=topic.definition,
                encoding=topic.schema_encoding,
                name=topic.type,
            ),
        )
        channels.append(
            Channel(
                id=number,
                topic=topic.name,
                message_encoding=topic.message_encoding,
                metadata=dict(topic.metadata),
                schema_id=schema.id,
            )
        )
    return list(schemas.values()), channels


def _bytes(record: _Record) -> bytes:
    builder = RecordBuilder()
    record.write(builder)
    data: bytes = builder.end()  # type: ignore[no-untyped-call]
    return data


def _write(fd: int, offset: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        offset, view = offset + written, view[written:]
