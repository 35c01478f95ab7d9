"""The recorder node: every episode its own bag, from the bytes as they came."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

from il_ros.action import RecordEpisode
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.ros.deferred_action import DeferredAction
from il_ros.ros.diagnostics import OK, WARN, Report, publish_diagnostics
from il_ros.ros.managed_node import ManagedNode, steady_timer
from il_ros.ros.message_conversion import to_duration, to_seconds
from il_ros.ros.node_parameters import declare
from il_ros.ros.rates import Rates
from il_ros.ros.recording_session import OUTCOMES, RecorderConfig, RecordingSession
from il_ros.ros.spin import run_node
from il_ros.srv import StartEpisode, StopEpisode

_HURRY = 1.5  # s
_WATCH = 0.2  # s


class RecorderNode(ManagedNode):
    """Writes the contract's topics and the package's own, between ~/start and ~/stop."""

    def __init__(self) -> None:
        super().__init__('recorder')
        self._config = declare(self, RecorderConfig)
        self._session: RecordingSession | None = None
        self._action = DeferredAction(
            self, RecordEpisode, '~/record', free=self._is_free, begin=self._begin
        )

    def configure(self) -> None:
        """Subscribe to everything, so that no episode misses its first messages."""
        contract = load_contract(self._config.contract)
        session = RecordingSession(self, contract, self._config)
        self._session = session
        session.listener.open()
        self.serve(StartEpisode, '~/start', self._on_start)
        self.serve(StopEpisode, '~/stop', self._on_stop)
        steady_timer(self, _WATCH, self._watch)
        self._rates = Rates()
        publish_diagnostics(self, 'recording', self._report, hardware_id=contract.name)

    def deactivate(self) -> None:
        """End the running episode; what it holds stays."""
        if self._session is not None and self._session.recording is not None:
            # A process that is to end is killed if it takes longer.
            patience = _HURRY if self.stopped.is_set() else math.inf
            self._end(partial(self._session.finish, 'the recorder was stopped', patience))

    def release(self) -> None:
        """Stop listening."""
        if self._session is not None:
            self._session.listener.close()
        self._session = None

    @property
    def _open(self) -> RecordingSession:
        self.require_active()
        assert self._session is not None
        return self._session

    def _end(self, stop: Callable[[], RecordEpisode.Result]) -> RecordEpisode.Result:
        """End the episode, and answer the action that began it."""
        try:
            ended = stop()
        except (IlRosError, OSError) as problem:
            self._answer(RecordEpisode.Result(message=str(problem)))
            raise
        if ended.message:
            self.get_logger().warning(f'{Path(ended.path).name}: {ended.message}')
        self._answer(ended)
        return ended

    def _watch(self) -> None:
        session = self._session
        if session is None or session.recording is None:
            return
        reason = session.why_end() or ('cancelled' if self._action.cancelled else '')
        if reason:
            self.get_logger().warning(f'the episode ends: {reason}')
            try:
                self._end(partial(session.finish, reason))
            except (IlRosError, OSError) as problem:
                self.get_logger().error(str(problem))
        elif self._action.pending:
            self._feed_back(session)

    def _on_start(self, request: StartEpisode.Request, response: StartEpisode.Response) -> None:
        path, response.message = self._open.start(
            request.task, request.seed, request.notes, to_seconds(request.max_duration)
        )
        response.path = str(path)

    def _on_stop(self, request: StopEpisode.Request, response: StopEpisode.Response) -> None:
        if request.outcome >= len(OUTCOMES):
            raise IlRosError(f'outcome {request.outcome}', allowed=range(len(OUTCOMES)))
        ended = self._end(
            partial(
                self._open.stop,
                OUTCOMES[request.outcome],
                request.reason,
                notes=request.notes,
                flagged=request.flagged,
            )
        )
        for field in ('message', 'path', 'messages', 'duration', 'lost'):
            setattr(response, field, getattr(ended, field))

    def _is_free(self) -> bool:
        session = self._session
        return self.active and session is not None and session.recording is None

    def _begin(self, request: RecordEpisode.Goal) -> None:
        """Begin the episode of a goal, which is answered when the episode has ended."""
        try:
            limit = to_seconds(request.max_duration)
            self._open.start(request.task, request.seed, request.notes, limit)
        except (IlRosError, OSError) as problem:
            self._answer(RecordEpisode.Result(message=str(problem)))

    def _answer(self, result: RecordEpisode.Result) -> None:
        """Answer the goal; an episode that was cancelled is kept, and says so."""
        self._action.finish(result, cancelled=self._action.cancelled and result.success)

    def _feed_back(self, session: RecordingSession) -> None:
        recording = session.recording
        assert recording is not None
        self._action.feed_back(
            RecordEpisode.Feedback(
                elapsed=to_duration(recording.elapsed),
                messages=recording.writer.messages,
                bytes=recording.writer.bytes,
                lost=recording.lost,
                free=session.free,
            )
        )

    def _report(self) -> Report:
        session = self._session
        if session is None or session.recording is None:
            self._rates.clear()
            return OK, 'not recording', {}
        recording, free = session.recording, session.free
        values: dict[str, object] = {
            'episode': recording.writer.path.name,
            'free [MiB]': free >> 20,
            'queue [MiB]': recording.waiting >> 20,
            'lost': recording.lost,
        }
        received = {name: counts.received for name, counts in list(recording.counts.items())}
        values |= {f'{name} [Hz]': rate for name, rate in self._rates.update(received).items()}
        values |= {f'{n} lost': c.lost for n, c in list(recording.counts.items()) if c.lost}
        low = free < 2 * self._config.min_free
        if recording.lost or low:
            text = 'messages were lost' if recording.lost else 'the disk fills up'
            return WARN, text, values
        return OK, 'recording', values


main = partial(run_node, RecorderNode)
"""Run the node, then end the process with its exit code."""

if __name__ == '__main__':
    main()
