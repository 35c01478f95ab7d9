"""The frame builder, used for live topics and for bags.

It takes the samples of many streams and returns one frame per tick, with the validity and the age
of every stream. Nothing is filled with zeros: what is missing is NaN and marked invalid.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from il_ros.core.cdr import NS as NS  # noqa: PLC0414  (for users of frames)
from il_ros.core.cdr import Bytes, child_frame, header_frame, header_stamp
from il_ros.core.contract import Contract
from il_ros.core.decoders import Composite, OtherJointsError, decoder_for, is_framed
from il_ros.core.errors import FrameIdError, IlRosError, VoidingError, printable
from il_ros.core.geometry import finite
from il_ros.core.limits import Array
from il_ros.core.streams import ImageStream, JointTrack, Stream
from il_ros.core.tick_schedule import TickSchedule

GAP = 1.5
"""Time between two frames from which they no longer follow one another [periods]."""

# Ticks wait for a stream that is due, up to the contract's grace. After this many misses they stop
# waiting for it until it is back, so that a lost sensor costs no latency.
_PATIENCE = 3
# A header stamp this far behind the newest means that time has restarted (a restarted simulation).
_RESTART_NS = NS


@dataclass(frozen=True, kw_only=True)
class Frame:
    """All observations at one tick.

    Attributes:
        stamp: The tick's time [ns], the stamp of the sample that paced it.
        values: Value per key, float64 of shape (size,); NaN where invalid.
        valid: Whether the value may be used.
        age: Age of the sample at the tick [s]; NaN if there was none. Of an interpolated
            value, that of the sample before the tick.
        images: CDR bytes of each image key's message; None where invalid. Consumers decode
            them (`core.images`), so that unused images are not decoded.
    """

    stamp: int
    values: Mapping[str, Array]
    valid: Mapping[str, bool]
    age: Mapping[str, float]
    images: Mapping[str, Any] = field(default_factory=dict)

    def vector(self, keys: Iterable[str]) -> Array:
        """The values of `keys` one after the other, shape (D,)."""
        return np.concatenate([self.values[key] for key in keys])

    def all_valid(self, keys: Iterable[str]) -> bool:
        """Whether every one of `keys` is valid."""
        return all(self.valid[key] for key in keys)


class Transforms(Protocol):
    """Knows how coordinate frames lie to one another, as tf2 does."""

    def transform(self, target: str, source: str, stamp: int) -> Array:
        """The transform, shape (4, 4), from frame `source` to frame `target` at `stamp` [ns].

        Raises:
            IlRosError: If it is not known.
        """


class TopicDecoder:
    """Decodes each message of a topic once, and hands every key its part.

    Args:
        streams: The topic's streams by key, all of one message type.
        base_frame: Coordinate frame of those that name none.
        transforms: Takes numbers in another frame than the contract's to that one; without it they
            are refused.
        continuous: Joints that turn without end. Their positions go on beyond pi, by the short way
            from one message to the next. The first is as it is, and so is one after a silence.
    """

    def __init__(
        self,
        streams: Mapping[str, Stream],
        base_frame: str,
        transforms: Transforms | None = None,
        *,
        continuous: Collection[str] = (),
    ) -> None:
        self._streams = dict(streams)
        self._known: set[str] = set()  # keys that had a value
        self._decoder = decoder_for(next(iter(self._streams.values())).type)
        self._transforms = transforms
        framed = self._streams if is_framed(self._decoder) else ()
        self._frame_ids = {key: streams[key].frame_in(base_frame) for key in framed}
        tracks = {key: JointTrack(stream, continuous) for key, stream in streams.items()}
        self._tracks = {key: track for key, track in tracks.items() if track.needed}
        self._shared = any(stream.publishers > 1 for stream in streams.values())
        self._has_children = any(stream.child_frame_id for stream in self._streams.values())

    def said(self, key: str) -> Array | None:
        """The newest positions of a stream as its driver says them, (size,); None if not known."""
        track = self._tracks.get(key)
        return track.said if track else None

    def decode(
        self, data: Bytes, received: int
    ) -> tuple[int, dict[str, Array], dict[str, IlRosError]]:
        """Take the CDR bytes of a message that was received at `received` [ns].

        Returns:
            The stamp in its header [ns], or `received` where its type has none; the value of each
            key, in the order of the streams; and the error of each key that has no value.
        """
        values: dict[str, Array] = {}
        errors: dict[str, IlRosError] = {}
        try:
            stamp = header_stamp(data) if self._decoder.stamped else received
            content = self._decoder.read(data)
            frame_id = header_frame(data) if self._frame_ids else ''
            child = child_frame(data) if self._has_children else ''
        except IlRosError as problem:
            return received, {}, dict.fromkeys(self._streams, problem)
        for key, stream in self._streams.items():
            try:
                if stream.child_frame_id != child:
                    raise _other_child(child, stream.child_frame_id)
                value = self._decoder.pick(content, stream.read, stream.sent_names)
                if self._frame_ids.get(key, frame_id) != frame_id:
                    align = stream.align
                    measured = stamp if align.time == 'header' else received
                    measured -= round(NS * align.latency)
                    value = self._moved(key, value, frame_id, measured)
                if track := self._tracks.get(key):
                    measured = stamp if stream.align.time == 'header' else received
                    followed = track.follow(value, measured, received)
                    if followed is None:
                        continue
                    value = followed
                values[key] = value
            except OtherJointsError as problem:
                # Another publisher's, where there may be some, each with joints of its own; one
                # that tracks several things publishes their transforms by turns.
                if key not in self._known or not (self._shared or child):
                    errors[key] = problem
            except IlRosError as problem:
                errors[key] = problem
        self._known |= values.keys()
        return stamp, values, errors

    def _moved(self, key: str, value: Array, frame_id: str, stamp: int) -> Array:
        """`value` in the contract's frame, from the one that its message names.

        Args:
            key: Of the stream.
            value: What was decoded, shape (size,).
            frame_id: The frame that the message names.
            stamp: When it was measured [ns].

        Raises:
            FrameIdError: If it cannot be taken there.
        """
        wanted, fields = self._frame_ids[key], self._streams[key].fields
        named, allowed = f'in frame {printable(frame_id, 80)!r}', repr(wanted)
        if not frame_id:
            raise FrameIdError(
                'it names no frame: header.frame_id is empty',
                allowed=allowed,
                fix="let its driver name it, or say frame_id: '' in the contract",
            )
        fix = f'say frame_id: {printable(frame_id, 80)} in the contract, or let its driver change'
        if self._transforms is None or not wanted or not isinstance(self._decoder, Composite):
            raise FrameIdError(named, allowed=allowed, fix=fix)
        try:
            transform = self._transforms.transform(wanted, frame_id, stamp)
        except IlRosError as problem:
            raise FrameIdError(f'{named}: {problem}', allowed=allowed, fix=fix) from None
        return self._decoder.moved(value, fields, transform)


def _other_child(got: str, wanted: str) -> OtherJointsError:
    return OtherJointsError(
        f'a transform of {printable(got, 80)!r}',
        allowed=repr(wanted),
        fix='correct child_frame_id in the contract, or its driver',
    )


@dataclass
class _History:
    stream: Stream | ImageStream
    samples: deque[tuple[int, Any]]
    missed: int = 0


class FrameBuilder:
    """Turns samples into frames by the rules of the contract.

    The contract's `clock` stream paces the ticks: each takes the stamp of the sample nearest to
    when it is due (`TickSchedule`). The frame is returned as soon as every stream that is due has a
    sample, or when the contract's grace is over.

    Attributes:
        keys: The contract's keys that are in the frames.
        rejected: Why the newest sample of a key was not taken, by key.
        schedule: Which samples pace the ticks, and how often they do.
    """

    def __init__(self, contract: Contract, keys: Iterable[str] | None = None) -> None:
        streams = contract.inputs
        chosen = list(contract.observations if keys is None else keys)
        if contract.clock not in chosen:
            chosen.insert(0, contract.clock)
        self.keys = tuple(chosen)
        self.rejected: dict[str, str] = {}
        self._contract = contract
        self._histories = {key: _history(streams[key], contract.rate) for key in chosen}
        self.schedule = TickSchedule(contract.rate)
        self._grace = round(NS * contract.grace)
        self._pending: tuple[int, int] | None = None

    def reset(self) -> None:
        """Forget every sample, as at the beginning of an episode."""
        for history in self._histories.values():
            history.samples.clear()
            history.missed = 0
        self.schedule.reset()
        self._pending = None

    def add(
        self, key: str, value: Any, *, header: int, receive: int, now: int | None = None
    ) -> list[Frame]:
        """Take one sample; return the frames that became due, oldest first.

        Args:
            key: The contract's key.
            value: The decoded value, shape (size,); of an image, its message.
            header: The message's own stamp [ns].
            receive: When it was received [ns], on the clock that header stamps are read from.
            now: The same moment on the clock that the grace is measured on [ns]; `receive` where
                that is the same clock. A live node takes a steady one.
        """
        now = receive if now is None else now
        # First, so that a sample that came after a tick's grace is not part of that tick, whether
        # or not `poll` was called in between (a bag has no timers).
        frames = self.poll(now)
        history = self._histories[key]
        align = history.stream.align
        stamp = header if align.time == 'header' else receive
        if stamp <= 0:
            self.rejected[key] = 'its header stamp is zero'
            return frames
        stamp -= round(NS * align.latency)
        if history.samples and stamp <= history.samples[-1][0]:
            if history.samples[-1][0] - stamp < _RESTART_NS:
                self.rejected[key] = 'its header stamp does not advance'
                return frames
            self.reset()
        self.rejected.pop(key, None)
        history.samples.append((stamp, value))
        history.missed = 0
        if key == self._contract.clock:
            frames += self._pace(stamp, now)
        return frames + self.poll(now)

    def reject(self, key: str, problem: IlRosError, *, now: int) -> list[Frame]:
        """Take note of a message that gave no value; return the frames that became due.

        What was measured in another coordinate frame, and an unknown instruction, make the samples
        before void, too: the stream is invalid until a right one comes, whatever its age limit.

        Args:
            key: The contract's key.
            problem: Why there is no value.
            now: As for `add` [ns].
        """
        frames = self.poll(now)
        self.rejected[key] = str(problem)
        if isinstance(problem, VoidingError):
            self._histories[key].samples.clear()
        return frames

    def poll(self, now: int) -> list[Frame]:
        """Return the waiting frame, if it is complete or its grace is over at `now` [ns]."""
        if self._pending is None:
            return []
        tick, since = self._pending
        late = self._awaited(tick)
        if late and now - since < self._grace:
            return []
        return [self._give(tick)]

    @property
    def waiting(self) -> bool:
        """Whether a tick is held back for streams that are due."""
        return self._pending is not None

    def _pace(self, stamp: int, now: int) -> list[Frame]:
        if not self.schedule.take(stamp):
            return []
        frames = [self._give(self._pending[0])] if self._pending else []
        self._pending = (stamp, now)
        return frames

    def _awaited(self, tick: int) -> list[str]:
        return [key for key, history in self._histories.items() if self._is_due(history, tick)]

    def _is_due(self, history: _History, tick: int) -> bool:
        if not history.stream.rate or history.missed >= _PATIENCE:
            return False
        if not history.samples:
            return True
        if history.stream.align.strategy == 'interpolate':
            return history.samples[-1][0] < tick
        # A device that measures late is never nearer than by its latency.
        usual = 0.9 / history.stream.rate + history.stream.align.latency
        return tick - history.samples[-1][0] > NS * usual

    def _give(self, tick: int) -> Frame:
        self._pending = None
        for key in self._awaited(tick):
            self._histories[key].missed += 1
        values, valid, age, images = {}, {}, {}, {}
        for key, history in self._histories.items():
            value, valid[key], age[key] = self._sample(history, tick)
            if isinstance(history.stream, ImageStream):
                images[key] = value
            else:
                values[key] = value
        return Frame(stamp=tick, values=values, valid=valid, age=age, images=images)

    def _sample(self, history: _History, tick: int) -> tuple[Any, bool, float]:
        samples, stream = history.samples, history.stream
        while len(samples) > 1 and samples[1][0] <= tick:
            samples.popleft()
        if not samples or samples[0][0] > tick:
            return _nothing(stream), False, math.nan
        stamp, value = samples[0]
        age = (tick - stamp) / NS
        if stream.align.strategy == 'interpolate' and isinstance(stream, Stream):
            value = _between(samples, stream, tick)
        fresh = age <= _oldest(stream, self._contract.rate)
        if not fresh or not (isinstance(stream, ImageStream) or finite(value)):
            return _nothing(stream), False, age
        return value, True, age


def _history(stream: Stream | ImageStream, rate: float) -> _History:
    # A tick looks back one period and waits for less; images are large, numbers are not.
    depth = 512 if isinstance(stream, Stream) else 4 + math.ceil(2 * stream.rate / rate)
    return _History(stream, deque(maxlen=depth))


def _oldest(stream: Stream | ImageStream, rate: float) -> float:
    """The age up to which a sample is valid [s]; `rate` is the contract's [Hz]."""
    if stream.align.strategy == 'hold':
        return math.inf
    return round(NS / rate) / NS if stream.align.strategy == 'drop' else stream.align.max_age


