"""Who publishes on the graph, and whether that is more than the contract says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from rclpy.node import Node

from il_ros.core.contract import Contract
from il_ros.ros.managed_node import steady_timer
from il_ros.ros.message_origins import HOLD, MessageOrigins
from il_ros.ros.raw_callback import publisher_of

PERIOD = 0.25
"""Time between two looks at the graph [s]."""

_NAMES_SHOWN = 5


class GraphWatch(Protocol):
    """Something that the monitor node keeps an eye on between ticks."""

    def problems(self) -> Iterable[str]:
        """One text for each reason why the arm must not move, for as long as it holds.

        Each is a fault of the frame: it refuses every mode that commands the arm, and ends one.
        """


def node_of(offer: Any) -> str:
    """The full name of the node that a publisher belongs to, from rclpy's TopicEndpointInfo."""
    return f'{offer.node_namespace.rstrip("/")}/{offer.node_name}'


def publishers_of(node: Node, topic: str) -> dict[bytes, str]:
    """The publishers of a topic on a node's graph: their identities, and the node of each."""
    offers = node.get_publishers_info_by_topic(topic)
    return {bytes(offer.endpoint_gid): node_of(offer) for offer in offers}


class PublisherWatch:
    """Counts the publishers of each topic that the monitor's observations come from.

    Where messages say who sent them (rclpy 9, Kilted), each joint also has to come from one
    publisher, however many the topic may have, and so does any other observation of a topic that
    may have one only. What comes now and then, as a goal does, may come from anybody.

    Args:
        node: Sees the graph.
        contract: Says how many publishers there may be.
        clock: The time that a silent publisher is forgotten by [s].
        tell: Takes a line when an observation has another publisher, and when it has one again.
    """

    def __init__(
        self,
        node: Node,
        contract: Contract,
        clock: Callable[[], float],
        tell: Callable[[str], None],
    ) -> None:
        self._node, self._tell = node, tell
        streams = contract.streams
        topics = contract.by_topic(contract.observations)
        self._most = {
            node.resolve_topic_name(topic): contract.most_publishers(topic) for topic in topics
        }
        self._topics = {
            key: node.resolve_topic_name(topic)
            for topic, keys in topics.items()
            for key in keys
            if streams[key].rate and (streams[key].publishers == 1 or streams[key].names)
        }
        self._origins = MessageOrigins(self._topics, clock)
        self._names: dict[bytes, str] = {}
        self._counted: tuple[str, ...] = ()
        self._told: dict[str, str] = {}
        self.hear = self._origins.hear
        steady_timer(node, PERIOD, self.look)

    def look(self) -> None:
        """Count, and learn the names of those that were heard."""
        counts = {topic: self._node.count_publishers(topic) for topic in self._most}
        self._counted = tuple(
            self._count_text(topic, count)
            for topic, count in counts.items()
            if count > self._most[topic]
        )
        contested = {self._topics[key] for key in self._origins.contested}
        for topic in sorted(contested | self._unnamed()):
            self._settle(topic)
        self._tell_changes()

    def problems(self) -> tuple[str, ...]:
        """See `GraphWatch`."""
        return (*self._counted, *self._contested().values())

    def _settle(self, topic: str) -> None:
        present = publishers_of(self._node, topic)
        for key in self._origins.contested:
            if self._topics[key] == topic:
                self._origins.settle(key, present)
        kept = self._origins.publishers(self._topics)  # a name outlives its node
        names = {gid: name for gid, name in self._names.items() if gid in kept}
        self._names = names | {gid: name for gid, name in present.items() if gid in kept}

    def _unnamed(self) -> set[str]:
        """Topics with a publisher that was heard and has no name yet."""
        return {
            topic
            for key, topic in self._topics.items()
            if self._origins.publishers((key,)) - self._names.keys()
        }

    def _tell_changes(self) -> None:
        contested = self._contested()
        for topic, text in contested.items():
            if topic not in self._told:
                self._tell(text)
        for topic in self._told:
            if topic not in contested:
                self._tell(f'{topic}: from one publisher again')
        self._told = contested

    def _contested(self) -> dict[str, str]:
        """One text for each topic with a key that has several publishers."""
        keys: dict[str, list[str]] = {}
        for key in self._origins.contested:
            keys.setdefault(self._topics[key], []).append(key)
        return {topic: self._rivals_text(topic, group) for topic, group in keys.items()}

    def _rivals_text(self, topic: str, keys: list[str]) -> str:
        present = publishers_of(self._node, topic)
        left = {gid: f'{name} (gone)' for gid, name in self._names.items()}
        rivals = {gid for key in keys for gid in self._origins.rivals(key)}
        names = _listed({**left, **present}.get(gid, 'one unknown') for gid in rivals)
        return (
            f'{topic}: {", ".join(sorted(keys))} from {len(rivals)} publishers, {names}: end the '
            f'other node, and wait {HOLD:.0f} s; after a driver has begun again, only wait'
        )

    def _count_text(self, topic: str, count: int) -> str:
        names = _listed(map(node_of, self._node.get_publishers_info_by_topic(topic)))
        return (
            f'{topic}: {count} publishers ({names}), the contract expects '
            f'{self._most[topic]}: end the other node; where each publishes joints of its own, set '
            f'publishers: {count} for the topic in the contract'
        )


class SolePublisher:
    """Whether the messages of a topic come from one publisher, where messages say who sent them.

    Args:
        node: Sees the graph.
        topic: Relative or absolute name.
        clock: The time that a silent publisher is forgotten by [s].
        counted: Whether a second publisher is one too many before it sends anything, too.
    """

    def __init__(
        self, node: Node, topic: str, clock: Callable[[], float], *, counted: bool = False
    ) -> None:
        self._node, self._topic = node, node.resolve_topic_name(topic)
        self._origins = MessageOrigins((self._topic,), clock)
        self._crowd = ''
        if counted:
            steady_timer(node, PERIOD, self.look)

    def look(self) -> None:
        """Count the publishers."""
        count, self._crowd = self._node.count_publishers(self._topic), ''
        if count > 1:
            names = _listed(map(node_of, self._node.get_publishers_info_by_topic(self._topic)))
            self._crowd = f'{self._topic}: {count} publishers ({names}), allowed 1: end the other'

    def hear(self, info: Mapping[str, Any]) -> None:
        """Take what the middleware says of a message."""
        self._origins.hear((self._topic,), publisher_of(info))

    def problem(self) -> str:
        """Who else publishes it; empty where it is one."""
        if not self._origins.contested:
            return self._crowd
        present = publishers_of(self._node, self._topic)
        self._origins.settle(self._topic, present)
        rivals = self._origins.rivals(self._topic)
        names = _listed(present.get(gid, 'one that is gone') for gid in rivals)
        if not rivals:
            return self._crowd
        return (
            f'{self._topic}: from {len(rivals)} publishers, {names}: end the other node, and wait '
            f'{HOLD:.0f} s'
        )


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = ', ...' if len(ordered) > _NAMES_SHOWN else ''
    return ', '.join(ordered[:_NAMES_SHOWN]) + more
