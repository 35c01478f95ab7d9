"""What is in a rosbag2 folder: counted from its files, not from what it says of itself."""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from mcap.records import Channel, ChunkIndex, Footer, Schema, Statistics
from mcap.writer import MCAP0_MAGIC

from il_ros.bags.bag_database import DatabaseReader
from il_ros.bags.bag_metadata import BagTopic, MessageCount, total
from il_ros.bags.bag_storage import PACKED, plain_file, storage_suffix
from il_ros.bags.mcap_reader import topics_of_definitions
from il_ros.bags.mcap_scan import McapBlock, McapGap, McapOutline, Message, whole_blocks
from il_ros.bags.one_frame import ZSTD_MAGIC, is_whole
from il_ros.core.errors import DatasetError
from il_ros.core.regular_files import open_regular, require_regular

_STAMPS = struct.Struct('<HIQQ')
_STRING = 'std_msgs/msg/String'
_CONTRACT = '/contract'


@dataclass
class FileScan:
    """What is whole in one file of a bag.

    Attributes:
        path: The file.
        size: [bytes]
        topics: By channel number; a channel whose definition is nowhere is not among them.
        counts: Messages by channel number, of those that have any.
        chunks: Whole chunks; a message outside of chunks counts as one.
        gaps: What is not whole.
        checksum: CRC-32 over all messages and their times, in the file's order.
        compression: Of the last chunk.
        packed: Whether the first message is compressed for itself (zstd).
        spoiled: How many messages are compressed for themselves and not whole; not counted.
        contract: Bytes of the contract's message and the name of its topic, if it is one of ours.
        faults: What is wrong besides the gaps.
    """

    path: Path
    size: int = 0
    topics: dict[int, BagTopic] = field(default_factory=dict)
    counts: dict[int, MessageCount] = field(default_factory=dict)
    chunks: int = 0
    gaps: list[McapGap] = field(default_factory=list)
    checksum: int = 0
    compression: str = ''
    packed: bool = False
    spoiled: int = 0
    contract: tuple[str, bytes] | None = None
    faults: list[str] = field(default_factory=list)

    @property
    def zipped(self) -> bool:
        """Whether the file is compressed as a whole."""
        return self.path.suffix == PACKED

    @property
    def suffix(self) -> str:
        """Of the file when it is not compressed: `.mcap` or `.db3`."""
        return storage_suffix(self.path.name)

    @property
    def count(self) -> MessageCount:
        """Messages whose topic is known."""
        return total(count for channel, count in self.counts.items() if channel in self.topics)

    @property
    def messages(self) -> int:
        """How many messages have a topic that is known."""
        return self.count.messages

    @property
    def strays(self) -> int:
        """How many messages have none."""
        return total(self.counts.values()).messages - self.messages

    @property
    def dropped(self) -> list[str]:
        """Everything that is not whole, in words."""
        lost = [
            f'{self.path.name}: {gap.end - gap.start} bytes at {gap.start}: {gap.reason}'
            for gap in self.gaps
        ]
        if self.strays:
            lost.append(f'{self.path.name}: {self.strays} messages without a definition')
        if self.spoiled:
            lost.append(f'{self.path.name}: {self.spoiled} compressed messages that are not whole')
        return lost


def scan_file(path: Path) -> FileScan:
    """Count what is whole in a file of a bag; every byte of it is read.

    Raises:
        DatasetError: If it cannot be read.
    """
    cut: list[str] = []
    try:
        with plain_file(path, cut=cut) as plain:
            scan = _scan_db(plain) if plain.suffix == '.db3' else _scan_mcap(plain)
    # A database may have other columns than those of rosbag2, and anything in them.
    except (OSError, sqlite3.Error, ValueError, OverflowError, LookupError, TypeError) as problem:
        raise DatasetError(
            f'cannot be read: {"; ".join([*cut, str(problem)])}',
            where=str(path),
            fix='check the disk and the rights; of a database, try "sqlite3 FILE .recover"',
        ) from None
    scan.path, scan.size = path, path.stat().st_size
    scan.faults += cut
    return scan


