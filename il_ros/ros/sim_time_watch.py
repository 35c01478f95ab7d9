"""Whether simulated time comes from one node alone, and makes sense."""

from __future__ import annotations

import time
from collections.abc import Iterable

from il_ros.ros.managed_node import ManagedNode, steady_timer

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
