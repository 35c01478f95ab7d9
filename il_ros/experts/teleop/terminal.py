"""Single key presses from a terminal, without a display."""

from __future__ import annotations

import atexit
import os
import select
import sys
import termios
import tty
from typing import Any

from il_ros.core.errors import IlRosError

_AT_ONCE = 1024


class Terminal:
    """Reads keys as they are pressed, without showing them; Ctrl-C still ends the process.

    Use it in `contextlib.closing`, or close it; the end of the process closes it too. The terminal
    is then as it was before.

    Args:
        fd: The terminal; standard input by default.

    Raises:
        IlRosError: If this is no terminal, or belongs to another process at the moment.
    """

    def __init__(self, fd: int | None = None) -> None:
        self._fd = sys.stdin.fileno() if fd is None else fd
        if not os.isatty(self._fd):
            raise IlRosError(
                'standard input is no terminal, so there are no keys',
                where='keyboard',
                fix='start the node by itself in a terminal (ros2 run, not a launch file)',
            )
        if not _in_front(self._fd):
            raise IlRosError(
                'the terminal belongs to another process',
                where='keyboard',
                fix='start the node in the foreground',
            )
        self._attributes: list[Any] | None = termios.tcgetattr(self._fd)
        atexit.register(self.close)
        tty.setcbreak(self._fd)

    def read(self) -> str:
        """The characters typed since the last call.

        Raises:
            IlRosError: If the terminal is gone.
        """
        text = b''
        try:
            while select.select([self._fd], [], [], 0.0)[0]:
                read = os.read(self._fd, _AT_ONCE)
                if not read:
                    raise OSError('it was closed')
                text += read
        except OSError as problem:
            raise IlRosError(f'the terminal is gone: {problem}', where='keyboard') from None
        return text.decode('utf-8', errors='ignore')

    def close(self) -> None:
        """Restore the terminal."""
        attributes, self._attributes = self._attributes, None
        if attributes is None:
            return
        atexit.unregister(self.close)
        try:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, attributes)
        except termios.error:
            return  # it is gone, and nothing is left to restore


def _in_front(fd: int) -> bool:
    """Whether this process may use the terminal; one that it does not belong to it always may."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return True
