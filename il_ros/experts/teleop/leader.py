"""A leader arm: its joints as targets of the follower, and the arm that follows them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from il_ros.core.arms import arm_of
from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.experts.teleop.buttons import Buttons, ButtonState
from il_ros.experts.teleop.device_reading import DeviceReading, Press
from il_ros.experts.teleop.setpoint_limiter import MotionConfig, SetpointLimiter, arm_joints

TOPIC = 'leader/joint_states'  # default topic of a leader arm
_PREDICT = 0.1  # s for which the leader's velocity is extrapolated
_FASTEST = 15.0  # rad/s; no hand turns a joint of a leader arm faster


@dataclass(frozen=True, kw_only=True)
class LeaderJoint:
    """Which joint of the leader stands for one of the follower's.

    Attributes:
        leader: Its name in the leader's JointState.
        topic: Where that is published; two leaders have a topic each.
        sign: -1 where the two turn in opposite directions.
        offset: Position of the follower's joint when the leader's is at zero [rad].
    """

    leader: str
    topic: str = TOPIC
    sign: Literal[1, -1] = 1
    offset: float = 0.0


@dataclass(frozen=True, kw_only=True)
class LeaderGripper:
    """Which joint of the leader stands for one of the follower's gripper.

    Attributes:
        leader: Its name in the leader's JointState.
        closed: Its position when the follower's is to be at its lower limit.
        open: Its position when the follower's is to be at its upper limit.
        topic: Where the leader's JointState is published.
    """

    leader: str
    closed: float
    open: float
    topic: str = TOPIC

    def __post_init__(self) -> None:
        if self.closed == self.open:
            raise ValueError(f'closed and open are both {self.open}')


@dataclass(frozen=True, kw_only=True)
class LeaderConfig:
    """How a leader arm is taken, or two of them for a pair.

    Attributes:
        joints: The leader's joint for each of the follower's, by the follower's names.
        gripper: The same for the follower's gripper.
        buttons: Buttons of a Joy next to it, a pedal for example; one is the enable switch.
        tolerance: Largest distance of a joint from the follower's at which the leader takes over
            [rad].
        gripper_tolerance: The same for a gripper [m].
        motion: How the arm follows.
    """

    joints: Mapping[str, LeaderJoint]
    gripper: Mapping[str, LeaderGripper] = field(default_factory=dict)
    buttons: Buttons
    tolerance: float = 0.1
    gripper_tolerance: float = 0.01
    motion: MotionConfig = field(default_factory=MotionConfig)

    def __post_init__(self) -> None:
        if self.buttons.enable is None:
            raise ValueError(
                'buttons.enable is missing; a leader arm has no enable switch of its own'
            )
        if not (0.0 < self.tolerance < math.inf and 0.0 < self.gripper_tolerance < math.inf):
            raise ValueError('tolerance and gripper_tolerance; allowed: above 0')


class LeaderDevice:
    """Reads the leaders' joints and the buttons next to them.

    Args:
        config: Maps the joints.
        contract: Contract of the follower.

    Attributes:
        topics: Where the leaders' joints are published, one topic for each leader.

    Raises:
        IlRosError: If a joint of the follower does not have exactly one joint of a leader.
    """

    def __init__(self, config: LeaderConfig, contract: Contract) -> None:
        names, given = contract.action.names, [*config.joints, *config.gripper]
        if sorted(names) != sorted(given):
            raise IlRosError(
                f'joints and gripper name {given}',
                where='config',
                allowed=f'each of {", ".join(names)} once',
            )
        low, high = contract.limits.position_min, contract.limits.position_max
        self._leaders: list[tuple[str, str]] = []  # topic and name
        self._factor, self._offset = np.ones(len(names)), np.zeros(len(names))
        for i, name in enumerate(names):
            if name in config.joints:
                joint = config.joints[name]
                self._factor[i], self._offset[i] = joint.sign, joint.offset
                self._leaders.append((joint.topic, joint.leader))
            else:
                hand = config.gripper[name]
                self._factor[i] = (high[i] - low[i]) / (hand.open - hand.closed)
                self._offset[i] = low[i] - self._factor[i] * hand.closed
                self._leaders.append((hand.topic, hand.leader))
        self.topics = tuple(dict.fromkeys(topic for topic, _ in self._leaders))
        self._buttons = ButtonState(config.buttons)
        self._positions: Array = np.full(len(names), np.nan)
        self._joints: Array | None = None
        self._read = dict.fromkeys(self.topics, -math.inf)
        self._arm = np.array([name in config.joints for name in names])
        self._names, self._tolerance, self._doubt = names, config.tolerance, ''

    def reset(self) -> None:
        """Count no button that was down before: the device has been lost."""
        self._buttons.reset()

    def joint_state(
        self, names: Sequence[str], positions: Sequence[float], now: float, *, topic: str = TOPIC
    ) -> DeviceReading:
        """The reading after a leader's joints, received at `now` [s].

        It has no joints before every leader has published.

        Raises:
            IlRosError: If a joint is missing or not finite.
        """
        by_name = dict(zip(names, positions, strict=False))
        own = {i: name for i, (where, name) in enumerate(self._leaders) if where == topic}
        missing = [name for name in own.values() if not math.isfinite(by_name.get(name, math.nan))]
        if missing:
            raise IlRosError(
                f'no finite position of {", ".join(missing)}',
                where=topic,
                allowed=f'positions of {", ".join(own.values())}',
            )
        before = self._positions.copy()
        self._positions[list(own)] = [by_name[name] for name in own.values()]
        self._doubt = self._jump(before, now - self._read[topic])
        self._read[topic] = now
        if math.isfinite(min(self._read.values())):
            self._joints = self._factor * self._positions + self._offset
        return self._reading(())

    def joy(self, axes: Sequence[float], buttons: Sequence[int], now: float) -> DeviceReading:
        """The reading after the buttons of a message that was received at `now` [s].

        Raises:
            IlRosError: If the message lacks a button that is used.
        """
        return self._reading(self._buttons.update(axes, buttons, now))

    def _jump(self, before: Array, seconds: float) -> str:
        """Which joint is further from `before` (N,) than a hand moves it; a gripper may snap.

        While nobody holds the enable switch, it may: what counts then is where the leader is.
        """
        if not self._buttons.held:
            return ''
        step = np.where(self._arm, np.abs(self._positions - before), 0.0)
        far = np.flatnonzero(step > self._tolerance + _FASTEST * max(seconds, 0.0))
        if not far.size:
            return ''
        leader, size = self._leaders[far[0]][1], step[far[0]]
        return f'the leader jumps: {leader} by {size:.3f} rad in {seconds:.3f} s'

    def _reading(self, pressed: tuple[Press, ...]) -> DeviceReading:
        return DeviceReading(
            read=min(*self._read.values(), self._buttons.read),
            held=self._buttons.held and self._joints is not None,
            keep=self._buttons.keep,
            joints=self._joints,
            pressed=pressed,
            doubt=self._doubt,
        )


class LeaderFollower:
    """Set-points that follow a leader arm within the limits.

    Args:
        contract: The follower's.
        config: How the arm follows, and how close the leader has to be.
        horizon: Steps of a chunk.

    Raises:
        IlRosError: If the joints that are mapped are not the arm's.
    """

    def __init__(self, contract: Contract, config: LeaderConfig, horizon: int) -> None:
        self._names, arm = contract.action.names, arm_of(contract)
        self.moves = np.array([name in config.joints for name in self._names])
        if arm is not None and not np.array_equal(self.moves, arm_joints(contract, arm)):
            raise IlRosError(
                f'got {", ".join(config.joints)}',
                where='config.joints',
                allowed=f'{", ".join(arm.joints)}; grippers belong under gripper',
            )
        self._tolerance = np.where(self.moves, config.tolerance, config.gripper_tolerance)
        self._dt, self._horizon = contract.period, horizon
        self._guard = SetpointLimiter(contract.limits, arm, self.moves, config.motion, self._dt)

    def begin(self, start: Array, reading: DeviceReading) -> str:
        """Start at the joints `start` (N,); returns why not if the leader is elsewhere."""
        assert reading.joints is not None
        self._rows: Array = start[None]
        self._speeds: Array = np.zeros((1, len(start)))
        self._before = reading.joints
        gap = reading.joints - start
        far_away = [
            f'{name} {gap[i]:+.3f} (allowed {self._tolerance[i]:.3f})'
            for i, name in enumerate(self._names)
            if not abs(gap[i]) <= self._tolerance[i]
        ]
        return f'the leader is away from the arm: {", ".join(far_away)}' if far_away else ''

    def chunk(self, measured: Array, reading: DeviceReading, steps: int) -> Array:
        """Set-points (H, N) of the next periods, as `Jog.chunk` gives them."""
        assert reading.joints is not None
        last = min(max(steps, 1), len(self._rows)) - 1
        position, speed = self._rows[last], self._speeds[last]
        position = self._guard.drawn_back(position, measured)
        leader, pace = reading.joints, (reading.joints - self._before) / (max(steps, 1) * self._dt)
        self._before = leader
        rows, speeds = [], []
        for i in range(self._horizon):
            goal = leader + pace * min((i + 1) * self._dt, _PREDICT)
            position, speed = self._guard.step(position, speed, self._wish(goal - position, pace))
            rows.append(position)
            speeds.append(speed)
        self._rows, self._speeds = np.array(rows), np.array(speeds)
        return self._rows

    def _wish(self, way: Array, pace: Array) -> Array:
        """Velocity (N,) that goes `way` (N,), no faster than it could stop at its end."""
        distance = np.abs(way)
        size = np.minimum(distance / self._dt, self._guard.stoppable(distance) + np.abs(pace))
        return np.asarray(np.copysign(size, way))
