"""What the monitor tells others: status, scores, events, what it commanded, diagnostics."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.publisher import Publisher

from il_ros.core import topics
from il_ros.core.contract import Contract
from il_ros.core.errors import one_line
from il_ros.core.frames import NS
from il_ros.monitors.mode import Mode
from il_ros.monitors.monitor import Verdict
from il_ros.msg import ActionChunk, EpisodeEvent, MonitorScores, MonitorStatus
from il_ros.ros.diagnostics import ERROR, OK, WARN, Report
from il_ros.ros.message_conversion import chunk_message, doubles, fill_stamp, to_duration
from il_ros.ros.qos import CHUNKS, EVENTS, STATUS
from il_ros.ros.rates import Latency

CODES = {mode: getattr(MonitorStatus, mode.name) for mode in Mode}
"""The number of each mode in messages."""

_PERIOD = NS // 10  # between two statuses of the same content
_STOPPED = (Mode.ALARM, Mode.FALLBACK)


class MonitorReports:
    """Publishes what a verdict came to.

    Args:
        node: Owner of the publishers.
        contract: What is commanded.

    Attributes:
        bundle_identity: Of the bundle in use; empty without one.
    """

    def __init__(self, node: Node, contract: Contract) -> None:
        self._node, self._contract = node, contract
        self.bundle_identity = ''
        self._executed = node.create_publisher(ActionChunk, contract.action.executed, CHUNKS)
        self._status: Publisher | None = None  # while the monitor is active
        self._scores = node.create_publisher(MonitorScores, topics.MONITOR_SCORES, CHUNKS)
        self._events = node.create_publisher(EpisodeEvent, topics.EVENTS, EVENTS)
        self._cost = Latency(cold=0)
        self.reset()

    def reset(self) -> None:
        """Begin anew: in IDLE, with nothing said yet."""
        self._last: Verdict | None = None
        self._said: tuple[object, ...] = ()
        self._said_at = 0
        self._cost.reset()

    def idle(self, stamp: int, policy_id: str) -> None:
        """Publish the mode that the monitor begins in, which no tick has to precede.

        Args:
            stamp: The present [ns].
            policy_id: Whose calibration is in use.
        """
        self._status = self._node.create_publisher(MonitorStatus, topics.MONITOR_STATUS, STATUS)
        nothing = float('nan')
        message = MonitorStatus(
            mode=MonitorStatus.IDLE,
            reason='active',
            score=nothing,
            warning_threshold=nothing,
            policy_id=policy_id,
        )
        self._say(message, stamp)

    def note(self, text: str, stamp: int) -> None:
        """Log and publish something that is no change of mode, at `stamp` [ns]."""
        text = one_line(text)  # it names nodes, as they name themselves
        self._node.get_logger().warning(text)
        event = EpisodeEvent(kind=EpisodeEvent.NOTE, text=text)
        self._events.publish(fill_stamp(event, stamp))

    def retire(self) -> None:
        """Take back the latched status: a monitor that is not active has no mode."""
        if self._status is not None:
            self._node.destroy_publisher(self._status)
            self._status = None

    def executed(self, verdict: Verdict, stamp: int, policy_id: str) -> None:
        """What was commanded for the frame at `stamp` [ns], in the policy's space."""
        if verdict.target_end is None:
            return
        self._executed.publish(
            chunk_message(
                self._contract,
                verdict.target_end[None],
                stamp=stamp,
                source=verdict.mode.value,
                policy_id=policy_id,
            )
        )

    def tell(self, verdict: Verdict, stamp: int, cost: float, policy_id: str) -> None:
        """Events on change, every tick's scores, the status on change and ten times a second.

        Args:
            verdict: What the tick came to.
            stamp: Stamp of the tick's frame [ns], or the present where there was none.
            cost: What the tick cost [s].
            policy_id: Whose calibration is in use.
        """
        self._cost.add(cost)
        self._announce(verdict, stamp)
        self._last = verdict
        if verdict.scores.names:
            self._scores.publish(self._scores_message(verdict, stamp))
        fault = topics.FAULTS.index(verdict.fault.kind if verdict.fault is not None else 'none')
        looks = (verdict.scores.exceeded, verdict.scores.triggered)
        said = (verdict.mode, verdict.reason, verdict.warning, verdict.takeover, fault, *looks)
        # A frame that comes a little early is no reason to wait for another.
        patience = _PERIOD - round(self._contract.period * NS / 2)
        if said == self._said and 0 <= stamp - self._said_at < patience:
            return
        self._said, self._said_at = said, stamp
        message = MonitorStatus(
            mode=CODES[verdict.mode],
            warning=bool(verdict.warning),
            takeover=verdict.takeover,
            fault=fault,
            reason=verdict.warning or verdict.reason,
            score=verdict.scores.score,
            warning_threshold=verdict.scores.warn,
            exceeded=verdict.scores.exceeded,
            triggered=verdict.scores.triggered,
            policy_id=policy_id,
            tick_cost=to_duration(cost),
        )
        self._say(message, stamp)

    def _say(self, message: MonitorStatus, stamp: int) -> None:
        message.bundle_identity = self.bundle_identity
        if self._status is not None:
            self._status.publish(fill_stamp(message, stamp, self._contract.base_frame))

    def diagnosis(self) -> Report | None:
        """Level, message and values of the last tick; None before the first."""
        verdict = self._last
        if verdict is None:
            return None
        scores = verdict.scores
        values: dict[str, object] = {
            'mode': verdict.mode.name,
            'takeover': verdict.takeover,
            'fault': verdict.fault.text if verdict.fault else '',
            'score': f'{scores.score:.3g}',
            'tick_p95_ms': f'{1e3 * self._cost.value:.3f}',
        }
        for name, value, limit in zip(scores.names, scores.values, scores.thresholds, strict=True):
            values[f'score {name}'] = f'{value:.4g} of {limit:.4g}'
        if verdict.mode in _STOPPED:
            return ERROR, verdict.reason, values
        level = WARN if verdict.warning or scores.exceeded or verdict.fault else OK
        return level, verdict.warning or str(values['fault']) or verdict.reason, values

    def _scores_message(self, verdict: Verdict, stamp: int) -> MonitorScores:
        scores = verdict.scores
        message = MonitorScores(
            names=list(scores.names),
            values=doubles(scores.values),
            thresholds=doubles(scores.thresholds),
            score=scores.score,
            driving=verdict.watched,
        )
        stamped: MonitorScores = fill_stamp(message, stamp, self._contract.base_frame)
        return stamped

    def _announce(self, verdict: Verdict, stamp: int) -> None:
        before = self._last.mode if self._last is not None else Mode.IDLE
        warned = self._last.warning if self._last is not None else ''
        if verdict.mode is not before:
            text = f'{before.name} to {verdict.mode.name}: {verdict.reason}'
            self._event(verdict.mode in _STOPPED, text, stamp)
        if bool(verdict.warning) != bool(warned) and verdict.mode is Mode.POLICY:
            text = verdict.warning or 'as it should be again'
            self._event(False, f'warning: {text}', stamp)

    def _event(self, stopped: bool, text: str, stamp: int) -> None:
        text = one_line(text)
        if stopped:  # rclpy's logger wants one severity for each line of code
            self._node.get_logger().warning(text)
        else:
            self._node.get_logger().info(text)
        kind = EpisodeEvent.FALLBACK if stopped else EpisodeEvent.MODE
        self._events.publish(fill_stamp(EpisodeEvent(kind=kind, text=text), stamp))
