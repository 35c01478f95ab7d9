"""Conformal thresholds of one score or several: what the monitor compares scores with."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from math import ceil, inf, isclose, isfinite, isnan, nan
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array

LONGEST = 100_000
"""Most ticks of an episode or a window: over an hour at 20 Hz, a slip beyond that."""

_FEW, _FAR = 10, 1.5  # one episode in so many is few; so many times above the next is far


class CalibrationError(IlRosError):
    """A threshold cannot be calibrated from what was given."""


class ScoreWindow:
    """Running mean of the last scores; calibration and monitor smooth with this same object.

    A score that is not finite is given back as it is, and left out of the means that follow.

    Args:
        size: How many scores the mean spans; at the start of an episode fewer.
    """

    def __init__(self, size: int) -> None:
        self._scores: deque[float] = deque(maxlen=size)

    def push(self, score: float) -> float:
        """Take one more score in and return the mean."""
        self._scores.append(score)
        if not isfinite(score):
            return score
        known = [value for value in self._scores if isfinite(value)]
        return sum(known) / len(known)

    def reset(self) -> None:
        """Forget every score."""
        self._scores.clear()


@dataclass(frozen=True, kw_only=True)
class ConformalThresholds:
    """Where each of K scores is out of distribution, at every tick, on one scale.

    A score counts as ``z = (value - loc) / scale``, and the policy stops where the mean of z over
    the scores is above `stop`, the same number for all ticks. The ratio ``1 + (z - stop) / |stop|``
    is z / stop where that is positive, 1 exactly at the threshold, and grows with z whatever the
    sign; the mean of the scores' ratios is the ratio of their mean (see `mean_ratio`).

    Attributes:
        loc: Where each score usually is, shape (K, T); T is 1 where it is the same all along, and
            the last column holds for all ticks beyond.
        scale: How far above it the score usually goes, in its own unit, shape (K, T), positive.
        begin: How much each score has seen before it has to be a number, shape (K,).
        stop: Where the policy stops, in units of `scale` above `loc`.
        warn: Where it begins to warn, as a ratio, at most 1.
        maxima: Nonconformity values of the episodes that `stop` is of, in the unit of `stop`.

    Raises:
        CalibrationError: If a number is not finite, or a scale not positive: nothing would ever be
            above such a threshold.
    """

    loc: Array
    scale: Array
    begin: tuple[int, ...]
    stop: float
    warn: float
    maxima: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        numbers = (self.loc, self.scale, self.stop, self.warn)
        fine = all(np.isfinite(each).all() for each in numbers) and (self.scale > 0).all()
        if not fine or self.warn > 1 or not self.loc.size:
            raise CalibrationError(
                f'stop {self.stop}, warn {self.warn}, loc {self.loc.shape}, scale '
                f'{self.scale.shape} from {np.min(self.scale, initial=inf):g}',
                where='thresholds',
                allowed='finite numbers, positive scales, warn at most 1',
                fix='calibrate the policy again',
            )

    def ratios(
        self,
        values: Array,
        tick: int,
        *,
        counts: NDArray[np.int64] | None = None,
        missing: float = inf,
    ) -> Array:
        """How anomalous each of `values` (K,) is at this tick, counted from 0; shape (K,).

        Args:
            values: Averaged scores.
            tick: Ticks since the beginning.
            counts: How much each score has seen before, shape (K,); `tick` by default.
            missing: What counts for a score that is no finite number though it should be; one
                that is not known yet is NaN.
        """
        loc, scale = self._columns(tick)
        known = 1.0 + ((values - loc) / scale - self.stop) / ratio_unit(self.stop)
        seen = tick if counts is None else counts
        late = np.where(np.less_equal(self.begin, seen), missing, nan)
        return np.where(np.isfinite(values), known, late)

    def at(self, tick: int, ratio: float = 1.0) -> Array:
        """The values that have this ratio at this tick, in the scores' own units, shape (K,)."""
        loc, scale = self._columns(tick)
        return np.asarray(loc + (self.stop + (ratio - 1.0) * ratio_unit(self.stop)) * scale)

    def anywhere(self) -> ConformalThresholds:
        """The same for a tick that may be anywhere in an episode: the largest of all thresholds.

        Where a policy goes on after a correction, its ticks since then say nothing
        about how far the task is.
        """
        unit = ratio_unit(self.stop)
        top = (self.loc + self.stop * self.scale).max(axis=1, keepdims=True)
        height = self.stop + (self.warn - 1.0) * unit
        near = (self.loc + height * self.scale).max(axis=1, keepdims=True)
        # The scale that puts the warning, too, where it is largest.
        scale = self.scale.max(axis=1, keepdims=True)
        if self.warn < 1.0:
            scale = np.maximum((top - near) / ((1.0 - self.warn) * unit), 1e-9 * scale)
        return replace(self, loc=top - self.stop * scale, scale=scale)

    def _columns(self, tick: int) -> tuple[Array, Array]:
        column = min(max(tick, 0), self.loc.shape[1] - 1)
        return self.loc[:, column], self.scale[:, column]


def ranked(maxima: Sequence[float], alpha: float) -> float:
    """The maximum of rank ``ceil((n + 1) (1 - alpha))`` among n; the largest where n is too few."""
    rank = ceil((len(maxima) + 1) * (1 - alpha) - 1e-9)  # the product may round up past an integer
    return float(sorted(maxima)[min(rank, len(maxima)) - 1])


