"""Rates of topics between two readings of their counts, and how late a source's chunks come."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from math import nan

import numpy as np


class Rates:
    """Turns counts that only grow into rates."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._at = time.monotonic()

    def clear(self) -> None:
        """Begin anew, because the counts do."""
        self._counts, self._at = {}, time.monotonic()

    def update(self, counts: Mapping[str, int]) -> dict[str, str]:
        """Rate of each topic since the last look [Hz], in words."""
        now = time.monotonic()
        span = max(now - self._at, 1e-3)
        rates = {
            name: f'{(count - self._counts.get(name, 0)) / span:.1f}'
            for name, count in counts.items()
        }
        self._counts, self._at = dict(counts), now
        return rates


class Latency:
    """A high quantile of the last delays; the first ones after a start do not count.

    The first answers of a network take many times longer than all others (caches, allocators,
    just-in-time compilation), and would otherwise rule the figure for a long time.

    Args:
        window: Delays that are looked at.
        cold: Delays at the start that are left out.
        quantile: Which one, 0 to 1.
    """

    def __init__(self, window: int = 200, cold: int = 5, quantile: float = 0.95) -> None:
        self._delays: deque[float] = deque(maxlen=window)
        self._cold, self._left, self._quantile = cold, cold, quantile

    def add(self, delay: float) -> None:
        """Take in one delay [s]."""
        if self._left:
            self._left -= 1
            return
        self._delays.append(delay)

    def reset(self) -> None:
        """Begin anew, as after another policy was loaded."""
        self._delays.clear()
        self._left = self._cold

    @property
    def value(self) -> float:
        """The quantile [s]; NaN as long as there is nothing to tell."""
        return float(np.quantile(self._delays, self._quantile)) if self._delays else nan
