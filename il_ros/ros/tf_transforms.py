"""How coordinate frames lie to one another, from tf2 where it is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.time import Time

from il_ros.core.errors import IlRosError, printable
from il_ros.core.frames import NS
from il_ros.core.geometry import matrix_from_quaternion
from il_ros.core.limits import Array
from il_ros.ros.message_conversion import to_ns

_LAG = NS // 10  # ns by which a transform may be older than the sample that it moves
_LONGEST_ERROR = 200  # characters of an error of tf2, which may list all frames


class TfTransforms:
    """Asks tf2, and listens to `/tf` and `/tf_static` from the first question on.

    A robot whose samples are in the contract's frames needs no tf2 and pays nothing for it.

    Args:
        node: Whose executor takes the messages.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._buffer: Any = None
        self._missing = ''  # what is not installed: to look for it again takes time

    def transform(self, target: str, source: str, stamp: int) -> Array:
        """The transform, shape (4, 4), from `source` to `target` at `stamp` [ns].

        Where tf2 does not know it yet for that time, the newest one is taken, if it is of a tenth
        of a second before or is static.

        Raises:
            IlRosError: If tf2 is not installed, knows no such transform, or has it from two
                publishers.
        """
        if self._missing:
            raise IlRosError(self._missing)
        try:
            import tf2_py

            from il_ros.ros.tf_listener import TfListener  # needs tf2_msgs
        except ImportError as missing:
            self._missing = f'{missing.name}, which could tell, is not installed'
            raise IlRosError(self._missing) from None
        if self._buffer is None:
            self._buffer = tf2_py.BufferCore()
            self._listener = TfListener(self._node, self._buffer)
        if stamp <= 0:  # to tf2 that is the newest transform, however old
            raise IlRosError('it has no stamp to look a transform up for')
        self._listener.require_one_publisher(target, source)
        try:
            found = self._found(tf2_py, target, source, stamp)
        # tf2's own, a name that no C string can be, a stamp that no time can be
        except (tf2_py.TransformException, ValueError, OverflowError) as problem:
            text = printable(str(problem), _LONGEST_ERROR)
            raise IlRosError(f'tf2 knows no transform: {text}') from None
        return _matrix(found.transform)

    def _found(self, tf2_py: Any, target: str, source: str, stamp: int) -> Any:
        try:
            return self._buffer.lookup_transform_core(target, source, Time(nanoseconds=stamp))
        except tf2_py.ExtrapolationException:
            found = self._buffer.lookup_transform_core(target, source, Time())
        known = to_ns(found.header.stamp)
        if known and not 0 <= stamp - known <= _LAG:
            late = (stamp - known) / NS
            order = f'{late:.3f} s older' if late > 0 else f'{-late:.3f} s newer'
            raise IlRosError(f'the transform that tf2 knows is {order}')
        return found


def _matrix(transform: Any) -> Array:
    shift, turn = transform.translation, transform.rotation
    matrix = np.eye(4)
    matrix[:3, :3] = matrix_from_quaternion(np.array([turn.x, turn.y, turn.z, turn.w]))
    matrix[:3, 3] = shift.x, shift.y, shift.z
    if not np.isfinite(matrix).all():
        raise IlRosError('the transform that tf2 knows is not finite')
    return matrix
