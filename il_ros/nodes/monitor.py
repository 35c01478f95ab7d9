"""The monitor node: the last filter before the robot, and the only publisher of its commands."""

from __future__ import annotations

import math
import time
import traceback
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.parameter import Parameter

from il_ros.core import topics
from il_ros.core.arms import get_arm
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS, Frame
from il_ros.monitors.config import MonitorConfig
from il_ros.monitors.messages import Chunk, MonitorInput, Source
from il_ros.monitors.mode import Mode
from il_ros.monitors.monitor import Monitor, Verdict
from il_ros.msg import ActionChunk, EpisodeEvent, MonitorStatus
from il_ros.policies.bundle import Bundle, load_bundle
from il_ros.ros.convert import chunk_message, chunk_positions, fill_stamp, to_ns
from il_ros.ros.diagnostics import ERROR, OK, STALE, WARN, Diagnostics, Report
from il_ros.ros.frames import FrameSource
from il_ros.ros.managed import ManagedNode
from il_ros.ros.output import command_publisher
from il_ros.ros.parameters import declare, setting
from il_ros.ros.qos import CHUNKS, EVENTS
from il_ros.ros.spin import run_node
from il_ros.srv import LoadPolicy, SetMode

Array = NDArray[np.float64]
# Settings of the monitor that may be changed while it runs, though never while it drives.
_DYNAMIC = ('novelty', 'allow_uncalibrated')
_DRIVING: dict[Mode, Source] = {Mode.POLICY: 'policy', Mode.EXPERT: 'expert'}
_TOPICS = {Mode.POLICY: topics.POLICY_CHUNK, Mode.EXPERT: topics.EXPERT_CHUNK}
_CODES = {mode: getattr(MonitorStatus, mode.name) for mode in Mode}
_MODES = {code: mode for mode, code in _CODES.items()}


@dataclass(frozen=True, kw_only=True)
class MonitorNodeConfig:
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


