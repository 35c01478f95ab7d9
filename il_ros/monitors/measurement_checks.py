"""Hard faults of what is measured: whether to trust it, and whether the arm is where it may be."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from math import ceil, nan

import numpy as np
from numpy.typing import NDArray

from il_ros.core.arm_geometry import Geometry
from il_ros.core.geometry import every
from il_ros.core.limits import Array, Limits
from il_ros.monitors import checks
from il_ros.monitors.checks import Fault
from il_ros.monitors.gripper_watch import GripperWatch
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import MonitorInput
from il_ros.monitors.plan import Plan

_Frames = deque[list[float]]  # numbers of each frame


class FrozenWatch:
    """Notices what has the same digits for a while, though it has to change.

    A real sensor has noise, and a simulated one changes when what it measures does. So measured
    joints that repeat exactly while they are commanded to move, and streams that follow the arm
    (`Stream.follows_arm`) and repeat exactly while the joints move, have stopped measuring. At
    rest everything may repeat, and while nothing is commanded nothing is checked.

    Args:
        window: Frames, at least 2, that repeat before it is a fault.
        least: Motion within the window that counts as moving [rad or m].
        moves: Which of the N joints move the arm, (N,); all by default. A gripper stands still
            when it holds something, and moves while the tool stands still.
    """

    def __init__(self, window: int, least: float, moves: NDArray[np.bool_] | None = None) -> None:
        self._least = least
        self._moving = slice(None) if moves is None else moves
        # Lists: comparing so few numbers costs less than one call of numpy.
        self._commanded: _Frames = deque(maxlen=max(window, 2))
        self._joints: _Frames = deque(maxlen=max(window, 2))
        self._streams: dict[str, _Frames] = {}

    def reset(self) -> None:
        """Forget earlier frames."""
        self._commanded.clear()
        self._joints.clear()
        self._streams.clear()

    def look(
        self, position: Array, commanded: Array | None, streams: Mapping[str, Array]
    ) -> Fault | None:
        """Take in one frame.

        Args:
            position: Measured joint positions, shape (N,) [rad or m].
            commanded: Where they were commanded to be at the frame's time, (N,); None where
                nothing is commanded, and then all is forgotten.
            streams: Values of the streams that follow the arm, by key.
        """
        if commanded is None:
            self.reset()
            return None
        self._commanded.append(commanded[self._moving].tolist())
        self._joints.append(position[self._moving].tolist())
        for key, value in streams.items():
            known = self._streams.setdefault(key, deque(maxlen=self._joints.maxlen))
            known.append(value.tolist())
        seconds = f'for {self._joints.maxlen} frames'
        if self._moves(self._commanded) and _repeats(self._joints):
            same = f'measured joint position: no digit has changed {seconds}'
            return Fault('frozen', f'{same}, but it is commanded to')
        if self._moves(self._joints):
            for key, values in self._streams.items():
                if len(values) == values.maxlen and _repeats(values):
                    text = f'{key}: no digit has changed {seconds}, but the joints have moved'
                    return Fault('frozen', text)
        return None

    def _moves(self, positions: _Frames) -> bool:
        """Whether there was motion all along the window, not only at its end."""
        if len(positions) < (positions.maxlen or 0):
            return False
        middle = positions[len(positions) // 2]
        least = self._least / 2
        return _apart(middle, positions[0]) > least and _apart(positions[-1], middle) > least


def _apart(a: list[float], b: list[float]) -> float:
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


def _repeats(values: _Frames) -> bool:
    first = values[0]
    return all(value == first for value in values)


# Neighbouring speeds of a quick, coarse encoder differ by more than any joint accelerates.
_ACCELERATION_TIME = 0.05  # s


class MeasurementChecks:
    """Checks the measured state of each tick; the first fault found is reported.

    Args:
        limits: What the arm may do.
        dt: Control period [s].
        geometry: Where tool and links are; None when the arm has no kinematic model.
        goals: Which joints are grippers that are moved by goals, (N,); none by default. They go
            there by themselves, and stay far away where they hold something.
        delay: How much later than the plan the arm moves [s].
    """

    def __init__(
        self,
        limits: Limits,
        config: MonitorConfig,
        *,
        dt: float,
        geometry: Geometry | None,
        goals: NDArray[np.bool_] | None = None,
        delay: float = 0.0,
    ) -> None:
        self._limits, self._config, self._geometry = limits, config, geometry
        self._delay = delay
        # Of a pair each arm is watched by itself: one may stand while the other moves.
        moves = geometry.moves if geometry else None
        self._goals = goals
        if goals is not None and np.any(goals):
            moves = ~goals if moves is None else moves & ~goals
        joints = {**(geometry.sides if geometry else {}), '': moves}
        window = ceil(config.frozen_time / dt) + 1
        self._frozen = {
            side: FrozenWatch(window, config.frozen_motion, moves) for side, moves in joints.items()
        }
        arm = np.full(len(limits.names), True) if joints[''] is None else joints['']
        self._grippers = GripperWatch(limits, arm, config.gripper_time)
        self._taken = nan  # stamp of the last frame that `_frozen` took [s], and its fault
        self._repeats: Fault | None = None
        self._before: deque[tuple[float, Array]] = deque()
        share = config.wrench_share
        self._contact = replace(limits, force=share * limits.force, torque=share * limits.torque)

    def reset(self) -> None:
        """Forget earlier ticks: another mode begins."""
        for watch in self._frozen.values():
            watch.reset()
        self._taken = nan
        self._grippers.reset()

    def trust(self, frame: MonitorInput, now: float, *, known: bool = False) -> Fault | None:
        """Whether the frame is of now, complete, and made of numbers; `known`: the latter two."""
        config = self._config
        fault = checks.stamp(
            'frame', frame.stamp, now, max_age=config.frame_age, future=config.future
        )
        if fault:  # what else is known may tell why it is old: a clock, a driver
            texts = filter(None, (fault.text, *frame.invalid, frame.clock))
            return Fault(fault.kind, '; '.join(texts))
        return None if known else self.content(frame)

    def content(self, frame: MonitorInput) -> Fault | None:
        """Whether the frame is complete and made of numbers."""
        return checks.frame_content(frame, len(self._limits.names))

    def judge(self, frame: MonitorInput, plan: Plan | None) -> Fault | None:
        """Whether the arm is where it may be, and where it was commanded to be."""
        if frame.position is None:
            return None
        config, limits = self._config, self._limits
        fault = checks.wrench(frame.force, frame.torque, self._contact)
        fault = fault or checks.joint_limits(frame.position, limits, config.joint_tolerance)
        fault = fault or self._moves_too_fast(frame)
        fault = fault or checks.space(self._geometry, limits, frame.position[None])
        commanded = None if plan is None else plan.at(frame.stamp - self._delay)[0]
        if fault is None and commanded is not None:
            led = (
                commanded
                if self._goals is None
                else (np.where(self._goals, frame.position, commanded))
            )
            fault = checks.tracking(frame.position, led, limits.names, config.tracking_error)
        fault = fault or self._is_frozen(frame, commanded)
        return fault or self._grippers.look(frame.position, commanded, frame.stamp)

    def _is_frozen(self, frame: MonitorInput, commanded: Array | None) -> Fault | None:
        assert frame.position is not None
        if commanded is not None and frame.stamp == self._taken:
            return self._repeats  # judged once more, with another plan: its digits cannot change
        self._taken = nan if commanded is None else frame.stamp
        fault, left = None, dict(frame.following)
        for side, watch in self._frozen.items():  # the last one takes what is of no side
            own = {key: left.pop(key) for key in list(left) if key.startswith(side)}
            fault = watch.look(frame.position, commanded, own) or fault
        self._repeats = fault
        return fault

    def _moves_too_fast(self, frame: MonitorInput) -> Fault | None:
        velocity, past = frame.velocity, self._before
        if velocity is None or (past and not frame.stamp >= past[-1][0]):
            past.clear()
            return None
        if not past or frame.stamp > past[-1][0]:  # else it is judged once more
            past.append((frame.stamp, velocity))
        while len(past) > 2 and frame.stamp - past[1][0] >= _ACCELERATION_TIME:
            past.popleft()
        limits, config = self._limits, self._config
        fault = checks.speed(velocity, limits, config.speed_tolerance)
        since, before = past[0]
        if fault or frame.stamp - since < _ACCELERATION_TIME / 2:
            return fault
        dt, tolerance = frame.stamp - since, config.acceleration_tolerance
        if self._goals is not None:  # those begin and stop as their drivers do
            before, velocity = (np.where(self._goals, 0.0, x) for x in (before, velocity))
        return checks.acceleration(before, velocity, dt, limits, tolerance)

    def still(self, frame: MonitorInput) -> bool:
        """Whether every joint is known to stand."""
        if frame.velocity is None:
            return False
        return every(np.abs(frame.velocity) <= self._config.standstill)
