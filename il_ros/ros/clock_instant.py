"""What was said at the present instant of a simulated clock that stands still."""

from __future__ import annotations

from il_ros.ros.message_loss import RawSample

CLOCK = '/clock'


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

    def samples(self, since_ns: int) -> list[RawSample]:
        """The samples received since a moment [ns], oldest first."""
        found = [s for s in self._samples.values() if s.receive_ns >= since_ns]
        return sorted(found, key=lambda sample: sample.receive_ns)
