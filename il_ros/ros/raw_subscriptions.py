"""Subscriptions to raw bytes, with the quality of service that the publishers offer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import DurabilityPolicy, QoSCompatibility, QoSProfile, ReliabilityPolicy
from rclpy.qos import qos_check_compatible as compatible

from il_ros.ros.background_subscriptions import BackgroundSubscriptions
from il_ros.ros.message_loss import PublisherSequences, RawSample, sample_of
from il_ros.ros.message_types import message_type
from il_ros.ros.raw_callback import RawCallback

# The history outlasts a pause of this process, of two seconds for a camera as for joints at 500 Hz.
_DEPTH = 1000
_DEPTHS = {'sensor_msgs/msg/Image': 60, 'sensor_msgs/msg/PointCloud2': 60}


@dataclass(frozen=True, kw_only=True)
class SubscriptionProfile:
    """How a topic is subscribed to.

    Attributes:
        reliable: Whether what is lost on the way is asked for again.
        latched: Whether what was published before is asked for.
    """

    reliable: bool = False
    latched: bool = False

    def profile(self, type_name: str) -> QoSProfile:
        """As rclpy takes it, for messages of a type."""
        best, kept = ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.TRANSIENT_LOCAL
        return QoSProfile(
            depth=_DEPTHS.get(type_name, _DEPTH),
            reliability=ReliabilityPolicy.RELIABLE if self.reliable else best,
            durability=kept if self.latched else DurabilityPolicy.VOLATILE,
        )

    def __str__(self) -> str:
        reliability = 'reliable' if self.reliable else 'best effort'
        return f'{reliability}, {"transient local" if self.latched else "volatile"}'


def best_match(offered: Iterable[QoSProfile]) -> SubscriptionProfile | None:
    """The most that every publisher of a topic offers; none where there is no publisher."""
    profiles = list(offered)
    if not profiles:
        return None
    latched = all(p.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in profiles)
    reliable = all(p.reliability == ReliabilityPolicy.RELIABLE for p in profiles)
    return SubscriptionProfile(reliable=reliable, latched=latched and reliable)


class SubscribedTopic:
    """One topic that is listened to.

    Attributes:
        name: Absolute name.
        type: Its ROS message type.
        wanted: How it is subscribed to.
        publishers: How many it had when last looked.
        fixed: Whether the contract says how to subscribe to it.
        handles: Its subscriptions, the newest last.
        sequences: What is known of its publishers' sequence numbers.
    """

    def __init__(self, name: str, type_name: str, *, latched: bool = False) -> None:
        self.name, self.type = name, type_name
        self.wanted = SubscriptionProfile(reliable=latched, latched=latched)
        self.publishers = 0
        self.fixed = latched
        self.handles: list[Any] = []
        self.sequences = PublisherSequences()


class RawSubscriptions:
    """Listens to topics; every method but `add` before the start is for the intake's thread.

    A topic is first subscribed to as any publisher matches, then as well as all its publishers
    offer. Old and new subscription overlap until the new one has its publishers, and what comes
    twice is told by its sequence number, so that nothing is lost or doubled.

    Args:
        intake: Where the callbacks run.
        sink: Takes each sample, with the number of samples missing before it; none for one that
            came before, which a latched topic gives again.
        log: Takes a line when the quality of service changes.
    """

    def __init__(
        self,
        intake: BackgroundSubscriptions,
        sink: Callable[[SubscribedTopic, RawSample, int | None], None],
        log: Callable[[str], None],
    ) -> None:
        self._intake, self._sink, self._log = intake, sink, log
        self.topics: dict[str, SubscribedTopic] = {}

    def add(self, name: str, type_name: str, *, latched: bool = False) -> None:
        """Listen to a topic.

        Raises:
            IlRosError: If its type is not installed.
        """
        topic = SubscribedTopic(name, type_name, latched=latched)
        self._subscribe(topic)
        self.topics[name] = topic

    def adapt(self) -> None:
        """Look at what is offered, and subscribe anew where more, or less, fits."""
        for topic in self.topics.values():
            offers = self.offers(topic.name)
            topic.publishers = len(offers)
            best = best_match(offer.qos_profile for offer in offers if _type(offer) == topic.type)
            if best is None or best == topic.wanted or topic.fixed:
                continue
            self._log(f'{topic.name}: {best} (was {topic.wanted}), as its publishers offer')
            topic.wanted = best
            self._subscribe(topic)

    def retire(self) -> None:
        """Drop old subscriptions once the newest of their topic has its publishers."""
        for topic in self.topics.values():
            *old, newest = topic.handles
            if old and newest.get_publisher_count():
                for handle in old:
                    self._intake.node.destroy_subscription(handle)
                topic.handles = [newest]

    def unheard(self) -> list[str]:
        """Topics some of whose publishers offer less than is asked for, and are not heard."""
        return [
            name
            for name, topic in self.topics.items()
            if any(
                _type(offer) == topic.type
                and not _matches(offer.qos_profile, topic.wanted.profile(topic.type))
                for offer in self.offers(name)
            )
        ]

    def offers(self, name: str) -> list[Any]:
        """The publishers of a topic, as rclpy describes them."""
        return list(self._intake.node.get_publishers_info_by_topic(name))

    def why_silent(self, name: str) -> str:
        """Why nothing comes on a topic, as far as the graph tells."""
        topic, offers = self.topics[name], self.offers(name)
        if not offers:
            return 'nobody publishes it'
        types = {_type(offer) for offer in offers}
        if topic.type not in types:
            return f'published, but as {", ".join(sorted(types))}, not {topic.type}'
        mine = topic.wanted.profile(topic.type)
        if not any(_matches(offer.qos_profile, mine) for offer in offers):
            return f'published, but with incompatible QoS: not {topic.wanted}'
        return 'published, but nothing came'

    def _receive(self, topic: SubscribedTopic, data: bytes, info: Mapping[str, Any]) -> None:
        sample = sample_of(topic.name, data, info, time.time_ns())
        missing = topic.sequences.missing(sample, topic.publishers)
        if missing is not None or topic.wanted.latched:
            self._sink(topic, sample, missing)

    def _subscribe(self, topic: SubscribedTopic) -> None:
        handle = self._intake.subscribe(
            message_type(topic.type),
            topic.name,
            RawCallback(partial(self._receive, topic)),
            topic.wanted.profile(topic.type),
            raw=True,
            # No message_lost among them: taking it while it happens deadlocks the process in the
            # rmw_fastrtps of Kilted (ros2/rmw_fastrtps#890). The sequence numbers tell the same.
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
        )
        topic.handles.append(handle)


def _type(offer: Any) -> str:
    return str(offer.topic_type)


def _matches(offered: QoSProfile, mine: QoSProfile) -> bool:
    return bool(compatible(offered, mine)[0] != QoSCompatibility.ERROR)
