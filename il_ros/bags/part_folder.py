"""The hidden folder in which an episode lies until it is whole: its lock and its reserve."""

from __future__ import annotations

import fcntl
import os
import shlex
from pathlib import Path

LOCK_FILE = 'lock'
RESERVE_FILE = 'reserve'


def command(*words: object) -> str:
    """A command line that can be copied to a shell, whatever is in the paths."""
    return shlex.join(map(str, words))


def whole_path(path: Path) -> Path:
    """An absolute path, so that a folder given as `.` has a name."""
    return path.resolve() if '..' in path.parts else path.absolute()


def part_of(path: Path) -> Path:
    """The hidden folder of the episode that will be at `path`."""
    return path.with_name(f'.{path.name}.part')


def lock(path: Path, *, wait: bool = False) -> int:
    """Hold a lock, so that a bag is not recovered meanwhile; gives a descriptor to close.

    The kernel lets go of it when the process ends, however it ends.

    Args:
        path: The lock file in a hidden folder, or the folder of a bag itself.
        wait: Whether to wait for it; in a new folder only a check can hold it, and only briefly.

    Raises:
        BlockingIOError: If a process holds it, which then records or recovers this episode.
        OSError: If it cannot be opened.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_CREAT | os.O_RDWR
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def is_locked(part: Path) -> bool:
    """Whether a process holds the lock of a hidden folder."""
    try:
        descriptor = os.open(part / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def reserve(part: Path, size: int) -> None:
    """Take `size` bytes of the disk, to be given back when it is full.

    Raises:
        OSError: If there is no room.
    """
    if size:
        with (part / RESERVE_FILE).open('xb') as file:
            os.posix_fallocate(file.fileno(), 0, size)


def release(part: Path) -> None:
    """Free the reserve."""
    (part / RESERVE_FILE).unlink(missing_ok=True)


def leave(part: Path) -> None:
    """Remove a hidden folder that is empty but for its lock and reserve.

    Raises:
        OSError: If there is something else in it.
    """
    for name in (RESERVE_FILE, LOCK_FILE):
        (part / name).unlink(missing_ok=True)
    part.rmdir()
