"""Samples from before an episode that belong to it: pre-roll, latched ones, the present instant."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from il_ros.core.frames import NS
from il_ros.ros.message_loss import RawSample

CLOCK = '/clock'
_KEPT = 32  # publishers a topic; more than that would be ones that started again
_INSTANT = 1_000  # publishers of all topics in one instant


class PreRoll:
    """Keeps the newest samples, for so long and in so many bytes.

    Where these do not suffice, the topic that takes most of them loses its oldest sample: images
    go before the few bytes that tell how the robot moved.

    Args:
        seconds: How far back [s]; 0 keeps nothing.
        max_bytes: Largest size of the samples kept [bytes].
        lasting: Whether samples that an episode took stay for the next one, too.

    Attributes:
        bytes: Size of the samples kept [bytes].
        lasting: As given.
    """

    def __init__(self, seconds: float, max_bytes: int, *, lasting: bool = False) -> None:
        self._span, self._max_bytes = round(seconds * NS), max_bytes
        self._samples: dict[str, deque[RawSample]] = {}
        self._sizes: dict[str, int] = {}
        self._lost_ns: dict[str, int] = {}
        self._newest_ns = 0
        self.lasting = lasting
        self.bytes = 0

    @property
    def cut(self) -> list[str]:
        """Topics of which a sample went, for want of room, that is not too old yet."""
        oldest = self._newest_ns - self._span
        return [topic for topic, lost in list(self._lost_ns.items()) if lost >= oldest]

    def add(self, sample: RawSample) -> None:
        """Keep a sample; the oldest ones go."""
        if not self._span:
            return
        self._samples.setdefault(sample.topic, deque()).append(sample)
        self._count(sample.topic, len(sample.data))
        self._expire(sample.receive_ns)
        while self.bytes > self._max_bytes:
            largest = max(self._sizes, key=self._sizes.__getitem__)
            self._lost_ns[largest] = self._drop(largest)

    def take(self, now_ns: int) -> list[RawSample]:
        """The samples that are not too old, oldest first; only lasting ones are kept on."""
        self._expire(now_ns)
        found = (sample for samples in self._samples.values() for sample in samples)
        ordered = sorted(found, key=lambda sample: sample.receive_ns)
        if not self.lasting:
            for kept in (self._samples, self._sizes, self._lost_ns):
                kept.clear()
            self.bytes = 0
        return ordered

    def _expire(self, now_ns: int) -> None:
        self._newest_ns = now_ns
        for topic, samples in self._samples.items():
            while samples and samples[0].receive_ns < now_ns - self._span:
                self._drop(topic)

    def _drop(self, topic: str) -> int:
        """Let a topic's oldest sample go; gives when it was received [ns]."""
        sample = self._samples[topic].popleft()
        self._count(topic, -len(sample.data))
        return sample.receive_ns

    def _count(self, topic: str, size: int) -> None:
        self._sizes[topic] = self._sizes.get(topic, 0) + size
        self.bytes += size


class LatchedSamples:
    """The last sample of every publisher of the latched topics.

    A sample outlives its publisher: a calibration published once and for all is still valid.
    """

    def __init__(self) -> None:
        self._topics: dict[str, dict[bytes, RawSample]] = {}

    def follow(self, topic: str) -> None:
        """Keep what this topic says from now on."""
        self._topics.setdefault(topic, {})

    def __contains__(self, topic: str) -> bool:
        return topic in self._topics

    def add(self, sample: RawSample) -> None:
        """Keep a sample, if its topic is latched."""
        kept = self._topics.get(sample.topic)
        if kept is None:
            return
        kept.pop(sample.publisher, None)
        kept[sample.publisher] = sample
        if len(kept) > _KEPT:
            del kept[next(iter(kept))]

    def keep_only(self, topic: str, publishers: Collection[bytes]) -> None:
        """Forget what publishers of a topic that are gone have said.

        Args:
            topic: Absolute name.
            publishers: The identities of those that it has. Samples of unknown identity stay as
                long as there are any.
        """
        kept = self._topics.get(topic, {})
        for publisher in set(kept) - set(publishers):
            if publisher or not publishers:
                del kept[publisher]

    def before(self, receive_ns: int) -> list[RawSample]:
        """The samples from before a moment, oldest first, stamped with it as received.

        With their own stamps a bag would begin when the robot was switched on; their source
        stamps tell.
        """
        samples = [
            sample
            for kept in self._topics.values()
            for sample in kept.values()
            if sample.receive_ns < receive_ns
        ]
        samples.sort(key=lambda sample: sample.receive_ns)
        return [sample._replace(receive_ns=receive_ns) for sample in samples]


class ClockInstant:
    """Keeps what every publisher said last since the simulated clock last went on.

    In lock-step an episode begins at an instant that was published before its start, so that
    instant is part of it. Source stamps tell the order, since topics overtake one another.
    """

    def __init__(self) -> None:
        self._began = 0
        self._samples: dict[tuple[str, bytes], RawSample] = {}

    def add(self, sample: RawSample) -> None:
        """Take a sample of any topic, the clock's own included."""
        if sample.topic == CLOCK and sample.source_ns > self._began:
            self._began = sample.source_ns
            kept = self._samples.items()
            self._samples = {key: s for key, s in kept if s.source_ns >= self._began}
        elif sample.topic != CLOCK and sample.source_ns >= self._began:
            self._samples[sample.topic, sample.publisher] = sample
            if len(self._samples) > _INSTANT:
                del self._samples[next(iter(self._samples))]

    def samples(self, since_ns: int) -> list[RawSample]:
        """The samples received since a moment [ns], oldest first."""
        found = [s for s in self._samples.values() if s.receive_ns >= since_ns]
        return sorted(found, key=lambda sample: sample.receive_ns)
