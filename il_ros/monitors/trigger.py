"""N-of-M trigger: one strange tick is noise, several in a row are a finding."""

from __future__ import annotations

from collections import deque


class Trigger:
    """Fires when at least `count` of the last `window` ticks were exceeded.

    Args:
        count: N, at least 1.
        window: M, at least N.

    Raises:
        ValueError: If the two do not fit together.
    """

    def __init__(self, count: int, window: int) -> None:
        if not 1 <= count <= window:
            raise ValueError(f'count {count} must be in 1..{window} (window)')
        self._count = count
        self._recent: deque[bool] = deque(maxlen=window)

    def push(self, exceeded: bool) -> bool:
        """Take one tick in and say whether the trigger fires."""
        self._recent.append(exceeded)
        return sum(self._recent) >= self._count

    def reset(self) -> None:
        """Forget every tick."""
        self._recent.clear()
