"""The base of a node that must stay when its own code fails, because it keeps an arm at rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.timer import Timer

from il_ros.ros.callback_failures import CallbackFailures
from il_ros.ros.managed_node import ManagedNode


class FailSafeNode(ManagedNode):
    """A managed node that no exception in a timer or a subscription ends.

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
        name = callback.__qualname__.replace('.<locals>', '')
        shielded = self.failures.shield(callback, name)
        return super().create_timer(period, shielded, *args, **kwargs)

    def create_subscription(
        self, msg_type: Any, topic: str, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """See `Node.create_subscription`."""
        if not _of_rclpy(callback):
            callback = self.failures.shield(callback, self.resolve_topic_name(topic))
        return super().create_subscription(msg_type, topic, callback, *args, **kwargs)


def _of_rclpy(callback: Callable[..., Any]) -> bool:
    return callback.__module__.startswith('rclpy.')
