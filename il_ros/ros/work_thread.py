"""The thread that a node's longer work runs in, while its executor goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from il_ros.core.errors import IlRosError, printable

T = TypeVar('T')


@dataclass(frozen=True, kw_only=True)
class WorkResult(Generic[T]):
    """What work in a thread came to.

    Attributes:
        value: What it gave; None if it failed.
        problem: Why it failed, in words; empty if it did not.
    """

    value: T | None = None
    problem: str = ''


class WorkThread(Generic[T]):
    """Does one piece of work at a time in a thread; all methods are for the executor's thread.

    Attributes:
        stop: Set to make the work end; each `start` clears it.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._result: WorkResult[T] = WorkResult()

    @property
    def busy(self) -> bool:
        """Whether work runs, or has ended and its result was not taken yet."""
        return self._thread is not None

    def start(self, work: Callable[[], T]) -> None:
        """Begin; whatever `work` raises becomes the result's `problem`."""
        assert self._thread is None, 'one at a time'
        self.stop.clear()
        self._result = WorkResult(problem='broken off')  # unless the thread says otherwise
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def take(self, patience: float = 0.0) -> WorkResult[T] | None:
        """The result of work that has ended; None while it runs, and where there is none.

        Args:
            patience: How long to wait for its end [s].
        """
        if self._thread is None:
            return None
        self._thread.join(patience)
        if self._thread.is_alive():
            return None
        self._thread = None
        return self._result

    def _run(self, work: Callable[[], T]) -> None:
        try:
            self._result = WorkResult(value=work())
        except IlRosError as problem:
            self._result = WorkResult(problem=str(problem))
        except (SystemExit, KeyboardInterrupt):
            pass
        except BaseException as problem:  # a panic of a library in Rust is no Exception
            self._result = WorkResult(problem=printable(f'{type(problem).__name__}: {problem}'))
