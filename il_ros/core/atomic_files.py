"""Files that are written as a whole or not at all: a reader never sees half a report."""

from __future__ import annotations

import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from il_ros.core.errors import IlRosError, unwritable


def write_atomic(path: Path | str, data: str | bytes) -> Path:
    """Write `data` (text as UTF-8) under a temporary name, sync it, and rename it to `path`.

    Until the rename the old file stays as it was; after it the new one survives a power cut.
    Missing parent folders are made. File permissions follow the umask.

    Returns:
        `path`, as a Path.

    Raises:
        IlRosError: If the system refuses; nothing of the attempt is left behind.
    """
    path = Path(path).absolute()  # '.' has no name, which the temporary one is made of
    with new_file(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@contextmanager
def new_file(path: Path, error: type[IlRosError] = IlRosError) -> Iterator[Path]:
    """Fill a hidden file; when all went well, sync it to disk and rename it to `path`.

    After an error (Ctrl-C too) nothing of the attempt is left, and an old `path` is as it was.

    Raises:
        IlRosError: (as `error`) If it cannot be written, or `path` is a device, a pipe or a socket.
    """
    temporary = path.with_name(f'.{path.name}.{secrets.token_hex(4)}.tmp')
    try:
        # A rename would put a file in the place of a device, a pipe or a stream's link in /dev.
        if path.parent == Path('/dev') or (path.exists() and not (path.is_file() or path.is_dir())):
            fix = 'name a file; an existing one is replaced'
            raise error('not a file', where=str(path), fix=fix)
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    except OSError as problem:
        raise unwritable(path, problem, error) from problem
    finally:
        with suppress(OSError):  # a disk that refuses this, too
            temporary.unlink(missing_ok=True)


def writable_folder(path: Path) -> None:
    """Make a folder, and see that files can be written in it, before the work that they show.

    Raises:
        IlRosError: If they cannot.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except OSError as problem:
        raise unwritable(path, problem) from problem


def write_alone(descriptor: int, where: str) -> None:
    """Keep other processes from writing, as long as an open file stays open.

    Args:
        descriptor: Of a file in what is written to.
        where: What that is, for the error.

    Raises:
        IlRosError: If another process does already.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise IlRosError(
            'another process is writing here',
            where=where,
            fix='wait for it, or choose another folder',
        ) from None


def sync(path: Path) -> None:
    """Make a file, or a folder's names, survive a power cut; a rename changes the folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
