"""Whether more nodes publish an observation than the contract says."""

from __future__ import annotations

from rclpy.node import Node

from il_ros.core.contract import Contract
from il_ros.ros.managed_node import steady_timer

PERIOD = 0.25
"""Time between two looks at the graph [s]."""

_MOST = 5  # names in a text


class PublisherWatch:
    """Counts the publishers of each topic that the monitor's observations come from.

    Args:
        node: Sees the graph.
        contract: Says how many publishers there may be.
    """

    def __init__(self, node: Node, contract: Contract) -> None:
        self._node = node
        self._most = {
            node.resolve_topic_name(topic): max(contract.streams[key].publishers for key in keys)
            for topic, keys in contract.by_topic(contract.observations).items()
        }
        self._problems: tuple[str, ...] = ()
        steady_timer(node, PERIOD, self.look)

    def look(self) -> None:
        """Count."""
        counts = {topic: self._node.count_publishers(topic) for topic in self._most}
        self._problems = tuple(
            self._text(topic, count) for topic, count in counts.items() if count > self._most[topic]
        )

    def problems(self) -> tuple[str, ...]:
        """See `GraphWatch`."""
        return self._problems

    def _text(self, topic: str, count: int) -> str:
        info = self._node.get_publishers_info_by_topic(topic)
        nodes = sorted(f'{each.node_namespace.rstrip("/")}/{each.node_name}' for each in info)
        more = ', ...' if len(nodes) > _MOST else ''
        return (
            f'{topic}: {count} publishers ({", ".join(nodes[:_MOST])}{more}), the contract expects '
            f'{self._most[topic]}: end the other node; where each publishes joints of its own, set '
            f'publishers: {count} for the topic in the contract'
        )
