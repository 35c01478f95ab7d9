"""The seconds before an episode starts, in bounded memory."""

from __future__ import annotations

from collections import deque

from il_ros.core.frames import NS
from il_ros.ros.message_loss import RawSample


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
