"""Sensors that have stopped measuring, though their messages go on."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from il_ros.core.limits import Array
from il_ros.monitors.checks import Fault


class FrozenWatch:
    """Notices what has the same digits for a while, though it has to change.

    A real sensor has noise, and a simulated one changes when what it measures does. So measured
    joints that repeat exactly while they are commanded to move, and streams that follow the arm
    (`Stream.follows_arm`) and repeat exactly while the joints move, have stopped measuring. At
    rest everything may repeat, and while nothing is commanded nothing is judged.

    Args:
        window: Frames, at least 2, that repeat before it is a fault.
        least: Motion within the window that counts as moving [rad or m].
        moves: Which of the N joints move the arm, (N,); all by default. A gripper stands still
            when it holds something, and moves while the tool stands still.
    """

    def __init__(self, window: int, least: float, moves: NDArray[np.bool_] | None = None) -> None:
        self._least = least
        self._moving = slice(None) if moves is None else moves
        self._commanded: deque[Array] = deque(maxlen=max(window, 2))
        self._joints: deque[Array] = deque(maxlen=max(window, 2))
        self._streams: dict[str, deque[Array]] = {}

    def reset(self) -> None:
        """Forget earlier frames."""
        self._commanded.clear()
        self._joints.clear()
        self._streams.clear()

    def look(
        self, position: Array, commanded: Array | None, streams: Mapping[str, Array]
    ) -> Fault | None:
        """Take in one frame.

        Args:
            position: Measured joint positions, shape (N,) [rad or m].
            commanded: Where they were commanded to be at the frame's time, (N,); None where
                nothing is commanded, and then all is forgotten.
            streams: Values of the streams that follow the arm, by key.
        """
        if commanded is None:
            self.reset()
            return None
        self._commanded.append(commanded[self._moving])
        self._joints.append(position[self._moving])
        for key, value in streams.items():
            self._streams.setdefault(key, deque(maxlen=self._joints.maxlen)).append(value)
        seconds = f'for {self._joints.maxlen} frames'
        if self._moves(self._commanded) and _repeats(self._joints):
            same = f'measured joint position: no digit has changed {seconds}'
            return Fault('frozen', f'{same}, but it is commanded to')
        if self._moves(self._joints):
            for key, values in self._streams.items():
                if len(values) == values.maxlen and _repeats(values):
                    text = f'{key}: no digit has changed {seconds}, but the joints have moved'
                    return Fault('frozen', text)
        return None

    def _moves(self, positions: deque[Array]) -> bool:
        """Whether there was motion all along the window, not only at its end."""
        if len(positions) < (positions.maxlen or 0):
            return False
        middle = positions[len(positions) // 2]
        first = float(np.max(np.abs(middle - positions[0])))
        second = float(np.max(np.abs(positions[-1] - middle)))
        return min(first, second) > self._least / 2


def _repeats(values: deque[Array]) -> bool:
    return all(np.array_equal(values[0], value) for value in values)
