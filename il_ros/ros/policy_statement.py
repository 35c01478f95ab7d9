"""Which policy its node runs, in full, besides the short name that its chunks carry."""

from __future__ import annotations

from rclpy.node import Node
from std_msgs.msg import String

from il_ros.core import topics
from il_ros.ros.qos import LATCHED


class PolicyStatement:
    """Publishes the SHA-256 of the policy that a node runs, for those that are there and come.

    Args:
        node: Owner of the publisher.
    """

    def __init__(self, node: Node) -> None:
        self._publisher = node.create_publisher(String, topics.POLICY_HASH, LATCHED)

    def say(self, policy_hash: str) -> None:
        """From now on the chunks come from this policy."""
        self._publisher.publish(String(data=policy_hash))