class MonitorNode(ManagedNode):
    """Ticks once for every frame, as soon as the chunk that answers it is there.

    Times are compared on the node's clock under use_sim_time, so that a simulation in lock-step
    is waited for, and on the steady clock otherwise.
    """

    def __init__(self) -> None:
        super().__init__('monitor')
        self._config = declare(self, MonitorNodeConfig)
        self._settings = declare(self, MonitorConfig, dynamic=_DYNAMIC)
        self._simulated = bool(self.get_parameter('use_sim_time').value)
        self.add_on_set_parameters_callback(self._on_parameters)

    def configure(self) -> None:
        """Read the contract and the calibration; subscribe; nothing is published yet."""
        self._contract = load_contract(self._config.contract)
        bundle = self._config.bundle
        self._calibrated = self._load(bundle) if bundle else None
        self._forget()
        self._output, self._commands = command_publisher(self, self._contract)
        executed = self._contract.action.executed
        self._executed = self.create_publisher(ActionChunk, executed, CHUNKS)
        self._status = self.create_publisher(MonitorStatus, topics.MONITOR_STATUS, CHUNKS)
        self._events = self.create_publisher(EpisodeEvent, topics.EVENTS, EVENTS)
        self._source = FrameSource(self, self._contract, self._on_frame)
        for mode in _DRIVING:
            self._subscribe(mode)
        self.create_service(SetMode, '~/set_mode', self._on_set_mode)
        self.create_service(LoadPolicy, '~/load', self._on_load)
        Diagnostics(self, self._report)

    def activate(self) -> None:
        """Begin to watch, in IDLE: the arm is not touched, whatever was before."""
        self._forget()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._watchdog = self.create_timer(self._contract.period / 4, self._watch, clock=steady)

    def deactivate(self) -> None:
        """Fall silent; the last command sent ends in a standstill."""
        self.destroy_timer(self._watchdog)

    def _forget(self) -> None:
        self._epoch = int(self.get_clock().now().nanoseconds)
        self._monitor = self._make()
        self._frame: Frame | None = None
        self._waiting: float | None = None
        self._answered = dict.fromkeys(_DRIVING, 0)
        self._seen = self._elapsed()
        self._verdict: Verdict | None = None

    def _subscribe(self, mode: Mode) -> None:
        self.create_subscription(
            ActionChunk, _TOPICS[mode], lambda message: self._on_chunk(message, mode), CHUNKS
        )

    def _make(self) -> Monitor:
        bundle = self._calibrated
        calibration = bundle.calibration if bundle else None
        settings = self._settings
        if calibration is not None:  # the threshold holds for the window that it was made with
            settings = replace(settings, score_window=calibration.window)
        arm = get_arm(self._contract.arm) if self._contract.arm else None
        return Monitor(
            limits=self._contract.limits,
            contract_hash=self._contract.hash,
            dt=self._contract.period,
            forward=(lambda q: arm.chain.forward(q[: len(arm.joints)])[0]) if arm else None,
            score=calibration.score if calibration else None,
            threshold=calibration.threshold if calibration else None,
            policy_id=self._policy_id,
            config=settings,
            longest=calibration.longest if calibration else None,
        )

    @property
    def _policy_id(self) -> str:
        return self._calibrated.policy_id if self._calibrated else ''

    def _load(self, path: str) -> Bundle:
        return load_bundle(path, contract=self._contract, device='cpu')

    def _elapsed(self) -> float:
        """The clock that silence is measured on [s]."""
        if self._simulated:
            return float(self.get_clock().now().nanoseconds) / NS
        return time.monotonic()

    def _on_frame(self, frame: Frame) -> None:
        self._frame, self._waiting = frame, self._elapsed()
        self._seen = self._waiting
        self._tick_if_answered()

    def _on_chunk(self, message: ActionChunk, mode: Mode) -> None:
        stamp = to_ns(message.header.stamp)
        chunk = Chunk(
            stamp=self._seconds(stamp),
            step_dt=message.step_dt,
            names=tuple(message.names),
            positions=chunk_positions(message),
            contract_hash=message.contract_hash,
            policy_id=message.policy_id,
            source=message.source,
        )
        if not self.active:
            return
        self._monitor.offer(chunk, _DRIVING[mode])
        self._answered[mode] = stamp
        self._tick_if_answered()

    def _tick_if_answered(self) -> None:
        if self._frame is None or self._waiting is None:
            return
        mode = self._monitor.mode
        answered = self._answered.get(mode, self._frame.stamp) >= self._frame.stamp
        if answered or self._source.invalid(self._frame):
            self._tick()

    def _watch(self) -> None:
        if not self.active:
            return
        now = self._elapsed()
        if self._waiting is not None:
            if now - self._waiting > self._config.chunk_wait * self._contract.period:
                self._tick()
        elif now - self._seen > self._settings.frame_age and self._monitor.mode is not Mode.IDLE:
            self._tick()

    def _tick(self) -> None:
        begin = time.perf_counter()
        self._waiting = None
        if not self.active:
            return
        silent = self._elapsed() - self._seen
        frame = self._frame if silent <= self._settings.frame_age else None
        now = self.get_clock().now().nanoseconds
        if frame is not None and self._simulated:
            now = max(now, frame.stamp)  # /clock may come behind the frame of its instant
        stamp = frame.stamp if frame is not None else now
        try:
            seen = self._input(frame) if frame is not None else self._silence(silent, stamp)
            verdict = self._monitor.tick(seen, self._seconds(now))
        except Exception:
            self.get_logger().error(f'a tick failed, the arm stops:\n{traceback.format_exc()}')
            verdict = self._monitor.emergency(self._seconds(now))
        try:
            self._command(verdict, now, stamp)
            self._announce(verdict, now)
            self._publish_status(verdict, stamp, begin)
        except Exception:  # silence is a stop too: what was sent last ends in a standstill
            self.get_logger().fatal(f'cannot command, the node ends:\n{traceback.format_exc()}')
            self.exit_code = 1
        self._verdict = verdict

    def _seconds(self, stamp: int) -> float:
        """Time as the monitor counts it: since the node began, so that no digit is lost."""
        return (stamp - self._epoch) / NS

    def _silence(self, silent: float, stamp: int) -> MonitorInput:
        text = f'no observation for {silent:.3f} s, allowed {self._settings.frame_age} s'
        return MonitorInput(stamp=self._seconds(stamp), position=None, invalid=(text,))

    def _input(self, frame: Frame) -> MonitorInput:
        action, wrench = self._contract.action, self._contract.wrench
        contact = self._part(frame, (wrench.key,)) if wrench else None
        return MonitorInput(
            stamp=self._seconds(frame.stamp),
            position=self._part(frame, action.position),
            velocity=self._part(frame, action.velocity),
            features=self._novelty_features(frame),
            force=contact[:3] if contact is not None else None,
            torque=contact[3:] if contact is not None else None,
            invalid=tuple(self._source.invalid(frame)),
        )

    def _novelty_features(self, frame: Frame) -> Array | None:
        calibration = self._calibrated.calibration if self._calibrated else None
        return calibration.features.of_frame(frame) if calibration else None

    @staticmethod
    def _part(frame: Frame, keys: tuple[str, ...]) -> Array | None:
        return frame.vector(keys) if keys and frame.all_valid(keys) else None

    def _command(self, verdict: Verdict, now: int, stamp: int) -> None:
        if verdict.plan is None:
            return
        self._commands.publish(self._output.message(verdict.plan, self._seconds(now), now))
        if verdict.target_end is not None:
            self._executed.publish(
                chunk_message(
                    verdict.target_end[None],
                    stamp=stamp,
                    step_dt=self._contract.period,
                    names=self._contract.action.names,
                    frame_id=self._contract.base_frame,
                    source=verdict.mode.value,
                    contract_hash=self._contract.hash,
                    policy_id=self._policy_id,
                )
            )

    def _announce(self, verdict: Verdict, now: int) -> None:
        before = self._verdict.mode if self._verdict is not None else Mode.IDLE
        if verdict.mode is before:
            return
        text = f'{before.name} to {verdict.mode.name}: {verdict.reason}'
        alarm = verdict.mode is Mode.ALARM
        if alarm:  # rclpy's logger wants one severity for each line of code
            self.get_logger().warning(text)
        else:
            self.get_logger().info(text)
        kind = EpisodeEvent.FALLBACK if alarm else EpisodeEvent.MODE
        self._events.publish(fill_stamp(EpisodeEvent(kind=kind, text=text), now))

    def _publish_status(self, verdict: Verdict, stamp: int, begin: float) -> None:
        message = MonitorStatus(
            mode=_CODES[verdict.mode],
            fault=verdict.fault.kind if verdict.fault is not None else '',
            reason=verdict.reason,
            score=verdict.score,
            threshold=verdict.threshold,
            exceeded=verdict.exceeded,
            triggered=verdict.triggered,
            policy_id=self._policy_id,
            tick_cost=time.perf_counter() - begin,
        )
        self._status.publish(fill_stamp(message, stamp, self._contract.base_frame))

    def _on_set_mode(self, request: SetMode.Request, response: SetMode.Response) -> Any:
        try:
            if not self.active:
                raise IlRosError('the monitor is not active', fix='activate it first')
            mode, not_before = _MODES[request.mode], to_ns(request.not_before)
            self._require_source(mode, not_before)
            since = self._seconds(not_before) if not_before else -math.inf
            self._monitor.request(mode, resume=request.resume, not_before=since)
            response.success = True
        except KeyError:
            names = ', '.join(f'{code} ({mode})' for code, mode in _MODES.items())
            response.message = f'mode {request.mode}; allowed: {names}'
        except IlRosError as problem:
            response.message = str(problem)
        response.mode = _CODES[self._monitor.mode]
        if response.success:
            self.get_logger().info(f'mode {self._monitor.mode.name} on request')
            self._waiting = self._elapsed()
            self._tick_if_answered()
        return response

    def _require_source(self, mode: Mode, not_before: int) -> None:
        """Nobody gets the arm before the monitor has heard from them."""
        if mode in _DRIVING and self._answered[mode] < max(not_before, 1):
            raise IlRosError(
                f'no chunk from the {mode} yet',
                where=self.resolve_topic_name(_TOPICS[mode]),
                fix='start its node, load its bundle, and see that its observations arrive',
            )

    def _on_load(self, request: LoadPolicy.Request, response: LoadPolicy.Response) -> Any:
        try:
            self._require_idle()
            self._calibrated = self._load(request.path)
            self._monitor = self._make()
            response.success = True
        except IlRosError as problem:
            response.message = str(problem)
        response.policy_id = self._policy_id
        return response

    def _on_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        changes = {p.name: p.value for p in parameters if p.name in _DYNAMIC}
        if not changes or not hasattr(self, '_settings'):
            return SetParametersResult(successful=True)  # they are being declared
        try:
            if hasattr(self, '_monitor'):
                self._require_idle()
        except IlRosError as problem:
            return SetParametersResult(successful=False, reason=str(problem))
        self._settings = replace(self._settings, **changes)
        if hasattr(self, '_monitor'):
            self._monitor = self._make()
        return SetParametersResult(successful=True)

    def _require_idle(self) -> None:
        """What the monitor judges by changes only while it commands nothing."""
        if self._monitor.mode is not Mode.IDLE:
            raise IlRosError(
                f'the mode is {self._monitor.mode}', allowed='idle', fix='ask for idle first'
            )

    def _report(self) -> Report:
        if self._verdict is None:
            return STALE, 'no observation yet', {}
        verdict = self._verdict
        values = {
            'mode': verdict.mode.name,
            'score': verdict.score,
            'threshold': verdict.threshold,
            'policy_id': self._policy_id,
            'invalid': '; '.join(self._source.invalid(self._frame)) if self._frame else '',
        }
        if verdict.mode is Mode.ALARM:
            return ERROR, verdict.reason, values
        level = WARN if verdict.exceeded or values['invalid'] else OK
        return level, verdict.reason or verdict.mode.name, values


def main() -> int:
    """Run the node."""
    return run_node(MonitorNode)


if __name__ == '__main__':
    raise SystemExit(main())
