"""The coach node: watches for drift, and teaches, evaluates and promotes on request."""

from __future__ import annotations

import time
from functools import partial

from std_srvs.srv import Trigger

from il_ros.action import TeachPolicy
from il_ros.core import topics
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError, require
from il_ros.interactive.drift_test import DriftConfig, DriftResult, DriftTest, PolicyRuns
from il_ros.msg import CoachStatus, MonitorStatus
from il_ros.policies.bundle import load_bundle
from il_ros.ros.deferred_action import DeferredAction
from il_ros.ros.diagnostics import OK, WARN, Report, publish_diagnostics
from il_ros.ros.graph_teaching import CoachNodeConfig, GraphTeaching
from il_ros.ros.managed_node import ManagedNode, steady_timer
from il_ros.ros.message_conversion import fill_stamp
from il_ros.ros.node_parameters import declare
from il_ros.ros.qos import LATCHED, STATUS
from il_ros.ros.spin import run_node
from il_ros.ros.work_thread import WorkThread

ON_DRIFT = ('watch', 'propose', 'start')
_STOPPED = (MonitorStatus.ALARM, MonitorStatus.FALLBACK)
_WATCH = 0.2  # s
_IDLE = 5.0  # s that the monitor has been idle for before a retraining begins by itself


class CoachNode(ManagedNode):
    """Runs one retraining at a time, in a thread; nothing begins by itself unless it is told so."""

    def __init__(self) -> None:
        super().__init__('coach')
        self._config = declare(self, CoachNodeConfig)
        self._work: WorkThread[TeachPolicy.Result] = WorkThread()
        self._action = DeferredAction(
            self,
            TeachPolicy,
            '~/teach',
            free=lambda: self.active and not self._work.busy,
            begin=lambda goal: self._begin(goal.rounds),
        )
        self._drift: DriftResult | None = None
        self._said = ''

    def configure(self) -> None:
        """Read what was done before, and listen to the monitor."""
        on_drift = self._config.on_drift
        require(on_drift in ON_DRIFT, on_drift, 'parameter on_drift', ON_DRIFT)
        contract = load_contract(self._config.contract)
        self._coaching = GraphTeaching(
            contract, self._config, self.get_namespace(), self._work.stop
        )
        self._reason, self._drift, self._said = '', None, ''
        self._mode: int | None = None  # what the monitor has said last
        self._idle_since, self._elsewhere = time.monotonic(), ''
        self._watch_policy()
        unfinished = self._coaching.unfinished
        if unfinished:
            self._reason = f'a retraining is not finished: {unfinished}'
        self._proposes = bool(unfinished)
        self._publisher = self.create_publisher(CoachStatus, topics.COACH_STATUS, LATCHED)
        self.create_subscription(MonitorStatus, topics.MONITOR_STATUS, self._on_status, STATUS)
        self.serve(Trigger, '~/start', self._on_start)
        self.serve(Trigger, '~/stop', self._on_stop)
        steady_timer(self, _WATCH, self._watch)
        publish_diagnostics(self, 'coaching', self._report)

    def deactivate(self) -> None:
        """Break off what runs; it goes on when it is asked for again.

        Raises:
            IlRosError: If it does not end in time.
        """
        self._work.stop.set()
        self._notice_end(patience=2.0)
        self._watch()
        if self._work.busy:
            raise IlRosError('what runs has not ended within 2 s', fix='deactivate it again')

    @property
    def _busy(self) -> bool:
        return self._work.busy or self._action.pending

    def _watch_policy(self) -> None:
        """Count the runs of the policy in use from nothing."""
        self._runs, self._test, self._policy_id = PolicyRuns(), None, ''
        path = self._coaching.in_use
        if path is None:
            return
        bundle = load_bundle(path)
        self._policy_id = bundle.policy_id
        if bundle.threshold is not None:
            config = DriftConfig(window=self._config.window, level=self._config.level)
            self._test = DriftTest(bundle.threshold.alpha, config)

    def _on_status(self, message: MonitorStatus) -> None:
        if message.mode != MonitorStatus.IDLE or self._mode != MonitorStatus.IDLE:
            self._idle_since = time.monotonic()
        self._mode = message.mode
        known = bool(self._policy_id) and message.policy_id == self._policy_id
        other = bool(self._policy_id) and not known and not self._busy
        self._elsewhere = message.policy_id if other else ''
        stopped = self._runs.hear(
            policy_id=message.policy_id if known and not self._busy else '',
            driving=message.mode == MonitorStatus.POLICY,
            stopped=message.mode in _STOPPED
            or (message.mode == MonitorStatus.EXPERT and not message.takeover),
            fault=message.fault != MonitorStatus.FAULT_NONE,
        )
        if stopped is None or self._test is None or not self.active:
            return
        drift = self._test.add(stopped=stopped)
        if drift.confirmed and self._drift is None:
            self._drift, self._reason = drift, f'a drift is confirmed: {drift}'
            self._proposes |= self._config.on_drift != 'watch'
            self.get_logger().warning(self._reason)

    def _notice_end(self, patience: float = 0.0) -> None:
        if (done := self._work.take(patience)) is not None:
            self._finish(done.value or TeachPolicy.Result(message=done.problem))

    def _watch(self) -> None:
        """Notice the end, pass progress on, begin by itself where that was asked for."""
        self._notice_end()
        if self._action.cancelled:
            self._work.stop.set()
        if self._may_start:
            self._begin(0)
        self._publish()

    @property
    def _may_start(self) -> bool:
        """Whether a confirmed drift, and nothing else, lets a retraining begin by itself."""
        asked = self._config.on_drift == 'start' and self._drift is not None and self._proposes
        idle = self._mode == MonitorStatus.IDLE and time.monotonic() - self._idle_since > _IDLE
        return self.active and not self._busy and asked and idle

    def _begin(self, rounds: int) -> None:
        coaching, drift = self._coaching, self._drift
        mode = '' if self._mode is None else topics.MODES[self._mode]
        coaching.ready()
        self._proposes = False
        self._reason = str(drift) if drift else 'requested'
        self._work.start(lambda: coaching.run(rounds, drift, mode))

    def _finish(self, done: TeachPolicy.Result) -> None:
        """The work has ended: answer the goal, and count the runs of the policy in use now."""
        self._action.finish(done)
        self._reason, self._drift = done.message, None
        log = self.get_logger()
        log.info(done.message) if done.success else log.error(done.message)
        try:
            self._proposes = bool(self._coaching.unfinished)
            self._watch_policy()
        except IlRosError as problem:
            self._reason = f'{done.message}; then: {problem}'
            log.error(str(problem))

    def _on_start(self, _: Trigger.Request, response: Trigger.Response) -> None:
        if self._busy:
            raise IlRosError('it runs already')
        self.require_active()
        self._begin(0)
        response.message = f'on {topics.COACH_STATUS} is how far it is'

    def _on_stop(self, _: Trigger.Request, response: Trigger.Response) -> None:
        self._work.stop.set()
        if not self._busy:
            raise IlRosError('nothing runs')

    def _publish(self) -> None:
        """Say what is new."""
        status = self._status()
        if str(status) == self._said:  # as text: NaN is not equal to itself
            return
        self._said = str(status)
        self._publisher.publish(fill_stamp(status, self.get_clock().now().nanoseconds))
        self._action.feed_back(TeachPolicy.Feedback(status=status))

    def _status(self) -> CoachStatus:
        told, drift = self._coaching.told, self._drift
        if drift is None and self._test is not None:
            drift = self._test.now
        state = CoachStatus.WATCHING
        if self._busy:
            state = CoachStatus.EVALUATING if told.judging else CoachStatus.TEACHING
        elif self._proposes:
            state = CoachStatus.PROPOSING
        return CoachStatus(
            state=state,
            reason=self._reason,
            policy_id=self._policy_id,
            runs=drift.runs if drift else 0,
            stopped_runs=drift.stopped if drift else 0,
            p_value=drift.p_value if drift else 1.0,
            **told.numbers,
        )

    def _report(self) -> Report:
        status = self._status()
        values = {
            'runs': status.runs,
            'stopped runs': status.stopped_runs,
            'p_value': status.p_value,
        }
        if self._elsewhere:
            told = f'the monitor watches {self._elsewhere}, not {self._policy_id}'
            return WARN, told, values
        return (WARN if self._proposes else OK), status.reason or 'watching', values


main = partial(run_node, CoachNode)
"""Run the node, then end the process with its exit code."""

if __name__ == '__main__':
    main()
