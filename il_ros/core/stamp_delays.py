"""How header stamps lie against the moments of receipt: clocks that differ, jitter, drift."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise

import numpy as np

from il_ros.core.cdr import NS

_BUCKET = NS  # of receipt times that share one extreme
_KEPT = 60  # buckets that the drift is measured over
_FEWEST = 10  # of them for a drift
_SURE = 5.0  # standard errors that a drift has to be away from zero
_COUNTS = 0.002  # s that it has to have made


class StampDelays:
    """Delays between the header stamps of one topic and their receipt, of the last seconds.

    A delay is what the way takes plus what the receiver's clock is ahead of the sender's. The way
    takes no negative time and seldom the least possible, so the least delay of a while stands for
    the difference of the clocks (Mills 1991, the clock filter of NTP), and its change for a drift.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget every delay."""
        self._turn = 0
        self._low, self._high, self._count = math.inf, -math.inf, 0
        self._past: deque[tuple[int, float, float, int]] = deque(maxlen=_KEPT)

    def add(self, stamp: int, received: int) -> None:
        """Take in one message, stamped and received at these times [ns], each on its own clock."""
        if not 0 <= self._turn - received <= 2 * _BUCKET:
            self._begin_bucket(received)
        delay = received - stamp
        self._count += 1
        self._low, self._high = min(self._low, delay), max(self._high, delay)

    def _begin_bucket(self, received: int) -> None:
        if received < self._turn:  # the receiver's clock went back
            self.reset()
        if self._count:
            self._past.append((self._turn, self._low, self._high, self._count))
        self._turn = received + _BUCKET
        self._low, self._high, self._count = math.inf, -math.inf, 0

    @property
    def count(self) -> int:
        """Messages that `least` and `largest` are of: those of the last one to two seconds."""
        return self._count + (self._past[-1][3] if self._past else 0)

    @property
    def least(self) -> float:
        """The least delay [s]; infinite before the first message."""
        return min(self._low, self._past[-1][1] if self._past else math.inf) / NS

    @property
    def largest(self) -> float:
        """The largest delay [s]; minus infinite before the first message."""
        return max(self._high, self._past[-1][2] if self._past else -math.inf) / NS

    @property
    def ahead(self) -> float:
        """By how much stamps were ahead of their receipt in two buckets in a row [s].

        One that is ahead in each is enough, since no way takes negative time; one bucket alone may
        be a bad stamp. Of the last three, so that it does not end with each bucket that begins.
        Until there are two whole ones, every message has to be ahead; minus infinite before the
        first.
        """
        if len(self._past) < 2:
            return -self.largest if self.count else -math.inf
        lows = [self._past[-2][1], self._past[-1][1], self._low]
        return max(-max(pair) for pair in pairwise(lows)) / NS

    @property
    def drift(self) -> float:
        """By how much the sender's clock goes faster than ours [s per s]; 0 when that is unsure.

        The slope of the least delays of each second, once it is five standard errors away from
        zero and has made 2 ms: a few tens of parts per million are seen within a minute.
        """
        if len(self._past) < _FEWEST:
            return 0.0
        times = np.array([turn for turn, *_ in self._past], dtype=float) / NS
        lows = np.array([low for _, low, *_ in self._past]) / NS
        times -= times.mean()
        spread = float(times @ times)
        slope = float(times @ lows) / spread
        rest = lows - lows.mean() - slope * times
        error = math.sqrt(float(rest @ rest) / (len(lows) - 2) / spread)
        made = abs(slope) * float(times[-1] - times[0])
        return -slope if abs(slope) > _SURE * error and made > _COUNTS else 0.0
