"""A wire that can be tampered with: messages of one topic go out on another, changed on request."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from geometry_msgs.msg import WrenchStamped
from il_ros.msg import ActionChunk
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from il_ros.core import topics
from il_ros.ros.qos import CHUNKS, COMMAND, SENSOR_OUT

Change = Callable[[Any], Any]
"""Takes a message and gives the one to send in its place, a list of several, or None for none."""


@dataclass(frozen=True, kw_only=True)
class Wire:
    """One topic on its way: its owner publishes on `source`, everybody else reads `topic`."""

    source: str
    topic: str
    kind: Any
    qos: QoSProfile


WIRES: Mapping[str, Wire] = {
    'joints': Wire(
        source='/untouched/joint_states', topic='/joint_states', kind=JointState, qos=SENSOR_OUT
    ),
    'wrench': Wire(source='/untouched/wrench', topic='/wrench', kind=WrenchStamped, qos=SENSOR_OUT),
    'clock': Wire(source='/untouched/clock', topic='/clock', kind=Clock, qos=SENSOR_OUT),
    'chunk': Wire(
        source='/untouched/action_chunk',
        topic=f'/{topics.POLICY_CHUNK}',
        kind=ActionChunk,
        qos=CHUNKS,
    ),
    'command': Wire(
        source='/untouched/joint_trajectory',
        topic='/arm_controller/joint_trajectory',
        kind=JointTrajectory,
        qos=COMMAND,
    ),
}
_LOOK = 0.002  # s between two looks for what has been on its way for long enough
OWNERS: Mapping[str, tuple[str, ...]] = {
    'simulator': ('joints', 'wrench', 'clock'),
    'policy': ('chunk',),
    'monitor': ('command',),
}


SENSING = ('joints', 'wrench', 'clock', 'chunk')
"""Wires that every fault may change. That of the commands makes each of them a little late."""


def remappings(node: str, relayed: Collection[str] = SENSING) -> list[str]:
    """Arguments that make `node` publish on the sources of its wires, if they are `relayed`."""
    wires = [WIRES[name] for name in OWNERS.get(node, ()) if name in relayed]
    return [word for wire in wires for word in ('-r', f'{wire.topic}:={wire.source}')]


class Relay:
    """Passes every wire on.

    Attributes:
        changes: By a wire's name, what to do with its messages.
        delays: By a wire's name, how long each message is on its way [s]; none where none is given.
            None overtakes another, because DDS hands what one publisher sends over in its order.
    """

    def __init__(self, node: Node, relayed: Collection[str] = SENSING) -> None:
        self.changes: dict[str, Change] = {}
        self.delays: dict[str, Callable[[], float]] = {}
        self._node, self._ends = node, dict[str, Any]()
        self._way: list[tuple[float, int, Any, Any]] = []  # when, in order, to where, the message
        self._count, self._newest = itertools.count(), dict[str, float]()
        for name in relayed:
            wire = WIRES[name]
            publisher = node.create_publisher(wire.kind, wire.topic, wire.qos)
            self._ends[name] = wire, self._forwarder(name, publisher), None
            self.join(name)
        if relayed:
            node.create_timer(_LOOK, self._arrive)

    def restore(self) -> None:
        """Pass everything on as it is."""
        self.changes.clear()
        self.delays.clear()
        self._way.clear()
        self._newest.clear()
        for name in self._ends:
            self.join(name)

    def cut(self, name: str) -> None:
        """Nobody subscribes to the beginning of this wire."""
        wire, forward, subscription = self._ends[name]
        self._node.destroy_subscription(subscription)
        self._ends[name] = wire, forward, None

    def join(self, name: str) -> None:
        """Subscribe again to what was cut."""
        wire, forward, subscription = self._ends[name]
        if subscription is None:
            joined = self._node.create_subscription(wire.kind, wire.source, forward, wire.qos)
            self._ends[name] = wire, forward, joined

    def _forwarder(self, name: str, publisher: Any) -> Callable[[Any], None]:
        def forward(message: Any) -> None:
            change, delay = self.changes.get(name), self.delays.get(name)
            sent = message if change is None else change(message)
            for one in sent if isinstance(sent, list) else [sent]:
                if one is not None and delay is None:
                    publisher.publish(one)
                elif one is not None and delay is not None:
                    at = max(time.monotonic() + delay(), self._newest.get(name, 0.0))
                    self._newest[name] = at
                    heapq.heappush(self._way, (at, next(self._count), publisher, one))

        return forward

    def _arrive(self) -> None:
        while self._way and self._way[0][0] <= time.monotonic():
            _, _, publisher, message = heapq.heappop(self._way)
            publisher.publish(message)
