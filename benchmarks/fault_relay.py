"""A wire that can be tampered with: messages of one topic go out on another, changed on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from geometry_msgs.msg import WrenchStamped
from il_ros.msg import ActionChunk
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState

from il_ros.core import topics
from il_ros.ros.qos import CHUNKS, SENSOR_OUT

Change = Callable[[Any], Any]
"""Takes a message and gives the one to send in its place, or None to send nothing."""


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
}
OWNERS: Mapping[str, tuple[str, ...]] = {
    'simulator': ('joints', 'wrench', 'clock'),
    'policy': ('chunk',),
}


def remappings(node: str) -> list[str]:
    """Arguments that make `node` publish on the sources of its wires."""
    wires = [WIRES[name] for name in OWNERS.get(node, ())]
    return [word for wire in wires for word in ('-r', f'{wire.topic}:={wire.source}')]


class Relay:
    """Passes every wire on; `changes` says, by a wire's name, what to do with its messages."""

    def __init__(self, node: Node) -> None:
        self.changes: dict[str, Change] = {}
        for name, wire in WIRES.items():
            self._connect(node, name, wire)

    def _connect(self, node: Node, name: str, wire: Wire) -> None:
        publisher = node.create_publisher(wire.kind, wire.topic, wire.qos)

        def forward(message: Any) -> None:
            change = self.changes.get(name)
            sent = message if change is None else change(message)
            if sent is not None:
                publisher.publish(sent)

        node.create_subscription(wire.kind, wire.source, forward, wire.qos)