def read_blocks(path: Path) -> Iterator[McapBlock]:
    """The whole blocks of an MCAP file, in order.

    Raises:
        OSError: If it cannot be read.
    """
    with plain_file(path, cut=[]) as plain, open_regular(plain) as file:
        for piece in whole_blocks(file, plain.stat().st_size):
            if isinstance(piece, McapBlock):
                yield piece


class _Builder:
    """Definitions, index and counts of one MCAP file while it is read."""

    def __init__(self, path: Path) -> None:
        self.scan = FileScan(path=path, size=path.stat().st_size)
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        self._chunks: list[int] = []
        self._indexed: list[int] = []
        self._statistics: Statistics | None = None
        self._closed = self._late = False

    def add(self, piece: McapBlock) -> None:
        for definition in piece.definitions:
            known = self._schemas if isinstance(definition, Schema) else self._channels
            known.setdefault(definition.id, definition)  # type: ignore[arg-type]
        if piece.compression is not None:
            self._chunks.append(piece.offset)
            self.scan.compression = piece.compression
        if piece.compression is not None or piece.messages:
            self.scan.chunks += 1
        for message in piece.messages:
            self._count(message)
            self._late |= message[2] < piece.start_time
        if isinstance(piece.other, Statistics):
            self._statistics = piece.other
        if isinstance(piece.other, ChunkIndex):
            self._indexed.append(piece.other.chunk_start_offset)
        self._closed = (
            isinstance(piece.other, Footer) and piece.end + len(MCAP0_MAGIC) == self.scan.size
        )

    def result(self) -> FileScan:
        scan = self.scan
        scan.topics.update(
            topics_of_definitions([*self._schemas.values(), *self._channels.values()])
        )
        if not self._closed:
            scan.faults.append('no summary at its end')
        elif not scan.gaps and not self._fits():
            scan.faults.append('its summary is of other content')
        if self._late:
            scan.faults.append('messages from before the begin of their chunk')
        return scan

    def _count(self, message: Message) -> None:
        channel, sequence, log, publish, data = message
        scan = self.scan
        if data[:4] == ZSTD_MAGIC:
            scan.packed |= not scan.counts
            if not is_whole(data):
                scan.spoiled += 1
                return
        if channel not in scan.counts:
            scan.counts[channel] = MessageCount()
            self._look_for_contract(channel, data)
        scan.counts[channel].add(log, len(data))
        stamps = _STAMPS.pack(0, sequence, log, publish)
        scan.checksum = zlib.crc32(data, zlib.crc32(stamps, scan.checksum))

    def _look_for_contract(self, number: int, data: memoryview) -> None:
        channel = self._channels.get(number)
        if self.scan.contract is None and channel and channel.topic.endswith(_CONTRACT):
            schema = self._schemas.get(channel.schema_id)
            if schema and schema.name == _STRING:
                self.scan.contract = (channel.topic, bytes(data))

    def _fits(self) -> bool:
        """Whether the summary, where it has them, gives the counts and chunks that there are."""
        statistics = self._statistics
        counted = total(self.scan.counts.values()).messages
        if statistics is not None and statistics.message_count != counted:
            return False
        return not self._indexed or sorted(self._indexed) == self._chunks


def _scan_mcap(path: Path) -> FileScan:
    builder = _Builder(path)
    with open_regular(path) as file:
        for piece in whole_blocks(file, builder.scan.size):
            if isinstance(piece, McapGap):
                builder.scan.gaps.append(piece)
            else:
                builder.add(piece)
        scan = builder.result()
        if not scan.gaps and not scan.faults:
            try:
                McapOutline(file, scan.size)  # says what no reader may hold in memory
            except ValueError as problem:
                scan.faults.append(str(problem))
    return scan


def _scan_db(path: Path) -> FileScan:
    scan = FileScan(path=path, size=require_regular(path))
    stored = DatabaseReader(path)
    with closing(stored.base) as base:
        if (said := base.execute('PRAGMA quick_check(1)').fetchone()[0]) != 'ok':
            raise sqlite3.DatabaseError(said)
        scan.topics.update(stored.topics)
        for number, time, data in stored.all_messages():
            if data.startswith(ZSTD_MAGIC):
                scan.packed |= not scan.counts
                if not is_whole(data):
                    scan.spoiled += 1
                    continue
            scan.counts.setdefault(number, MessageCount()).add(time, len(data))
    return scan
