"""One episode on its way to the disk: a bounded queue, and a thread that writes."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from il_ros.bags.episode_info import MessageLoss, Outcome
from il_ros.bags.episode_writer import DiskError, EpisodeWriter
from il_ros.bags.jpeg_message import jpeg_message
from il_ros.core.errors import DatasetError, IlRosError
from il_ros.core.streams import COMPRESSED_IMAGE, compressed
from il_ros.ros.message_loss import MessageCounts, RawSample
from il_ros.ros.recorded_topics import RecordedTopic

# A chunk is on the disk at the latest after the sum of these.
_FLUSH = 0.4  # s
_PAUSE = 0.02  # s; the writer works in batches, which costs fewer switches of threads
_COMPRESSORS = 2  # threads
_BATCH = 200  # samples between two looks at the clock
_RATED = 2.0  # s from which on a rate can be judged
_SLOW = 0.9  # of the rate that the contract expects


class Recording:
    """Takes samples in one thread, writes them in another, and counts what is lost.

    Args:
        queue_bytes: Largest size of the samples that wait for the disk [bytes].
        describe: What the bag says of a topic that samples come on.
        before: Samples from before the start, oldest first.

    Attributes:
        counts: By the topic that the samples came on.
        problem: What ended the writing, if anything did.
        remarks: What else is to be said of a topic at the end.
    """

    def __init__(
        self,
        queue_bytes: int,
        describe: Callable[[str], RecordedTopic],
        before: Iterable[RawSample] = (),
    ) -> None:
        self._limit, self._describe = queue_bytes, describe
        self._queue: deque[RawSample] = deque(before)
        # Each is changed by one thread only, so that they need no lock.
        self._taken = sum(len(sample.data) for sample in self._queue)
        self._given = 0
        self.counts: dict[str, MessageCounts] = {}
        self.problem: IlRosError | None = None
        self._topics: dict[str, RecordedTopic] = {}
        self._writer: EpisodeWriter | None = None
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._give_up = math.inf  # on the monotonic clock [s]
        self.remarks: dict[str, str] = {}
        self._refused: set[str] = set()
        self._thread = threading.Thread(target=self._run, name='writer')
        self._pool = ThreadPoolExecutor(_COMPRESSORS, thread_name_prefix='jpeg')

    @property
    def waiting(self) -> int:
        """Size of the samples that wait for the disk [bytes]."""
        return self._taken - self._given

    @property
    def elapsed(self) -> float:
        """Time since the start, on the machine's clock [s]."""
        return time.monotonic() - self._started

    @property
    def writer(self) -> EpisodeWriter:
        """The writer, after `begin`."""
        assert self._writer is not None
        return self._writer

    @property
    def received(self) -> int:
        """Samples of all topics that came."""
        return sum(counts.received for counts in list(self.counts.values()))

    @property
    def lost(self) -> int:
        """Samples of all topics that were published and are not in the bag."""
        return sum(counts.lost for counts in list(self.counts.values()))

    def begin(self, writer: EpisodeWriter, topics: Iterable[str]) -> None:
        """Write what is there and what comes; these topics are in the bag even if empty.

        Raises:
            IlRosError: If one of them cannot be announced.
        """
        self._writer = writer
        for topic in topics:
            self._announce(topic)
        self._thread.start()

    def take(self, sample: RawSample, missing: int = 0) -> None:
        """Take a sample that came, and the number of those missing before it."""
        counts = self.count(sample.topic)
        counts.received += 1
        counts.missing += missing
        counts.hear(sample.publisher)
        if self.problem is not None or self.waiting > self._limit:
            counts.overflow += 1
            return
        self._taken += len(sample.data)
        self._queue.append(sample)

    def count(self, topic: str) -> MessageCounts:
        """The counts of a topic that samples come on."""
        return self.counts.setdefault(topic, MessageCounts())

    def close(
        self,
        outcome: Outcome,
        reason: str,
        *,
        notes: str = '',
        flagged: bool = False,
        patience: float = math.inf,
    ) -> Path:
        """Write what waits and end the episode, as `EpisodeWriter.close` does.

        To be called when `take` is no longer. What waits for the disk may take `patience` [s]; the
        rest is counted as lost.

        Raises:
            DatasetError: If the disk refuses.
        """
        stop_ns = time.time_ns()
        self._end(patience)
        losses = {
            name if topic.image is None else compressed(name): self._loss(name)
            for name, topic in self._topics.items()
        }
        return self.writer.close(
            outcome, reason, notes=notes, flagged=flagged, losses=losses, stop_ns=stop_ns
        )

    def abort(self) -> None:
        """Drop the episode."""
        self._end()
        if self._writer is not None:
            self._writer.abort()

    def complaints(self, seconds: float) -> list[str]:
        """What was lost, and what came too slowly in so many seconds of the robot's clock."""
        found = [f'{name}: {counts}' for name, counts in self.counts.items() if str(counts)]
        found += [f'{name}: {why}' for name, why in self.remarks.items()]
        if seconds >= _RATED:
            for name, topic in self._topics.items():
                rate = self.count(name).received / seconds
                if rate < _SLOW * topic.rate:
                    found.append(f'{name}: {rate:.1f} Hz instead of {topic.rate:g} Hz')
        return found

    def _end(self, patience: float = math.inf) -> None:
        self._give_up = time.monotonic() + patience
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown()
        while self._queue:  # of a writer that never began, or that something unforeseen ended
            self.count(self._queue.popleft().topic).overflow += 1

    def _loss(self, name: str) -> MessageLoss:
        counts, topic = self.count(name), self._topics[name]
        return MessageLoss(
            lost=counts.lost,
            overflow=counts.overflow,
            faults=counts.faults,
            expected_rate=topic.rate,
            publishers=max(topic.publishers, len(counts.publishers)),
            latched=topic.latched,
        )

    def _announce(self, name: str) -> RecordedTopic:
        """Add a topic to the bag."""
        topic = self._topics.get(name)
        if topic is None:
            topic = self._topics[name] = self._describe(name)
            if topic.image is not None:
                self.writer.add_topic(compressed(name), COMPRESSED_IMAGE, qos=topic.qos)
                return topic
            try:
                self.writer.add_topic(name, topic.type, topic.definition, qos=topic.qos)
            except DiskError:
                raise
            except DatasetError as problem:
                if not topic.optional:
                    raise
                self._refused.add(name)
                self.remarks[name] = f'is not recorded: {problem.problem}'
        return topic

    def _run(self) -> None:
        flushed = time.monotonic()
        while True:
            backlog = len(self._queue) > _BATCH
            ended = self._ended.wait(0.0 if backlog else _PAUSE)
            self._drain()
            if time.monotonic() - flushed > _FLUSH:
                self._try(self.writer.flush)
                flushed = time.monotonic()
            if ended and not self._queue:
                return

    def _drain(self) -> None:
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), _BATCH))]
        late = time.monotonic() > self._give_up
        jobs = [None if late else self._convert(sample) for sample in batch]
        for sample, job in zip(batch, jobs, strict=True):
            if late or not self._try(self._store, sample, job):
                self.count(sample.topic).overflow += 1
            self._given += len(sample.data)

    def _try(self, work: Callable[..., None], *arguments: object) -> bool:
        """Do it, unless something failed before; the owner asks for `problem`."""
        if self.problem is None:
            try:
                work(*arguments)
            except IlRosError as problem:
                self.problem = problem
            except OSError as problem:
                self.problem = IlRosError(str(problem), where=str(self.writer.part))
            except Exception as problem:  # whatever it is, it must not end the thread unheard
                self.problem = IlRosError(
                    f'{type(problem).__name__}: {problem}', where=str(self.writer.part)
                )
        return self.problem is None

    def _convert(self, sample: RawSample) -> Future[bytes] | None:
        """Begin to make a JPEG of it, where that is wanted."""
        topic = self._topics.get(sample.topic)
        if topic is None or topic.image is None:
            return None
        return self._pool.submit(jpeg_message, sample.data, topic.image)

    def _store(self, came: RawSample, job: Future[bytes] | None) -> None:
        topic, sample = self._announce(came.topic), came
        if came.topic in self._refused:
            self.count(came.topic).overflow += 1
            return
        if job is not None:
            try:
                sample = came._replace(topic=compressed(came.topic), data=job.result())
            except Exception:  # what cannot be converted is stored as it came
                self.count(came.topic).faults += 1
                self.writer.add_topic(came.topic, topic.type, topic.definition, qos=topic.qos)
        self.writer.write(
            sample.topic,
            sample.data,
            sample.receive_ns,
            source_ns=sample.source_ns,
            sequence=sample.sequence,
        )
