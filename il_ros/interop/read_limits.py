"""Limits for a process in which libraries read files that may be damaged or made to exhaust them.

HDF5, Parquet and MP4 are read by libraries in C. A damaged file can make one loop for ever, and
nothing within Python ends that. So reading is cut into steps, and the system ends a process that
takes too much CPU time for one; what waits for a disk or for other processes takes none.
"""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

_SECONDS, _SPEED = 1.0, 20e6  # CPU time of a step [s]: this, and the files' size at [bytes/s]
ROOM, RATIO = 192 << 20, 16
"""Memory that reading takes at most [bytes]: this, and so many times the files' size."""


class _Process:
    step = 0.0  # CPU time of a step in this process [s]; 0 without limits


def limit_process(path: Path) -> int:
    """Set the limits of this process, which reads a file or a folder and then ends.

    Returns:
        Bytes of memory that it may take for that.
    """
    size = files_size(path)
    _Process.step = _SECONDS + size / _SPEED
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    room = ROOM + RATIO * size
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = _held() + room
    if hard == resource.RLIM_INFINITY or most < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    return room


def step() -> None:
    """The next call of a library begins: it has its time from now on, in a limited process."""
    if _Process.step:
        signal.setitimer(signal.ITIMER_PROF, _Process.step)


def rest() -> None:
    """What comes next is our own code, which has an end."""
    if _Process.step:
        signal.setitimer(signal.ITIMER_PROF, 0.0)


def files_size(path: Path) -> int:
    """What a file or the files of a folder take on the disk [bytes]; holes take nothing."""
    files = (
        [path] if not path.is_dir() else [Path(at, n) for at, _, ns in os.walk(path) for n in ns]
    )
    total = 0
    for file in files:
        try:
            found = file.stat()
        except OSError:  # its reader says so
            continue
        total += min(found.st_size, found.st_blocks * 512)
    return total


def _held() -> int:
    """Memory that this process has for itself [bytes]."""
    status = Path('/proc/self/status').read_text(encoding='ascii')
    return int(status.split('VmData:')[1].split()[0]) << 10
