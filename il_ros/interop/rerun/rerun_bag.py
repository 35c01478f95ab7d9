"""An episode of a bag as a Rerun recording: every message when it was, not only at the frames."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.bags.bag_reader import BagMessage, EpisodeReader
from il_ros.core import topics
from il_ros.core.cdr import header_stamp
from il_ros.core.decoders import decoder_for
from il_ros.core.errors import DatasetError, IlRosError
from il_ros.core.frames import TopicDecoder
from il_ros.core.images import ImageDecoder, compressed_bytes
from il_ros.core.streams import COMPRESSED_IMAGE, ImageStream, Stream
from il_ros.datasets.bag_conversion import EVENT_KINDS, frames_of
from il_ros.datasets.episode_arrays import Event
from il_ros.datasets.manifest import EpisodeEntry
from il_ros.interop.rerun.rerun_dataset import (
    moments_at,
    rerun_episode,
    show_events,
    show_joint,
    show_stream,
)
from il_ros.interop.rerun.rerun_file import RerunFile, RowTimes, entity

_IMAGES_AT_ONCE = 64
_ENCODED = (b'\xff\xd8', b'\x89P')


@dataclass
class _Rows:
    stamps: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def moments(self, ticks: NDArray[np.int64]) -> RowTimes:
        return moments_at(np.array(self.stamps, dtype=np.int64), ticks)


_Read = Callable[[BagMessage], tuple[str, Any]]
"""Gives what a message is shown as: the key of its rows, and the value of its row."""


def view_bag(reader: EpisodeReader, out: Path) -> dict[str, int]:
    """Write one bag as an .rrd file.

    Args:
        reader: An open bag.
        out: The file; what was there is replaced.

    Returns:
        Rows by entity; those that do not change over time have none.

    Raises:
        DatasetError: If the bag has no topic of its contract, or is damaged.
        IlRosError: If rerun-sdk is not installed, or the file cannot be written.
    """
    contract, info = reader.contract, reader.info
    present = set(reader.relative_topics)
    if contract.streams[contract.clock].topic not in present:
        reader.require([contract.streams[contract.clock].topic])
    entry = EpisodeEntry(
        id=info.episode_id if info else reader.name,
        start=0,
        length=0,
        outcome=info.outcome if info else 'unknown',
        task=info.task if info else '',
        notes=info.notes if info else '',
        bag=str(reader.path),
    )
    with rerun_episode(out, contract, entry) as file:
        _Viewer(reader, file).show()
    return file.entities


class _Viewer:
    """Sorts the messages of a bag by what they are, and writes them."""

    def __init__(self, reader: EpisodeReader, file: RerunFile) -> None:
        self._reader, self._file, self._contract = reader, file, reader.contract
        clock = self._contract.clock
        messages = reader.messages([self._contract.streams[clock].topic])
        frames = frames_of(messages, self._contract, [clock])
        self._ticks = np.array([frame.stamp for frame in frames], dtype=np.int64)
        self._rows: dict[str, _Rows] = defaultdict(_Rows)
        self._failures: dict[str, list[str]] = defaultdict(list)

    def show(self) -> None:
        """Go through the bag once; only images are written on the way."""
        readers = self._readers()
        for message in self._reader.messages(readers):
            for name, stamped, read in readers[message.topic]:
                try:
                    key, value = read(message)
                    stamp = header_stamp(message.data) if stamped else 0
                except (IlRosError, AttributeError) as problem:  # a type of another version
                    self._failures[name].append(str(problem))
                    continue
                rows = self._rows[key]
                rows.stamps.append(stamp or message.receive)
                rows.values.append(value)
                if key in self._contract.images and len(rows.values) >= _IMAGES_AT_ONCE:
                    self._flush_images(key)
        for key in self._contract.images:
            self._flush_images(key)
        for key in self._contract.streams:
            if key in self._rows:
                values, moments = np.array(self._rows[key].values), self._moments(key)
                show_stream(self._file, self._contract, key, moments, values)
        for kind in ('policy', 'expert', 'label', 'executed'):
            self._show_actions(kind)
        self._show_status()
        self._show_scores()
        self._show_events()
        self._show_failures()

    def _readers(self) -> dict[str, list[tuple[str, bool, _Read]]]:
        """By topic: a name for errors, whether the message has a stamp, and what reads it."""
        readers: dict[str, list[tuple[str, bool, _Read]]] = defaultdict(list)
        for key, stream in self._contract.streams.items():
            stamped = decoder_for(stream.type).stamped
            read = _stream_reader(key, stream, self._contract.continuous)
            readers[stream.topic].append((key, stamped, read))
        for key, image in self._contract.images.items():
            made = image.compressed_topic in self._reader.relative_topics
            topic = image.compressed_topic if made else image.topic
            readers[topic].append((key, True, _image_reader(key, image)))
        chunk = topics.TYPES[topics.POLICY_CHUNK]
        for topic, type_name, read in (
            (topics.POLICY_CHUNK, chunk, partial(self._chunk, 'policy')),
            (topics.EXPERT_CHUNK, chunk, partial(self._chunk, 'expert')),
            (topics.EXPERT_LABEL, chunk, partial(self._chunk, 'label')),
            (self._contract.action.executed, chunk, partial(self._chunk, 'executed')),
            (topics.MONITOR_STATUS, topics.TYPES[topics.MONITOR_STATUS], self._status),
            (topics.MONITOR_SCORES, topics.TYPES[topics.MONITOR_SCORES], self._scores),
            (topics.EVENTS, topics.TYPES[topics.EVENTS], self._event),
        ):
            if self._reader.topics.get(self._reader.absolute(topic)) == type_name:
                readers[topic].append((topic, True, read))
        return readers

    def _chunk(self, kind: str, message: BagMessage) -> tuple[str, Any]:
        names, chunk = self._contract.action.names, self._reader.deserialize(message)
        if tuple(chunk.names) != names or len(chunk.positions) < len(names):
            raise DatasetError(f'got joints {list(chunk.names)}', allowed=names)
        return f'action/{kind}', np.asarray(chunk.positions, dtype=np.float64)[: len(names)]

    def _status(self, message: BagMessage) -> tuple[str, Any]:
        """The mode, all that the monitor says in one line, and how much it matters."""
        found = self._reader.deserialize(message)
        mode = topics.name_of(found.mode, topics.MODES)
        text = ': '.join(part for part in (mode, _fault_name(found.fault), found.reason) if part)
        if found.triggered:
            text += ' (triggered)'
        warn = found.triggered or mode in ('hold', 'alarm', 'fallback')
        return topics.MONITOR_STATUS, (mode, text, 'WARN' if warn else 'INFO')

    def _scores(self, message: BagMessage) -> tuple[str, Any]:
        """The scores of a tick, all together and each by itself, in units of their thresholds."""
        found = self._reader.deserialize(message)
        if not len(found.names) == len(found.values) == len(found.thresholds):
            lengths = f'{len(found.names)}, {len(found.values)}, {len(found.thresholds)}'
            raise DatasetError(f'{lengths} names, values, thresholds', allowed='as many of each')
        with np.errstate(divide='ignore', invalid='ignore'):
            shares = np.asarray(found.values) / np.asarray(found.thresholds)
        return f'{topics.MONITOR_SCORES} {" ".join(found.names)}', [found.score, *shares]

    def _event(self, message: BagMessage) -> tuple[str, Any]:
        event = self._reader.deserialize(message)
        kind = EVENT_KINDS[event.kind] if event.kind < len(EVENT_KINDS) else f'kind {event.kind}'
        return topics.EVENTS, (kind, event.text)

    def _moments(self, key: str) -> RowTimes:
        return self._rows[key].moments(self._ticks)

    def _flush_images(self, key: str) -> None:
        rows, depth = self._rows.pop(key, _Rows()), self._contract.images[key].encoding == '16UC1'
        moments = rows.moments(self._ticks)
        self._file.images(entity('camera', key), moments, rows.values, depth=depth)

    def _show_actions(self, kind: str) -> None:
        key = f'action/{kind}'
        if key in self._rows:
            values, moments = np.array(self._rows[key].values), self._moments(key)
            for i, name in enumerate(self._contract.action.names):
                show_joint(self._file, name, kind, moments, values[:, i])

    def _show_status(self) -> None:
        rows = self._rows[topics.MONITOR_STATUS]
        moments = rows.moments(self._ticks)
        self._file.states('control/mode', moments, [mode for mode, _, _ in rows.values])
        said = [(text, level) for _, text, level in rows.values]
        new = [i for i, now in enumerate(said) if not i or said[i - 1] != now]
        texts, levels = [said[i][0] for i in new], [said[i][1] for i in new]
        self._file.texts('monitor/status', moments.take(np.array(new, int)), texts, levels)

    def _show_events(self) -> None:
        rows = self._rows[topics.EVENTS]
        events = [
            Event(stamp=stamp, kind=kind, text=text)
            for stamp, (kind, text) in zip(rows.stamps, rows.values, strict=True)
        ]
        events.sort(key=lambda event: event.stamp)
        show_events(self._file, tuple(events), self._ticks)

    def _show_scores(self) -> None:
        for name, rows in self._rows.items():
            topic, *names = name.split(' ')
            if topic == topics.MONITOR_SCORES:
                columns = ['score', *(each for each in names if each)]
                moments = rows.moments(self._ticks)
                self._file.numbers('monitor/scores', moments, np.array(rows.values), columns)

    def _show_failures(self) -> None:
        """Say once for each stream what could not be read: a gap in a plot does not say why."""
        texts = [
            f'{name}: {len(reasons)} messages could not be read, the last because {reasons[-1]}'
            for name, reasons in self._failures.items()
        ]
        start = int(self._ticks[0]) if len(self._ticks) else 0
        moments = moments_at(np.full(len(texts), start, dtype=np.int64), self._ticks)
        self._file.texts('events/unreadable', moments, texts, ['ERROR'] * len(texts))


def _stream_reader(key: str, stream: Stream, continuous: Collection[str]) -> _Read:
    decoder = decoder_for(stream.type)
    if not stream.derived:
        return lambda message: (key, decoder.decode(message.data, stream.fields, stream.sent_names))
    follow = TopicDecoder({key: stream}, '', continuous=continuous)

    def read(message: BagMessage) -> tuple[str, Any]:
        _, values, errors = follow.decode(message.data, message.receive)
        if key in errors:
            raise errors[key]
        return key, values.get(key, np.full(stream.size, np.nan))

    return read


def _image_reader(key: str, image: ImageStream) -> _Read:
    decoder = ImageDecoder(image)

    def read(message: BagMessage) -> tuple[str, Any]:
        blob = compressed_bytes(message.data) if message.type == COMPRESSED_IMAGE else b''
        if blob[:2] not in _ENCODED:
            blob = decoder.encoded(message.data, message.type)
        return key, blob

    return read


def _fault_name(fault: int | str) -> str:
    """Name of a fault, empty for none; bags of interface version 1 have the name itself."""
    name = fault if isinstance(fault, str) else topics.name_of(fault, topics.FAULTS)
    return '' if name == 'none' else name
