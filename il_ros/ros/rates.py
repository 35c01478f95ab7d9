"""Rates of topics between two looks at their counts."""

from __future__ import annotations

import time
from collections.abc import Mapping


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
