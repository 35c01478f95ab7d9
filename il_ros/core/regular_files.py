"""Files from outside: looked at before they are opened, regular, and of bounded size.

A FIFO keeps its reader waiting, a device has no end, and a file may be larger than the memory.
Whatever is refused here is an OSError, as for a file that is not there.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

TEXT_LIMIT = 256 << 20
"""Bytes of the largest text that is read at once, where its reader names no smaller number."""

_KINDS = (
    (stat.S_ISFIFO, 'a FIFO'),
    (stat.S_ISSOCK, 'a socket'),
    (stat.S_ISCHR, 'a device'),
    (stat.S_ISBLK, 'a device'),
)


def require_regular(path: str | Path, limit: int | None = None) -> int:
    """Size of a file [bytes], which is not opened: for libraries that open it by themselves.

    Args:
        limit: Largest size [bytes]; none where its reader takes in a part at a time.

    Raises:
        OSError: If it is not there, not a regular file (links are followed), or too large.
    """
    try:
        found = os.stat(path)
    except ValueError:  # a NUL, or half a surrogate pair
        raise OSError(errno.EINVAL, 'no file has such a name', ascii(str(path))) from None
    return _checked(found, path, limit)


def open_regular(path: str | Path, limit: int | None = None) -> BufferedReader:
    """Open a file for reading.

    Args:
        limit: Largest size [bytes]; none where its reader takes in a part at a time.

    Raises:
        OSError: As `require_regular`.
    """
    require_regular(path, limit)
    # It may have been replaced since: opening does not wait, and what is open is looked at again.
    file = open(path, 'rb', opener=_without_waiting)  # noqa: SIM115 - it is the caller's
    try:
        _checked(os.fstat(file.fileno()), path, limit)
    except OSError:
        file.close()
        raise
    return file


def read_regular(path: str | Path, limit: int) -> bytes:
    """The content of a file of at most `limit` bytes.

    Raises:
        OSError: As `require_regular`.
    """
    with open_regular(path, limit) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(size + 1)  # not more: Python takes all that room first
        if len(content) > size:  # it grew, or has no size, as those of /proc
            content += file.read(limit - size)
    if len(content) > limit:
        raise _too_large(len(content), path, limit)
    return content


def read_text(path: str | Path, limit: int = TEXT_LIMIT, *, errors: str = 'strict') -> str:
    """The UTF-8 text of a file of at most `limit` bytes.

    Args:
        errors: What becomes of bytes that are no UTF-8, as for `bytes.decode`.

    Raises:
        OSError: As `require_regular`.
        UnicodeDecodeError: If it is no UTF-8 and `errors` is strict.
    """
    text = read_regular(path, limit).decode('utf-8', errors)
    return text.replace('\r\n', '\n').replace('\r', '\n') if '\r' in text else text


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)


def _checked(found: os.stat_result, path: str | Path, limit: int | None) -> int:
    if not stat.S_ISREG(found.st_mode):
        if stat.S_ISDIR(found.st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        kind = next((name for is_kind, name in _KINDS if is_kind(found.st_mode)), 'something else')
        raise OSError(errno.EINVAL, f'{kind}, not a regular file', str(path))
    if limit is not None and found.st_size > limit:
        raise _too_large(found.st_size, path, limit)
    return found.st_size


def _too_large(size: int, path: str | Path, limit: int) -> OSError:
    return OSError(errno.EFBIG, f'{size} bytes, at most {limit} are read', str(path))
