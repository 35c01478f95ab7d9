"""The black box node: the seconds around every event of the monitor, each a bag of its own."""

from __future__ import annotations

import math
from pathlib import Path

from rclpy.clock import Clock, ClockType

from il_ros.core import topics
from il_ros.core.contract import load_contract
from il_ros.msg import EpisodeEvent
from il_ros.ros.black_box import BlackBox, BlackBoxConfig
from il_ros.ros.diagnostics import OK, WARN, Diagnostics, Report
from il_ros.ros.managed import ManagedNode
from il_ros.ros.orphans import warning_of_orphans
from il_ros.ros.parameters import declare
from il_ros.ros.qos import EVENTS
from il_ros.ros.spin import run_node

_HURRY = 1.5  # s
_WATCH = 0.1  # s


class BlackBoxNode(ManagedNode):
    """Hears everything, and writes only around events; publishes nothing but /diagnostics."""

    def __init__(self) -> None:
        super().__init__('black_box')
        self._config = declare(self, BlackBoxConfig)
        self._box: BlackBox | None = None

    def configure(self) -> None:
        """Begin to listen, so that the first event has its seconds before."""
        self._box = BlackBox(self, load_contract(self._config.contract), self._config)
        self._box.listener.open()
        if told := warning_of_orphans(Path(self._config.directory)):
            self.get_logger().warning(told)
        self.create_subscription(EpisodeEvent, topics.EVENTS, self._on_event, EVENTS)
        self.create_timer(_WATCH, self._watch, clock=Clock(clock_type=ClockType.STEADY_TIME))
        Diagnostics(self, self._report)

    def deactivate(self) -> None:
        """End the box that is being written; what it holds stays."""
        if self._box is not None:
            # A process that is to end is killed if it takes longer.
            patience = _HURRY if self.stopped.is_set() else math.inf
            self._box.finish('the black box was stopped', patience)

    def release(self) -> None:
        """End the intake of messages."""
        if self._box is not None:
            self._box.listener.close()
        self._box = None

    def _on_event(self, event: EpisodeEvent) -> None:
        if self._box is not None and self.active:
            self._box.hear(event)

    def _watch(self) -> None:
        if self._box is not None and self.active:
            self._box.watch()

    def _report(self) -> Report:
        box = self._box
        if box is None:
            return OK, 'not listening', {}
        recording, wrong = box.recording, box.shortcoming()
        values: dict[str, object] = {
            'box': recording.writer.path.name if recording else '',
            'boxes written': box.written,
            'kept [MiB]': box.kept >> 20,
            'waiting for the disk [MiB]': recording.waiting >> 20 if recording else 0,
            'lost': recording.lost if recording else 0,
        }
        told = 'writing a box' if recording else 'listening'
        return WARN if wrong else OK, wrong or told, values


def main() -> int:
    """Run the node."""
    return run_node(BlackBoxNode)


if __name__ == '__main__':
    raise SystemExit(main())
