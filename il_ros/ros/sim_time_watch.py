"""Whether simulated time comes from one node alone and makes sense, and what it is just now."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock

from il_ros.ros.managed_node import ManagedNode, steady_timer
from il_ros.ros.message_conversion import to_ns
from il_ros.ros.qos import NEWEST

CLOCK = '/clock'
"""Where simulated time is published, before remappings."""

_PERIOD = 0.1  # s between two looks at the graph
_DISCOVERY = 10  # looks until a publisher that was not found counts as none
_HOLD = 2.0  # s that a message without a valid time counts
_NAMES_SHOWN = 5


def clock_publishers(node: ManagedNode) -> list[str]:
    """The full names of all nodes that publish simulated time where `node` takes it."""
    offers = node.get_publishers_info_by_topic(node.resolve_topic_name(CLOCK))
    return sorted(f'{offer.node_namespace.rstrip("/")}/{offer.node_name}' for offer in offers)


def crowd_text(topic: str, names: list[str]) -> str:
    """What is wrong when several nodes publish simulated time."""
    shown = ', '.join(names[:_NAMES_SHOWN]) + ', ...' * (len(names) > _NAMES_SHOWN)
    return (
        f'{topic}: {len(names)} publishers ({shown}), or one that was killed less than 20 s ago; '
        f'allowed: 1; give each graph its own, -r {CLOCK}:=clock in a namespace'
    )


class SimTimeWatch:
    """Forbids motion while several nodes set the time, or somebody sets one that is none.

    It has nothing to say on a node that runs by the machine's clock.

    Args:
        node: Owner of the clock.
    """

    def __init__(self, node: ManagedNode) -> None:
        self._node = node
        self._topic = node.resolve_topic_name(CLOCK)
        self._names: list[str] = []
        self._missed = 0  # looks without a publisher
        self._simulated = bool(node.get_parameter('use_sim_time').value)
        if self._simulated:
            steady_timer(node, _PERIOD, self.look)

    def look(self) -> None:
        """Look at the graph."""
        self._names = []
        count = self._node.count_publishers(self._topic)
        self._missed = 0 if count else self._missed + 1
        if count > 1:
            self._names = clock_publishers(self._node)

    def problems(self) -> Iterable[str]:
        """See `GraphWatch`."""
        if not self._simulated:
            return
        if self._missed >= _DISCOVERY and not self._node.get_clock().now().nanoseconds:
            yield f'{self._topic}: use_sim_time is true, but nobody publishes the time'
        if len(self._names) > 1:
            yield crowd_text(self._topic, self._names)
        since, reason = self._node.dropped.get(self._topic, (0.0, ''))
        if reason and time.monotonic() - since < _HOLD:
            yield f'{self._topic}: not a time: {reason}'


class Present:
    """Reads a node's clock; a simulated one without waiting for the end of the callback.

    rclpy sets simulated time in a callback of its own, so a node's clock stands still while another
    callback runs. A process that the scheduler stopped in the middle of one would not notice. So
    what has come meanwhile is taken from a subscription of its own.

    Args:
        node: Owner of the clock.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._newest = b''
        self._time: int | None = None
        self._subscription = None
        if node.get_parameter('use_sim_time').value:
            # Its bytes alone: most of them are never looked at.
            self._subscription = node.create_subscription(
                Clock, CLOCK, self._take, NEWEST, raw=True
            )

    def now(self) -> int:
        """The time now [ns]."""
        if self._subscription is not None:
            with self._subscription.handle:
                while taken := self._subscription.handle.take_message(Clock, True):
                    self._take(taken[0])
        if self._newest:
            clock, self._newest = deserialize_message(self._newest, Clock).clock, b''
            if clock.sec >= 0:  # rclpy refuses what is before zero, too
                self._time = to_ns(clock)
        if self._time is not None:
            return self._time
        return int(self._node.get_clock().now().nanoseconds)

    def _take(self, data: bytes) -> None:
        self._newest = data
