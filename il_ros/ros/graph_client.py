"""A client of a running graph: episodes in lock-step, recordings, bundles, the monitor's mode."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.parameter import Parameter, parameter_value_to_python

from il_ros.core import topics
from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS
from il_ros.core.limits import Array
from il_ros.evaluation.episode_result import AFTER_ALARM
from il_ros.msg import ActionChunk, MonitorScores, MonitorStatus, Observation, TaskState
from il_ros.msg import Perturbation as PerturbationMsg
from il_ros.ros.message_conversion import to_duration, to_ns, to_seconds
from il_ros.ros.qos import CHUNKS, STATUS
from il_ros.ros.service_client import ServiceClient
from il_ros.sim.perturbations import Perturbation
from il_ros.srv import SetMode, StopEpisode

# Control periods between two looks at the monitor: after an alarm the arm brakes for longer than
# that, so none of them waits for a command that does not come any more.
_BLOCK = 2
_COMMAND = 5.0  # s that a command may take to come
_LAST_COMMAND = 1.0  # the same after an alarm, when there may be none any more
_LAST_WORDS = 0.3  # s that each call may take when something has gone wrong
_PATIENCE = 100  # pairs of control periods in which the arm must come to a standstill
_ENTRY = 1.0  # s within which a new episode's first observation must reach the monitor
_ATTEMPTS = 5  # resets until it does
_TICKS = 100_000  # of an episode that are kept


@dataclass(kw_only=True)
class MonitorTrace:
    """What the monitor said and did in one episode.

    Attributes:
        scores: How anomalous each tick was by the calibrated scores (1.0 is where the policy is
            stopped), by its time since the reset [s]; NaN where that is not known.
        joints: Commanded joints by the time of their tick since the reset [s], each (N,).
        alarm: When the monitor fell back, since the reset [s]; none if it did not.
        reason: Why it did.
        takeovers: How often an operator's enable switch took the arm.
    """

    scores: dict[float, float] = field(default_factory=dict)
    joints: dict[float, Array] = field(default_factory=dict)
    alarm: float | None = None
    reason: str = ''
    takeovers: int = 0


@dataclass(frozen=True, kw_only=True)
class GraphEpisode:
    """How one episode went: the simulator's verdict, the monitor's trace, the recorded bag."""

    state: TaskState
    trace: MonitorTrace
    bag: str = ''


class GraphClient(ServiceClient):
    """Runs episodes on a graph, whose monitor it follows.

    Args:
        contract: What the topics mean.
        settings: Arguments of `ServiceClient`.

    Attributes:
        trace: What the monitor said and did since the last reset.
        cancelled: Asked before every step of an episode whether to break it off.
    """

    def __init__(self, contract: Contract, **settings: Any) -> None:
        super().__init__(**settings)
        self.trace, self._reset_stamp, self._mode = MonitorTrace(), 0, MonitorStatus.IDLE
        self.cancelled: Callable[[], bool] = lambda: False
        self._let_go = False  # nobody commands the arm after an alarm
        self._taken_over, self._joints = False, len(contract.action.names)
        self.node.create_subscription(MonitorStatus, topics.MONITOR_STATUS, self._on_status, STATUS)
        self.node.create_subscription(MonitorScores, topics.MONITOR_SCORES, self._on_scores, CHUNKS)
        self.node.create_subscription(
            ActionChunk, contract.action.executed, self._on_executed, CHUNKS
        )

    def reset(self, seed: int, perturbations: Sequence[Perturbation] = ()) -> Any:
        """Begin an episode; gives the stamp of its first observation."""
        messages = [_message(item) for item in perturbations]
        response = self._call('simulator/reset', seed=seed, perturbations=messages)
        self.trace, self._reset_stamp = MonitorTrace(), to_ns(response.stamp)
        self._let_go = False
        return response.stamp

    def step(self, steps: int) -> TaskState:
        """Advance in lock-step, each period answering the command for its observation.

        After an alarm commands are waited for as long as there are any (a stop, giving way): an arm
        that was moved away is not commanded any more.
        """
        request = {
            'steps': steps,
            'wait_for_command': not self._let_go,
            'timeout': to_duration(_COMMAND if self.trace.alarm is None else _LAST_COMMAND),
        }
        try:
            return self._call('simulator/step', **request).state
        except IlRosError:
            # Only an alarm, also one that came in the meantime, is a reason to go on without.
            if self._let_go or self.trace.alarm is None:
                raise
            self._let_go = True
            return self.step(steps)

    def set_mode(self, mode: str, *, resume: bool = False) -> None:
        """Ask the monitor for 'idle', 'hold', 'policy' or 'expert'."""
        code = topics.MODES.index(mode)

        def entered() -> SetMode.Response | None:
            return SetMode.Response(success=True, mode=code) if self._mode == code else None

        # Somebody may have stopped the arm since the first question: the second would undo that.
        stops = mode == 'hold' or (mode == 'idle' and not resume)
        known = None if stops else entered
        self._mode = self._call('monitor/set_mode', known, mode=code, resume=resume).mode

    def discard_before(self, stamp: Any) -> None:
        """Let the monitor take nothing that is stamped before this time; zero lifts the bound."""
        self._call('monitor/discard_before', stamp=stamp)

    def set_parameters(self, node: str, **settings: bool | str) -> None:
        """Change dynamic parameters of 'monitor' or 'expert'."""
        parameters = [Parameter(k, value=v).to_parameter_msg() for k, v in settings.items()]
        name = f'{node}/set_parameters'
        for result in self._call(name, parameters=parameters).results:
            if not result.successful:
                raise IlRosError(f'refused: {result.reason}', where=name)

    def parameter(self, node: str, name: str) -> Any:
        """The value of a parameter of 'monitor' or 'expert'."""
        values = self._call(f'{node}/get_parameters', names=[name]).values
        return parameter_value_to_python(values[0])

    def heed(self, device: str) -> None:
        """Let every driving tick wait for the state of this device's enable switch; '' for none."""
        self.set_parameters('monitor', takeover_from=device)

    @contextmanager
    def watching(self, *, novelty: bool, gives_back: bool = False) -> Iterator[None]:
        """Run episodes with or without the novelty trigger; the monitor is armed again after it.

        However the block ends, the arm is not left driven, nor the monitor without its trigger.

        Args:
            novelty: Whether the scores may stop the policy.
            gives_back: Whether releasing an enable switch gives the arm back to the policy.
        """
        returns = self.parameter('monitor', 'takeover_return')
        self.set_parameters(
            'monitor',
            novelty=novelty,
            allow_uncalibrated=not novelty,
            takeover_from='',
            takeover_return=returns or gives_back,
        )
        try:
            yield
        except BaseException:
            patience, self._timeout = self._timeout, min(self._timeout, _LAST_WORDS)
            with suppress(IlRosError):
                self.set_mode('hold')
            with suppress(IlRosError):
                self.rest()
            with suppress(IlRosError):
                self._arm(returns=returns)
            self._timeout = patience
            raise
        self._arm(returns=returns)

    def _arm(self, *, returns: bool) -> None:
        """Set the monitor as it is outside of episodes."""
        self.set_parameters('monitor', takeover_from='')
        self.set_parameters(
            'monitor', novelty=True, allow_uncalibrated=False, takeover_return=returns
        )

    def load(self, bundle: Path) -> str:
        """Load a bundle into the monitor and the policy; gives its identity."""
        self.wait_for('policy/load')  # the monitor asks it, if it is there
        return str(self._call('monitor/load', path=str(bundle.resolve())).policy_id)

    def query(self, observation: Observation, horizon: int) -> ActionChunk:
        """What the expert would do, in so many steps."""
        return self._call('expert/query', observation=observation, horizon=horizon).chunk

    def stream(self, on: bool) -> None:
        """Whether the expert says what it would do for every frame, not only when it is asked."""
        self._call('expert/stream', data=on)

    def tidy(self) -> None:
        """Bring to rest, and end, what a client that was killed in an episode left behind."""
        # As the monitor is only while a client runs episodes.
        killed = self.parameter('monitor', 'takeover_from') or (
            not self.parameter('monitor', 'novelty')
            and self.parameter('monitor', 'allow_uncalibrated')
        )
        self.set_parameters('monitor', takeover_from='')
        with suppress(IlRosError):  # nothing was being recorded
            self.stop_recording(StopEpisode.Request.DISCARDED, 'the program that began it is gone')
        self.settle()
        if killed:
            self._arm(returns=False)

    def settle(self) -> None:
        """Bring the arm to rest and the monitor to IDLE, whatever was going on."""
        try:
            self.set_mode('idle', resume=True)
        except IlRosError:
            with suppress(IlRosError):  # an alarm is left from where it stands
                self.set_mode('hold')
            self.rest()

    def stop_recording(self, outcome: int, reason: str) -> str:
        """End the recording; gives the folder of its bag."""
        return str(self._call('recorder/stop', outcome=outcome, reason=reason).path)

    def episode(
        self,
        seed: int,
        mode: str,
        perturbations: Sequence[Perturbation] = (),
        *,
        record: bool = False,
        notes: str = '',
    ) -> GraphEpisode:
        """Run one episode to its end, to the fallback, or to the time limit."""
        self.begin(
            seed,
            lambda stamp: self.enter(mode, stamp),
            perturbations,
            policy=mode == 'policy',
            record=record,
            notes=notes,
        )
        try:
            state = self._run()
        except BaseException:
            if record:
                self.stop_recording(StopEpisode.Request.DISCARDED, 'the episode was broken off')
            raise
        bag = self._end_recording(state) if record else ''
        self.rest()
        return GraphEpisode(state=state, trace=self.trace, bag=bag)

    def _run(self) -> TaskState:
        while True:
            self.require_wanted()
            alarm = self.trace.alarm
            state = self.step(_BLOCK if alarm is None else 1)
            falling_back = self._mode == MonitorStatus.FALLBACK
            over = alarm is not None and to_seconds(state.elapsed) >= alarm + AFTER_ALARM - 1e-9
            if state.done or (over and not falling_back):
                return state
            if alarm is None and self._mode == MonitorStatus.HOLD and not self.trace.takeovers:
                raise IlRosError(
                    'somebody asked the monitor for hold',
                    where='an episode',
                    fix='the same command goes on where it stopped',
                )

    def require_wanted(self) -> None:
        """Check that the episode was not cancelled.

        Raises:
            IlRosError: If somebody has.
        """
        if self.cancelled():
            raise IlRosError('cancelled', where='an episode')

    def begin(
        self,
        seed: int,
        enter: Callable[[Any], None],
        perturbations: Sequence[Perturbation] = (),
        *,
        policy: bool,
        record: bool = False,
        notes: str = '',
    ) -> None:
        """Reset and enter a driving mode; again if the first observation was lost.

        That happens when nodes have only just found one another, and in lock-step nothing would
        follow it. A policy forgets the episode before while no observation is on its way.

        Args:
            seed: Of the scene.
            enter: Gets the driver the arm, given the stamp of the first observation.
            perturbations: What goes wrong.
            policy: Whether a policy is to answer.
            record: Whether the episode is recorded.
            notes: Free words, kept with it.
        """
        for attempt in range(_ATTEMPTS):
            if policy:
                self._call('policy/reset')
            stamp, recording = self.reset(seed, perturbations), False
            try:
                if record:
                    self._call('recorder/start', seed=seed, notes=notes)
                    recording = True
                return enter(stamp)
            except BaseException as problem:
                if recording:
                    self.stop_recording(StopEpisode.Request.DISCARDED, 'it did not begin')
                if attempt == _ATTEMPTS - 1 or not isinstance(problem, IlRosError):
                    raise

    def enter(self, mode: str, stamp: Any) -> None:
        """Ask for a driving mode until the monitor has seen the episode's first observation.

        Args:
            mode: 'policy' or 'expert'.
            stamp: Of the first observation: what the monitor has from before it is void.
        """
        deadline = time.monotonic() + _ENTRY
        while True:
            try:
                self.discard_before(stamp)
                return self.set_mode(mode)
            except IlRosError:
                if time.monotonic() > deadline:
                    raise
            self.spin(0.005)

    def _end_recording(self, state: TaskState) -> str:
        kinds = StopEpisode.Request
        if self.trace.alarm is not None:
            return self.stop_recording(kinds.FAILURE, f'fallback: {self.trace.reason}')
        if state.success:
            return self.stop_recording(kinds.SUCCESS, 'the task was done')
        return self.stop_recording(kinds.FAILURE, 'time limit of the task')

    def rest(self) -> None:
        """Bring the arm to a standstill and the monitor to IDLE, in time for the next reset."""
        if self._mode in (MonitorStatus.POLICY, MonitorStatus.EXPERT):
            self.set_mode('hold')
        for attempt in range(_PATIENCE):
            self.step(2)
            self.step(0)  # one that is still on its way would be taken by the next episode
            try:
                return self.set_mode('idle', resume=True)
            except IlRosError:
                if attempt == _PATIENCE - 1:
                    raise

    def _on_status(self, message: MonitorStatus) -> None:
        since = self._since_reset(message)
        if since < 0:
            return
        self._mode = message.mode
        if not self._reset_stamp:  # no episode yet: what is latched is of those before
            return
        self.trace.takeovers += message.takeover and not self._taken_over
        self._taken_over = message.takeover
        stopped = message.mode in (MonitorStatus.ALARM, MonitorStatus.FALLBACK)
        if stopped and self.trace.alarm is None:
            self.trace.alarm, self.trace.reason = since, message.reason

    def _on_scores(self, message: MonitorScores) -> None:
        since = self._since_reset(message)
        if since >= 0 and len(self.trace.scores) < _TICKS:
            self.trace.scores[since] = message.score

    def _on_executed(self, message: ActionChunk) -> None:
        since = self._since_reset(message)
        fits = len(message.positions) == self._joints
        if since >= 0 and fits and len(self.trace.joints) < _TICKS:
            self.trace.joints[since] = np.array(message.positions)

    def _since_reset(self, message: Any) -> float:
        return (to_ns(message.header.stamp) - self._reset_stamp) / NS


def _message(item: Perturbation) -> PerturbationMsg:
    return PerturbationMsg(
        kind=item.kind,
        target=item.target,
        start=to_duration(item.start),
        duration=to_duration(0.0 if math.isinf(item.duration) else item.duration),
        value=list(item.value),
    )
