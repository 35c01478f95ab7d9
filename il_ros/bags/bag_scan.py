"""What is in a rosbag2 folder: counted from its files, not from what it says of itself."""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import signal
import sqlite3
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from mcap.records import Channel, ChunkIndex, Footer, Schema, Statistics
from mcap.writer import MCAP0_MAGIC

from il_ros.bags.bag_metadata import BagTopic, MessageCount, total
from il_ros.bags.mcap_scan import McapBlock, McapGap, Message, require_small_chunks, whole_blocks
from il_ros.bags.part_folder import command
from il_ros.core.errors import DatasetError
from il_ros.core.regular_files import open_regular, require_regular

SUFFIXES = ('.mcap', '.db3')
BEGINS = {'.mcap': MCAP0_MAGIC, '.db3': b'SQLite format 3\0'}
"""What each begins with."""

_STAMPS = struct.Struct('<HIQQ')
_STRING = 'std_msgs/msg/String'
_CONTRACT = '/contract'
_LONGEST = 256 << 20  # bytes of a message in a database
_STEPS, _TURNS = 10_000, 10_000  # instructions of the database's machine between two looks; looks
_MADE_UP = re.compile(r'\bVIRTUAL\b|\bGENERATED\b|\bAS\s*\(', re.IGNORECASE)
_ZSTD = b'\x28\xb5\x2f\xfd'  # RFC 8878, 3.1.1: what compressed data begins with
_LOGS = ('-wal', '-journal')  # files beside a database with what is not yet, or half, in it
_IN_URI = '%?#'  # rosbags opens "file:PATH?immutable=1" with the path as it is


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
    contract: tuple[str, bytes] | None = None
    faults: list[str] = field(default_factory=list)

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
        return lost


def scan_file(path: Path) -> FileScan:
    """Count what is whole in a file of a bag; every byte of it is read.

    Raises:
        DatasetError: If it cannot be read.
    """
    try:
        return _scan_db(path) if path.suffix == '.db3' else _scan_mcap(path)
    # A database may have other columns than those of rosbag2, and anything in them.
    except (OSError, sqlite3.Error, ValueError, OverflowError, LookupError, TypeError) as problem:
        raise DatasetError(
            f'cannot be read: {problem}',
            where=str(path),
            fix='check the disk and the rights; of a database, try "sqlite3 FILE .recover"',
        ) from None


def require_readable(path: Path) -> None:
    """Refuse a file of a bag that a library would read without an end, or into all memory.

    Raises:
        DatasetError: If its chunks or tables are made for that.
        OSError: If it is no regular file.
        ValueError: If it is not what its name says: rosbags goes by metadata.yaml alone.
    """
    require_regular(path)
    begin = BEGINS.get(path.suffix)
    if begin is None:
        raise ValueError(f'{path.name}: a file of a bag ends in {" or ".join(BEGINS)}')
    with open_regular(path) as file:
        if file.read(len(begin)) != begin:
            raise ValueError(f'{path.name} does not begin as a {path.suffix} file')
    if path.suffix == '.db3':
        try:
            open_database(path).close()
        except sqlite3.Error as problem:
            raise DatasetError(f'cannot be read: {problem}', where=str(path)) from None
    else:
        with open_regular(path) as file:
            require_small_chunks(file, path.stat().st_size)


def bag_files(folder: Path) -> list[Path]:
    """The files of a bag, in the order of their numbers.

    Raises:
        DatasetError: If one leads out of the folder.
    """
    # Hidden ones are no part of a bag: some systems leave `._NAME.mcap` next to each copied file.
    entries = (entry for entry in folder.iterdir() if not entry.name.startswith('.'))
    found = [entry for entry in entries if entry.suffix in SUFFIXES]
    root = folder.resolve()
    for entry in found:
        target = Path(os.path.realpath(entry))
        if not target.is_relative_to(root):
            raise DatasetError(
                f'leads to {target}',
                where=str(entry),
                allowed='files in the folder of the bag',
                fix='do not trust this bag; or put the file itself here',
            )
    return sorted((entry for entry in found if entry.is_file()), key=_numbered)


