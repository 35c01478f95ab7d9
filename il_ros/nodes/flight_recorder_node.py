"""The flight recorder node: a bag of the seconds around every event of the monitor."""

from __future__ import annotations

import math
from functools import partial

from il_ros.core import topics
from il_ros.core.contract import load_contract
from il_ros.msg import EpisodeEvent
from il_ros.ros.diagnostics import OK, WARN, Report, publish_diagnostics
from il_ros.ros.flight_recorder import FlightRecorder, FlightRecorderConfig
from il_ros.ros.managed_node import ManagedNode, steady_timer
from il_ros.ros.node_parameters import declare
from il_ros.ros.qos import EVENTS
from il_ros.ros.spin import run_node

_HURRY = 1.5  # s
_WATCH = 0.1  # s


class FlightRecorderNode(ManagedNode):
    """Hears everything, and writes only around events; publishes nothing but /diagnostics."""

    def __init__(self) -> None:
        super().__init__('flight_recorder')
        self._config = declare(self, FlightRecorderConfig)
        self._recorder: FlightRecorder | None = None

    def configure(self) -> None:
        """Begin to listen, so that the first event has its seconds before."""
        contract = load_contract(self._config.contract)
        self._recorder = FlightRecorder(self, contract, self._config)
        self._recorder.listener.open()
        self.create_subscription(EpisodeEvent, topics.EVENTS, self._on_event, EVENTS)
        steady_timer(self, _WATCH, self._watch)
        publish_diagnostics(self, 'snapshots', self._report, hardware_id=contract.name)

    def deactivate(self) -> None:
        """End the snapshot that is being written; what it holds stays."""
        if self._recorder is not None:
            # A process that is to end is killed if it takes longer.
            patience = _HURRY if self.stopped.is_set() else math.inf
            self._recorder.finish('the flight recorder was stopped', patience)

    def release(self) -> None:
        """End the intake of messages."""
        if self._recorder is not None:
            self._recorder.listener.close()
        self._recorder = None

    def _on_event(self, event: EpisodeEvent) -> None:
        if self._recorder is not None and self.active:
            self._recorder.hear(event)

    def _watch(self) -> None:
        if self._recorder is not None and self.active:
            self._recorder.watch()

    def _report(self) -> Report:
        recorder = self._recorder
        if recorder is None:
            return OK, 'not listening', {}
        recording, wrong = recorder.recording, recorder.shortcoming()
        values: dict[str, object] = {
            'snapshot': recording.writer.path.name if recording else '',
            'snapshots written': recorder.written,
            'kept [MiB]': recorder.pre_roll.bytes >> 20,
            'waiting for the disk [MiB]': recording.waiting >> 20 if recording else 0,
            'lost': recording.lost if recording else 0,
        }
        told = 'writing a snapshot' if recording else 'listening'
        return WARN if wrong else OK, wrong or told, values


main = partial(run_node, FlightRecorderNode)
"""Run the node, then end the process with its exit code."""

if __name__ == '__main__':
    main()
