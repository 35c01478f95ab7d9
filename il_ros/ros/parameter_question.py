"""A parameter of another node, asked for again and again."""

from __future__ import annotations

import time
from collections.abc import Callable

from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters
from rclpy.task import Future

from il_ros.ros.shielded_node import ShieldedNode

SERVICE = '/get_parameters'
"""Of every node, behind its name."""

_PATIENCE = 2.0  # s that an answer may take; a busy node answers late, a dead one never
_AGE = 10.0  # s that an answer counts where none follows
_DISCOVERY = 3  # looks until a node that was not found counts as none


class ParameterQuestion:
    """Asks a node for a parameter that is true or false.

    A false one counts until the node answers otherwise: one that is busy does not take it back.

    Args:
        node: That asks.
        other: Name of the node that is asked, relative or absolute.
        parameter: Its name.
        tell: Is called after each answer, and where there is none.

    Attributes:
        other: Absolute name of the node that is asked.
        value: The answer; None where nobody has given one.
        lacking: Whether the node has answered that it has no such parameter.
        settled: Whether it has answered, or it is established that nobody does.
        why_unknown: Why there is no value.
    """

    def __init__(
        self,
        node: ShieldedNode,
        other: str,
        parameter: str,
        tell: Callable[[], None] = lambda: None,
    ) -> None:
        self._node, self._parameter, self._tell = node, parameter, tell
        self.value: bool | None = None
        self.lacking, self.settled, self.why_unknown = False, False, 'not asked yet'
        self._missed = 0  # looks without a node
        self._answered = time.monotonic()  # last answer, or when answers were first waited for [s]
        self._pending: tuple[Future, float] | None = None
        self._client = node.create_client(GetParameters, f'{other}{SERVICE}')
        resolved = str(node.resolve_service_name(f'{other}{SERVICE}'))
        self.other = resolved.removesuffix(SERVICE)

    def look(self) -> None:
        """Ask, unless a question is open; one that stays open for too long has no answer."""
        if self._pending is not None:
            future, since = self._pending
            if time.monotonic() - since < _PATIENCE:
                return
            self._client.remove_pending_request(future)
            self._pending = None
            if time.monotonic() - self._answered > _AGE:
                self._lost(f'no answer within {_PATIENCE:.0f} s')
        if not self._client.service_is_ready():
            self._missed += 1
            if self._missed >= _DISCOVERY:
                self._lost('there is no such node')
            return
        self._missed = 0
        future = self._client.call_async(GetParameters.Request(names=[self._parameter]))
        self._pending = future, time.monotonic()
        self._node.when_answered(future, self._on_answer)

    def _on_answer(self, future: Future) -> None:
        if self._pending is None or self._pending[0] is not future:
            return  # given up
        self._pending, self._answered = None, time.monotonic()
        response = None if future.cancelled() or future.exception() else future.result()
        values: list[ParameterValue] = [] if response is None else list(response.values)
        if len(values) == 1 and values[0].type == ParameterType.PARAMETER_BOOL:
            self._found(bool(values[0].bool_value), '')
        else:  # older than the parameter, or another kind of node
            why_unknown = f'it has no parameter {self._parameter}'
            self._found(None, why_unknown, lacking=response is not None)

    def _lost(self, why_unknown: str) -> None:
        """Nothing is known of the present; what demands caution is not forgotten for that."""
        self.settled = True
        if self.value is not False:
            self._found(None, why_unknown)

    def _found(self, value: bool | None, why_unknown: str, *, lacking: bool = False) -> None:
        self.value, self.why_unknown, self.lacking = value, why_unknown, lacking
        self.settled = self.settled or lacking or value is not None
        self._tell()
