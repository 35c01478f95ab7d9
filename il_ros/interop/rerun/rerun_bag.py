"""An episode of a bag as a Rerun recording: every message when it was, not only at the frames."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.bags.bag_reader import BagMessage, EpisodeReader
from il_ros.core import topics
from il_ros.core.cdr import header_stamp
from il_ros.core.decoders import decoder_for
from il_ros.core.errors import DatasetError, IlRosError
from il_ros.core.images import ImageDecoder, compressed_bytes
from il_ros.core.streams import COMPRESSED_IMAGE, ImageStream, Stream
from il_ros.datasets.bag_conversion import EVENT_KINDS, frames_of
from il_ros.datasets.episode_arrays import Event
from il_ros.datasets.manifest import EpisodeEntry
from il_ros.interop.rerun.rerun_dataset import (
    about,
    moments_at,
    show_events,
    show_joint,
    show_stream,
)
from il_ros.interop.rerun.rerun_file import RerunFile, RowTimes, entity
from il_ros.interop.rerun.rerun_layout import layout

_IMAGES_AT_ONCE = 64
_ENCODED = (b'\xff\xd8', b'\x89P')


@dataclass
class _Rows:
    stamps: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def moments(self, ticks: NDArray[np.int64]) -> RowTimes:
        return moments_at(np.array(self.stamps, dtype=np.int64), ticks)

    def clear(self) -> None:
        self.stamps.clear()
        self.values.clear()


@dataclass(frozen=True, kw_only=True)
class _Status:
    mode: str
    fault: str
    reason: str
    triggered: bool

    @property
    def text(self) -> str:
        """What it says, in a line."""
        said = ': '.join(part for part in (self.mode, self.fault, self.reason) if part)
        return f'{said} (triggered)' if self.triggered else said

    @property
    def level(self) -> str:
        """How much it matters."""
        return 'WARN' if self.triggered or self.mode in ('hold', 'alarm', 'fallback') else 'INFO'


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
        id=info.episode_id if info else reader.path.name,
        start=0,
        length=0,
        outcome=info.outcome if info else 'unknown',
        task=info.task if info else '',
        notes=info.notes if info else '',
        bag=str(reader.path),
    )
    with RerunFile(out, entry.id) as file:
        file.about('episode', about(contract, entry))
        _Viewer(reader, file).show()
        file.box('world/workspace', contract.workspace.min, contract.workspace.max)
        file.blueprint(layout(contract, file.entities))
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
        self._events: list[Event] = []
        self._failures: dict[str, list[str]] = defaultdict(list)
        self._takers = self._all_takers()

    def show(self) -> None:
        """Go through the bag once; only images are written on the way."""
        for message in self._reader.messages(self._takers):
            for name, take in self._takers[message.topic]:
                try:
                    take(message)
                except (IlRosError, AttributeError) as problem:  # a type of another version
                    self._failures[name].append(str(problem))
        for key in self._contract.images:
            self._flush_images(key)
        for key in self._contract.streams:
            rows = self._rows.get(key)
            if rows is not None:
                values = np.array(rows.values)
                show_stream(self._file, self._contract, key, rows.moments(self._ticks), values)
        for kind in ('policy', 'expert', 'label', 'executed'):
            self._show_actions(kind)
        self._show_status()
        self._show_scores()
        show_events(self._file, tuple(sorted(self._events, key=lambda e: e.stamp)), self._ticks)
        self._show_failures()

    def _all_takers(self) -> dict[str, list[tuple[str, Callable[[BagMessage], None]]]]:
        takers: dict[str, list[tuple[str, Callable[[BagMessage], None]]]] = defaultdict(list)
        for key, stream in self._contract.streams.items():
            takers[stream.topic].append((key, self._stream_taker(key, stream)))
        for key, image in self._contract.images.items():
            made = image.compressed_topic in self._reader.relative_topics
            topic = image.compressed_topic if made else image.topic
            takers[topic].append((key, self._image_taker(key, image)))
        chunks = {
            'policy': topics.POLICY_CHUNK,
            'expert': topics.EXPERT_CHUNK,
            'label': topics.EXPERT_LABEL,
            'executed': self._contract.action.executed,
        }
        for kind, topic in chunks.items():
            if self._is(topic, topics.TYPES[topics.POLICY_CHUNK]):
                takers[topic].append((topic, self._chunk_taker(kind)))
        for topic, take in (
            (topics.MONITOR_STATUS, self._status),
            (topics.MONITOR_SCORES, self._scores),
            (topics.EVENTS, self._event),
        ):
            if self._is(topic, topics.TYPES[topic]):
                takers[topic].append((topic, take))
        return takers

    def _is(self, topic: str, type_name: str) -> bool:
        """Whether the bag has the topic, with the type that it has here."""
        return self._reader.topics.get(self._reader.absolute(topic)) == type_name

    def _stream_taker(self, key: str, stream: Stream) -> Callable[[BagMessage], None]:
        decoder, rows = decoder_for(stream.type), self._rows

        def take(message: BagMessage) -> None:
            value = decoder.decode(message.data, stream.fields, stream.names)
            stamp = header_stamp(message.data) if decoder.stamped else 0
            rows[key].stamps.append(stamp or message.receive)
            rows[key].values.append(value)

        return take

    def _image_taker(self, key: str, image: ImageStream) -> Callable[[BagMessage], None]:
        decoder, rows = ImageDecoder(image), self._rows

        def take(message: BagMessage) -> None:
            blob = compressed_bytes(message.data) if message.type == COMPRESSED_IMAGE else b''
            if blob[:2] not in _ENCODED:
                blob = decoder.encoded(message.data, message.type)
            rows[key].stamps.append(header_stamp(message.data) or message.receive)
            rows[key].values.append(blob)
            if len(rows[key].values) >= _IMAGES_AT_ONCE:
                self._flush_images(key)

        return take

    def _chunk_taker(self, kind: str) -> Callable[[BagMessage], None]:
        names = self._contract.action.names

        def take(message: BagMessage) -> None:
            chunk = self._reader.deserialize(message)
            if tuple(chunk.names) != names or len(chunk.positions) < len(names):
                raise DatasetError(f'got joints {list(chunk.names)}', allowed=names)
            rows = self._rows[f'action/{kind}']
            rows.stamps.append(header_stamp(message.data) or message.receive)
            rows.values.append(np.asarray(chunk.positions, dtype=np.float64)[: len(names)])

        return take

    def _status(self, message: BagMessage) -> None:
        found = self._reader.deserialize(message)
        rows = self._rows[topics.MONITOR_STATUS]
        rows.values.append(
            _Status(
                mode=topics.name_of(found.mode, topics.MODES),
                fault=_fault_name(found.fault),
                reason=found.reason,
                triggered=bool(found.triggered),
            )
        )
        rows.stamps.append(header_stamp(message.data) or message.receive)

    def _scores(self, message: BagMessage) -> None:
        """The scores of a tick, all together and each by itself, in units of their thresholds."""
        found = self._reader.deserialize(message)
        rows = self._rows[f'{topics.MONITOR_SCORES} {" ".join(found.names)}']
        with np.errstate(divide='ignore', invalid='ignore'):
            shares = np.asarray(found.values) / np.asarray(found.thresholds)
        rows.values.append([found.score, *shares])
        rows.stamps.append(header_stamp(message.data) or message.receive)

    def _event(self, message: BagMessage) -> None:
        event = self._reader.deserialize(message)
        kind = EVENT_KINDS[event.kind] if event.kind < len(EVENT_KINDS) else f'kind {event.kind}'
        stamp = header_stamp(message.data) or message.receive
        self._events.append(Event(stamp=stamp, kind=kind, text=event.text))

    def _flush_images(self, key: str) -> None:
        rows, depth = self._rows[key], self._contract.images[key].encoding == '16UC1'
        moments = rows.moments(self._ticks)
        self._file.images(entity('camera', key), moments, list(rows.values), depth=depth)
        rows.clear()

    def _show_actions(self, kind: str) -> None:
        rows = self._rows.get(f'action/{kind}')
        if rows is None:
            return
        values, moments = np.array(rows.values), rows.moments(self._ticks)
        for i, name in enumerate(self._contract.action.names):
            show_joint(self._file, name, kind, moments, values[:, i])

    def _show_status(self) -> None:
        rows = self._rows.get(topics.MONITOR_STATUS)
        if rows is None:
            return
        moments = rows.moments(self._ticks)
        found: list[_Status] = rows.values
        self._file.states('control/mode', moments, [status.mode for status in found])
        said = [(status.text, status.level) for status in found]
        new = [i for i, now in enumerate(said) if not i or said[i - 1] != now]
        texts, levels = [said[i][0] for i in new], [said[i][1] for i in new]
        self._file.texts('monitor/status', moments.take(np.array(new)), texts, levels)

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


def _fault_name(fault: int | str) -> str:
    """Name of a fault, empty for none; bags of interface version 1 have the name itself."""
    name = fault if isinstance(fault, str) else topics.name_of(fault, topics.FAULTS)
    return '' if name == 'none' else name