def is_being_written(path: Path) -> bool:
    """Whether a process has a file open for writing; False where the system cannot tell.

    The kernel grants a read lease on a file only while it is not open for writing.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        # A process that opens it meanwhile breaks the lease; the signal must not end this process.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def read_blocks(path: Path) -> Iterator[McapBlock]:
    """The whole blocks of an MCAP file, in order.

    Raises:
        OSError: If it cannot be read.
    """
    with open_regular(path) as file:
        for piece in whole_blocks(file, path.stat().st_size):
            if isinstance(piece, McapBlock):
                yield piece


def _numbered(path: Path) -> tuple[tuple[int, str], ...]:
    """Sorts `bag_10` after `bag_9`."""
    parts = re.findall(r'\d+|\D+', path.name)
    return tuple((int(part), '') if part.isdecimal() else (-1, part) for part in parts)


class _Builder:
    """Definitions, index and counts of one MCAP file while it is read."""

    def __init__(self, path: Path) -> None:
        self.scan = FileScan(path=path, size=path.stat().st_size)
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        self._chunks: list[int] = []
        self._indexed: list[int] = []
        self._statistics: Statistics | None = None
        self._closed = False

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
        if isinstance(piece.other, Statistics):
            self._statistics = piece.other
        if isinstance(piece.other, ChunkIndex):
            self._indexed.append(piece.other.chunk_start_offset)
        self._closed = (
            isinstance(piece.other, Footer) and piece.end + len(MCAP0_MAGIC) == self.scan.size
        )

    def result(self) -> FileScan:
        scan = self.scan
        for number, channel in self._channels.items():
            schema = self._schemas.get(channel.schema_id)
            if schema is not None:
                scan.topics[number] = _topic(channel, schema)
        if not self._closed:
            scan.faults.append('no summary at its end')
        elif not scan.gaps and not self._fits():
            scan.faults.append('its summary is of other content')
        return scan

    def _count(self, message: Message) -> None:
        channel, sequence, log, publish, data = message
        scan = self.scan
        if not scan.counts:
            scan.packed = bytes(data[:4]) == _ZSTD
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
    return builder.result()


def _topic(channel: Channel, schema: Schema) -> BagTopic:
    return BagTopic(
        name=channel.topic,
        type=schema.name,
        definition=schema.data,
        schema_encoding=schema.encoding,
        message_encoding=channel.message_encoding,
        metadata=channel.metadata,
    )


def _scan_db(path: Path) -> FileScan:
    scan = FileScan(path=path, size=require_regular(path))
    with closing(open_database(path)) as base:
        if (said := base.execute('PRAGMA quick_check(1)').fetchone()[0]) != 'ok':
            raise sqlite3.DatabaseError(said)
        for row in base.execute('SELECT * FROM topics'):
            scan.topics[row['id']] = _db_topic(dict(row))
        for number, *count in base.execute(
            'SELECT topic_id, COUNT(*), SUM(LENGTH(data)), MIN(timestamp), MAX(timestamp) '
            'FROM messages GROUP BY topic_id'
        ):
            scan.counts[number] = MessageCount(*map(int, count))
        for (data,) in base.execute('SELECT SUBSTR(data, 1, 4) FROM messages LIMIT 1'):
            scan.packed = isinstance(data, bytes) and data.startswith(_ZSTD)
    return scan


def open_database(path: Path) -> sqlite3.Connection:
    """Open a database of rosbag2 for reading; what is asked of it takes bounded time and memory.

    Nothing but the file is opened: SQLite on its own looks for a log beside it, and would wait at a
    FIFO, or read messages that rosbags does not.

    Raises:
        DatasetError: If rosbags would read another file, or there is a log of its writer beside it.
        OSError: If it, or such a log, is no regular file.
        sqlite3.Error: If it is none, or its tables are not plain ones: a view may have no end.
    """
    _require_own_name(path)
    _require_no_log(path)
    base = sqlite3.connect(f'{path.absolute().as_uri()}?mode=ro&immutable=1', uri=True)
    base.row_factory = sqlite3.Row
    base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    turns = itertools.count()
    most = _TURNS + require_regular(path) // 100  # it takes far fewer for the bytes that there are
    base.set_progress_handler(lambda: next(turns) > most, _STEPS)
    try:
        base.execute('PRAGMA trusted_schema = OFF')
        for name in ('topics', 'messages'):
            rows = base.execute(
                'SELECT type, sql FROM sqlite_master WHERE name = ?', (name,)
            ).fetchall()
            plain = [row for row in rows if row[0] == 'table' and not _MADE_UP.search(row[1] or '')]
            if len(rows) != 1 or not plain:
                raise sqlite3.DatabaseError(f'{name!r} is no plain table')
    except BaseException:
        base.close()
        raise
    return base


def _require_own_name(path: Path) -> None:
    if found := sorted({sign for sign in str(path) if sign in _IN_URI}):
        raise DatasetError(
            f'{" ".join(found)} in the path of a database',
            where=str(path),
            allowed=f'paths without {" ".join(_IN_URI)}, by which another file would be read',
            fix='do not trust this bag if it came so; or rename the file, or the folder above it',
        )


def _require_no_log(path: Path) -> None:
    target = os.path.realpath(path)  # where SQLite looks for it
    for log in (Path(target + end) for end in _LOGS):
        with suppress(FileNotFoundError):
            if size := require_regular(log):
                raise DatasetError(
                    f'{size} bytes of a log of its writer beside it: {log.name}',
                    where=str(path),
                    fix='wait for the end of the recording; after a crash, take the log in: '
                    + command('sqlite3', target, 'PRAGMA quick_check'),
                )


def _db_topic(row: Mapping[str, object]) -> BagTopic:
    metadata = {
        'offered_qos_profiles': str(row.get('offered_qos_profiles') or ''),
        'topic_type_hash': str(row.get('type_description_hash') or ''),
    }
    return BagTopic(
        name=str(row['name']),
        type=str(row['type']),
        definition=b'',
        message_encoding=str(row['serialization_format']),
        metadata=metadata,
    )
