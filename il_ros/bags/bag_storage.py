"""Files of a bag: their names, and how they are opened, those compressed as a whole too."""

from __future__ import annotations

import fcntl
import os
import re
import signal
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from mcap.writer import MCAP0_MAGIC

from il_ros.bags.bag_database import DatabaseReader
from il_ros.bags.bag_metadata import BagTopic
from il_ros.bags.mcap_reader import McapReader, StoredMessage
from il_ros.bags.one_frame import unpack_file
from il_ros.core.errors import DatasetError
from il_ros.core.regular_files import open_regular, require_regular

SUFFIXES = ('.mcap', '.db3')
PACKED = '.zstd'
"""What `ros2 bag` adds to the name of a file that is compressed as a whole."""

BEGINS = {'.mcap': MCAP0_MAGIC, '.db3': b'SQLite format 3\0'}
"""What each begins with."""


class StoredMessages(Protocol):
    """What is in one file of a bag.

    Attributes:
        topics: By the file's own number.
        first: Earliest time of receipt [ns].
        last: Latest time of receipt [ns].
    """

    topics: Mapping[int, BagTopic]
    first: int
    last: int

    def messages(self, channels: Container[int]) -> Iterator[StoredMessage]:
        """Messages of these numbers, in the order in which they were received."""


def plain_name(name: str) -> str:
    """The name of a file of a bag when it is not compressed as a whole."""
    return name.removesuffix(PACKED)


def storage_suffix(name: str) -> str:
    """`.mcap`, `.db3`, or empty for a name that is none of a bag's file."""
    suffix = Path(plain_name(name)).suffix
    return suffix if suffix in SUFFIXES else ''


@contextmanager
def plain_file(path: Path, *, cut: list[str] | None = None) -> Iterator[Path]:
    """A file of a bag, unpacked into a temporary folder if it is compressed as a whole.

    Args:
        path: The file.
        cut: What is wrong with a compressed file is added here, and what is whole is given; by
            default that is an error.

    Raises:
        ValueError: If a compressed one is damaged, or becomes too large.
        OSError: If it is no regular file, or there is no room to unpack it.
    """
    if path.suffix != PACKED:
        yield path
        return
    with TemporaryDirectory() as folder:
        target = Path(folder) / plain_name(path.name)
        try:
            unpack_file(path, target)
        except ValueError as problem:
            if cut is None:
                raise
            cut.append(str(problem).removeprefix(f'{path.name}: '))
        yield target


@contextmanager
def open_stored(path: Path) -> Iterator[StoredMessages]:
    """Open a file of a bag for reading.

    Raises:
        DatasetError: If its chunks or tables are made to fill the memory, or a log of its writer
            lies beside it.
        OSError: If it is no regular file.
        ValueError: If it is damaged, or not what its name says.
        sqlite3.Error: If it is a damaged database.
    """
    with plain_file(path) as plain:
        require_kind(plain)
        if plain.suffix == '.db3':
            database = DatabaseReader(plain)
            try:
                yield database
            finally:
                database.base.close()
        else:
            with open_regular(plain) as file:
                yield McapReader(file, os.fstat(file.fileno()).st_size)


def require_kind(path: Path) -> None:
    """Refuse a file of a bag that does not begin as its name says.

    Raises:
        OSError: If it is no regular file.
        ValueError: If it does not.
    """
    require_regular(path)
    begin = BEGINS.get(path.suffix)
    if begin is None:
        raise ValueError(f'{path.name}: a file of a bag ends in {" or ".join(BEGINS)}')
    with open_regular(path) as file:
        if file.read(len(begin)) != begin:
            raise ValueError(f'{path.name} does not begin as a {path.suffix} file')


def bag_files(folder: Path, named: Iterable[str] = ()) -> list[Path]:
    """The files of a bag, in the order of their numbers.

    Of a file and its compressed twin one counts: that in `named`, else the compressed one, for the
    other may be half unpacked.

    Args:
        folder: The bag's folder; of a bag that is a single file, that file.
        named: Names that its metadata has.

    Raises:
        DatasetError: If one leads out of the folder.
    """
    if folder.is_file():
        return [folder]
    # Hidden ones are no part of a bag: some systems leave `._NAME.mcap` next to each copied file.
    entries = (entry for entry in folder.iterdir() if not entry.name.startswith('.'))
    found = [entry for entry in entries if storage_suffix(entry.name)]
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
    names, said = {entry.name for entry in found}, set(named)
    kept = (entry for entry in found if entry.is_file() and not _is_twin(entry.name, names, said))
    return sorted(kept, key=lambda path: natural_order(path.name))


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


def natural_order(name: str) -> tuple[tuple[int, str], ...]:
    """Sorts `bag_10` after `bag_9`."""
    parts = re.findall(r'\d+|\D+', name)
    return tuple((int(part), '') if part.isdecimal() else (-1, part) for part in parts)


def _is_twin(name: str, names: set[str], said: set[str]) -> bool:
    """Whether the other one of a file and its compressed twin counts."""
    plain = plain_name(name)
    packed = plain + PACKED
    if not {plain, packed} <= names:
        return False
    return name == (packed if plain in said and packed not in said else plain)
