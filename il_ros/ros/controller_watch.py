"""What the arm's joint_trajectory_controller says that it follows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from math import ceil, inf
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node

from il_ros.core.cdr import Cdr
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.monitors.followed_plans import ControllerState, FollowedPlans
from il_ros.ros.message_types import message_type
from il_ros.ros.publisher_watch import SolePublisher
from il_ros.ros.qos import SENSOR_IN
from il_ros.ros.raw_callback import RawCallback

_COMMANDS, _SUFFIX = '/joint_trajectory', '/controller_state'
STATE = 'control_msgs/msg/JointTrajectoryControllerState'
"""Type of the topic."""

_AGE = 0.2  # s after which a state says nothing of the present, and
_PERIODS = 2.5  # the same in periods, of which each has a state in lock-step
_SLOWEST = 2.0  # s between two states of a controller that is set to a low rate
_GAP = 0.05  # s that no state is of the present, and a period at least, before it is a problem
_SHOWN = 10  # names in an error
_Order = tuple[NDArray[np.intp], NDArray[np.intp]]
_ASTRAY = 0.2  # s that a reference may be off before it is a problem
_STRANGE = 0.075  # s, and 1.5 periods at least, that a state may be of nothing that was sent
_UNREAD = 3  # messages in a row that cannot be read
_NO_POSITIONS = 'the reference has no positions'


def _steady() -> float:
    """The steady clock [s]."""
    return time.monotonic()


def controller_name(commands: str) -> str:
    """The node of the controller that takes these commands; empty if not known."""
    base = commands.removesuffix(_COMMANDS)
    return base if base != commands else ''


def state_topic(commands: str) -> str:
    """The topic of the state of the controller that takes these commands; empty if not known."""
    base = controller_name(commands)
    return f'{base}{_SUFFIX}' if base else ''


class ControllerWatch:
    """Listens to `controller_state`, and compares it with what was sent.

    Where the controller has no such topic, or ROS no control_msgs, nothing is watched; the
    diagnostics say so. A motion begins where the controller says that it wants the joints, so
    nobody else may say so.

    Args:
        node: That listens.
        commands: Absolute name of the command topic.
        names: Commanded joints in order.
        followed: What was sent; learns from each state.
        most: Distance of a reference from its plan that is a problem [rad or m].
        seconds: From a stamp [ns] to the monitor's time [s].
        period: Of the ticks [s].
    """

    def __init__(
        self,
        node: Node,
        commands: str,
        names: tuple[str, ...],
        followed: FollowedPlans,
        *,
        most: float,
        seconds: Callable[[int], float],
        period: float = 0.0,
    ) -> None:
        self._node, self._names, self._followed = node, names, followed
        self._most, self._seconds, self._topic = most, seconds, state_topic(commands)
        self._layout: tuple[bytes, _Order] = b'', (np.zeros(0, np.intp), np.zeros(0, np.intp))
        self._age, self._gap = max(_AGE, _PERIODS * period), max(_GAP, period)
        self._most_strange = max(_STRANGE, 1.5 * period)
        self.forget()
        self._origin: SolePublisher | None = None
        self._why_not = '' if self._topic else 'none known for the command topic'
        if self._topic:
            self._listen()

    def _listen(self) -> None:
        try:
            kind = message_type(STATE)
        except IlRosError:
            self._why_not = 'control_msgs is not installed'
            return
        self._origin = SolePublisher(self._node, self._topic, _steady, counted=True)
        callback = RawCallback(self._take)
        self._node.create_subscription(kind, self._topic, callback, SENSOR_IN, raw=True)

    def state(self, now: float) -> ControllerState | None:
        """The newest state, if it is of the present, `now` [s]."""
        state = self._state
        return state if state is not None and abs(now - state.stamp) < self._age else None

    def forget(self) -> None:
        """Time began anew."""
        self._state: ControllerState | None = None
        self._interval = 0.0  # s between the last two
        self._off_since: float | None = None
        self._lost_since: float | None = None
        self._compared: ControllerState | None = None
        self._strange_since: float | None = None
        self._unread, self._why_unread = 0, ''  # messages since the last that could be read

    def problems(self, now: float) -> Iterable[str]:
        """Whether somebody else speaks for the controller, or it follows what was not sent.

        At the time `now` [s]. What is not known any more, or cannot be read, counts as that. A
        controller that never said anything does not.
        """
        if self._origin and (others := self._origin.problem()):
            yield others
        state = self.state(now)
        if state is None:
            yield from self._unreadable() if self._state is None else self._lost(self._state, now)
            return
        self._lost_since = None
        yield from self._astray(state)
        yield from self._of_nothing_sent(state)

    def _unreadable(self) -> Iterable[str]:
        if self._unread >= _UNREAD and self._node.count_publishers(self._topic):
            yield f'{self._topic}: no message can be read: {self._why_unread}'

    def _lost(self, last: ControllerState, now: float) -> Iterable[str]:
        if self._lost_since is None or now < self._lost_since:
            self._lost_since = now
        if now - self._lost_since > self._gap:
            passed = now - last.stamp
            why = self._why_unread or self._too_slow(passed)
            why = why or 'the controller is not active, or its clock differs'
            yield (
                f'{self._topic}: the newest state is stamped {abs(passed):.1f} s '
                f'{"ago" if passed > 0 else "ahead"}, allowed {self._age:.1f} s: {why}'
            )

    def _too_slow(self, passed: float) -> str:
        """What to set where the next state is not even due."""
        if not (self._age < self._interval < _SLOWEST and 0 < passed < 2 * self._interval):
            return ''
        rate = ceil(2 / self._age)
        return f'they come every {self._interval:.2f} s, set state_publish_rate to {rate} or more'

    def _of_nothing_sent(self, state: ControllerState) -> Iterable[str]:
        if state is not self._compared:
            self._compared = state
            if not self._followed.strange(state):
                self._strange_since = None
            elif self._strange_since is None:
                self._strange_since = state.stamp
        since = self._strange_since
        if since is not None and state.stamp - since > self._most_strange:
            yield (
                f'{self._topic}: the controller follows nothing that was sent: '
                'is somebody else commanding it?'
            )

    def _astray(self, state: ControllerState) -> Iterable[str]:
        distance = self._followed.distance(state)
        if distance is None or not np.nanmax(distance) > self._most:
            self._off_since = None
            return
        self._off_since = state.stamp if self._off_since is None else self._off_since
        if state.stamp - self._off_since > _ASTRAY:
            worst = int(np.nanargmax(distance))
            yield (
                f'{self._topic}: the reference of {self._names[worst]} is {distance[worst]:.3f} '
                f'rad or m from what was sent, allowed {self._most}: commands are lost, late or '
                'not the only ones'
            )

    def reference(self, now: float, since: float = -inf) -> Array | None:
        """Where the controller wants the joints at `now` [s], (N,); NaN of those it does not move.

        A trajectory begins there, not where the joints are. None where no state is of the present,
        or none of `since` [s] or later.
        """
        state = self.state(now)
        return state.position if state is not None and state.stamp >= since else None

    def warnings(self) -> Iterable[str]:
        """Whether nothing is known of what the controller follows."""
        if self._state is None:
            yield f'controller state: {self._why_not or f"nothing on {self._topic}"}'

    def values(self) -> dict[str, object]:
        """For the diagnostics."""
        heard = f'{self._topic}' if self._state else f'nothing on {self._topic}'
        return {'controller state': self._why_not or heard}

    def _take(self, data: bytes, info: Mapping[str, Any]) -> None:
        if self._origin:
            self._origin.hear(info)
        try:
            state = self._read(data)
        except IlRosError as problem:
            self._unread, self._why_unread = self._unread + 1, str(problem)
            text = f'{self._topic}: {problem}'
            self._node.get_logger().error(text, throttle_duration_sec=5.0)
            return
        if state is None:
            self._unread, self._why_unread = self._unread + 1, _NO_POSITIONS
            return
        self._unread, self._why_unread = 0, ''
        if self._state is not None:
            self._interval = state.stamp - self._state.stamp
        self._state = state
        self._followed.hear(state.stamp, state.start)

    def _read(self, data: bytes) -> ControllerState | None:
        reader = Cdr(data)
        stamp = reader.stamp()
        ours, theirs = self._joints(reader, data)
        columns = [reader.doubles() for _ in range(4)]
        start = stamp - reader.stamp()
        values = np.array(columns[0])
        if len(values) <= theirs.max() or not np.isfinite(values).all():
            return None  # a controller that takes no positions, or has none yet
        position = np.full(len(self._names), np.nan)
        position[ours] = values[theirs]
        return ControllerState(
            stamp=self._seconds(stamp), start=self._seconds(start), position=position
        )

    def _joints(self, reader: Cdr, data: bytes) -> _Order:
        """Which of the joints come in which place; read anew only where the bytes change."""
        begin = reader.position
        known, order = self._layout
        if known and data[begin : begin + len(known)] == known:
            reader.position += len(known)
            return order
        reader.skip_string()  # the frame
        order = self._order(tuple(reader.strings()))
        self._layout = data[begin : reader.position], order
        return order

    def _order(self, names: tuple[str, ...]) -> _Order:
        both = [name for name in self._names if name in names]
        if not both:
            raise IlRosError(f'joints {", ".join(names[:_SHOWN])}', allowed=self._names)
        ours = np.array([self._names.index(name) for name in both], dtype=np.intp)
        return ours, np.array([names.index(name) for name in both], dtype=np.intp)
