"""Starts child processes, shows their output, and ends all of them in any case.

Every child leads its own session, so a Ctrl-C in the terminal reaches the supervisor alone and
what a child starts is ended with it. On Linux the kernel ends the children of a killed supervisor.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain, count
from types import FrameType
from typing import Any, Self

from il_ros.launching.child_process import (
    Child,
    Expect,
    Grace,
    ProcessError,
    Sink,
    print_line,
    signal_group,
    spawn,
)


class ProcessSupervisor:
    """Starts children and answers for their end, as a context manager.

    Leaving the context, a SIGINT or a SIGTERM, or the unexpected end of a child end them all:
    SIGINT first, then by `Grace`. While the context is open in the main thread, SIGINT and
    SIGTERM raise SystemExit (130, 143) there; during the shutdown itself they are ignored.

    Args:
        sink: Takes every line that a child writes; called from one thread at a time.
        grace: How patient a shutdown is.

    Attributes:
        failed: The first child that ended unexpectedly, if any.
    """

    def __init__(self, *, sink: Sink = print_line, grace: Grace | None = None) -> None:
        self._sink = sink
        self._grace = grace or Grace()
        self._children: list[Child] = []
        self.failed: Child | None = None
        self._stopping = False
        self._signalling = False
        self._changed = threading.Condition()
        self._sink_lock = threading.Lock()
        self._owner = threading.get_ident()
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._owner = threading.get_ident()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stopping = True
        finally:
            self.shutdown()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        expect: Expect = 'running',
    ) -> Child:
        """Start a process whose output goes to the sink, and which reads nothing.

        Must be called in the thread that made the supervisor: the kernel ends the children of a
        thread when that thread ends.

        Args:
            name: What to call it in output; a second one of a name gets ``-2``, and so on.
            argv: Its command line.
            env: Its whole environment; this process's own if None.
            expect: What it is held to.

        Raises:
            ProcessError: If it cannot be started, or the supervisor is shutting down.
        """
        if threading.get_ident() != self._owner:
            raise ProcessError('started from another thread than its supervisor', where=name)
        with self._changed:
            if self._stopping:
                failed = self.failed
                raise ProcessError(failed.describe_end() if failed else 'shutting down', where=name)
            child = Child(self._unique(name), expect, spawn(name, argv, env))
            self._children.append(child)
        reader = threading.Thread(target=self._read, args=(child,), daemon=True)
        reader.start()
        threading.Thread(target=self._watch, args=(child, reader), daemon=True).start()
        return child

    def check(self) -> None:
        """Do nothing while all is well.

        Raises:
            ProcessError: If a child ended as it should not; it says which and how.
        """
        if self.failed is not None:
            raise ProcessError(self.failed.describe_end(), fix='see its output')

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until every child has ended, or one of them unexpectedly.

        In the latter case the others are ended too.

        Args:
            timeout: For how long at most [s]; None for as long as it takes.

        Returns:
            0 if all ended as expected; the non-zero exit code (128 + number for a signal) of the
            one that did not; None if the time ran out.
        """
        with self._changed:
            done = self._changed.wait_for(self._all_ended, timeout)
        if not done:
            return None
        if self.failed is None:
            return 0
        code = self.failed.returncode or 1
        return 128 - code if code < 0 else code

    def shutdown(self) -> None:
        """End all children; returns once they have ended, within `Grace.give_up` seconds.

        A second call waits for the first: a child that tidies up is not interrupted again.
        """
        with self._changed:
            self._stopping = True
            first, self._signalling = not self._signalling, True
        if first:
            self._signal_all()
        else:
            with self._changed:
                self._changed.wait_for(self._all_ended, self._grace.give_up)

    def _signal_all(self) -> None:
        begin = time.monotonic()
        for number, until in (
            (signal.SIGINT, self._grace.terminate),
            (signal.SIGTERM, self._grace.kill),
            (signal.SIGKILL, self._grace.give_up),
        ):
            with self._changed:
                for child in self._children:
                    if child.returncode is None:
                        signal_group(child, number)
                remaining = begin + until - time.monotonic()
                if self._changed.wait_for(self._all_ended, max(0.0, remaining)):
                    return

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if not self._stopping:
            self._stopping = True
            raise SystemExit(128 + number)

    def _read(self, child: Child) -> None:
        stream = child._process.stdout
        assert stream is not None
        with stream:
            for line in stream:
                # A closed terminal must not leave the child blocked on a full pipe.
                with self._sink_lock, suppress(OSError, ValueError):
                    self._sink(child.name, line.decode(errors='replace').rstrip('\r\n'))

    def _watch(self, child: Child, reader: threading.Thread) -> None:
        """Wait for a child's end, end what it left behind, and judge it."""
        # The child is not reaped yet, so its process group number cannot be given to a stranger.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        if self._stopping:
            reader.join(self._grace.kill)  # what it started holds the pipe, and has its grace too
        signal_group(child, signal.SIGKILL)
        reader.join(self._grace.give_up - self._grace.kill)
        with self._changed:
            child.returncode = child._process.wait()
            fine = child.expect == 'anything' or (child.expect, child.returncode) == ('success', 0)
            unexpected = not (self._stopping or fine)
            if unexpected:
                self.failed = child
                self._stopping = True
            child._ended.set()
            self._changed.notify_all()
        if unexpected:
            self.shutdown()

    def _all_ended(self) -> bool:
        return all(child.returncode is not None for child in self._children)

    def _unique(self, name: str) -> str:
        taken = {child.name for child in self._children}
        names = chain([name], (f'{name}-{number}' for number in count(2)))
        return next(each for each in names if each not in taken)
