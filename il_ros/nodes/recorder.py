"""The recorder node: every episode its own bag, from the bytes as they came."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.clock import Clock, ClockType
from rclpy.qos import QoSProfile, ReliabilityPolicy

from il_ros.action import RecordEpisode
from il_ros.core import topics
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.datasets.episode import Outcome
from il_ros.datasets.writer import EpisodeWriter
from il_ros.ros.definitions import definition_of
from il_ros.ros.intake import Intake
from il_ros.ros.managed import ManagedNode
from il_ros.ros.messages import message_type
from il_ros.ros.parameters import declare, setting
from il_ros.ros.spin import run_node
from il_ros.srv import StartEpisode, StopEpisode

_OUTCOMES: dict[int, Outcome] = {
    StopEpisode.Request.SUCCESS: 'success',
    StopEpisode.Request.FAILURE: 'failure',
    StopEpisode.Request.DISCARDED: 'discarded',
    StopEpisode.Request.UNKNOWN: 'unknown',
}
# The depth outlasts a pause of this process. Drivers are taken best effort, which matches any of
# them; the package's own topics are all reliable.
_DRIVERS = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)
_OWN = QoSProfile(depth=200, reliability=ReliabilityPolicy.RELIABLE)

_SETTLE = 0.02  # s


@dataclass(frozen=True, kw_only=True)
class RecorderConfig:
    """Parameters of the recorder node."""

    contract: str = setting('', 'Contract file: its topics are recorded.')
    directory: str = setting('runs/episodes', 'Folder that the episodes go to.')
    max_duration: float = setting(
        600.0, 'Longest episode, where its start names none [s].', low=1.0, high=86400.0
    )


class Recorder(ManagedNode):
    """Writes the contract's topics and the package's own, between ~/start and ~/stop."""

    def __init__(self) -> None:
        super().__init__('recorder')
        self._config = declare(self, RecorderConfig)
        self._writer: EpisodeWriter | None = None
        self._lock = threading.Lock()  # the intake's thread writes, the node's opens and closes
        self._intake: Intake | None = None
        self._server: ActionServer | None = None
        self._goal: Any = None
        self._outcome: Outcome = 'unknown'
        self._last: dict[str, Any] = {}

    def configure(self) -> None:
        """Subscribe to everything, so that no episode misses its first messages."""
        self._contract = load_contract(self._config.contract)
        self._topics = self._wanted()
        self._definitions = {name: definition_of(kind) for name, kind in self._topics.items()}
        self._intake = Intake(self)
        for topic, type_name in self._topics.items():
            kind = message_type(type_name)
            qos = _OWN if kind.__module__.startswith('il_ros.') else _DRIVERS
            self._intake.subscribe(kind, topic, self._receiver(topic), qos, raw=True)
        self._intake.start()
        self.create_service(StartEpisode, '~/start', self._on_start)
        self.create_service(StopEpisode, '~/stop', self._on_stop)
        self._server = ActionServer(
            self,
            RecordEpisode,
            '~/record',
            self._result,
            goal_callback=self._on_goal,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(0.2, self._watch, clock=steady)

    def deactivate(self) -> None:
        """End the running episode; what it holds stays."""
        if self._writer is not None:
            self._close('unknown', 'the recorder was stopped')

    def release(self) -> None:
        """End the intake of messages and the action."""
        if self._intake is not None:
            self._intake.close()
        if self._server is not None:
            self._server.destroy()
        self._intake = self._server = None

    def _wanted(self) -> dict[str, str]:
        wanted = {stream.topic: stream.type for stream in self._contract.streams.values()}
        wanted |= {self._contract.action.executed: topics.TYPES[topics.POLICY_CHUNK]}
        wanted |= topics.TYPES
        return {self.resolve_topic_name(topic): kind for topic, kind in wanted.items()}

    def _receiver(self, topic: str) -> Callable[[bytes], None]:
        def receive(data: bytes) -> None:
            now = time.time_ns()
            with self._lock:
                if self._writer is not None:
                    self._writer.write(topic, data, now)
                    self._bytes += len(data)

        return receive

    def _begin(self, task: str, seed: int, notes: str, max_duration: float) -> Path:
        if not self.active:
            raise IlRosError('the recorder is not active', fix='activate it first')
        if self._writer is not None:
            raise IlRosError(f'{self._writer.path.name} is being recorded', fix='stop it first')
        writer = EpisodeWriter(
            Path(self._config.directory),
            _episode_id(task, seed),
            self._contract,
            namespace=self.get_namespace(),
            task=task,
            seed=seed,
            notes=notes,
        )
        for topic, definition in self._definitions.items():
            writer.add_topic(topic, self._topics[topic], definition)
        self._deadline = time.monotonic() + (max_duration or self._config.max_duration)
        self._started, self._bytes = time.monotonic(), 0
        with self._lock:
            self._writer = writer
        return writer.path

    def _close(self, outcome: Outcome, reason: str) -> None:
        time.sleep(_SETTLE)  # the intake takes what was published before and is still on its way
        with self._lock:
            writer, self._writer = self._writer, None
        if writer is None:
            raise IlRosError('no episode is being recorded', fix='start one first')
        path = writer.close(outcome, reason)
        self._last = {
            'path': str(path),
            'messages': writer.messages,
            'duration': time.monotonic() - self._started,
        }
        if self._goal is not None:
            goal, self._goal, self._outcome = self._goal, None, outcome
            goal.execute()

    def _watch(self) -> None:
        if self._writer is not None and time.monotonic() > self._deadline:
            self.get_logger().warning('time limit reached: the episode ends')
            self._close('unknown', 'time limit of the recording')
        if self._goal is not None:
            self._feed_back(self._goal)

    def _on_start(
        self, request: StartEpisode.Request, response: StartEpisode.Response
    ) -> StartEpisode.Response:
        try:
            path = self._begin(request.task, request.seed, request.notes, request.max_duration)
            response.success, response.path = True, str(path)
        except (IlRosError, OSError) as problem:
            response.message = str(problem)
        return response

    def _on_stop(
        self, request: StopEpisode.Request, response: StopEpisode.Response
    ) -> StopEpisode.Response:
        try:
            if request.outcome not in _OUTCOMES:
                raise IlRosError(f'outcome {request.outcome}', allowed=_OUTCOMES)
            self._close(_OUTCOMES[request.outcome], request.reason)
            response.success = True
            for name, value in self._last.items():
                setattr(response, name, value)
        except (IlRosError, OSError) as problem:
            response.message = str(problem)
        return response

    def _on_goal(self, _: RecordEpisode.Goal) -> GoalResponse:
        free = self.active and self._writer is None
        return GoalResponse.ACCEPT if free else GoalResponse.REJECT

    def _on_accepted(self, goal: Any) -> None:
        """Begin; the goal is executed, that is answered, when the episode has ended."""
        request, self._goal = goal.request, goal
        try:
            self._begin(request.task, request.seed, request.notes, request.max_duration)
        except (IlRosError, OSError) as problem:
            self._goal, self._last = None, {'message': str(problem)}
            goal.execute()

    def _result(self, goal: Any) -> RecordEpisode.Result:
        result = RecordEpisode.Result(**self._last)
        result.success = not result.message
        if not result.success:
            goal.abort()
            return result
        result.outcome = next(code for code, name in _OUTCOMES.items() if name == self._outcome)
        goal.canceled() if goal.is_cancel_requested else goal.succeed()
        return result

    def _feed_back(self, goal: Any) -> None:
        if goal.is_cancel_requested:
            self._close('unknown', 'cancelled')
            return
        if self._writer is None:
            return
        elapsed = time.monotonic() - self._started
        goal.publish_feedback(
            RecordEpisode.Feedback(
                elapsed=elapsed, messages=self._writer.messages, bytes=self._bytes
            )
        )


def _episode_id(task: str, seed: int) -> str:
    """A name that sorts by time and is not taken twice."""
    now = datetime.now(UTC)
    label = re.sub(r'[^A-Za-z0-9]+', '_', task) or 'episode'
    return f'{now:%Y%m%dT%H%M%S}.{now.microsecond:06d}_{label}_{seed}'


def main() -> int:
    """Run the node."""
    return run_node(Recorder)


if __name__ == '__main__':
    raise SystemExit(main())
