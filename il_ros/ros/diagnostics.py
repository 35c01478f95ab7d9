"""Diagnostics in the standard form, once a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from il_ros.ros.managed_node import steady_timer

OK, WARN, ERROR, STALE = (
    DiagnosticStatus.OK,
    DiagnosticStatus.WARN,
    DiagnosticStatus.ERROR,
    DiagnosticStatus.STALE,
)
Report = tuple[bytes, str, Mapping[str, object]]


class Diagnostics:
    """Publishes what `report` says (level, message, values) on /diagnostics every second."""

    def __init__(self, node: Node, report: Callable[[], Report]) -> None:
        self._node, self._report = node, report
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        steady_timer(node, 1.0, self.publish)

    def publish(self) -> None:
        """Publish now."""
        level, message, values = self._report()
        status = DiagnosticStatus(
            level=level,
            name=self._node.get_fully_qualified_name().lstrip('/'),
            message=message,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)
