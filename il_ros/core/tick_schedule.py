"""Which samples of the contract's clock stream pace a tick, and how often ticks really come."""

from __future__ import annotations

from collections import deque
from math import nan

from il_ros.core.cdr import NS

RATE_ERROR = 0.05
"""How far the rate of ticks may be from the contract's before the arm must not move [fraction]."""

# A driver whose own clock is off by no more than this sets the pace; the schedule follows it.
# Otherwise one of its samples would fall between two ticks every few seconds.
_FOLLOWED = 0.003
_FOLLOW_GAIN = 0.1  # share of a tick's lateness by which the next one is put off
_REAL_GAP = 1.5  # periods by which a tick is late from which the schedule begins anew
_CLOSEST = 0.45  # periods between two ticks, at least
_SPACINGS = 64  # newest samples from which the spacing of the stream is known
# Across a pause, as when a simulation is reset, no rate is measured.
_PAUSE = 0.2  # s
# Intervals between ticks that the measured rate is a mean of: at least, and those of how many
# seconds. A machine that pauses for 50 ms has lost five ticks at 100 Hz, and one at 20 Hz.
_LEAST_INTERVALS, _LEAST_TIME, _MOST_TIME = 40, 2.0, 5.0


class TickSchedule:
    """A schedule without drift, and what comes of it.

    Ticks are due on a grid of the contract's period. The sample nearest to a due time paces the
    tick; which one is nearest is known from the spacing that the samples have. A tick that is late,
    because a sample was lost, does not put off the ones after it.

    Without loss and jitter two ticks are at most the period and a spacing of the samples apart,
    less than two periods for any driver as fast as the contract, and at least the period less a
    spacing. They are never closer than 0.45 periods.

    Args:
        rate: The contract's [Hz].
    """

    def __init__(self, rate: float) -> None:
        self._rate, self._period = rate, round(NS / rate)
        self._least = max(_LEAST_INTERVALS, round(_LEAST_TIME * rate))
        self._most = round(self._least * _MOST_TIME / _LEAST_TIME)
        self.reset()

    def reset(self) -> None:
        """Begin anew, as at the beginning of an episode."""
        self._due: int | None = None
        self._sample = self._tick = 0
        self._spacings: deque[int] = deque(maxlen=_SPACINGS)
        self._intervals: deque[int] = deque(maxlen=self._most)
        self._problem: str | None = ''

    def take(self, stamp: int) -> bool:
        """Take the stamp of a sample [ns], later than all before; say whether it paces a tick."""
        if self._due is None:
            self._sample = self._tick = stamp
            self._due = stamp + self._period
            return True
        self._spacings.append(stamp - self._sample)
        self._sample = stamp
        period, early = self._period, self._due - stamp
        if early > period / 2 or stamp - self._tick < _CLOSEST * period:
            return False  # whatever the spacing of the samples is
        spacing = self._spacing()
        if early > spacing / 2 or stamp - self._tick < period - 1.25 * spacing:
            return False
        self._advance(stamp, self._due)
        return True

    def _advance(self, stamp: int, due: int) -> None:
        period, late, interval = self._period, stamp - due, stamp - self._tick
        self._tick = stamp
        if late > _REAL_GAP * period:
            self._due = stamp + period
            self._spacings.clear()
        else:
            most = _FOLLOWED * period
            self._due = due + period + round(min(max(_FOLLOW_GAIN * late, -most), most))
        pause = max(_PAUSE * NS, 2.2 * period)
        if self._intervals and (interval > pause) != (self._intervals[-1] > pause):
            self._intervals.clear()  # the rate before says nothing of the rate now
        self._intervals.append(interval)
        self._problem = None

    def _spacing(self) -> int:
        """The spacing that the stream has for most of the time: of bursts, that of the bursts."""
        passed, half = 0, sum(self._spacings) / 2
        for spacing in sorted(self._spacings):
            passed += spacing
            if passed >= half:
                break
        return spacing

    @property
    def rate(self) -> float:
        """Mean rate of the newest ticks [Hz]; NaN until there are enough of them."""
        return self._mean_rate(list(self._intervals))

    @property
    def problem(self) -> str:
        """Why the arm must not move at this rate; empty while it is right or not known.

        Ticks are never too many. They are too few where the rate is too low even without the
        longest two or three intervals: a few lost samples are no slow driver.
        """
        if self._problem is None:  # it is asked for more often than there are ticks
            self._problem = self._find_problem()
        return self._problem

    def _find_problem(self) -> str:
        least, intervals = (1.0 - RATE_ERROR) * self._rate, list(self._intervals)
        if not self._mean_rate(intervals) < least:
            return ''  # without the longest the rate is higher still
        intervals.sort()
        rate = self._mean_rate(intervals[: -1 - len(intervals) // _LEAST_INTERVALS])
        if not rate < least:
            return ''
        return (
            f'ticks come at {rate:.2f} Hz, the contract says {self._rate:g} Hz '
            f'(within {RATE_ERROR:.0%} allowed): samples of its clock stream come too rarely'
        )

    def _mean_rate(self, intervals: list[int]) -> float:
        known = len(intervals) >= self._least - 1 - self._least // _LEAST_INTERVALS
        return NS * len(intervals) / sum(intervals) if known else nan