def _nothing(stream: Stream | ImageStream) -> Any:
    return None if isinstance(stream, ImageStream) else np.full(stream.size, math.nan)


def _between(samples: deque[tuple[int, Any]], stream: Stream, tick: int) -> Array:
    """The value at `tick` between the samples around it, or else the one before it."""
    (before, value) = samples[0]
    if len(samples) < 2 or samples[1][0] - before > NS * stream.align.max_age:
        return np.asarray(value)
    after, following = samples[1]
    if not np.isfinite(following).all():
        return np.asarray(value)
    fraction = (tick - before) / (after - before)
    return decoder_for(stream.type).blend(value, following, fraction, stream.fields)


def describe_invalid(contract: Contract, frame: Frame, rejected: Mapping[str, str]) -> list[str]:
    """One sentence for each required stream that is not valid in `frame`."""
    missing = [key for key, ok in frame.valid.items() if not ok]
    streams, texts = contract.inputs if missing else {}, []
    for key in missing:
        stream = streams[key]
        if not stream.required:
            continue
        age, oldest = frame.age[key], _oldest(stream, contract.rate)
        text = f'{key} ({stream.topic}): '
        if math.isnan(age):
            text += 'none that can be used' if key in rejected else 'never received'
        elif age > oldest:
            text += f'{age:.3f} s old, allowed {oldest:.3f} s'
        else:
            text += 'not finite'
        if key in rejected:
            text += f' ({rejected[key]})'
        texts.append(text)
    return texts


def gaps(stamps: Iterable[int], contract: Contract) -> int:
    """How many steps between consecutive `stamps` [ns] are longer than `GAP` periods."""
    limit = GAP * NS / contract.rate
    return sum(later - earlier > limit for earlier, later in pairwise(stamps))
