"""Which part of a plan the next set-point is, by when the one before it was sent."""

from __future__ import annotations

_NOTHING = 1e-3  # s that ticks may be off without any change


class SetpointPace:
    """Sends a plan no faster than time passes between two set-points.

    A set-point is good for one period from when it is sent, and not from when it was planned: what
    was sent cannot be taken back, so the next plan leaves the one before at the end of that period,
    and what is sent next lies on it as much later as time has passed since. Then two set-points
    that fall together are as near each other, in position and in speed, as the plan is within that
    time.

    A controller of positions waits at the last one for the next. So the plan waits as well: it goes
    on from there, and never leaves anything out. One of velocities goes on with the last one
    for a while, and the plan goes on as well.

    Args:
        period: Control period [s].
        longest: Silence after which nothing counts that was sent before [s].
        waits: Whether the controller waits where it was sent.
    """

    def __init__(self, period: float, longest: float, *, waits: bool) -> None:
        self._period, self._longest, self._waits = period, longest, waits
        self.clear()

    def clear(self) -> None:
        """Nothing that was sent counts any more."""
        self._sent: float | None = None  # when
        self._end = 0.0  # time of the plan up to which it was sent

    def prepare(self, now: float) -> tuple[float, float]:
        """Before a plan is made at `now` [s].

        Returns:
            How much later the plan in hand goes on [s], and how long after `now` the next one
            leaves it [s].
        """
        if self._sent is None or not 0.0 <= now - self._sent <= self._longest:
            self.clear()
            return 0.0, 0.0
        due = self._sent + self._period
        wait = max(due, now) - self._end if self._waits else 0.0
        wait = wait if wait > _NOTHING else 0.0
        self._end += wait
        lead = due - now
        return wait, lead if lead > _NOTHING else 0.0

    def begin(self, now: float, begin: float) -> float:
        """When the period of a set-point that leaves at `now` [s] begins, by the plan's time [s].

        Args:
            now: The present [s].
            begin: When its plan leaves the one before [s].
        """
        if self._sent is None:
            return begin if self._waits else max(begin, now)
        passed = max(now - self._sent, 0.0)
        return self._end - self._period + (min(passed, self._period) if self._waits else passed)

    def sent(self, now: float, begin: float) -> None:
        """The set-point of the period from `begin` [s, the plan's time] on left at `now` [s]."""
        self._sent, self._end = now, begin + self._period
