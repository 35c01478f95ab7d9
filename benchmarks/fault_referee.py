"""Judges from the simulator's own words whether an arm came to rest, and within which limits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from il_ros.msg import MonitorStatus, TaskState
from rclpy.node import Node
from sensor_msgs.msg import JointState

from benchmarks.fault_relay import WIRES
from il_ros.core import topics
from il_ros.core.frames import NS
from il_ros.ros.message_conversion import to_ns
from il_ros.ros.qos import CHUNKS, SENSOR_OUT

STANDING = 0.05  # joint speed up to which the arm counts as standing [rad/s, m/s]
LIMITED = ('position', 'velocity', 'acceleration', 'workspace')  # violations that count
_DRIVING = (MonitorStatus.POLICY, MonitorStatus.EXPERT)


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """What was seen of the arm since a fault.

    Attributes:
        rest: From when on no joint moved any more, since the fault [simulated s]; infinite when
            one still moved at the end.
        watched: For how long it was looked at since the fault [simulated s].
        violations: Limits that were left since the fault, and how often.
        reason: What the monitor said when it stopped driving; empty when it did not say anything.
        stopped: When it said so, since the fault [simulated s]; infinite when it never did.
        driving: Whether the monitor, by its last word, still let somebody drive.
    """

    rest: float
    watched: float
    violations: dict[str, int]
    reason: str
    stopped: float
    driving: bool


@dataclass(kw_only=True)
class Referee:
    """Listens to the untouched joints, the task's state and the monitor's status."""

    node: Node
    joints: str = WIRES['joints'].source
    stamp: int = 0
    speed: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    status: MonitorStatus = field(default_factory=MonitorStatus)
    task: TaskState = field(default_factory=TaskState)
    _since: int = 0
    _before: dict[str, int] = field(default_factory=dict)
    _moved: int = 0
    _reason: str = ''
    _said: int | None = None

    def __post_init__(self) -> None:
        subscribe = self.node.create_subscription
        subscribe(JointState, self.joints, self._on_joints, SENSOR_OUT)
        subscribe(TaskState, f'/{topics.TASK_STATE}', self._on_task, SENSOR_OUT)
        subscribe(MonitorStatus, f'/{topics.MONITOR_STATUS}', self._on_status, CHUNKS)

    @property
    def elapsed(self) -> float:
        """Simulated time since the fault [s]."""
        return (self.stamp - self._since) / NS

    @property
    def stopped(self) -> float:
        """When the monitor stopped driving, since the fault [simulated s]; infinite: never."""
        return math.inf if self._said is None else (self._said - self._since) / NS

    def begin(self) -> None:
        """A fault happens now."""
        self._since = self._moved = self.stamp
        self._before, self._reason, self._said = dict(self.counts), '', None

    def judge(self) -> Sighting:
        """What was seen since then."""
        return Sighting(
            rest=math.inf if self._moved == self.stamp else (self._moved - self._since) / NS,
            watched=self.elapsed,
            violations={
                kind: self.counts[kind] - self._before.get(kind, 0)
                for kind in LIMITED
                if self.counts.get(kind, 0) > self._before.get(kind, 0)
            },
            reason=self._reason,
            stopped=self.stopped,
            driving=self.status.mode in _DRIVING,
        )

    def _on_joints(self, message: JointState) -> None:
        self.stamp = to_ns(message.header.stamp)
        self.speed = float(np.abs(message.velocity).max())
        if self.speed > STANDING:
            self._moved = self.stamp

    def _on_task(self, message: TaskState) -> None:
        self.task = message
        self.counts = dict(zip(message.violation_kinds, message.violation_counts, strict=True))

    def _on_status(self, message: MonitorStatus) -> None:
        self.status = message
        if message.mode not in _DRIVING and self._said is None:
            self._reason, self._said = message.reason, self.stamp
