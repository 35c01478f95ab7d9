"""Whether the policy that drives is the one that the monitor is calibrated for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rclpy.node import Node
from std_msgs.msg import String

from il_ros.core import topics
from il_ros.core.errors import IlRosError, printable
from il_ros.ros.managed_node import steady_timer
from il_ros.ros.publisher_watch import PERIOD, publishers_of
from il_ros.ros.qos import LATCHED
from il_ros.ros.raw_callback import RawCallback, publisher_of

_DIGITS = 64  # of a SHA-256
_FIX = 'load one bundle in both: ask the ~/load of the monitor'


class HeardPolicy:
    """Compares what the policy node states with the policy that the monitor is calibrated for.

    A chunk's `policy_id` is 64 bits of that hash. Two policies can be made that share them, with
    some four billion attempts; none that share the whole hash. So the whole is compared before
    the policy gets the arm, and for as long as it has it.

    A statement counts for as long as its publisher is there. Where rclpy does not say who sent it
    (before 9), that is any of those that were there when it came.

    Args:
        node: That listens.
        on_change: Called after each statement.
    """

    def __init__(self, node: Node, on_change: Callable[[], None]) -> None:
        self._node, self._hash, self._on_change = node, '', on_change
        self._sources: set[bytes] = set()  # publishers that may have stated it
        take = RawCallback(self._on_statement)
        self._heard = node.create_subscription(String, topics.POLICY_HASH, take, LATCHED)
        steady_timer(node, PERIOD, self.look)

    def look(self) -> None:
        """Forget what was stated by a publisher that is gone."""
        if not self._hash:
            return
        present = self._present()
        self._sources = self._sources or present
        gone = not present and not self._heard.get_publisher_count()
        if gone or (self._sources and present and not self._sources & present):
            self._hash, self._sources = '', set()

    def expect(self, policy_hash: str) -> None:
        """The policy's node has answered that it has loaded this one; its statement follows."""
        if self._hash != policy_hash:
            self._hash, self._sources = policy_hash, self._present()

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
        self.look()
        if problem := self.problem(policy_hash, stated=stated):
            raise IlRosError(problem, fix=_FIX)

    def _present(self) -> set[bytes]:
        return set(publishers_of(self._node, self._heard.topic_name))

    def _on_statement(self, message: String, info: Mapping[str, Any]) -> None:
        self._hash = message.data[: _DIGITS + 1]  # whatever is longer is none
        publisher, present = publisher_of(info), self._present()
        self._sources = {publisher} if publisher in present else present
        self._on_change()
