"""Who else is on the monitor's command topic: other publishers, and whether anybody listens."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable

from rclpy.node import Node
from rclpy.publisher import Publisher

from il_ros.ros.managed_node import steady_timer

_PERIOD = 0.05  # s between two looks at the graph, of 60 us each
_MEMORY = 0.5  # s that a publisher counts after it was last seen: no tick misses a short one
_NAMES_SHOWN = 5
_UNNAMED = '_NODE_NAME_UNKNOWN_'  # what rmw calls a participant that is no ROS node


class CommandTopicWatch:
    """Sees to it that the monitor alone commands the arm, and that its commands arrive.

    Nothing checks what another publisher on the topic sends. The topic of an inactive controller
    has a subscriber all the same, and so has one that is only recorded: that there is a subscriber
    does not mean that the arm follows, which the check of `tracking_error` finds out.

    Args:
        node: Owner of `publisher`.
        publisher: Of the commands. Its topic is the one after namespace and remappings.
        tell: Takes a line whenever the other publishers change.
    """

    def __init__(self, node: Node, publisher: Publisher, tell: Callable[[str], None]) -> None:
        self._node, self._publisher, self._tell = node, publisher, tell
        self._own = _full_name(node.get_namespace(), node.get_name())
        self._seen: dict[str, float] = {}
        self.others: tuple[str, ...] = ()
        steady_timer(node, _PERIOD, self.look)

    @property
    def topic(self) -> str:
        """Absolute name of the command topic."""
        return str(self._publisher.topic_name)

    def problems(self) -> Iterable[str]:
        """Other publishers on the command topic, and the lack of a subscriber."""
        if self.others:
            yield self._company()
        if not self._publisher.get_subscription_count():
            yield f'{self.topic}: nobody subscribes to it, is the controller loaded?'

    def look(self) -> None:
        """Look at the graph, and tell what has changed."""
        now, before = time.monotonic(), self.others
        self._seen |= dict.fromkeys(self._others_now(), now)
        self._seen = {name: at for name, at in self._seen.items() if now - at < _MEMORY}
        self.others = tuple(sorted(self._seen))
        if self.others != before:
            alone = f'{self.topic}: published by the monitor alone again'
            self._tell(self._company() if self.others else alone)

    def _company(self) -> str:
        names, more = ', '.join(self.others[:_NAMES_SHOWN]), len(self.others) - _NAMES_SHOWN
        return f'{self.topic}: also published by {names}{f" and {more} more" if more > 0 else ""}'

    def _others_now(self) -> Iterable[str]:
        """The nodes of the other publishers; one of the monitor's own name says so."""
        count: Counter[str] = Counter()
        for offer in self._node.get_publishers_info_by_topic(self.topic):
            if offer.node_name == _UNNAMED:
                count['a participant that is no ROS node'] += 1
            else:
                count[_full_name(offer.node_namespace, offer.node_name)] += 1
        if count[self._own] > 1:
            count[f'another {self._own}, or one that was killed less than 20 s ago'] += 1
        del count[self._own]
        return count


def _full_name(namespace: str, name: str) -> str:
    return f'{namespace.rstrip("/")}/{name}'
