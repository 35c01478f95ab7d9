"""Action chunks in bags: of today's message type, and of the one before it."""

from __future__ import annotations

from dataclasses import dataclass

from il_ros.bags.bag_reader import BagMessage
from il_ros.core import topics
from il_ros.core.cdr import Cdr


@dataclass(frozen=True, kw_only=True)
class RecordedChunk:
    """What a recorded il_ros/msg/ActionChunk says.

    Attributes:
        stamp: Of the observation that it answers [ns].
        names: Of its joints, N of them.
        steps: How many it has, H.
        positions: Joint positions row by row, H * N of them [rad or m].
        source: Where it comes from, in lower case: one of `topics.CHUNK_SOURCES`.
    """

    stamp: int
    names: tuple[str, ...]
    steps: int
    positions: tuple[float, ...]
    source: str


def read_chunk(message: BagMessage) -> RecordedChunk:
    """Read a chunk's bytes.

    In interfaces of version 1 the time between two steps is a float64 and the source a string.

    Raises:
        IlRosError: If the bytes end early or are not plain CDR.
    """
    reader, old = Cdr(message.data), message.interfaces == 1
    stamp = reader.header()
    if old:
        reader.doubles(1)
    else:
        reader.skip_duration()
    names, steps, positions = tuple(reader.strings()), reader.uint32(), reader.doubles()
    source = reader.string() if old else topics.name_of(reader.uint8(), topics.CHUNK_SOURCES)
    return RecordedChunk(
        stamp=stamp, names=names, steps=steps, positions=positions, source=source.lower()
    )
