"""What on the graph itself, rather than in a frame, forbids that the arm moves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from rclpy.node import Node


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
