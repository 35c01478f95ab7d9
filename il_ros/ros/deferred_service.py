"""A service that is answered when its work has ended; the node goes on meanwhile."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.timer import Timer

from il_ros.core.errors import IlRosError, one_line, printable
from il_ros.ros.work_thread import WorkThread

T = TypeVar('T')

_LOOK = 0.02  # s; how often the end of the work is looked for
_MOST = 16  # requests that wait for one answer
_QUIET = 1.0  # s between two lines in the log


@dataclass(frozen=True, kw_only=True)
class SlowAnswer(Generic[T]):
    """How a request is answered whose work takes its time; all but the work in the executor.

    An error that one of them raises is the refusal.

    Attributes:
        begin: Checks a request and gives the work that it asks for, which runs in a thread and
            never gives None.
        finish: Takes over what the work gave.
        describe: Fills in what every response has, a refusal too.
    """

    begin: Callable[[Any], Callable[[], T]]
    finish: Callable[[T], None]
    describe: Callable[[Any], None]


class DeferredService(Generic[T]):
    """Does the work of one request at a time; another one that comes meanwhile is refused.

    The same request once more gets the same answer: a client repeats one whose answer may be lost.
    Of such, 16 wait at most, and further ones are refused.

    Both executors of rclpy send what a service's callback returned by the service's
    `send_response`. Here that waits for the end of the work. (A callback that is a coroutine
    would not do: see `il_ros.ros.spin.make_executor`.)

    Args:
        node: Its owner.
        kind: Type of the service; its response has the fields `success` and `message`.
        name: Of the service.
        answer: What it does.
    """

    def __init__(self, node: Node, kind: Any, name: str, answer: SlowAnswer[T]) -> None:
        self._node, self._name, self._answer = node, name, answer
        self._work: WorkThread[T] = WorkThread()
        self._request: Any = None  # that the work is for
        self._pending: list[list[Any]] = []  # responses not sent yet, each with its header
        self._timer: Timer | None = None
        service = node.create_service(kind, name, self._on_request)
        self._send = service.send_response
        service.send_response = self._send_later

    @property
    def busy(self) -> bool:
        """Whether a request waits for its answer."""
        return bool(self._pending)

    def abandon(self) -> None:
        """Refuse the request that waits, for a node that goes down; its work comes to nothing."""
        if self.busy:
            self._respond('broken off: the node goes down')

    def _on_request(self, request: Any, response: Any) -> Any:
        if self.busy and request == self._request and len(self._pending) < _MOST:
            self._pending.append([response, None])
            return response
        try:
            if self.busy or self._work.busy:
                raise IlRosError(f'{self._name} is at work', fix='wait for the answer before')
            self._work.start(self._answer.begin(request))
        except Exception as problem:
            self._fill(response, refusal(self._node, problem))
            return response
        self._request, self._pending = request, [[response, None]]
        clock = Clock(clock_type=ClockType.STEADY_TIME)  # work ends while a simulation stands, too
        self._timer = self._node.create_timer(_LOOK, self._look, clock=clock)
        return response

    def _send_later(self, response: Any, header: Any) -> None:
        for pending in self._pending:
            if pending[0] is response:
                pending[1] = header
                return
        self._send(response, header)

    def _look(self) -> None:
        done = self._work.take()
        if done is None:
            return
        if done.value is None:
            self._respond(done.problem)
            return
        try:
            self._answer.finish(done.value)
        except Exception as problem:
            self._respond(refusal(self._node, problem))
        else:
            self._respond('')

    def _respond(self, problem: str) -> None:
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
        pending, self._pending, self._timer = self._pending, [], None
        for response, header in pending:
            self._fill(response, problem)
            self._send(response, header)

    def _fill(self, response: Any, problem: str) -> None:
        self._answer.describe(response)
        response.success, response.message = not problem, printable(problem)
        if problem:
            # Anybody may ask, with any path, as often as they like; the answer says it each time.
            text = f'{self._name} refused: {one_line(response.message)}'
            self._node.get_logger().error(text, throttle_duration_sec=_QUIET)


def refusal(node: Node, problem: Exception) -> str:
    """Why a request was refused, in words; what nobody expected is logged with its place."""
    if isinstance(problem, IlRosError | OSError):
        return printable(str(problem))
    said = printable(traceback.format_exc(), 20_000)
    node.get_logger().error(said, throttle_duration_sec=_QUIET)
    return printable(f'{type(problem).__name__}: {problem}')
