"""One child process: how it is started, signalled, heard, and judged."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from il_ros.core.errors import IlRosError, printable

Sink = Callable[[str, str], None]
"""Takes the name of a child and one line of its output, without the line's end."""

Expect = Literal['running', 'success', 'anything']
"""What a child is held to: to run until shut down, to end with 0 if it ends, or to nothing."""


class ProcessError(IlRosError):
    """A child process cannot be started, or ended as it should not."""


@dataclass(frozen=True, kw_only=True)
class Grace:
    """When a shutdown gets rougher, counted from its SIGINT [s].

    Attributes:
        terminate: SIGTERM to what still runs.
        kill: SIGKILL to what still runs.
        give_up: The shutdown returns, even if the kernel still holds a process.
    """

    terminate: float = 1.5
    kill: float = 2.5
    give_up: float = 3.0


def print_line(name: str, line: str) -> None:
    """Write a line to standard output behind the child's name; it controls no terminal."""
    sys.stdout.write(printable(f'[{name}] {line}', len(name) + len(line) + 3) + '\n')
    sys.stdout.flush()


def log_directory(folder: Path) -> Sink:
    """Return a sink that appends to ``<folder>/<name>.log``; a ``/`` in a name becomes ``.``.

    The folder is made if need be.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def write(name: str, line: str) -> None:
        with (folder / f'{name.replace("/", ".")}.log').open('a', encoding='utf-8') as file:
            file.write(f'{line}\n')

    return write


class Child:
    """One started process and the other processes of its session.

    Attributes:
        name: The name it was started under, made unique within its supervisor.
        pid: Its process id, which is also that of its process group.
        expect: What it is held to.
        returncode: How it ended: its exit code, the negative number of the signal that ended it,
            or None while it runs.
    """

    def __init__(self, name: str, expect: Expect, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.pid = process.pid
        self.expect = expect
        self.returncode: int | None = None
        self._process = process
        self._ended = threading.Event()

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until it has ended [s; None: as long as it takes]; return its `returncode`."""
        self._ended.wait(timeout)
        return self.returncode

    def describe_end(self) -> str:
        """Say how it ended, in words."""
        if self.returncode is None:
            return f'{self.name} is running'
        if self.returncode < 0:
            number = -self.returncode
            return f'{self.name} was ended by signal {number} ({signal.strsignal(number)})'
        return f'{self.name} ended with exit code {self.returncode}'


def spawn(name: str, argv: Sequence[str], env: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
    """Start a process that leads its own session, its output and errors in one pipe.

    Raises:
        ProcessError: If the operating system refuses.
    """
    try:
        return subprocess.Popen(
            list(argv),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # Between fork and exec it makes two system calls and takes no lock.
            preexec_fn=_die_with_parent(),  # noqa: PLW1509
        )
    except OSError as error:
        raise ProcessError(
            f'{argv[0]!r} cannot be started: {error.strerror}', where=name
        ) from error


def _die_with_parent() -> Callable[[], None] | None:
    """Return what a child calls on Linux before exec, to be killed when its parent ends."""
    if sys.platform != 'linux':
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, prctl(2)
        if os.getppid() != parent:  # it ended before the call
            os._exit(1)

    return ask


def signal_group(child: Child, number: int) -> None:
    """Send a signal to a child that is not reaped yet, and to what it started."""
    with suppress(ProcessLookupError, PermissionError):  # macOS, where only a zombie is left
        os.killpg(child.pid, number)
