"""Takes `/tf` and `/tf_static` into a tf2 buffer, and keeps what the buffer cannot tell."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from geometry_msgs.msg import TransformStamped
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

from il_ros.core.errors import IlRosError, printable
from il_ros.core.frames import NS
from il_ros.ros.message_conversion import to_ns
from il_ros.ros.message_origins import MessageOrigins
from il_ros.ros.publisher_watch import publishers_of
from il_ros.ros.raw_callback import RawCallback, publisher_of

MOST_FRAMES = 1_000
"""Names of frames that are taken; a robot has tens."""

LONGEST_NAME = 256
"""Characters of a frame's name."""

_CACHE = 10 * NS  # ns that a tf2 buffer looks back by default
_TOPICS = ('/tf', '/tf_static')


class TfListener:
    """As tf2_ros' TransformListener, for a node that has to be sure.

    It takes a bounded number of frames, knows whether a frame comes from two publishers, whose
    transforms tf2 would mix, and begins anew when time goes back.

    Args:
        node: Whose executor takes the messages; its remappings apply.
        buffer: A tf2_py.BufferCore.
        clock: The time that the silence of a publisher is measured on [s].
    """

    def __init__(
        self, node: Node, buffer: Any, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._node, self._buffer = node, buffer
        self._origins = MessageOrigins((), clock)
        self._names: set[str] = set()
        self._parents: dict[str, str] = {}
        self._newest: dict[str, int] = {}  # stamp of each moving frame [ns]
        self._static: dict[str, TransformStamped] = {}
        for topic in _TOPICS:
            static = topic == '/tf_static'
            kept = DurabilityPolicy.TRANSIENT_LOCAL if static else DurabilityPolicy.VOLATILE
            take = RawCallback(partial(self._take, static=static))
            node.create_subscription(TFMessage, topic, take, QoSProfile(depth=100, durability=kept))
        threshold = JumpThreshold(
            min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True
        )
        self._jumps = node.get_clock().create_jump_callback(
            threshold, post_callback=lambda _: self.forget()
        )

    def require_one_publisher(self, *frames: str) -> None:
        """Refuse frames that hang on one that comes from two publishers.

        Raises:
            IlRosError: Naming the frame and the nodes.
        """
        for frame in self._hanging_on(frames):
            if self._origins.rivals(frame):
                self._settle(frame)

    def forget(self) -> None:
        """Drop all moving transforms: they are of another time."""
        self._buffer.clear()
        self._newest.clear()

    def _take(self, message: TFMessage, info: Any, *, static: bool) -> None:
        publisher = publisher_of(info)
        for transform in message.transforms:
            for named, field in ((transform, 'child_frame_id'), (transform.header, 'frame_id')):
                setattr(named, field, getattr(named, field).removeprefix('/'))  # as tf2 does
            if (static or self._is_stamped(transform)) and self._fits(transform):
                self._keep(transform, publisher, static=static)

    def _is_stamped(self, transform: TransformStamped) -> bool:
        """Whether a moving transform has a time; without one, tf2's answer looks like a fixed one.

        Then nobody could tell how old it is.
        """
        if to_ns(transform.header.stamp) > 0:
            return True
        self._node.get_logger().error(
            f'a transform to {printable(transform.child_frame_id, 80)!r} is left out: it has no '
            'stamp, and is not on /tf_static',
            throttle_duration_sec=5.0,
        )
        return False

    def _fits(self, transform: TransformStamped) -> bool:
        """Whether its names are known, or there is room for them."""
        fresh = {transform.child_frame_id, transform.header.frame_id} - self._names
        if not fresh:
            return True
        if len(self._names) + len(fresh) > MOST_FRAMES or len(max(fresh, key=len)) > LONGEST_NAME:
            self._node.get_logger().error(
                f'a transform to {printable(transform.child_frame_id, 80)!r} is left out: at most '
                f'{MOST_FRAMES} frames with names of up to {LONGEST_NAME} characters are taken',
                throttle_duration_sec=5.0,
            )
            return False
        self._names |= fresh
        return True

    def _keep(self, transform: TransformStamped, publisher: bytes, *, static: bool) -> None:
        child, stamp = transform.child_frame_id, to_ns(transform.header.stamp)
        same = static and _same(transform, self._static.get(child))
        if not same:  # two nodes may both know where a camera is fixed
            self._origins.watch(child)
            self._origins.hear((child,), publisher)
        self._parents[child] = transform.header.frame_id
        if static:
            self._static[child] = transform
            self._buffer.set_transform_static(transform, '')
            return
        self._static.pop(child, None)
        if stamp < self._newest.get(child, 0) - _CACHE:  # tf2 would wait until time has caught up
            self.forget()
        self._newest[child] = max(stamp, self._newest.get(child, 0))
        self._buffer.set_transform(transform, '')

    def _hanging_on(self, frames: tuple[str, ...]) -> Iterator[str]:
        """These frames and all that lie between them and the root of their tree."""
        seen: set[str] = set()
        for first in frames:
            frame = first
            while frame in self._parents and frame not in seen:
                seen.add(frame)
                yield frame
                frame = self._parents[frame]

    def _settle(self, frame: str) -> None:
        moving, static = (publishers_of(self._node, topic) for topic in _TOPICS)
        present = moving | static
        self._origins.settle(frame, present)
        rivals = self._origins.rivals(frame)
        if rivals:
            names = sorted(present.get(gid, 'one that is gone') for gid in rivals)
            raise IlRosError(
                f'{printable(frame, 80)!r} comes from {len(rivals)} publishers of /tf '
                f'({", ".join(names)}), it may come from one'
            )


def _same(transform: TransformStamped, known: TransformStamped | None) -> bool:
    if known is None or known.header.frame_id != transform.header.frame_id:
        return False
    return bool(known.transform == transform.transform)