def warn_ratio(warn: float, stop: float) -> float:
    """The threshold `warn` as a ratio of `stop`, at most 1."""
    return min(1.0, 1.0 + (warn - stop) / ratio_unit(stop))


def ratio_unit(stop: float) -> float:
    """What one unit of a ratio is, in units of the scale: `stop`, but never nothing."""
    return abs(stop) if abs(stop) > 1e-9 else 1.0


def mean_ratio(ratios: Array) -> float:
    """The mean of these ratios, as far as they are known; NaN where none is.

    What only one score sees has to be more anomalous, and what several see a little of
    counts: the noise of scores of different kinds is averaged out.
    """
    known = [ratio for ratio in ratios.tolist() if not isnan(ratio)]  # quicker than numpy
    return sum(known) / len(known) if known else nan


@dataclass(frozen=True, kw_only=True)
class CalibrationRecord:
    """Where the averaged scores of a policy are out of distribution, by split conformal prediction.

    Attributes:
        rule: How scores are taken together; thresholds of another rule would mean something else.
        stop, warn, loc, scale, begin, maxima: Those of `ConformalThresholds`, K rows of T ticks.
        alpha: Largest rate of nominal episodes with a false alarm.
        warn_alpha: Largest rate of nominal episodes with a warning.
        window: Ticks that the scores are averaged over.
        varying: Whether the thresholds follow the course of an episode.
        longest: Frames of the longest calibration episode.
        episodes: Ids of all calibration episodes.
        seeds: Their seeds, where they have any.
        source: What they were: held-out `demonstrations`, or `rollouts` of the policy.
        policy_id: Identity of the policy that the thresholds are for.
        data_hash: Hash of the dataset of these episodes (hex); empty in bundles of before it was
            kept.

    Raises:
        ValueError: If these cannot have come out of a calibration.
    """

    rule: Literal['mean']
    stop: float
    warn: float
    loc: tuple[tuple[float, ...], ...]
    scale: tuple[tuple[float, ...], ...]
    begin: tuple[int, ...]
    alpha: float
    warn_alpha: float
    window: int
    varying: bool
    maxima: tuple[float, ...]
    longest: int
    episodes: tuple[str, ...]
    seeds: tuple[int, ...]
    source: str
    policy_id: str
    data_hash: str = ''

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= self.warn_alpha < 1:
            raise ValueError(f'alpha {self.alpha} and warn_alpha {self.warn_alpha}')
        if not all(0 <= tick < self.longest for tick in self.begin):
            raise ValueError(f'begin {self.begin}, of at most {self.longest} frames')
        if not all(map(isfinite, self.maxima)) or len(self.maxima) > len(self.episodes):
            raise ValueError(f'maxima {self.maxima} of {len(self.episodes)} episodes')

    def require_calibrated(self) -> None:
        """Refuse numbers that no calibration of these episodes gives.

        `stop` and `warn` are values that calibration episodes reached, so a threshold that no score
        could reach is none of them; and nothing spans more ticks than the longest episode.

        Raises:
            CalibrationError: With the number, and what it has to be.
        """
        ticks = max((len(row) for row in (*self.loc, *self.scale)), default=0)
        most = self.longest if self.varying else 1
        _require(1 <= self.longest <= LONGEST, 'longest', self.longest, f'1 to {LONGEST}')
        _require(1 <= self.window <= self.longest, 'window', self.window, f'1 to {self.longest}')
        _require(1 <= ticks <= most, 'ticks of loc and scale', ticks, f'1 to {most}')
        fewest = ceil(1 / self.alpha - 1e-9) - 1
        _require(len(self.maxima) >= fewest > 0, 'maxima', len(self.maxima), f'{fewest} or more')
        stop = ranked(self.maxima, self.alpha)
        warn = warn_ratio(ranked(self.maxima, self.warn_alpha), stop)
        _require(isclose(self.stop, stop), 'stop', self.stop, f'{stop:.6g}, by its maxima')
        close = isclose(self.warn, warn, abs_tol=1e-9)
        _require(close, 'warn', self.warn, f'{warn:.6g}, by its maxima')

    @property
    def thresholds(self) -> ConformalThresholds:
        """The same as arrays, for the monitor."""
        return ConformalThresholds(
            loc=np.array(self.loc),
            scale=np.array(self.scale),
            begin=self.begin,
            stop=self.stop,
            warn=self.warn,
            maxima=self.maxima,
        )

    @property
    def odd(self) -> tuple[tuple[str, ...], float]:
        """The few episodes that set the thresholds, and how many times higher than the others.

        With few episodes `stop` is about the largest value of all, and one or two episodes in which
        the policy had to try again hide every failure that is less anomalous than they were. No
        episodes and 1 where there are no such few.
        """
        spent = len(self.episodes) - len(self.maxima)
        ranked = sorted(zip(self.maxima, self.episodes[spent:], strict=True), reverse=True)
        most = max(1, len(ranked) // _FEW)
        for few, ((least, _), (below, _)) in enumerate(islice(pairwise(ranked), most), start=1):
            if self.stop >= least > _FAR * below > 0:
                return tuple(name for _, name in ranked[:few]), self.stop / below
        return (), 1.0


def _require(fine: bool, what: str, value: float, allowed: str) -> None:
    if not fine:
        raise CalibrationError(f'{what} {str(value)[:24]}', where='thresholds', allowed=allowed)
