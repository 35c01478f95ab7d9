"""Diagnostics once a second, in the form of diagnostic_updater."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from il_ros.core.frames import NS
from il_ros.ros.managed_node import steady_timer

OK, WARN, ERROR, STALE = (
    DiagnosticStatus.OK,
    DiagnosticStatus.WARN,
    DiagnosticStatus.ERROR,
    DiagnosticStatus.STALE,
)
Report = tuple[bytes, str, Mapping[str, object]]
"""Level, message and values of one status."""

_WINDOW = 5  # reports that a rate is measured over
_TOLERANCE = 0.1  # of the expected rate, as FrequencyStatus has it


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What came on a topic.

    Attributes:
        count: Messages since the start.
        rate: Expected rate [Hz].
        required: Whether the node needs it.
    """

    count: int
    rate: float
    required: bool = True


class TopicFrequency:
    """Whether a topic is as quick as expected, in the words of diagnostic_updater's status of that.

    One that is quicker is as good: the frames take the newest message.
    """

    def __init__(self) -> None:
        self._readings: deque[tuple[float, int]] = deque(maxlen=_WINDOW)

    def report(self, heard: Heard, now: float) -> Report:
        """The status at `now` [s], by the clock of the messages; the window begins at the first."""
        if self._readings and now < self._readings[-1][0]:
            self._readings.clear()  # time began anew
        begin, before = self._readings[0] if self._readings else (now, 0)
        self._readings.append((now, heard.count))
        events, duration = heard.count - before, now - begin
        least = heard.rate * (1 - _TOLERANCE)
        values: dict[str, object] = {
            'Events in window': events,
            'Events since startup': heard.count,
            'Duration of window (s)': f'{duration:.3f}',
            'Actual frequency (Hz)': f'{events / duration if duration > 0 else 0.0:.3f}',
            'Minimum acceptable frequency (Hz)': f'{least:.3f}',
        }
        if duration <= 0:
            return OK, 'No time has passed.', values
        if not events:
            level, text = (ERROR, 'No events recorded.') if heard.required else (OK, 'Not in use.')
            return level, text, values
        if events / duration < least:
            return WARN, 'Frequency too low.', values
        return OK, 'Desired frequency met', values


def publish_diagnostics(
    node: Node,
    task: str,
    report: Callable[[], Report],
    *,
    hardware_id: str = 'none',
    topics: Callable[[], Mapping[str, Heard]] = dict,
) -> None:
    """Publish on /diagnostics every second what a node says of itself, and of its topics.

    Each status is named as by diagnostic_updater with `use_fqn`, without the first slash: two
    robots have nodes of the same names.

    Args:
        node: Owner of the publisher.
        task: What is reported on.
        report: The node's own status.
        hardware_id: Which robot it is about, the contract's name; `none` where it is about none.
        topics: What came on each topic, by name.
    """
    publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
    name = node.get_fully_qualified_name().lstrip('/')
    frequencies: dict[str, TopicFrequency] = {}

    def status(what: str, report: Report) -> DiagnosticStatus:
        level, message, values = report
        return DiagnosticStatus(
            level=level,
            name=f'{name}: {what}',
            message=message,
            hardware_id=hardware_id,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )

    def publish() -> None:
        stamp = node.get_clock().now()
        array = DiagnosticArray(status=[status(task, report())])
        for topic, heard in topics().items():
            frequency = frequencies.setdefault(topic, TopicFrequency())
            text = frequency.report(heard, stamp.nanoseconds / NS)
            array.status.append(status(f'{topic} topic status', text))
        array.header.stamp = stamp.to_msg()
        publisher.publish(array)

    steady_timer(node, 1.0, publish)
