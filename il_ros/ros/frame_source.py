"""The live end of the frame builder: subscriptions in, frames out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
from rclpy.node import Node

from il_ros.core.contract import Contract
from il_ros.core.decoders import OtherJointsError
from il_ros.core.errors import FrameIdError
from il_ros.core.frames import Frame, FrameBuilder, TopicDecoder, describe_invalid
from il_ros.core.limits import Array
from il_ros.core.stamp_delays import StampDelays
from il_ros.ros.diagnostics import Heard
from il_ros.ros.managed_node import steady_timer
from il_ros.ros.message_types import message_type
from il_ros.ros.qos import EVERY_SAMPLE, LATCHED, SENSOR_IN
from il_ros.ros.raw_callback import RawCallback, publisher_of, received_ns
from il_ros.ros.tf_transforms import TfTransforms

_AGAIN = 0.1  # s between two looks for a transform that is not known yet


class FrameSource:
    """Subscribes once to each topic of a contract and calls back with every frame.

    A message is received when the middleware has it, as in a bag, however late the executor comes
    to it. In simulated time, which the middleware does not know, it is when the executor takes it.

    Args:
        node: The node that owns the subscriptions.
        contract: What the topics mean.
        on_frame: Called with each frame, in the executor's thread.
        keys: Which observations; the contract's ordinary ones by default.
        on_sample: Called with each value before a frame is made of it, also with one that no frame
            will use: its key, the value, its header stamp and when it was received [ns].
        on_origin: Called with the keys that a message has values for, and its publisher's identity
            (empty where that is not known), before `on_sample`.

    Attributes:
        delays: Of each topic that is ordered by its header's stamps, from stamp to receipt.
    """

    def __init__(
        self,
        node: Node,
        contract: Contract,
        on_frame: Callable[[Frame], None],
        keys: Iterable[str] | None = None,
        *,
        on_sample: Callable[[str, Array, int, int], None] | None = None,
        on_origin: Callable[[Iterable[str], bytes], None] | None = None,
    ) -> None:
        self.builder = FrameBuilder(contract, keys)
        self._node, self._contract, self._on_frame = node, contract, on_frame
        self._on_sample, self._on_origin = on_sample, on_origin
        self._simulated = bool(node.get_parameter('use_sim_time').value)
        self.delays: dict[str, StampDelays] = {}
        self._decoders: dict[str, TopicDecoder] = {}  # by key
        self._counts: dict[str, int] = {}
        transforms = TfTransforms(node)
        profile = SENSOR_IN if on_sample is None else EVERY_SAMPLE
        for topic, group in contract.by_topic(self.builder.keys).items():
            streams = {key: contract.streams[key] for key in group}
            self._counts[topic] = 0
            if any(stream.align.time == 'header' for stream in streams.values()):
                self.delays[topic] = StampDelays()
            decoder = TopicDecoder(
                streams, contract.base_frame, transforms, continuous=contract.continuous
            )
            self._decoders.update(dict.fromkeys(group, decoder))
            node.create_subscription(
                message_type(streams[group[0]].type),
                topic,
                self._receiver(topic, decoder),
                LATCHED if any(stream.latched for stream in streams.values()) else profile,
                # The contract's decoders read the bytes, as they do from a bag.
                raw=True,
            )
        self._timer = steady_timer(node, contract.grace / 2, self._poll)
        self._timer.cancel()
        self._unplaced: dict[str, Callable[[], object]] = {}  # by topic
        steady_timer(node, _AGAIN, self._place)

    def heard(self) -> dict[str, Heard]:
        """For the diagnostics: what came on each topic that has an expected rate."""
        found = {}
        for topic, group in self._contract.by_topic(self.builder.keys).items():
            streams = [self._contract.streams[key] for key in group]
            if rate := max(stream.rate for stream in streams):
                required = any(stream.required for stream in streams)
                found[topic] = Heard(count=self._counts[topic], rate=rate, required=required)
        return found

    def said(self, keys: Iterable[str]) -> Array:
        """The newest numbers of streams as drivers say them, one after the other [rad or m].

        Of joints that turn without end; not a number where none is in a stream or none was said.
        """
        parts = [(self._decoders[key].said(key), self._contract.streams[key].size) for key in keys]
        known = [np.full(size, np.nan) if part is None else part for part, size in parts]
        return np.asarray(np.concatenate(known))

    def invalid(self, frame: Frame) -> list[str]:
        """One sentence for each required stream that is not valid in `frame`."""
        return describe_invalid(self._contract, frame, self.builder.rejected)

    def problems(self) -> list[str]:
        """Why the arm must not move whatever the frames say: ticks come too rarely.

        A `GraphWatch` of what paces the ticks.
        """
        problem = self.builder.schedule.problem
        return [problem] if problem else []

    def _receiver(self, topic: str, decoder: TopicDecoder) -> RawCallback:
        delays, shared = self.delays.get(topic), self._contract.most_publishers(topic) > 1
        heard: set[str] = set()

        def receive(data: bytes, info: Mapping[str, Any]) -> None:
            received = 0 if self._simulated else received_ns(info, 0)
            # To ask the clock costs half as much as to read the message.
            received = received or self._node.get_clock().now().nanoseconds
            self._counts[topic] += 1
            header = take(data, received, publisher_of(info))
            if delays is not None and header > 0:
                delays.add(header, received)

        def take(data: bytes, received: int, publisher: bytes) -> int:
            header, values, errors = decoder.decode(data, received)
            now = time.monotonic_ns()
            self._unplaced.pop(topic, None)
            for key, problem in errors.items():
                self._deliver(self.builder.reject(key, problem, now=now))
                if isinstance(problem, OtherJointsError) and (shared or key in heard):
                    continue  # another publisher's, or of one that sends its joints in parts
                self._node.get_logger().error(
                    f'{key} ({topic}): {problem}', throttle_duration_sec=5.0
                )
                if isinstance(problem, FrameIdError) and not self._contract.streams[key].rate:
                    self._unplaced[topic] = partial(take, data, received, publisher)
            heard.update(values)
            if self._on_origin is not None:
                self._on_origin(values, publisher)
            if self._on_sample is not None:
                for key, value in values.items():
                    self._on_sample(key, value, header, received)
            for key, value in values.items():
                frames = self.builder.add(key, value, header=header, receive=received, now=now)
                self._deliver(frames)
            return header

        return RawCallback(receive)

    def _place(self) -> None:
        """Try again what is published once, as a goal is, if its transform was not known yet."""
        for again in list(self._unplaced.values()):
            again()

    def _poll(self) -> None:
        self._deliver(self.builder.poll(time.monotonic_ns()))

    def _deliver(self, frames: list[Frame]) -> None:
        for frame in frames:
            self._on_frame(frame)
        if self.builder.waiting and self._timer.is_canceled():
            self._timer.reset()
        elif not self.builder.waiting and not self._timer.is_canceled():
            self._timer.cancel()
