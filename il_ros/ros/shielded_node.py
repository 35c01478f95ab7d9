"""A node that survives what is published on its topics and asked of its services."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor, ParameterType
from rclpy.node import Node
from rclpy.task import Future

from il_ros.core.errors import IlRosError, one_line

_NAMES = 1_000  # parameters of one request; rclpy compares each with all there are


class ShieldedNode(Node):  # type: ignore[misc]
    """A node that drops a message or a request which its callback cannot take, and says so.

    Anybody may send anything, and an error in a callback would end the executor, and with it the
    node. That goes for rclpy's own callbacks, too: its subscription to `/clock` raises an error
    when time is negative (the clock then stays as it was), its parameter services do when a value
    has no type that there is, and a request for a million parameters keeps them busy for seconds.
    Which clock it runs by stays as it was when it began: `use_sim_time` is read-only.

    Attributes:
        dropped: By absolute topic or service, when something was dropped last [s, monotonic], and
            why.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.dropped: dict[str, tuple[float, str]] = {}  # first: a node subscribes to /clock itself
        super().__init__(*args, **kwargs)
        # Nodes look at it when they begin. If anybody could switch it, the clock would leap to zero
        # or to what somebody publishes.
        kind = ParameterType.PARAMETER_BOOL
        self.set_descriptor('use_sim_time', ParameterDescriptor(type=kind, read_only=True))

    def create_subscription(
        self, msg_type: Any, topic: str, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """See `Node.create_subscription`."""
        name = self.resolve_topic_name(topic)

        @wraps(callback)
        def shielded(*message: Any) -> None:
            try:
                callback(*message)
            except Exception as error:
                self._drop(name, 'message', error)

        return super().create_subscription(msg_type, topic, shielded, *args, **kwargs)

    def create_service(
        self, srv_type: Any, srv_name: str, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """See `Node.create_service`; what cannot be answered gets the response as it is made."""
        name = self.resolve_service_name(srv_name)
        bounded = srv_type.__module__.startswith('rcl_interfaces.')

        @wraps(callback)
        def shielded(request: Any, response: Any) -> Any:
            try:
                if bounded:
                    _require_bounded(request)
                return callback(request, response)
            except Exception as error:
                self._drop(name, 'request', error)
                return response

        return super().create_service(srv_type, srv_name, shielded, *args, **kwargs)

    def when_answered(self, future: Future, callback: Callable[[Future], None]) -> None:
        """Call back with a service's future when it is done.

        `Future.add_done_callback` alone does not do: the events executor of Kilted crashes the
        process for an exception there.
        """

        def shielded(done: Future) -> None:
            try:
                callback(done)
            except Exception as error:
                self._drop(callback.__qualname__, 'answer', error)

        future.add_done_callback(shielded)

    def _drop(self, name: str, what: str, error: Exception) -> None:
        reason = one_line(f'{type(error).__name__}: {error}', 200)
        self.dropped[name] = time.monotonic(), reason
        log = self.get_logger()
        log.error(f'{name}: {what} dropped: {reason}', throttle_duration_sec=5.0)
        log.debug(f'{name}: {what} dropped:\n{traceback.format_exc()}')


def _require_bounded(request: Any) -> None:
    for field, kind in request.get_fields_and_field_types().items():
        if kind.startswith('sequence') and (count := len(getattr(request, field))) > _NAMES:
            raise IlRosError(f'{count} {field}', allowed=f'up to {_NAMES}')
