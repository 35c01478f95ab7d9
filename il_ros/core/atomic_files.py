"""Files that are written as a whole or not at all: a reader never sees half a report."""

from __future__ import annotations

import fcntl
import os
import secrets
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
    content = data.encode() if isinstance(data, str) else data
    temporary = path.with_name(f'.{path.name}.{secrets.token_hex(4)}.tmp')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_and_rename(temporary, path, content)
        sync(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    return path


def _write_and_rename(temporary: Path, path: Path, content: bytes) -> None:
    """Write, fsync, rename; take the temporary file away if anything (Ctrl-C too) interrupts."""
    try:
        with temporary.open('xb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


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
