"""Which policy its node runs, in full, besides the short name that its chunks carry."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from std_msgs.msg import String

from il_ros.core import topics
from il_ros.core.errors import IlRosError, printable
from il_ros.ros.qos import LATCHED

_DIGITS = 64  # of a SHA-256
_FIX = 'load one bundle in both: ask the ~/load of the monitor'


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


class HeardPolicy:
    """Compares that statement with the policy that the monitor is calibrated for.

    A chunk's `policy_id` is 64 bits of that hash. Two policies can be made that share them, with
    some four billion attempts; none that share the whole hash. So the whole is compared once,
    before the policy gets the arm, and whenever it is stated anew.

    Args:
        node: That listens.
        on_change: Called after each statement.
    """

    def __init__(self, node: Node, on_change: Callable[[], None]) -> None:
        self._hash, self._on_change = '', on_change
        self._heard = node.create_subscription(
            String, topics.POLICY_HASH, self._on_statement, LATCHED
        )

    def expect(self, policy_hash: str) -> None:
        """The policy's node has answered that it has loaded this one; its statement follows."""
        self._hash = policy_hash

    def problem(self, policy_hash: str, *, stated: bool) -> str:
        """Why the policy must not drive; empty when it may.

        Args:
            policy_hash: Of the monitor's own bundle; empty without one, and then any policy may.
            stated: Whether a policy that says nothing may not.
        """
        topic, heard = self._heard.topic_name, self._hash
        if not policy_hash:
            return ''
        if not heard or not self._heard.get_publisher_count():
            return f'{topic}: the policy does not say which one it is' if stated else ''
        if heard == policy_hash:
            return ''
        shown = printable(heard, _DIGITS)
        return f'{topic}: the policy is {shown}, the monitor has {policy_hash}'

    def require(self, policy_hash: str, *, stated: bool) -> None:
        """Check that the policy may drive; arguments as of `problem`.

        Raises:
            IlRosError: If it may not.
        """
        if problem := self.problem(policy_hash, stated=stated):
            raise IlRosError(problem, fix=_FIX)

    def _on_statement(self, message: String) -> None:
        self._hash = message.data[: _DIGITS + 1]  # whatever is longer is none
        self._on_change()
