"""Who tells the joints' states: by topic and set of names, since several may share one topic."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.cdr import NS, header_frame, header_stamp
from il_ros.core.decoders import decoder_for
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.core.seen_graph import SeenGraph, SeenTopic, rate_of

JOINT_STATE = 'sensor_msgs/msg/JointState'
WANTED = re.compile(r'desired|target|goal|command|reference', re.IGNORECASE)
"""Topics of what is wanted, not measured."""

_FIELDS = ('position', 'velocity', 'effort')
_MERGER = 'joint_state_publisher'  # its values are at first made up, its stamps its own


@dataclass(frozen=True, kw_only=True)
class JointSource:
    """The messages of one topic that have the same joints.

    Attributes:
        topic: Absolute name.
        names: Joints in the order of the messages.
        nodes: Absolute names of the topic's publishers, as far as they are known.
        rate: Messages a second of the robot's time [Hz].
        stamps: Header stamps, shape (T,) [ns].
        receives: When each was received, shape (T,) [ns].
        position: Shape (T, N) [rad or m]; NaN where a message has none.
        velocity: Shape (T, N) [rad/s or m/s]; NaN where a message has none.
        frame_id: Of the last message.
        prefix: What `names` begin with and those in the messages do not.
    """

    topic: str
    names: tuple[str, ...]
    nodes: tuple[str, ...]
    rate: float
    stamps: NDArray[np.int64]
    receives: NDArray[np.int64]
    position: Array
    velocity: Array
    frame_id: str = ''
    prefix: str = ''

    @property
    def namespace(self) -> str:
        """Of the topic, without a slash at the end."""
        return self.topic.rpartition('/')[0]

    @property
    def merged(self) -> bool:
        """Whether joint_state_publisher sends them, and no driver does."""
        names = [node.rpartition('/')[2] for node in self.nodes]
        return bool(names) and all(name.startswith(_MERGER) for name in names)

    def column(self, joint: str) -> int:
        """Where a joint is in the arrays."""
        return self.names.index(joint)

    def measures(self, joint: str, field: str) -> bool:
        """Whether every message has a number for it: `position` or `velocity`."""
        values = self.position if field == 'position' else self.velocity
        return bool(np.isfinite(values[:, self.column(joint)]).all())

    def has(self, joints: Iterable[str]) -> bool:
        """Whether it tells the position of each of these."""
        return all(joint in self.names and self.measures(joint, 'position') for joint in joints)


def joint_sources(seen: SeenGraph) -> list[JointSource]:
    """Every set of measured joints that comes on a topic, topic by topic."""
    topics = [topic for topic in seen.of_type(JOINT_STATE) if not WANTED.search(topic.name)]
    return [source for topic in topics for source in _sources(topic, seen.speed)]


def _sources(topic: SeenTopic, speed: float) -> Iterable[JointSource]:
    decoder = decoder_for(JOINT_STATE)
    groups: dict[tuple[str, ...], list[tuple[int, int, str, list[Any]]]] = {}
    for sample in topic.samples:
        try:
            layout, columns = decoder.read(sample.data)
            stamp, frame_id = header_stamp(sample.data), header_frame(sample.data)
        except IlRosError:
            continue  # a damaged one is told of where the contract is compared
        group = groups.setdefault(tuple(layout.names), [])
        group.append((stamp, sample.receive, frame_id, columns))
    nodes = tuple(sorted({offer.node for offer in topic.publishers if offer.node}))
    for names, group in groups.items():
        receives = np.array([receive for _, receive, _, _ in group], np.int64)
        stamps = np.array([stamp for stamp, _, _, _ in group], np.int64)
        rate = rate_of(len(group), int(receives[0]), int(receives[-1])) / speed
        yield JointSource(
            topic=topic.name,
            names=names,
            nodes=nodes,
            rate=stamped_rate(stamps) or rate,
            stamps=stamps,
            receives=receives,
            position=_matrix(group, 'position', len(names)),
            velocity=_matrix(group, 'velocity', len(names)),
            frame_id=group[-1][2],
        )


def stamped_rate(stamps: NDArray[np.int64]) -> float:
    """The rate by the driver's own stamps [Hz], which no load here changes; 0 where it has none."""
    spacing = np.diff(stamps)
    if not len(spacing) or stamps[0] <= 0 or not (spacing > 0).all():
        return 0.0
    return NS / float(np.median(spacing))


def publishers_of_joints(topic: SeenTopic) -> dict[str, set[str]]:
    """Who publishes each joint of a topic, as far as its messages say who sent them."""
    decoder, found = decoder_for(JOINT_STATE), defaultdict[str, set[str]](set)
    for sample in topic.samples:
        try:
            names = decoder.read(sample.data)[0].names if sample.publisher else ()
        except IlRosError:
            continue
        for name in names:
            found[name].add(sample.publisher)
    return found


def _matrix(group: Sequence[tuple[int, int, str, list[Any]]], field: str, count: int) -> Array:
    values = np.full((len(group), count), np.nan)
    for row, (_, _, _, columns) in zip(values, group, strict=True):
        column = columns[_FIELDS.index(field)]
        if not isinstance(column, int):
            row[:] = column
    return values


def best_source(
    sources: Iterable[JointSource], joints: Sequence[str], namespace: str
) -> JointSource | None:
    """The source to take joints from: near their controller, from the driver, and the fastest.

    Args:
        sources: All there are.
        joints: That it has to have.
        namespace: Of the controller that commands them.
    """
    able = [source for source in sources if source.has(joints)]
    near = [source for source in able if source.namespace.startswith(namespace)] or able
    regular = [source for source in near if source.rate] or near

    def worth(source: JointSource) -> tuple[bool, float, int, int]:
        return not source.merged, source.rate, -len(source.names), -len(source.topic)

    return max(regular, key=worth, default=None)


def steps_per_second(source: JointSource, joint: str) -> float:
    """The largest change of a joint's position from a message to the next [rad/s or m/s]."""
    column = source.column(joint)
    position, times = source.position[:, column], source.receives / NS
    spans = np.maximum(np.diff(times), 1.0 / max(source.rate, 1.0))
    steps = np.abs(np.diff(position)) / spans
    return float(np.nanmax(steps, initial=0.0))
