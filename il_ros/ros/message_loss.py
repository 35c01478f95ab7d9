"""Samples as they came, and what can be known of those that did not come."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from il_ros.ros.raw_callback import publisher_of, received_ns

_AWAITED = 10_000  # numbers of a publisher, up to its last one, that may still come
_SEEN = 2_000  # newest samples without a publisher's identity; twice a subscription's history
_PUBLISHERS = 1_000  # of a topic, with those that are gone
_SPARE = 8  # sequences more than a topic's publishers: the count may be old


class RawSample(NamedTuple):
    """One message as it came.

    Attributes:
        topic: Absolute name.
        data: The message's CDR bytes.
        receive_ns: When the middleware had it [ns].
        source_ns: When it was published, by the publisher's clock [ns]; 0 if not known.
        sequence: Its number among those of its publisher, from 1; 0 if not known.
        publisher: Identity of its publisher; empty if not known.
    """

    topic: str
    data: bytes
    receive_ns: int
    source_ns: int = 0
    sequence: int = 0
    publisher: bytes = b''


def sample_of(topic: str, data: bytes, info: Mapping[str, Any], now_ns: int) -> RawSample:
    """A sample from what rclpy says of a message; some middlewares leave parts of it out."""
    return RawSample(
        topic,
        data,
        received_ns(info, now_ns),
        info.get('source_timestamp') or 0,
        info.get('publication_sequence_number') or 0,
        publisher_of(info),
    )


class _Sequence:
    """The numbers of one publisher: the last one, and those before it that may still come."""

    def __init__(self, sample: RawSample) -> None:
        # Missing numbers, ascending, each with the time when it was about due [ns].
        self._awaited: OrderedDict[int, int] = OrderedDict()
        self._set(sample)

    def _set(self, sample: RawSample) -> None:
        self.last, self.source_ns = sample.sequence, sample.source_ns
        self.heard_ns = sample.receive_ns

    def __contains__(self, number: int) -> bool:
        """Whether a number may still come."""
        return number in self._awaited

    def follow(self, sample: RawSample, since_ns: int) -> int:
        """Go on to a higher number; how many before it were due since then and are missing."""
        last, begun, awaited = self.last, self.heard_ns, self._awaited
        steps, lasted = sample.sequence - last, max(0, sample.receive_ns - begun)
        self._set(sample)
        for step in range(max(1, steps - _AWAITED), steps):
            awaited[last + step] = begun + lasted * step // steps
        while awaited and next(iter(awaited)) < sample.sequence - _AWAITED:
            awaited.popitem(last=False)
        if begun >= since_ns:
            return steps - 1
        early = -((begun - since_ns) * steps // lasted) if lasted else steps
        return max(0, steps - early)

    def late(self, number: int, since_ns: int) -> int:
        """Take one that was missing; it was counted if it was due since then."""
        return -1 if self._awaited.pop(number) >= since_ns else 0


class PublisherSequences:
    """Follows the sequence numbers of a topic's publishers.

    Several publishers on one topic, or one that starts again, are no loss: each has its own
    numbers. Without the publisher's identity, a number belongs to the sequence that it continues,
    else to the nearest one below it, unless that is far below or there are publishers that no
    sequence is known of yet; what comes twice is then told by its number and its source stamp.

    Attributes:
        since_ns: Only samples due since then are counted as missing (receive clock) [ns]; to be
            set at the start of each episode. What is missing was due in even steps.
    """

    def __init__(self) -> None:
        self.since_ns = 0
        self._named: dict[bytes, _Sequence] = {}
        self._unnamed: list[_Sequence] = []
        self._seen: OrderedDict[tuple[int, int], None] = OrderedDict()

    def missing(self, sample: RawSample, publishers: int = 1) -> int | None:
        """How many more samples are missing, now that this one came; none if it came already.

        One that comes late, because it had to be asked for again, was counted as missing: -1.

        Args:
            sample: The sample that came.
            publishers: How many the topic has; used where a sample does not say whose it is.
        """
        if not sample.sequence:
            return 0
        if not sample.publisher:
            return self._missing_unnamed(sample, publishers)
        known = self._named.get(sample.publisher)
        if known is None:
            self._named[sample.publisher] = _Sequence(sample)
            if len(self._named) > _PUBLISHERS:
                self._named.pop(min(self._named, key=lambda name: self._named[name].heard_ns))
            return 0
        if sample.sequence > known.last:
            return known.follow(sample, self.since_ns)
        return known.late(sample.sequence, self.since_ns) if sample.sequence in known else None

    def _missing_unnamed(self, sample: RawSample, publishers: int) -> int | None:
        if not self._is_new(sample):
            return None
        known, number = self._unnamed, sample.sequence
        behind = [
            each
            for each in known
            if 0 < number - each.last <= _AWAITED and each.source_ns <= sample.source_ns
        ]
        nearest = max(behind, key=lambda each: (each.last, each.heard_ns), default=None)
        if nearest is not None and nearest.last + 1 == number:
            return nearest.follow(sample, self.since_ns)
        for each in known:
            if number in each and sample.source_ns <= each.source_ns:
                return each.late(number, self.since_ns)
        if nearest is not None and len(known) >= publishers:
            return nearest.follow(sample, self.since_ns)
        # Whether a publisher joined or began again is told by which sequences go on.
        known.append(_Sequence(sample))
        if len(known) > publishers + _SPARE:
            known.remove(min(known, key=lambda each: each.heard_ns))
        return 0

    def _is_new(self, sample: RawSample) -> bool:
        key = sample.sequence, sample.source_ns
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > _SEEN:
            self._seen.popitem(last=False)
        return True


@dataclass(kw_only=True)
class MessageCounts:
    """What became of one topic's samples in one episode.

    Attributes:
        received: Samples that came, without those from before the start.
        missing: Samples missing by the publishers' sequence numbers.
        overflow: Samples that came and had no room in the queue to the disk.
        faults: Samples stored as they came because they could not be converted.
        publishers: Different publishers that were heard, up to 1,000.
    """

    received: int = 0
    missing: int = 0
    overflow: int = 0
    faults: int = 0
    publishers: set[bytes] = field(default_factory=set)

    def hear(self, publisher: bytes) -> None:
        """Count a publisher that was heard."""
        if len(self.publishers) < _PUBLISHERS:
            self.publishers.add(publisher)

    @property
    def lost(self) -> int:
        """Samples that were published and are not in the bag."""
        return self.on_the_way + self.overflow

    @property
    def on_the_way(self) -> int:
        """Samples that did not reach this process."""
        return max(self.missing, 0)

    def __str__(self) -> str:
        parts = {
            'lost on the way': self.on_the_way,
            'lost in the full queue': self.overflow,
            'stored raw, not converted': self.faults,
        }
        return ', '.join(f'{count} {what}' for what, count in parts.items() if count)
