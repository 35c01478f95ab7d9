"""The live end of the frame builder: subscriptions in, frames out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from il_ros.core.cdr import header_stamp
from il_ros.core.contract import Contract
from il_ros.core.decoders import decoder_for
from il_ros.core.errors import IlRosError
from il_ros.core.frames import Frame, FrameBuilder, describe_invalid
from il_ros.ros.messages import message_type
from il_ros.ros.qos import LATCHED, SENSOR_IN


class FrameSource:
    """Subscribes once to each topic of a contract and calls back with every frame.

    Args:
        node: The node that owns the subscriptions.
        contract: What the topics mean.
        on_frame: Called with each frame, in the executor's thread.
        keys: Which observations; the contract's ordinary ones by default.
    """

    def __init__(
        self,
        node: Node,
        contract: Contract,
        on_frame: Callable[[Frame], None],
        keys: Iterable[str] | None = None,
    ) -> None:
        self.builder = FrameBuilder(contract, keys)
        self._node, self._contract, self._on_frame = node, contract, on_frame
        for topic, group in contract.by_topic(self.builder.keys).items():
            streams = [contract.streams[key] for key in group]
            node.create_subscription(
                message_type(streams[0].type),
                topic,
                self._receiver(group),
                LATCHED if any(stream.latched for stream in streams) else SENSOR_IN,
                # The contract's decoders read the bytes, as they do from a bag.
                raw=True,
            )
        self._timer = node.create_timer(
            contract.grace / 2, self._poll, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._timer.cancel()

    def invalid(self, frame: Frame) -> list[str]:
        """One sentence for each required stream that is not valid in `frame`."""
        return describe_invalid(self._contract, frame, self.builder.rejected)

    def _receiver(self, keys: list[str]) -> Callable[[bytes], None]:
        def receive(data: bytes) -> None:
            received = self._node.get_clock().now().nanoseconds
            for key in keys:
                self._take(key, data, received)

        return receive

    def _take(self, key: str, data: bytes, received: int) -> None:
        stream = self._contract.streams[key]
        decoder = decoder_for(stream.type)
        try:
            value = decoder.decode(data, stream.fields, stream.names)
            header = header_stamp(data) if decoder.stamped else received
        except IlRosError as problem:
            self.builder.rejected[key] = str(problem)
            self._node.get_logger().error(
                f'{key} ({stream.topic}): {problem}', throttle_duration_sec=5.0
            )
            return
        now = time.monotonic_ns()
        self._deliver(self.builder.add(key, value, header=header, receive=received, now=now))

    def _poll(self) -> None:
        self._deliver(self.builder.poll(time.monotonic_ns()))

    def _deliver(self, frames: list[Frame]) -> None:
        for frame in frames:
            self._on_frame(frame)
        if self.builder.waiting and self._timer.is_canceled():
            self._timer.reset()
        elif not self.builder.waiting and not self._timer.is_canceled():
            self._timer.cancel()
