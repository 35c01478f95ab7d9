"""What the arm's joint_trajectory_controller says that it follows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node

from il_ros.core.cdr import Cdr
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.monitors.followed_plans import ControllerState, FollowedPlans
from il_ros.ros.message_types import message_type
from il_ros.ros.qos import SENSOR_IN
from il_ros.ros.raw_callback import RawCallback

_COMMANDS, _SUFFIX = '/joint_trajectory', '/controller_state'
STATE = 'control_msgs/msg/JointTrajectoryControllerState'
"""Type of the topic."""

_AGE = 0.2  # s after which a state says nothing of the present
_SHOWN = 10  # names in an error
_Order = tuple[NDArray[np.intp], NDArray[np.intp]]
_ASTRAY = 0.2  # s that a reference may be off before it is a problem


def state_topic(commands: str) -> str:
    """The topic of the state of the controller that takes these commands; empty if not known."""
    base = commands.removesuffix(_COMMANDS)
    return f'{base}{_SUFFIX}' if base != commands else ''


class ControllerWatch:
    """Listens to `controller_state`, and compares it with what was sent.

    Where the controller has no such topic, or ROS no control_msgs, nothing is watched; the
    diagnostics say so.

    Args:
        node: That listens.
        commands: Absolute name of the command topic.
        names: Commanded joints in order.
        followed: What was sent; learns from each state.
        most: Distance of a reference from its plan that is a problem [rad or m].
        seconds: From a stamp [ns] to the monitor's time [s].
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
    ) -> None:
        self._node, self._names, self._followed = node, names, followed
        self._most, self._seconds, self._topic = most, seconds, state_topic(commands)
        self._layout: tuple[bytes, _Order] = b'', (np.zeros(0, np.intp), np.zeros(0, np.intp))
        self._state: ControllerState | None = None
        self._off_since: float | None = None
        self._why_not = '' if self._topic else 'none known for the command topic'
        if self._topic:
            self._listen()

    def _listen(self) -> None:
        try:
            kind = message_type(STATE)
        except IlRosError:
            self._why_not = 'control_msgs is not installed'
            return
        callback = RawCallback(self._take)
        self._node.create_subscription(kind, self._topic, callback, SENSOR_IN, raw=True)

    def state(self, now: float) -> ControllerState | None:
        """The newest state, if it is of the present, `now` [s]."""
        state = self._state
        return state if state is not None and abs(now - state.stamp) < _AGE else None

    def forget(self) -> None:
        """Time began anew."""
        self._state = self._off_since = None

    def problems(self) -> Iterable[str]:
        """Whether the controller follows something else than what was sent."""
        state = self._state
        distance = self._followed.distance(state) if state else None
        if state is None or distance is None or not np.nanmax(distance) > self._most:
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

    def values(self) -> dict[str, object]:
        """For the diagnostics."""
        heard = f'{self._topic}' if self._state else f'nothing on {self._topic}'
        return {'controller state': self._why_not or heard}

    def _take(self, data: bytes, _: Mapping[str, Any]) -> None:
        try:
            state = self._read(data)
        except IlRosError as problem:
            text = f'{self._topic}: {problem}'
            self._node.get_logger().error(text, throttle_duration_sec=5.0)
            return
        if state is None:
            return
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
