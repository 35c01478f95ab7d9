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


def publish_diagnostics(node: Node, report: Callable[[], Report]) -> None:
    """Publish what `report` says (level, message, values) on /diagnostics every second."""
    publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def publish() -> None:
        level, message, values = report()
        status = DiagnosticStatus(
            level=level,
            name=node.get_fully_qualified_name().lstrip('/'),
            message=message,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(array)

    steady_timer(node, 1.0, publish)
