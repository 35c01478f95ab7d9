"""When what comes at a rate is due, by the stamps of what there is to send."""

from __future__ import annotations

from il_ros.core.frames import NS


class Beat:
    """Says when a message is due that comes `rate` times a second; 0 for never."""

    def __init__(self, rate: float) -> None:
        self._period = round(NS / rate) if rate > 0.0 else 0
        self._due = 0

    def __call__(self, stamp: int) -> bool:
        """Whether one is due at `stamp` [ns]; then the next one is a period later."""
        if not self._period or stamp < self._due:
            return False
        late = stamp - self._due
        self._due = stamp + self._period if late > self._period else self._due + self._period
        return True
