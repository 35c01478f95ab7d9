"""A subscription's callback that gets what the middleware says of the message, raw or not."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any


class RawCallback:
    """Takes a message, mostly its bytes, and its information (rclpy's MessageInfo).

    The events executor of rclpy calls it with one tuple, the others with two arguments; which
    callback wants the information is told by its signature.

    Args:
        take: Called with the message, its bytes in a raw subscription, and the information.
    """

    __signature__ = inspect.Signature(
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in ('data', 'info')]
    )

    def __init__(self, take: Callable[[Any, Mapping[str, Any]], None]) -> None:
        self._take = take

    def __call__(self, data: Any, info: Any = None) -> None:
        """Take a message, called either way."""
        if info is None:
            data, info = data
        self._take(data, info)


def received_ns(info: Mapping[str, Any], now_ns: int) -> int:
    """When the middleware had a message [ns], by the machine's clock.

    Args:
        info: What the middleware says of it; some leave parts of it out.
        now_ns: The present [ns], in their place.
    """
    return info.get('received_timestamp') or now_ns


def publisher_of(info: Mapping[str, Any]) -> bytes:
    """Identity of the publisher that sent a message; empty where rclpy does not say (before 9)."""
    gid = info.get('publisher_gid')
    return gid['data'] if gid else b''
