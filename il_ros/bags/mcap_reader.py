"""The messages of a sound MCAP file in the order of their log times."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import BinaryIO, TypeAlias

import numpy as np
from mcap.records import Channel, Schema

from il_ros.bags.bag_metadata import BagTopic
from il_ros.bags.mcap_scan import ChunkMessages, ChunkPlace, McapOutline, Message

StoredMessage: TypeAlias = tuple[int, int, bytes]
"""Log time [ns], channel, data."""


class McapReader:
    """Reads one MCAP file of any writer: with an index or without, in chunks or not.

    Held in memory are the chunks of one time, and 16 bytes for each message in or outside of them.

    Args:
        file: The file; it is the caller's to close.
        size: Of the file [bytes].

    Attributes:
        topics: By channel number.
        first: Earliest log time [ns], by what the chunks say.
        last: Latest log time [ns], likewise.

    Raises:
        RefusedError: If its chunks become too large.
        ValueError: From every method, if it is damaged.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._outline = McapOutline(file, size)
        self.topics: Mapping[int, BagTopic] = self._topics()
        chunks, times = self._outline.chunks, self._outline.times
        self.first = min((*(chunk.start_time for chunk in chunks), *times), default=0)
        self.last = max((*(chunk.end_time for chunk in chunks), *times), default=0)

    def messages(self, channels: Container[int]) -> Iterator[StoredMessage]:
        """Messages of some channels, in the order of their log times."""
        runs = [self._run(chunk, channels) for chunk in self._outline.chunks]
        loose = self._loose(channels)
        # The place of a chunk decides between equal times, as in the file.
        for time, channel, data in heapq.merge(*runs, loose, key=itemgetter(0)):
            if data is not None:
                yield time, channel, bytes(data)

    def _topics(self) -> dict[int, BagTopic]:
        outline = self._outline
        topics = topics_of_definitions(outline.definitions)
        indexed = outline.channels or not outline.chunks
        if topics and indexed and outline.channels <= topics.keys():
            return topics
        blocks = (outline.read(chunk) for chunk in outline.chunks)
        inside = itertools.chain.from_iterable(block.definitions for block in blocks)
        return topics_of_definitions(itertools.chain(inside, outline.definitions))

    def _run(
        self, chunk: ChunkPlace, channels: Container[int]
    ) -> Iterator[tuple[int, int, memoryview | None]]:
        """A chunk's messages; it is decompressed when the time before its first one is over."""
        yield chunk.start_time, 0, None
        for channel, _, log, _, data in in_time(self._outline.read(chunk).messages):
            if log < chunk.start_time:
                raise ValueError(f'a message of {log} ns in a chunk that begins later')
            if channel in channels:
                yield log, channel, data

    def _loose(self, channels: Container[int]) -> Iterator[tuple[int, int, memoryview | None]]:
        outline = self._outline
        for index in np.argsort(np.asarray(outline.times), kind='stable'):
            channel, _, log, _, data = outline.message(outline.offsets[index])
            if channel in channels:
                yield log, channel, data


def in_time(messages: Sequence[Message]) -> Iterator[Message]:
    """Messages of a chunk in the order of their log times, equal ones in that of the chunk."""
    if not isinstance(messages, ChunkMessages):
        return iter(messages)
    times = messages.times()
    if np.all(times[:-1] <= times[1:]):
        return iter(messages)
    return (messages[int(index)] for index in np.argsort(times, kind='stable'))


def topics_of_definitions(definitions: Iterable[Schema | Channel]) -> dict[int, BagTopic]:
    """Topics by channel number; of two definitions of one number, the first counts.

    A channel of schema 0 has none. One whose schema is nowhere is not among them.
    """
    schemas: dict[int, Schema] = {0: Schema(id=0, name='', encoding='', data=b'')}
    channels: dict[int, Channel] = {}
    for definition in definitions:
        known = schemas if isinstance(definition, Schema) else channels
        known.setdefault(definition.id, definition)  # type: ignore[arg-type]
    return {
        number: BagTopic(
            name=channel.topic,
            type=schema.name,
            definition=schema.data,
            schema_encoding=schema.encoding,
            message_encoding=channel.message_encoding,
            metadata=channel.metadata,
        )
        for number, channel in channels.items()
        if (schema := schemas.get(channel.schema_id)) is not None
    }
