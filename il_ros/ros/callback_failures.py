"""What the callbacks of a node have raised: it goes on, and does not forget it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from math import inf
from typing import Any, TypeVar

from rclpy.node import Node

from il_ros.core.errors import one_line, printable

HOLD = 1.0
"""How long a failure counts at least [s]."""

_LINE, _TRACE = 5.0, 60.0  # s between two lines in the log, and two tracebacks, of one name
_LENGTH = 200  # characters of an exception in a text

T = TypeVar('T')


def error_text(error: Exception) -> str:
    """An exception in one short line."""
    return one_line(f'{type(error).__name__}: {error}', _LENGTH)


@dataclass
class _Failure:
    """Of one callback: when last [s], with what, and whether it has worked since, if it must."""

    at: float
    text: str
    over: bool = True
    told: float = -inf
    traced: float = -inf


class CallbackFailures:
    """A `GraphWatch` of a node's own code: what failed forbids motion for `HOLD`.

    What the callback of a timer or a subscription would have found out is not known after an
    exception. So each of them counts until the same callback comes to its end, too. The first
    exception of each is logged with its traceback, those that follow in a line every few seconds.

    Args:
        node: Whose log it is.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._failures: dict[str, _Failure] = {}  # as many as there are callbacks

    def problems(self) -> list[str]:
        """One text for each callback that failed lately, or has not worked since."""
        now = time.monotonic()
        return [
            f'{name} failed: {failure.text}'
            for name, failure in self._failures.items()
            if not failure.over or now - failure.at < HOLD
        ]

    def add(self, name: str, error: Exception, *, lasting: bool = False) -> None:
        """`name` has raised `error`, which is being handled.

        Args:
            name: Of the callback or of a part of it.
            error: What it has raised.
            lasting: Whether this counts until `name` has `worked`.
        """
        now, text = time.monotonic(), error_text(error)
        failure = self._failures.setdefault(name, _Failure(now, text))
        failure.at, failure.text, failure.over = now, text, not lasting
        if now - failure.traced >= _TRACE:
            failure.traced = failure.told = now
            trace = printable(''.join(traceback.format_exception(error)), 20_000)
            self._node.get_logger().error(f'{name} failed, the arm must not move:\n{trace}')
        elif now - failure.told >= _LINE:
            failure.told = now
            self._node.get_logger().error(f'{name} failed again: {text}')

    def worked(self, name: str) -> None:
        """`name` came to its end."""
        if self._failures and (failure := self._failures.get(name)) is not None:
            failure.over = True

    def call(self, name: str, otherwise: T, work: Callable[..., T], *args: Any) -> T:
        """What `work` gives; `otherwise` if it raises, which then counts as a failure of `name`."""
        try:
            return work(*args)
        except Exception as error:
            self.add(name, error)
            return otherwise

    def shield(self, callback: Callable[..., Any], name: str) -> Callable[..., None]:
        """`callback` with its exceptions kept under `name`."""

        @wraps(callback)
        def shielded(*args: Any) -> None:
            try:
                callback(*args)
            except Exception as error:
                self.add(name, error, lasting=True)
            else:
                self.worked(name)

        return shielded
