"""Hears every topic all the time, so that an episode can hold the seconds before its start."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from il_ros.bags.episode_writer import EpisodeWriter
from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS
from il_ros.core.streams import compressed
from il_ros.ros.background_subscriptions import BackgroundSubscriptions
from il_ros.ros.kept_samples import CLOCK, ClockInstant, LatchedSamples, PreRoll
from il_ros.ros.managed_node import ManagedNode
from il_ros.ros.message_loss import RawSample
from il_ros.ros.raw_subscriptions import RawSubscriptions, SubscribedTopic
from il_ros.ros.recorded_topics import RecordedTopic, offered, planned_topics, recorded_topic
from il_ros.ros.recording import Recording
from il_ros.ros.recording_preconditions import RequiredTopic, not_fresh

_LOOK = 1.0  # s between two looks at the graph
_INSTANT = NS  # that far back at the most does an episode begin with the present instant
_ANSWER = 2.0  # s that the intake's thread may take for one


class TopicListener:
    """Subscribes to topics, and hands their samples to the recording, if there is one.

    Args:
        node: Whose names, clock and log are used.
        contract: Its topics are listened to, and the package's own.
        extras: Further ones, absolute or relative; the graph tells their types.
        pre_roll: Where samples go without a recording.

    Attributes:
        now: Time of the node's clock [ns].

    Raises:
        IlRosError: If a type of message does not exist.
    """

    def __init__(
        self,
        node: ManagedNode,
        contract: Contract,
        extras: Sequence[str],
        pre_roll: PreRoll,
    ) -> None:
        self._node, self._pre_roll = node, pre_roll
        self._planned = planned_topics(contract, node.resolve_topic_name)
        names = dict.fromkeys(node.resolve_topic_name(name) for name in extras if name)
        self._extras = [name for name in names if name not in self._planned]
        self._lock = threading.Lock()
        self._latched = LatchedSamples()
        self._recording: Recording | None = None
        self._heard: dict[str, tuple[int, int]] = {}
        self._awaited, self._came = ('', b''), threading.Event()
        self._newest: dict[str, bytes] = {}
        self._intake = BackgroundSubscriptions(node)
        log = node.get_logger()
        self._subscriptions = RawSubscriptions(self._intake, self._take, log.info)
        simulated = bool(node.get_parameter('use_sim_time').value)
        clock = node.get_clock()
        self.now: Callable[[], int] = (
            (lambda: int(clock.now().nanoseconds)) if simulated else time.time_ns
        )
        self._instant = ClockInstant() if simulated else None

    def open(self) -> None:
        """Begin to listen.

        Raises:
            IlRosError: If a type is not installed.
        """
        for name, topic in self._planned.items():
            self._subscriptions.add(name, topic.type, latched=topic.latched)
            if topic.latched:
                self._latched.follow(name)
        if self._instant is not None:
            self._subscriptions.add(CLOCK, 'rosgraph_msgs/msg/Clock')
        self._intake.every(_LOOK, self._look)
        self._intake.start()

    def close(self) -> None:
        """Listen no longer."""
        self._intake.close()

    def newest(self, topic: str) -> bytes:
        """The newest message of a followed topic; empty without one."""
        return self._newest.get(topic, b'')

    def follow(self, topic: str) -> None:
        """Keep the newest message of a topic, for as long as somebody publishes it."""
        self._newest[topic] = b''

    def look(self) -> None:
        """Look at the graph now: quality of service, further topics."""
        self._intake.call(self._look, _ANSWER)

    def stale(self, needed: list[RequiredTopic]) -> dict[str, str]:
        """Needed topics that are not fresh, and what is known of it."""
        now, wall = self.now(), time.time_ns()
        with self._lock:
            heard = dict(self._heard)
        robot = not_fresh(needed, {name: times[0] for name, times in heard.items()}, now)
        # A message can overtake the simulated clock, and then looks older than it is.
        by_wall = not_fresh(needed, {name: times[1] for name, times in heard.items()}, wall)
        return {
            name: self._subscriptions.why_silent(name) if age is None else f'{age:.1f} s old'
            for name, age in robot.items()
            if name in by_wall
        }

    def _describe(self, name: str) -> RecordedTopic:
        """What a bag says of a topic, its publishers as they are now."""
        offers = self._subscriptions.offers(name)
        return replace(
            self._planned[name],
            qos=offered(offers),
            publishers=len(offers),
            latched=name in self._latched,
        )

    def begin(self, queue_bytes: int, open_writer: Callable[..., EpisodeWriter]) -> Recording:
        """Hand samples to a new recording, from the moment on that it says it begins at.

        Args:
            queue_bytes: Largest size of the samples that wait for the disk [bytes].
            open_writer: Opens its bag, given that moment as `start_ns` [ns].

        Raises:
            IlRosError: If the bag cannot be begun; nothing is left of it then.
            OSError: Likewise.
        """
        recording, start = self._record(queue_bytes)
        try:
            recording.begin(open_writer(start_ns=start), list(self._planned))
        except (IlRosError, OSError):
            self.release()
            recording.abort()
            raise
        return recording

    def release(self) -> None:
        """Keep samples for the next recording again."""
        with self._lock:
            self._recording = None

    def _record(self, queue_bytes: int) -> tuple[Recording, int]:
        """A recording that begins with the latched samples and the pre-roll, and the moment."""
        with self._lock:
            start = time.time_ns()
            before = self._pre_roll.take(start)
            instant = self._instant.samples(start - _INSTANT) if self._instant is not None else []
            if instant:
                start = instant[0].receive_ns
                known = {id(sample) for sample in instant}
                before = [*(sample for sample in before if id(sample) not in known), *instant]
            first = min([start, *(sample.receive_ns for sample in before[:1])])
            for topic in list(self._subscriptions.topics.values()):
                topic.sequences.since_ns = start
            before = [*self._latched.before(first), *before]
            self._recording = Recording(queue_bytes, self._describe, before)
            return self._recording, start

    def await_message(self, topic: str, data: bytes, publish: Callable[[], None]) -> bool:
        """Publish a message and wait until it came back, and with it what came before it."""
        self._came.clear()
        self._awaited = (topic, data)
        publish()
        came = self._came.wait(_ANSWER / 4)
        self._awaited = ('', b'')
        return came

    def _take(self, topic: SubscribedTopic, sample: RawSample, missing: int | None) -> None:
        """In the intake's thread; what came before is only looked at if its topic is latched."""
        name = topic.name
        if missing is None:
            with self._lock:
                self._latched.add(sample)
            return
        heard = (self.now(), time.time_ns())
        with self._lock:
            if self._instant is not None:
                self._instant.add(sample)
            if name not in self._planned:
                return
            self._heard[name] = heard
            self._latched.add(sample)
            if name in self._newest:
                self._newest[name] = sample.data
            if self._recording is not None:
                self._recording.take(sample, missing)
            if self._recording is None or self._pre_roll.lasting:
                self._pre_roll.add(sample)
        if self._awaited == (name, sample.data):
            self._came.set()

    def _look(self) -> None:
        """In the intake's thread; during an episode no subscription is made anew."""
        self._find_extras()
        self._subscriptions.retire()
        for name in self._newest:
            self._forget_gone(name)
        if self._recording is not None:
            self._warn_of_unheard(self._recording)
            return
        self._subscriptions.adapt()
        for name, topic in self._subscriptions.topics.items():
            if topic.wanted.latched:
                self._latched.follow(name)

    def _forget_gone(self, name: str) -> None:
        """The last word of a monitor that is gone is no state."""
        publishers = {bytes(offer.endpoint_gid) for offer in self._subscriptions.offers(name)}
        with self._lock:
            self._latched.keep_only(name, publishers)
            if not publishers:
                self._newest[name] = b''

    def _warn_of_unheard(self, recording: Recording) -> None:
        for name in self._subscriptions.unheard():
            why = 'a publisher that offers less came during the episode, and is not heard'
            if name not in recording.remarks:
                recording.remarks[name] = why
                self._node.get_logger().warning(f'{name}: {why}')

    def _find_extras(self) -> None:
        if not self._extras:
            return
        graph = dict(self._node.get_topic_names_and_types())
        for name in [extra for extra in self._extras if extra in graph]:
            self._extras.remove(name)
            try:
                self._add_extra(name, graph[name])
            except IlRosError as problem:
                self._node.get_logger().error(f'{name} is not recorded: {problem}')

    def _add_extra(self, name: str, types: list[str]) -> None:
        if len(types) > 1:
            raise IlRosError(f'it has several types: {", ".join(types)}')
        if name in {compressed(plan) for plan, topic in self._planned.items() if topic.image}:
            raise IlRosError('the images of the contract are stored on it')
        topic = recorded_topic(types[0], optional=True)
        self._planned[name] = topic
        if name not in self._subscriptions.topics:  # the clock is listened to already
            self._subscriptions.add(name, topic.type)
