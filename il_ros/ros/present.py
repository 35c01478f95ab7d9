"""The time now, also in the middle of a callback."""

from __future__ import annotations

from rclpy.node import Node
from rosgraph_msgs.msg import Clock

from il_ros.ros.message_conversion import to_ns
from il_ros.ros.qos import NEWEST
from il_ros.ros.sim_time_watch import CLOCK


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
        self._time: int | None = None
        self._subscription = None
        if node.get_parameter('use_sim_time').value:
            self._subscription = node.create_subscription(Clock, CLOCK, self._set, NEWEST)

    def now(self) -> int:
        """The time now [ns]."""
        if self._subscription is not None:
            with self._subscription.handle:
                while taken := self._subscription.handle.take_message(Clock, False):
                    self._set(taken[0])
        if self._time is not None:
            return self._time
        return int(self._node.get_clock().now().nanoseconds)

    def _set(self, message: Clock) -> None:
        if message.clock.sec >= 0:  # rclpy refuses what is before zero, too
            self._time = to_ns(message.clock)
