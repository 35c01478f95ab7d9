"""The monitor node: the last filter before the robot, and the only publisher of its commands."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from std_srvs.srv import Trigger

from il_ros.core import topics
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS, Frame
from il_ros.core.limits import Array
from il_ros.monitors.checks import Fault
from il_ros.monitors.joint_consistency import JointConsistency
from il_ros.monitors.mode import Mode
from il_ros.monitors.monitor import Verdict
from il_ros.monitors.monitor_assembly import make_monitor, monitor_input
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import Chunk, MonitorInput, Source
from il_ros.monitors.sample_checks import SampleChecks
from il_ros.monitors.tool_consistency import ToolConsistency
from il_ros.msg import ActionChunk, Takeover
from il_ros.policies.bundle import Bundle, load_bundle
from il_ros.ros.bundle_settings import BundleSettings
from il_ros.ros.callback_failures import error_text
from il_ros.ros.clock_watch import ClockWatch
from il_ros.ros.command_limits_watch import CommandLimitsWatch
from il_ros.ros.command_sender import CommandSender
from il_ros.ros.command_topic_watch import (
    CommandTopicWatch,
    ControllerGoalWatch,
    trajectory_action,
)
from il_ros.ros.deferred_service import SlowAnswer
from il_ros.ros.description_watch import DescriptionWatch
from il_ros.ros.diagnostics import ERROR, STALE, WARN, Report, publish_diagnostics
from il_ros.ros.fail_safe_node import FailSafeNode
from il_ros.ros.frame_source import FrameSource
from il_ros.ros.heard_policy import HeardPolicy
from il_ros.ros.managed_node import steady_timer
from il_ros.ros.message_conversion import (
    chunk_positions,
    chunk_samples,
    chunk_source,
    to_ns,
    to_seconds,
)
from il_ros.ros.monitor_reports import CODES, MonitorReports
from il_ros.ros.node_parameters import declare, let_change, setting
from il_ros.ros.policy_loader import PolicyLoader
from il_ros.ros.publisher_watch import GraphWatch, PublisherWatch, SolePublisher
from il_ros.ros.qos import CHUNKS, EVENTS
from il_ros.ros.rates import Latency, Rates
from il_ros.ros.raw_callback import RawCallback
from il_ros.ros.replacement_watch import ReplacementWatch
from il_ros.ros.sim_time_watch import Present, SimTimeWatch
from il_ros.ros.spin import run_node
from il_ros.srv import DiscardBefore, LoadPolicy, SetMode

# Settings of the monitor that may be changed while it runs, though never while it drives.
_DYNAMIC = ('novelty', 'allow_uncalibrated', 'takeover_return', 'takeover_clutch')
_DYNAMIC_HERE = ('takeover_from',)
_LOOK = 0.01  # s between two looks at what no message tells, at the least
_SURE = 1e-4  # s after which a wait is over for certain, however its end is rounded
# Periods without a tick after which the stop follows. What is sent of it cannot be taken back, so a
# tick that is a little late must not find it sent.
_SILENT = 1.25
_DRIVING: dict[Mode, Source] = {Mode.POLICY: 'policy', Mode.EXPERT: 'expert'}
_TOPICS = {Mode.POLICY: topics.POLICY_CHUNK, Mode.EXPERT: topics.EXPERT_CHUNK}
_TICK, _WATCHDOG = 'MonitorNode tick', 'MonitorNode watchdog'
_MODES = {CODES[mode]: mode for mode in (Mode.IDLE, Mode.HOLD, Mode.POLICY, Mode.EXPERT)}


@dataclass(frozen=True, kw_only=True)
class MonitorNodeConfig(BundleSettings):
    """Parameters of the node itself; those of the monitor are in MonitorConfig."""

    contract: str = setting('', 'Contract file.')
    bundle: str = setting('', 'Bundle whose calibration is used; empty to wait for ~/load.')
    chunk_wait: float = setting(
        0.5,
        'How long a tick waits for the chunk that answers its frame, in periods; then the chunk '
        'before it goes on.',
        low=0.0,
        high=0.7,
    )
    takeover_from: str = setting(
        '',
        'Device whose state of its enable switch a tick waits for, as for a chunk, '
        'while the arm is driven; empty for none.',
    )
    controller_manager: str = setting(
        'controller_manager',
        'Node that is asked whether it enforces command limits, with a joint_trajectory_controller;'
        ' empty for none.',
    )
    command_limits: str = setting(
        'expected',
        'When the arm may not be driven: required where the controller manager does not say that '
        'it enforces limits, expected where it says that it does not, optional for never.',
    )


class MonitorNode(FailSafeNode):
    """Ticks once for every frame, as soon as the chunk that answers it is there.

    Times are compared on the node's clock under use_sim_time, so that a simulation in lock-step
    is waited for, and on the steady clock otherwise.
    """

    def __init__(self) -> None:
        super().__init__('monitor')
        self._config = declare(self, MonitorNodeConfig, dynamic=_DYNAMIC_HERE)
        self._settings = declare(self, MonitorConfig, dynamic=_DYNAMIC)
        self._verdict: Verdict | None = None
        self._simulated = bool(self.get_parameter('use_sim_time').value)
        let_change(self, (*_DYNAMIC, *_DYNAMIC_HERE), self._check, self._change)

    def configure(self) -> None:
        """Read the contract and the calibration; subscribe; nothing is published yet."""
        self._contract = load_contract(self._config.contract)
        self.get_logger().info(f'bundles that are taken: {self._config.taken}')
        self._require_watched({'allow_uncalibrated': self._settings.allow_uncalibrated})
        self._latency = {mode: Latency() for mode in _DRIVING}
        self._sender = CommandSender(
            self,
            self._contract,
            settings=self._settings,
            present=Present(self).now,
            seconds=self._seconds,
            replacement=lambda topic: ReplacementWatch(self, self.resolve_topic_name(topic)),
            tell=self._note,
            said=lambda: self._source.said(self._contract.action.position),
            simulated=self._simulated,
        )
        self._reports = MonitorReports(self, self._contract)
        self._use(self._load(self._config.bundle) if self._config.bundle else None)
        self._forget()
        self._joints = JointConsistency(self._contract, self._elapsed)
        self._tools = ToolConsistency(self._contract)
        self._samples = SampleChecks(self._contract, self._settings)
        publishers = PublisherWatch(self, self._contract, self._elapsed, self._note)
        self._source = FrameSource(
            self,
            self._contract,
            self._on_frame,
            on_sample=self._on_sample,
            on_origin=publishers.hear,
        )
        self._command_topics = [
            CommandTopicWatch(self, publisher, self._note) for publisher in self._sender.publishers
        ]
        goals = [
            ControllerGoalWatch(self, trajectory_action(watch.topic), self._note)
            for watch in self._command_topics
        ]
        self._clocks = ClockWatch(
            self, self._contract, self._source.delays, self._settings, self._note
        )
        self._limits = CommandLimitsWatch(
            self,
            self._config.controller_manager,
            self._config.command_limits,
            self._note,
            asked=not self._contract.setpoints,
        )
        self._watches: tuple[GraphWatch, ...] = (
            self._source,
            self._joints,
            self._tools,
            publishers,
            *self._command_topics,
            *goals,
            self._clocks,
            self._sender,
            self._limits,
            DescriptionWatch(self, self._contract),
            SimTimeWatch(self),
        )
        for mode, topic in _TOPICS.items():
            take = RawCallback(partial(self._on_chunk, mode))
            self.create_subscription(ActionChunk, topic, take, CHUNKS)
        self._policy_origin = SolePublisher(self, topics.POLICY_CHUNK, self._elapsed)
        self.create_subscription(Takeover, topics.TAKEOVER, self._on_takeover, EVENTS)
        self._policy_reset = self.create_client(Trigger, 'policy/reset')
        self.serve(SetMode, '~/set_mode', self._on_set_mode)
        self.serve(DiscardBefore, '~/discard_before', self._on_discard_before)
        answer = SlowAnswer(
            begin=self._begin_load, finish=self._finish_load, describe=self._describe
        )
        self._policy = PolicyLoader(self)
        self._heard_policy = HeardPolicy(self, self._on_policy)
        self._loads = self.serve_slowly(LoadPolicy, '~/load', answer)
        publish_diagnostics(
            self,
            'gate',
            self._report,
            hardware_id=self._contract.name,
            topics=self._source.heard,
        )

    def activate(self) -> None:
        """Begin to watch, in IDLE: the arm is not touched, whatever was before."""
        self._forget()
        period = self._contract.period
        # A repeated set-point has to be in time.
        often = period / 4 if self._sender.repeats else max(period / 4, _LOOK)
        self._watchdog = steady_timer(self, often, self._watch)
        patience = self._config.chunk_wait * period + _SURE
        self._deadline = steady_timer(self, patience, self._watch)  # while a tick waits
        self._deadline.cancel()
        self._reports.idle(self._epoch, self._policy_id)

    def deactivate(self) -> None:
        """Bring the arm to rest, then fall silent."""
        for timer in (self._watchdog, self._deadline):
            self.destroy_timer(timer)
        now = int(self.get_clock().now().nanoseconds)
        prepare = self._sender.prepare
        self.failures.call(
            'CommandSender.prepare', None, prepare, self._monitor, self._seconds(now)
        )
        plan = self._monitor.emergency(self._seconds(now), 'the monitor ends').plan
        if plan is not None:
            self._sender.come_to_rest(plan, self._seconds(now), now)
        self._reports.retire()

    def _forget(self) -> None:
        self._epoch = int(self.get_clock().now().nanoseconds)
        self._rebuild()
        self._reports.reset()
        self._sender.reset()
        self._frame: Frame | None = None
        self._early: tuple[Frame, MonitorInput] | None = None  # what the next tick looks at
        self._waiting: float | None = None
        self._answered = dict.fromkeys(_DRIVING, 0)
        self._void = 0  # frames and chunks stamped before this time count in no mode [ns]
        self._last_takeover = 0  # of the device that ticks wait for [ns]
        self._unanswered = self._ticks = self._frames = 0
        self._chunks = dict.fromkeys(_DRIVING, 0)
        self._rates = Rates()
        self._seen = self._commanded = self._elapsed()
        self._read = self._epoch

    def _use(self, bundle: Bundle | None) -> None:
        self._policy_id = bundle.policy_id if bundle else ''
        self._reports.bundle_identity = bundle.identity if bundle else ''
        self._policy_hash = bundle.policy_hash if bundle else ''
        self._calibration = bundle.calibration if bundle else None
        self._score_inputs = bundle.score_inputs if bundle else None

    def _load(self, path: str) -> Bundle:
        return load_bundle(path, self._contract, 'cpu', self._config.trust)

    def _elapsed(self) -> float:
        """The clock that silence is measured on [s]."""
        if self._simulated:
            return float(self.get_clock().now().nanoseconds) / NS
        return time.monotonic()

    def _on_frame(self, frame: Frame) -> None:
        self._frames += 1
        self._frame, self._waiting = frame, self._elapsed()
        self._seen = self._waiting
        self._tick_if_answered()
        if self._waiting is None or not self.active:
            return
        self._deadline.reset()
        if not self.failures.call('MonitorNode look', False, self._fine, frame):
            self._tick()  # there is nothing to wait for

    def _fine(self, frame: Frame) -> bool:
        """Judge a frame whose chunk is still being computed."""
        self._early = frame, self._input_of(frame)
        return self._monitor.look_at(self._early[1])

    def _on_sample(self, key: str, value: Array, header: int, received: int) -> None:
        """Look at every sample, also at those that no frame is made of; a bad one stops at once."""
        call = self.failures.call
        call('JointConsistency.add', None, self._joints.add, key, value, header, received)
        if not self.active:
            return
        fault = call('SampleChecks.judge', None, self._samples.judge, key, value)
        if fault is not None:
            self._monitor.stop_for(fault)
            if self._monitor.mode not in (Mode.IDLE, Mode.ALARM):
                self._tick()

    def _on_chunk(self, mode: Mode, message: ActionChunk, info: Mapping[str, Any]) -> None:
        if mode is Mode.POLICY:
            self._policy_origin.hear(info)
        if not self.active:
            return
        if mode is Mode.POLICY:
            self._distrust(self._policy_origin.problem())
        stamp = to_ns(message.header.stamp)
        chunk = Chunk(
            stamp=self._seconds(stamp),
            step_dt=to_seconds(message.step_dt),
            names=tuple(message.names),
            positions=chunk_positions(message),
            contract_hash=message.contract_hash,
            policy_id=message.policy_id,
            source=chunk_source(message),
            samples=chunk_samples(message),
            frame_id=message.header.frame_id,
        )
        self._monitor.offer(chunk, _DRIVING[mode])
        self._answered[mode] = stamp
        self._chunks[mode] += 1
        self._latency[mode].add((self.get_clock().now().nanoseconds - stamp) / NS)
        self._tick_if_answered()

    def _on_takeover(self, message: Takeover) -> None:
        if not self.active:
            return
        # When the switch was read, not when the message came: a device that hangs repeats itself.
        read, device = to_ns(message.header.stamp), message.device
        present = int(self.get_clock().now().nanoseconds)
        if self._simulated:  # /clock may arrive after a message of its instant
            present += round(self._contract.period * NS)
        read = min(read, present)
        self._monitor.enable_switch(message.held, self._seconds(read), device, lost=message.lost)
        if device == self._config.takeover_from:
            self._last_takeover = read
        self._tick_if_answered()

    def _tick_if_answered(self) -> None:
        frame = self._frame
        if frame is None or self._waiting is None:
            return
        if self._inputs_complete(frame.stamp) or self._source.invalid(frame):
            self._tick()

    def _inputs_complete(self, stamp: int) -> bool:
        """Whether everything that the tick of a frame waits for has arrived."""
        mode, device = self._monitor.next_mode, self._config.takeover_from
        if mode.driving and device and self._last_takeover < stamp:
            return False
        return self._answered.get(mode, stamp) >= stamp

    def _watch(self) -> None:
        """The watchdog; where it fails, ticks go on, which brake for that."""
        if not self.active or self.failures.call(_WATCHDOG, False, self._keep_watch):
            return
        if self._elapsed() - self._commanded >= self._contract.period:
            self._tick()

    def _keep_watch(self) -> bool:
        now = self._elapsed()
        present = int(self.get_clock().now().nanoseconds)
        if present < self._read:
            self._last_takeover = 0
            if self._void > present:  # a bound of the time before, not one of the new
                self._discard_before(0)
            self._tick()  # time went back: no silence would be noticed until it has caught up
        elif self._waiting is not None:
            if now - self._waiting > self._config.chunk_wait * self._contract.period:
                self._tick()
        elif now - self._seen > self._settings.frame_age and self._monitor.mode is not Mode.IDLE:
            self._tick()
        elif (
            self._verdict is not None
            and self._verdict.plan is not None
            and self._sender.repeats
            and now - self._commanded >= _SILENT * self._contract.period
        ):  # a command is good for one period only: the rest of the plan, its stop, follows
            self._sender.go_on(self._verdict.plan, self._seconds(present), present)
            self._commanded = self._elapsed()
        return True

    def _tick(self) -> None:
        begin = time.perf_counter()
        self._waiting = None
        if not self.active:
            return
        self._deadline.cancel()
        silent = self._elapsed() - self._seen
        frame = self._frame if silent <= self._settings.frame_age else None
        now = int(self.get_clock().now().nanoseconds)
        before, self._read = self._read, now
        if frame is not None and self._simulated and now >= before:
            # /clock may arrive after the frame of its instant, but no more than a period after it.
            late = frame.stamp - now
            now += late if 0 < late <= self._contract.period * NS else 0
        stamp = frame.stamp if frame is not None else now
        try:
            seen = self._silence(silent, stamp) if frame is None else self._input_of(frame)
            self._sender.prepare(self._monitor, self._seconds(now), seen.position)
            verdict = self._monitor.tick(seen, self._seconds(now))
            if self._monitor.error is not None:
                self.failures.add(_TICK, self._monitor.error)
        except Exception as error:
            verdict = self._emergency(error, now)
        self._verdict = verdict = self._send(verdict, now)
        cost = time.perf_counter() - begin
        self.failures.call('MonitorNode reports', None, self._tell, verdict, stamp, cost)

    def _emergency(self, error: Exception, now: int) -> Verdict:
        """Stop because of an exception that no check foresaw."""
        self.failures.add(_TICK, error)
        return self._monitor.emergency(self._seconds(now), error_text(error))

    def _send(self, verdict: Verdict, now: int) -> Verdict:
        """Send what a tick decided; if that fails, a stop.

        If that fails, too, the next tick sends one: what was sent before ends in a standstill.
        """
        for last in (False, True):
            try:
                verdict = self._sender.send(self._monitor, verdict, self._seconds(now), now)
            except Exception as error:
                unsent = self._monitor.withdraw(verdict)
                verdict = unsent if last else self._emergency(error, now)
            else:
                break
        self._commanded = self._elapsed()
        return verdict

    def _tell(self, verdict: Verdict, stamp: int, cost: float) -> None:
        self._reports.executed(verdict, stamp, self._policy_id)
        self._reports.tell(verdict, stamp, cost, self._policy_id)
        self._count(verdict, stamp)

    def _count(self, verdict: Verdict, stamp: int) -> None:
        self._ticks += 1
        if verdict.mode.driving and self._answered[verdict.mode] < stamp:
            self._unanswered += 1
        if verdict.resumed and self._policy_reset.service_is_ready():
            self._policy_reset.call_async(Trigger.Request())

    def _seconds(self, stamp: int) -> float:
        """Time as the monitor counts it: since the node began, so that no digit is lost."""
        return (stamp - self._epoch) / NS

    def _silence(self, silent: float, stamp: int) -> MonitorInput:
        text = f'no observation for {silent:.3f} s, allowed {self._settings.frame_age} s'
        clock = self._contract.clock
        if rejected := self._source.builder.rejected.get(clock):
            text += f' ({clock}: {rejected})'
        return MonitorInput(stamp=self._seconds(stamp), position=None, invalid=(text,))

    def _input_of(self, frame: Frame) -> MonitorInput:
        self.failures.call('ToolConsistency.look', None, self._tools.look, frame)
        invalid = (*self._source.invalid(frame), *self._problems())
        if self._monitor.trusts_policy:
            invalid = (*invalid, *self._policy_problems())
        early, self._early = self._early, None
        if early is not None and early[0] is frame and early[1].invalid == invalid:
            return early[1]
        stamp = self._seconds(frame.stamp)
        inputs = self._score_inputs if self._calibration else None
        score_input = inputs.of_frame(frame, epoch=self._epoch) if inputs else None
        return monitor_input(
            self._contract,
            frame,
            stamp,
            invalid=invalid,
            unconfirmed=self._joints.unconfirmed(frame.values),
            reference=self._sender.reference(stamp, self._seconds(self._void)),
            clock=self._clocks.remark(),
            score_input=score_input,
        )

    def _problems(self) -> list[str]:
        """Why the arm must not move, whatever frames and scores say."""
        found = [problem for watch in self._watches for problem in self._problems_of(watch)]
        return found + self.failures.problems()  # last: one that fails now is among them

    def _problems_of(self, watch: GraphWatch) -> list[str]:
        name = f'{type(watch).__name__}.problems'
        return self.failures.call(name, [], lambda: [*watch.problems()])

    def _note(self, text: str) -> None:
        """Something on the graph has changed that an operator should know, whatever the mode."""
        self._reports.note(text, int(self.get_clock().now().nanoseconds))

    def _on_set_mode(self, request: SetMode.Request, response: SetMode.Response) -> None:
        try:
            self.require_active()
            if request.mode not in _MODES:
                names = [f'{code} ({mode})' for code, mode in _MODES.items()]
                raise IlRosError(f'mode {request.mode}', allowed=names)
            self._require_loaded(_MODES[request.mode])
            self._require_source(_MODES[request.mode])
            self._require_graph(_MODES[request.mode])
            self._monitor.request(_MODES[request.mode], resume=request.resume)
        finally:
            response.mode = CODES[self._monitor.mode]
        self.get_logger().info(f'mode {self._monitor.mode.name} on request')
        self._waiting = self._elapsed()
        # It is granted, whatever comes of the tick.
        self.failures.call('MonitorNode tick on request', None, self._tick_if_answered)

    def _on_discard_before(self, request: DiscardBefore.Request, _: DiscardBefore.Response) -> None:
        """What is older than this is void in every mode that is entered from now on."""
        self.require_active()
        self._discard_before(to_ns(request.stamp))

    def _discard_before(self, stamp: int) -> None:
        self._void = stamp
        since = self._seconds(stamp) if stamp else -math.inf
        self._monitor.discard_before(since, reset=self._simulated)

    def _require_loaded(self, mode: Mode) -> None:
        """A load begins in IDLE and ends there."""
        if self._loads.busy and mode is not Mode.IDLE:
            raise IlRosError('a bundle is being loaded', fix='wait for the answer of ~/load')

    def _require_source(self, mode: Mode) -> None:
        """No source gets the arm before one of its chunks has come that is not void."""
        if mode in _DRIVING and self._answered[mode] < max(self._void, 1):
            raise IlRosError(
                f'no chunk from the {mode} yet',
                where=self.resolve_topic_name(_TOPICS[mode]),
                fix='start its node, load its bundle, and see that its observations arrive',
            )
        if mode is Mode.POLICY:
            if problem := self._policy_origin.problem():
                raise IlRosError(problem)
            self._heard_policy.require(self._policy_hash, stated=self._pinned)

    @property
    def _pinned(self) -> bool:
        return self._config.taken != 'any'

    def _policy_problems(self) -> list[str]:
        """Why the policy must not drive, whatever its chunks say."""
        stated = self._heard_policy.problem(self._policy_hash, stated=self._pinned)
        return [text for text in (stated, self._policy_origin.problem()) if text]

    def _on_policy(self) -> None:
        """The policy says which one it is: another one than the monitor's does not drive on."""
        self._distrust(self._heard_policy.problem(self._policy_hash, stated=False))

    def _distrust(self, problem: str) -> None:
        """Stop, if the policy drives or gets the arm back, and there is a problem with it."""
        if problem and self._monitor.trusts_policy:
            self._monitor.stop_for(Fault('chunk', problem))

    def _require_graph(self, mode: Mode) -> None:
        """The graph may have changed since the last tick; a stop is granted all the same."""
        begins = mode is not Mode.IDLE and self._monitor.mode in (Mode.IDLE, Mode.ALARM)
        if problems := '; '.join(self._problems()) if begins or mode in _DRIVING else '':
            where = f'mode {self._monitor.mode} to {mode}'
            raise IlRosError(problems, where=where, fix='fix this, then repeat')

    def _begin_load(self, request: LoadPolicy.Request) -> Callable[[], tuple[Bundle, bool]]:
        self._require_idle()
        return partial(self._load_both, request)

    def _load_both(self, request: LoadPolicy.Request) -> tuple[Bundle, bool]:
        """Load the calibration here, then its policy in the policy node, if any; in a thread.

        All that can fail here comes first, so that nothing is half swapped.
        """
        bundle = self._load(request.path)
        wanted = request.policy_id or bundle.policy_id
        if bundle.policy_id != wanted:
            problem = f'its policy is {bundle.policy_id}'
            raise IlRosError(problem, where=request.path, allowed=wanted)
        make_monitor(self._contract, bundle.calibration, self._settings)
        return bundle, self._policy.load(request.path, wanted, bundle.identity)

    def _finish_load(self, loaded: tuple[Bundle, bool]) -> None:
        self._require_idle()  # still
        bundle, there = loaded
        self._use(bundle)
        if there:
            self._heard_policy.expect(bundle.policy_hash)
        self._rebuild()
        self._latency[Mode.POLICY].reset()

    def _describe(self, response: LoadPolicy.Response) -> None:
        response.policy_id = self._policy_id
        response.bundle_identity = self._reports.bundle_identity

    def _rebuild(self) -> None:
        """Make the monitor anew, with the calibration and the settings as they are now."""
        self._monitor = make_monitor(self._contract, self._calibration, self._settings)
        self._verdict = None

    def _check(self, changes: dict[str, Any]) -> None:
        """What the monitor checks by changes in IDLE alone."""
        self._require_watched(changes)
        if hasattr(self, '_monitor') and changes.keys() & _DYNAMIC:
            self._require_idle()

    def _require_watched(self, changes: dict[str, Any]) -> None:
        """Anybody on the graph may set a parameter, but not switch off what a signature covers."""
        off = changes.get('allow_uncalibrated') or changes.get('novelty') is False
        if off and self._config.taken != 'any':
            raise IlRosError(
                'scores that do not stop the policy, or none',
                where='novelty, allow_uncalibrated',
                allowed='the thresholds of the bundle where trusted_keys or bundle_identity is set',
            )

    def _change(self, changes: dict[str, Any]) -> None:
        here = {name: changes.pop(name) for name in _DYNAMIC_HERE if name in changes}
        self._config = replace(self._config, **here)
        if here:
            self._last_takeover = 0  # it was another device's
        self._settings = replace(self._settings, **changes)
        if changes and hasattr(self, '_monitor'):
            self._rebuild()
        if here and self.active:
            self._tick_if_answered()

    def _require_idle(self) -> None:
        """Scores and settings change only while the monitor commands nothing."""
        if self._monitor.mode is not Mode.IDLE:
            raise IlRosError(
                f'the mode is {self._monitor.mode}', allowed='idle', fix='ask for idle first'
            )

    def _report(self) -> Report:
        """The diagnostics; where they cannot be made, what failed."""
        failed: Report = ERROR, '', {}
        level, text, values = self.failures.call('MonitorNode report', failed, self._full_report)
        return level, text or '; '.join(self.failures.problems()), values

    def _full_report(self) -> Report:
        level, text, values = self._tick_report()
        advisers = self._clocks, self._sender, self._limits
        values = {**values, **{k: v for one in advisers for k, v in one.values().items()}}
        problems = self._problems() or [told for one in advisers for told in one.warnings()]
        if not problems:
            return level, text, values
        # Somebody else may command the arm, or a check fails: an error even where nobody is driven.
        others = any(watch.others for watch in self._command_topics)
        worst = ERROR if others or self.failures.problems() else WARN
        new = [problem for problem in problems if problem not in text]  # the last tick says others
        return max(level, worst), '; '.join([*new, text]), values

    def _bundle_values(self) -> dict[str, object]:
        identity = self._reports.bundle_identity
        taken = self._config.taken
        return {'policy_id': self._policy_id, 'bundle_identity': identity, 'bundles': taken}

    def _tick_report(self) -> Report:
        report = self._reports.diagnosis()
        silent = self._elapsed() - self._seen
        if report is None or (silent > self._settings.frame_age and not self._simulated):
            return STALE, f'no observation for {silent:.1f} s', self._bundle_values()
        level, text, values = report
        problems = self._source.invalid(self._frame) if self._frame else []
        invalid = '; '.join([*problems, *self._problems()])
        ages = self._frame.age if self._frame else {}
        counts = {'frames': self._frames}
        counts |= {f'{_DRIVING[mode]} chunks': count for mode, count in self._chunks.items()}
        more: dict[str, object] = {
            **self._bundle_values(),
            'ticks': self._ticks,
            **{f'{name} [Hz]': rate for name, rate in self._rates.update(counts).items()},
            'tick rate [Hz]': f'{self._source.builder.schedule.rate:.2f}',
            'frames without an answer': self._unanswered,
            'invalid': invalid,
            **{f'{m} latency p95 [s]': f'{x.value:.4f}' for m, x in self._latency.items()},
            **{f'age {key}': f'{age:.3f}' for key, age in ages.items()},
        }
        return max(level, WARN) if invalid else level, text, {**values, **more}


main = partial(run_node, MonitorNode)
"""Run the node, then end the process with its exit code."""

if __name__ == '__main__':
    main()
