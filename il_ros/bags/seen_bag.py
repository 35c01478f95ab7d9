"""What a bag shows of a robot, for `contract init` and `contract check`."""

from __future__ import annotations

from pathlib import Path

from il_ros.bags.bag_reader import BagReadOptions, EpisodeReader
from il_ros.core.cdr import NS
from il_ros.core.contract import parse_contract
from il_ros.core.errors import DatasetError
from il_ros.core.seen_graph import SeenEndpoint, SeenGraph, SeenSample, SeenTopic, is_looked_into

# A reader wants a contract; nothing is read by this one.
_NONE = """
{version: 1, name: none, base_frame: none, rate: 1.0, clock: none, observations: {none: {
topic: none, type: sensor_msgs/msg/JointState, fields: [position], names: [none]}},
action: {space: normalised, names: [none]}, workspace: {min: [0, 0, 0], max: [1, 1, 1]}}
"""


class _AnyBag(EpisodeReader):
    """A bag, whatever contract it was recorded under, its topics by their absolute names."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, parse_contract(_NONE), BagReadOptions(reinterpret=True))

    @property
    def namespace(self) -> str:
        """The root."""
        return '/'


def seen_in_bag(path: Path, seconds: float) -> SeenGraph:
    """Read the first seconds of a bag.

    Args:
        path: The bag.
        seconds: How much of it is read at the most [s].

    Raises:
        DatasetError: If it is no bag, damaged, or empty.
    """
    with _AnyBag(path) as bag:
        topics = {
            name: SeenTopic(name=name, type=kind, publishers=(SeenEndpoint(node='', type=kind),))
            for name, kind in bag.topics.items()
        }
        wanted = [n.removeprefix('/') for n, t in topics.items() if is_looked_into(n, t.type)]
        first = last = 0
        for message in bag.messages(wanted):
            first, last = first or message.receive, message.receive
            if last - first > seconds * NS:
                break
            sample = SeenSample(receive=message.receive, data=bytes(message.data))
            topics[f'/{message.topic}'].take(sample)
    if not first:
        fix = 'record /joint_states, /robot_description and the cameras'
        raise DatasetError('nothing that a contract is made of', where=str(path), fix=fix)
    return SeenGraph(
        source=f'the bag {path.name}',
        live=False,
        seconds=(last - first) / NS,
        topics=topics,
        unasked='a bag does not tell the controllers',
    )
