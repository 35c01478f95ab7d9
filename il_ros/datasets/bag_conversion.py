"""From a bag to arrays, by the frame builder that live nodes use."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.bags.bag_reader import BagMessage, EpisodeReader
from il_ros.core import topics
from il_ros.core.cdr import NS, Cdr, header_stamp
from il_ros.core.contract import Contract
from il_ros.core.decoders import OtherJointsError
from il_ros.core.errors import DatasetError, FrameIdError, IlRosError
from il_ros.core.frames import Frame, FrameBuilder, TopicDecoder
from il_ros.core.images import ImageDecoder, ImageFormat, renderer_of
from il_ros.core.streams import ImageStream, Stream
from il_ros.datasets.action_extraction import action_extractor
from il_ros.datasets.episode_arrays import EpisodeArrays, Event
from il_ros.datasets.expert_labels import LABEL_TOPICS, ExpertLabels
from il_ros.datasets.manifest import EpisodeEntry
from il_ros.datasets.message_checks import MessageChecks
from il_ros.datasets.preprocessing.quality_measures import loss_measures

# The names of the constants of msg/EpisodeEvent.msg, in their order.
EVENT_KINDS = ('start', 'stop', 'mode', 'fallback', 'resume', 'perturbation', 'note')


@dataclass(frozen=True, kw_only=True)
class ConvertedEpisode:
    """One episode, converted.

    Attributes:
        arrays: Its frames and actions, also those that training cannot use.
        rejected: Why messages of a key were not taken, by key.
        uncommanded: Why no frame has an action; empty if one has.
    """

    arrays: EpisodeArrays
    rejected: Mapping[str, str] = field(default_factory=dict)
    uncommanded: str = ''


def convert(
    reader: EpisodeReader, *, image_format: ImageFormat = 'jpeg', labels: int = 0
) -> ConvertedEpisode:
    """Read an episode by its contract, in one pass; only one image a camera is in memory raw.

    Frames from before the episode's start (the recorder's pre-roll) are left out.

    Args:
        reader: An open bag.
        image_format: How images are encoded; depth is always PNG.
        labels: Steps that are kept of the expert's answer to each frame; 0 keeps nothing of it.

    Raises:
        DatasetError: If a topic that is needed is not in the bag, the bag is damaged, or its
            images are of two renderers.
    """
    contract = reader.contract
    source = action_extractor(contract, reader.relative_topics)
    cameras = {key: _camera_topic(reader, image) for key, image in contract.images.items()}
    required = [stream.topic for stream in contract.streams.values() if stream.required]
    required += [cameras[key] for key, image in contract.images.items() if image.required]
    reader.require(dict.fromkeys(required))
    # What no policy sees has a builder of its own: to wait for it would change what one sees.
    checks = MessageChecks(contract)
    seen = _Frames(contract, contract.observations, checks)
    extra = _Frames(contract, [*contract.privileged, *contract.images], checks)
    samples = _Samples(contract, [*seen.builder.keys, *extra.builder.keys], cameras)
    images = _Images(contract, image_format, checks)
    events: list[Event] = []
    answers = ExpertLabels(contract, labels)
    asked = set(LABEL_TOPICS) if labels else set()
    wanted = {*samples.topics, source.topic, topics.EVENTS, *asked} - {''}
    start = reader.info.start_ns if reader.info else 0
    for message in reader.messages(wanted):
        kept = message.receive >= start
        decoded = samples.of(message)
        seen.add(message.receive, decoded, kept=kept)
        images.take(extra.add(message.receive, decoded, kept=kept))
        if message.topic == source.topic and kept:
            source.add(message)
        if message.topic == topics.EVENTS:
            events += _event(message)
        if message.topic in asked:
            answers.add(message)
    seen.finish()
    images.take(extra.finish())
    entry = _entry(reader, len(seen.frames))
    refused = seen.in_other_frames + extra.in_other_frames
    measures = {f'other_frame.{key}': float(count) for key, count in refused.items()}
    actions = source.actions(seen.frames)
    arrays = replace(
        _arrays(contract, seen.frames, extra.frames, images, actions),
        entry=replace(
            entry,
            renderer=images.renderer(reader.path.name),
            measures={**entry.measures, **measures},
            findings={**checks.findings(), **source.findings()},
        ),
        events=tuple(sorted(events, key=lambda event: event.stamp)),
        label=answers.of(seen.frames) if labels else None,
    )
    return ConvertedEpisode(
        arrays=arrays,
        rejected={**extra.rejected, **images.rejected, **seen.rejected},
        uncommanded='' if actions[1].any() else source.why_nothing(),
    )


def frames_of(
    messages: Iterable[BagMessage], contract: Contract, keys: Iterable[str] | None = None
) -> list[Frame]:
    """The frames that a live node would have made of these messages.

    Args:
        messages: Messages in the order in which they were received.
        contract: What they mean.
        keys: Which streams; the contract's ordinary ones by default.
    """
    keys = contract.observations if keys is None else keys
    frames = _Frames(contract, keys, MessageChecks(contract))
    samples = _Samples(contract, frames.builder.keys, {})
    for message in messages:
        frames.add(message.receive, samples.of(message))
    frames.finish()
    return frames.frames


Decoded = tuple[int, Mapping[str, Any], Mapping[str, IlRosError]]
"""The header stamp of a message [ns], or when it was received; the value of each key, which of an
image is the message, for pixels are decoded when a frame has chosen them; why a key has none."""


class _Samples:
    """Decodes the messages of a bag, each once for all keys, of streams and of images."""

    def __init__(
        self, contract: Contract, keys: Iterable[str], camera_topics: Mapping[str, str]
    ) -> None:
        streams: dict[str, dict[str, Stream]] = defaultdict(dict)
        self._images: dict[str, list[str]] = defaultdict(list)
        # The key that paces the ticks goes last: what came in the same message is then there.
        for key in sorted(keys, key=lambda key: key == contract.clock):
            stream = contract.inputs[key]
            if isinstance(stream, ImageStream):
                self._images[camera_topics.get(key, stream.topic)].append(key)
            else:
                streams[stream.topic][key] = stream
        self._decoders = {
            topic: TopicDecoder(group, contract.base_frame, continuous=contract.continuous)
            for topic, group in streams.items()
        }
        self.topics = {*self._decoders, *self._images}

    def of(self, message: BagMessage) -> Decoded:
        """What the keys take of a message."""
        header = message.receive
        values: dict[str, Any] = {}
        errors: dict[str, IlRosError] = {}
        if images := self._images.get(message.topic):
            try:
                header = header_stamp(message.data)
                values |= dict.fromkeys(images, message)
            except IlRosError as problem:
                errors |= dict.fromkeys(images, problem)
        if decoder := self._decoders.get(message.topic):
            header, numbers, missing = decoder.decode(message.data, message.receive)
            values, errors = values | numbers, errors | missing
        return header, values, errors


class _Frames:
    """A frame builder that takes the samples of a bag."""

    def __init__(self, contract: Contract, keys: Iterable[str], checks: MessageChecks) -> None:
        # The key that paces the ticks is in every builder; what happens to it counts once.
        self._counted = set(keys := list(keys))
        self.builder, self._checks = FrameBuilder(contract, keys), checks
        self.frames: list[Frame] = []
        self.in_other_frames: Counter[str] = Counter()  # samples, by key
        self._why: dict[str, str] = {}
        self._contract, self._received = contract, 0
        self._since: int | None = None

    def add(self, received: int, decoded: Decoded, *, kept: bool = True) -> list[Frame]:
        """Take a message; give the frames that became due, from the first `kept` tick on."""
        self._received = received
        header, values, errors = decoded
        if kept and self._since is None and self._contract.clock in values:
            align = self._contract.inputs[self._contract.clock].align
            stamp = header if align.time == 'header' else received
            self._since = stamp - round(NS * align.latency)
        due: list[Frame] = []
        mine = self.builder.keys
        for key, problem in errors.items():
            if key in mine:
                due += self.builder.reject(key, problem, now=received)
                # Joints of another driver on the same topic are nothing odd.
                if kept and key in self._counted and not isinstance(problem, OtherJointsError):
                    self._checks.refused(key, str(problem), read=False)
                if isinstance(problem, FrameIdError):
                    self.in_other_frames[key] += 1
                    self._why[key] = str(problem)
        for key, value in values.items():
            if key in mine:
                due += self.builder.add(key, value, header=header, receive=received)
                if kept and key in self._counted:
                    self._count(key, value, header, received)
        return self._keep(due)

    def _count(self, key: str, value: Any, header: int, received: int) -> None:
        by_header = self._contract.inputs[key].align.time == 'header'
        self._checks.took(key, value, header if by_header else received)
        if key in self.builder.rejected:
            self._checks.refused(key, self.builder.rejected[key])

    @property
    def rejected(self) -> dict[str, str]:
        """Why messages of a key were not taken, by key."""
        refused = {key: f'{n} samples {self._why[key]}' for key, n in self.in_other_frames.items()}
        return {**self.builder.rejected, **refused}

    def finish(self) -> list[Frame]:
        """Give the frame that waited for what did not come any more."""
        return self._keep(self.builder.poll(self._received + round(NS * self._contract.grace)))

    def _keep(self, frames: list[Frame]) -> list[Frame]:
        frames = [f for f in frames if self._since is not None and f.stamp >= self._since]
        self.frames += [
            # Encoded images are kept elsewhere; the messages themselves are too large to keep.
            Frame(stamp=f.stamp, values=f.values, valid=f.valid, age=f.age)
            for f in frames
        ]
        return frames


class _Images:
    """Encodes the image of each frame once, and keeps what came out."""

    def __init__(
        self, contract: Contract, image_format: ImageFormat, checks: MessageChecks
    ) -> None:
        self._checks = checks
        self.rejected: dict[str, str] = {}
        self.by_stamp: dict[int, dict[str, bytes]] = {}
        self._renderers: set[str] = set()
        self._decoders = {key: ImageDecoder(image) for key, image in contract.images.items()}
        self._format = image_format
        self._last: dict[str, tuple[int, bytes]] = {}

    def take(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self.by_stamp[frame.stamp] = {
                key: self._encoded(key, message)
                for key, message in frame.images.items()
                if message is not None
            }

    def renderer(self, where: str) -> str:
        """Who made the images, if they are simulated.

        Raises:
            DatasetError: If they are of two renderers.
        """
        found = sorted(self._renderers - {''})
        if len(found) > 1:
            raise DatasetError(
                f'images of two renderers: {", ".join(found)}',
                where=where,
                fix='leave this episode out',
            )
        return found[0] if found else ''

    def _encoded(self, key: str, message: BagMessage) -> bytes:
        # A camera slower than the ticks shows the same message again.
        receive, blob = self._last.get(key, (-1, b''))
        if receive == message.receive:
            return blob
        try:
            self._renderers.add(renderer_of(message.data))
            blob = self._decoders[key].encoded(
                message.data, message.type, image_format=self._format
            )
        except IlRosError as problem:
            self.rejected[key], blob = str(problem), b''
            self._checks.refused(key, str(problem))
        self._last[key] = (message.receive, blob)
        return blob


def _camera_topic(reader: EpisodeReader, image: ImageStream) -> str:
    """The topic of a camera in this bag: the recorder may have made JPEGs of it."""
    made = image.record == 'jpeg' and image.compressed_topic in reader.relative_topics
    return image.compressed_topic if made else image.topic


def _arrays(
    contract: Contract,
    frames: Sequence[Frame],
    extra: Sequence[Frame],
    images: _Images,
    actions: tuple[NDArray[np.float64], NDArray[np.uint8]],
) -> EpisodeArrays:
    by_stamp = {frame.stamp: frame for frame in extra}
    others = [by_stamp.get(frame.stamp) for frame in frames]
    blobs = {
        key: tuple(images.by_stamp.get(frame.stamp, {}).get(key, b'') for frame in frames)
        for key in contract.images
    }
    values, valid, age = {}, {}, {}
    for key, stream in contract.inputs.items():
        chosen = frames if key in contract.observations else others
        valid[key] = np.array([f is not None and f.valid[key] for f in chosen], dtype=bool)
        age[key] = np.array([f.age[key] if f else np.nan for f in chosen], dtype=np.float32)
        if isinstance(stream, ImageStream):
            valid[key] &= np.array([bool(blob) for blob in blobs[key]], dtype=bool)
        else:
            missing = np.full(stream.size, np.nan)
            stacked = [f.values[key] if f else missing for f in chosen]
            values[key] = np.array(stacked, dtype=np.float32).reshape(len(frames), stream.size)
    action = actions[0].astype(np.float32)
    return EpisodeArrays(
        entry=EpisodeEntry(id='', start=0, length=len(frames)),
        values=values,
        valid=valid,
        age=age,
        stamp=np.array([frame.stamp for frame in frames], dtype=np.int64),
        action=action,
        action_raw=action,
        source=actions[1],
        images=blobs,
    )


def _entry(reader: EpisodeReader, frames: int) -> EpisodeEntry:
    entry = EpisodeEntry(
        id=reader.name, start=0, length=frames, outcome='unknown', bag=str(reader.path)
    )
    if (info := reader.info) is None:
        return entry
    return replace(
        entry,
        id=info.episode_id,
        outcome=info.outcome,
        task=info.task,
        seed=info.seed,
        flagged=info.flagged,
        notes=info.notes,
        measures=loss_measures(reader.contract, info),
    )


def _event(message: BagMessage) -> list[Event]:
    try:
        reader = Cdr(message.data)
        stamp, kind, text = reader.header(), reader.uint8(), reader.string()
    except IlRosError:
        return []
    name = EVENT_KINDS[kind] if kind < len(EVENT_KINDS) else f'kind {kind}'
    return [Event(stamp=stamp, kind=name, text=text)]
