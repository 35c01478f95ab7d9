"""The base of a node that must stay when its own code fails, because it keeps an arm at rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.task import Future
from rclpy.timer import Timer

from il_ros.ros.callback_failures import CallbackFailures
from il_ros.ros.managed_node import ManagedNode


class FailSafeNode(ManagedNode):
    """A managed node that no exception in a timer, a subscription or an answer ends.

    rclpy's own callbacks are those of `ShieldedNode`.

    Attributes:
        failures: What has raised; a subclass has to heed its `problems`.
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        self.failures = CallbackFailures(self)  # first: a node makes timers and subscriptions
        super().__init__(name, **kwargs)

    def create_timer(
        self, period: float, callback: Callable[[], None], *args: Any, **kwargs: Any
    ) -> Timer:
        """See `Node.create_timer`."""
        shielded = self.failures.shield(callback, _name_of(callback))
        return super().create_timer(period, shielded, *args, **kwargs)

    def create_subscription(
        self, msg_type: Any, topic: str, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """See `Node.create_subscription`."""
        if not _of_rclpy(callback):
            callback = self.failures.shield(callback, self.resolve_topic_name(topic))
        return super().create_subscription(msg_type, topic, callback, *args, **kwargs)

    def when_answered(self, future: Future, callback: Callable[[Future], None]) -> None:
        """See `ShieldedNode.when_answered`."""
        super().when_answered(future, self.failures.shield(callback, _name_of(callback)))


def _name_of(callback: Callable[..., Any]) -> str:
    """What a callback is called in texts: its class and its own name."""
    name: str = getattr(callback, '__qualname__', type(callback).__name__)
    return name.replace('.<locals>', '')


def _of_rclpy(callback: Callable[..., Any]) -> bool:
    return callback.__module__.startswith('rclpy.')
