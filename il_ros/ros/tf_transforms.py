"""How coordinate frames lie to one another, from tf2 where it is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.time import Time

from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS
from il_ros.core.geometry import matrix_from_quaternion
from il_ros.core.limits import Array
from il_ros.ros.message_conversion import to_ns

_LAG = NS // 10  # ns by which a transform may be older than the sample that it moves


class TfTransforms:
    """Asks tf2, and listens to it from the first question on.

    A robot whose samples are in the contract's frames needs no tf2 and pays nothing for it.

    Args:
        node: Whose executor takes `/tf` and `/tf_static`.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._buffer: Any = None

    def transform(self, target: str, source: str, stamp: int) -> Array:
        """The transform, shape (4, 4), from `source` to `target` at `stamp` [ns].

        Where tf2 does not know it yet for that time, the newest one is taken, if it is of a tenth
        of a second before or is static.

        Raises:
            IlRosError: If tf2 is not installed or knows no such transform.
        """
        try:
            import tf2_ros
        except ImportError:
            raise IlRosError('tf2_ros, which could tell, is not installed') from None
        if self._buffer is None:
            self._buffer = tf2_ros.Buffer(node=self._node)
            self._listener = tf2_ros.TransformListener(self._buffer, self._node)
        try:
            found = self._buffer.lookup_transform(target, source, Time(nanoseconds=max(stamp, 0)))
        except tf2_ros.ExtrapolationException:
            found = self._newest(tf2_ros, target, source, stamp)
        except tf2_ros.TransformException as problem:
            raise IlRosError(f'tf2 knows no transform: {problem}') from None
        return _matrix(found.transform)

    def _newest(self, tf2_ros: Any, target: str, source: str, stamp: int) -> Any:
        try:
            found = self._buffer.lookup_transform(target, source, Time())
        except tf2_ros.TransformException as problem:
            raise IlRosError(f'tf2 knows no transform: {problem}') from None
        known = to_ns(found.header.stamp)
        if known and abs(stamp - known) > _LAG:
            raise IlRosError(f'the transform that tf2 knows is {(stamp - known) / NS:.3f} s older')
        return found


def _matrix(transform: Any) -> Array:
    shift, turn = transform.translation, transform.rotation
    matrix = np.eye(4)
    matrix[:3, :3] = matrix_from_quaternion(np.array([turn.x, turn.y, turn.z, turn.w]))
    matrix[:3, 3] = shift.x, shift.y, shift.z
    return matrix
