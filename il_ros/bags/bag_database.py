"""One sqlite3 file of a rosbag2 folder; what is asked of it takes bounded time and memory."""

from __future__ import annotations

import itertools
import os
import re
import sqlite3
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from il_ros.bags.bag_metadata import BagTopic
from il_ros.bags.mcap_reader import StoredMessage
from il_ros.bags.part_folder import command
from il_ros.core.errors import DatasetError
from il_ros.core.regular_files import require_regular

_LONGEST = 256 << 20  # bytes of a message in a database
_STEPS, _TURNS = 10_000, 10_000  # instructions of the database's machine between two looks; looks
_MADE_UP = re.compile(r'\bVIRTUAL\b|\bGENERATED\b|\bAS\s*\(', re.IGNORECASE)
_LOGS = ('-wal', '-journal')  # files beside a database with what is not yet, or half, in it


class DatabaseReader:
    """Reads one database of rosbag2, of any of its versions.

    Args:
        path: The file.

    Attributes:
        base: The connection, which the caller closes.
        topics: By number.
        first: Earliest time of receipt [ns]; 0 without a message.
        last: Latest time of receipt [ns]; 0 without a message.

    Raises:
        DatasetError: If there is a log of its writer beside it.
        OSError: If it, or such a log, is no regular file.
        sqlite3.Error: From every method, if it is none, is damaged, or takes too long.
        ValueError: If there is something else than messages in its tables.
    """

    def __init__(self, path: Path) -> None:
        self.base = open_database(path)
        try:
            self.topics: Mapping[int, BagTopic] = self._topics()
            self.first, self.last = (
                int(self.base.execute(f'SELECT {edge}(timestamp) FROM messages').fetchone()[0] or 0)
                for edge in ('MIN', 'MAX')
            )
        except BaseException:
            self.base.close()
            raise

    def messages(self, channels: Container[int]) -> Iterator[StoredMessage]:
        """Messages of some topics, in the order in which they were received."""
        numbers = [number for number in self.topics if number in channels]
        for number, time, data in self._rows(
            f'WHERE topic_id IN ({",".join("?" * len(numbers))}) ORDER BY timestamp', numbers
        ):
            yield time, number, data

    def all_messages(self) -> Iterator[tuple[int, int, bytes]]:
        """Topic's number, time [ns] and data of each message, also of topics that are not there."""
        return self._rows('', [])

    def _rows(self, which: str, values: list[int]) -> Iterator[tuple[int, int, bytes]]:
        for number, time, data in self.base.execute(
            f'SELECT topic_id, timestamp, data FROM messages {which}', values
        ):
            if not isinstance(time, int) or not isinstance(data, bytes):
                raise ValueError('what stands in its table is no message')
            yield number, time, data

    def _topics(self) -> dict[int, BagTopic]:
        definitions = self._definitions()
        return {
            int(row['id']): _topic(dict(row), *definitions.get(row['type'], ('ros2msg', b'')))
            for row in self.base.execute('SELECT * FROM topics')
        }

    def _definitions(self) -> dict[str, tuple[str, bytes]]:
        """Encoding and text of the definitions, by type; databases before Iron have none."""
        if not _is_plain_table(self.base, 'message_definitions'):
            return {}
        rows = self.base.execute(
            'SELECT topic_type, encoding, encoded_message_definition FROM message_definitions'
        )
        return {str(name): (str(encoding), str(text).encode()) for name, encoding, text in rows}


def open_database(path: Path) -> sqlite3.Connection:
    """Open a database of rosbag2 for reading; what is asked of it takes bounded time and memory.

    Nothing but the file is opened: SQLite on its own looks for a log beside it, and would wait at a
    FIFO, or take in the log of a writer that still writes.

    Raises:
        DatasetError: If there is a log of its writer beside it.
        OSError: If it, or such a log, is no regular file.
        sqlite3.Error: If it is none, or its tables are not plain ones: a view may have no end.
    """
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
            if not _is_plain_table(base, name):
                raise sqlite3.DatabaseError(f'{name!r} is no plain table')
    except BaseException:
        base.close()
        raise
    return base


def _is_plain_table(base: sqlite3.Connection, name: str) -> bool:
    """Whether there is one thing of a name, a table whose values all stand in the file."""
    rows = base.execute('SELECT type, sql FROM sqlite_master WHERE name = ?', (name,)).fetchall()
    return [kind for kind, _ in rows] == ['table'] and not _MADE_UP.search(rows[0][1] or '')


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


def _topic(row: Mapping[str, object], encoding: str, definition: bytes) -> BagTopic:
    return BagTopic(
        name=str(row['name']),
        type=str(row['type']),
        definition=definition,
        schema_encoding=encoding,
        message_encoding=str(row['serialization_format']),
        metadata={
            'offered_qos_profiles': str(row.get('offered_qos_profiles') or ''),
            'topic_type_hash': str(row.get('type_description_hash') or ''),
        },
    )
