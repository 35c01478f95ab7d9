"""What transient-local topics said last, for every episode to begin with."""

from __future__ import annotations

from il_ros.ros.message_loss import RawSample

_KEPT = 32  # publishers a topic; more than that would be ones that started again


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
