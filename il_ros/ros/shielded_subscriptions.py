"""Subscriptions that survive what is published on their topics."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

from rclpy.node import Node

from il_ros.core.errors import printable


class ShieldedSubscriptions(Node):  # type: ignore[misc]
    """A node that drops a message which its callback cannot take, and says so.

    Anybody may publish anything, and an error in a callback would end the executor, and with it the
    node. rclpy's own subscription to `/clock` is one of those: it raises an error when time is
    negative, and the clock then stays as it was.

    Attributes:
        dropped: By absolute topic, when a message was dropped last [s, monotonic], and why.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.dropped: dict[str, tuple[float, str]] = {}  # first: a node subscribes to /clock itself
        super().__init__(*args, **kwargs)

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
                self._drop(name, error)

        return super().create_subscription(msg_type, topic, shielded, *args, **kwargs)

    def _drop(self, topic: str, error: Exception) -> None:
        reason = printable(f'{type(error).__name__}: {error}', 200)
        self.dropped[topic] = time.monotonic(), reason
        log = self.get_logger()
        log.error(f'{topic}: a message is dropped: {reason}', throttle_duration_sec=5.0)
        log.debug(f'{topic}: a message is dropped:\n{traceback.format_exc()}')
