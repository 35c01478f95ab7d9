"""Split conformal thresholds for the scores of whole episodes, one or several scores at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, inf, isfinite, isnan, nan

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.monitors.scaling import levels

WARN_ALPHA = 0.1
"""Largest rate of nominal episodes with a warning, where none other is asked for."""

_SCALING = 5
"""Fewest episodes that bring several scores to one scale."""

_SCALING_VARYING = 10
"""Fewest episodes that say how scores go up and down in the course of an episode."""

_SHARE = 5
"""One episode in so many is spent on scales, where there are more than enough."""


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
        told = [value for value in self._scores if isfinite(value)]
        return sum(told) / len(told)

    def reset(self) -> None:
        """Forget every score."""
        self._scores.clear()


def episodes_needed(alpha: float, channels: int = 1, *, varying: bool = False) -> int:
    """Fewest calibration episodes that make a threshold at `alpha` possible.

    Args:
        alpha: Largest rate of episodes with a false alarm, between 0 and 1.
        channels: How many scores share it.
        varying: Whether the threshold follows the course of an episode.
    """
    return max(1, ceil(1 / alpha - 1e-9) - 1) + _scaling(channels, varying)


def threshold(maxima: Sequence[float], alpha: float) -> float:
    """The value that a new nominal episode's maximum exceeds with probability at most `alpha`.

    It is the maximum of rank ``ceil((n + 1) (1 - alpha))`` among those of n held-out episodes
    (Vovk et al. 2005; Angelopoulos & Bates 2021, section 1).

    What this promises: if the new episode and the n calibration episodes are exchangeable (same
    arm, task, policy and conditions, none used for training), the chance of a false alarm in the
    whole episode is at most `alpha`, for any score and any n. What it does not promise: the
    probability is marginal, over the draw of the calibration set too, so that one particular
    threshold may be worse (with n episodes the rate is Beta distributed); nothing holds for given
    conditions such as one start position; nothing is said about how often a real failure is
    detected; and nothing holds once the policy or the arm has changed.

    Args:
        maxima: Nonconformity value of each held-out successful episode, n of them.
        alpha: Largest rate of episodes with a false alarm, between 0 and 1.

    Raises:
        CalibrationError: If `alpha` is out of range, a maximum is not finite, or n is too small.
    """
    _check_alpha(alpha, 'alpha')
    if not np.isfinite(maxima).all():
        raise CalibrationError('a maximum is not finite', where='calibration')
    _require(len(maxima), alpha)
    rank = ceil((len(maxima) + 1) * (1 - alpha) - 1e-9)  # the product may round up past an integer
    return float(sorted(maxima)[rank - 1])


@dataclass(frozen=True, kw_only=True)
class ConformalThresholds:
    """From where each of K scores is too strange, at every tick, on one scale.

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
                where='bands',
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
        """How strange each of `values` (K,) is at this tick, counted from 0; shape (K,).

        Args:
            values: Averaged scores.
            tick: Ticks since the beginning.
            counts: How much each score has seen before, shape (K,); `tick` by default.
            missing: What counts for a score that is no finite number though it should be; one
                that cannot be told yet is NaN.
        """
        loc, scale = self._columns(tick)
        told = 1.0 + ((values - loc) / scale - self.stop) / _unit(self.stop)
        seen = tick if counts is None else counts
        late = np.where(np.less_equal(self.begin, seen), missing, nan)
        return np.where(np.isfinite(values), told, late)

    def thresholds(self, tick: int, ratio: float = 1.0) -> Array:
        """The values that have this ratio at this tick, in the scores' own units, shape (K,)."""
        loc, scale = self._columns(tick)
        return np.asarray(loc + (self.stop + (ratio - 1.0) * _unit(self.stop)) * scale)

    def anywhere(self) -> ConformalThresholds:
        """The same for a tick that may be anywhere in an episode: the largest of all thresholds.

        Where a policy goes on after somebody has corrected it, its ticks since then say nothing
        about how far the task is.
        """
        unit = _unit(self.stop)
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


def _unit(stop: float) -> float:
    return abs(stop) if abs(stop) > 1e-9 else 1.0


def mean_ratio(ratios: Array) -> float:
    """The mean of these ratios, as far as they are told; NaN where none is.

    What only one score sees has to be the stranger for it, and what several see a little of
    counts: the noise of scores of different kinds is averaged out.
    """
    told = [ratio for ratio in ratios.tolist() if not isnan(ratio)]  # quicker than numpy for a few
    return sum(told) / len(told) if told else nan


def joint_thresholds(
    traces: Sequence[Array],
    *,
    alpha: float,
    warn_alpha: float = WARN_ALPHA,
    varying: bool = False,
    names: Sequence[str] = (),
) -> ConformalThresholds:
    """One threshold for the mean of several scores.

    A first part of the episodes says where each score usually is and how far it goes above that,
    over whole episodes or (`varying`) around each tick, as the modulation of functional prediction
    bands (Diquigiovanni et al. 2022). On that scale the scores of a tick are averaged, the largest
    mean over the ticks of each other episode is its one nonconformity value, and the threshold is
    the `threshold` of these. So the chance that the mean is above it at any tick of a new nominal
    episode is at most `alpha`; no share of it is lost to there being several scores, as dividing
    `alpha` among them (Bonferroni) would. What is promised and what is not: see `threshold`. A
    single score whose threshold does not vary needs no scale, and no episode is spent on one.

    Args:
        traces: Averaged scores of successful episodes that were not trained on, each (T, K).
        alpha: Largest rate of episodes with a false alarm.
        warn_alpha: Largest rate of episodes with a warning, at least `alpha`.
        varying: Whether the thresholds follow the course of an episode, by the tick since its
            beginning; for tasks in which the same happens at the same time.
        names: Names of the scores, for messages.

    Raises:
        CalibrationError: If the episodes are too few, or a score is not a finite number from some
            tick on, or never varies.
    """
    _check_alpha(alpha, 'alpha')
    _check_alpha(warn_alpha, 'warn alpha')
    if warn_alpha < alpha:
        raise CalibrationError(
            f'warn alpha is {warn_alpha:g}', where='calibration', allowed=f'{alpha:g} or more'
        )
    begin = _beginnings(traces, names)
    channels = len(begin)
    _require(len(traces), alpha, channels, varying)
    spent = _spent(len(traces), alpha, channels, varying)
    loc: Array = np.zeros((channels, 1))
    scale: Array = np.ones((channels, 1))
    if spent:
        loc, scale = levels(traces[:spent], varying=varying)
        _require_variation(loc, scale, names)
    maxima = tuple(_maximum(loc, scale, trace) for trace in traces[spent:])
    stop, warn = threshold(maxima, alpha), threshold(maxima, warn_alpha)
    return ConformalThresholds(
        loc=loc,
        scale=scale,
        begin=begin,
        stop=stop,
        warn=min(1.0, 1.0 + (warn - stop) / _unit(stop)),
        maxima=maxima,
    )


def _check_alpha(alpha: float, name: str) -> None:
    if not 0 < alpha < 1:
        raise CalibrationError(f'{name} is {alpha}', where='calibration', allowed='0 < alpha < 1')


def _scaling(channels: int, varying: bool) -> int:
    if varying:
        return _SCALING_VARYING
    return _SCALING if channels > 1 else 0


def _spent(episodes: int, alpha: float, channels: int, varying: bool) -> int:
    """How many of the episodes are spent on scales."""
    least = _scaling(channels, varying)
    return least and max(least, min(episodes // _SHARE, episodes - episodes_needed(alpha)))


def _require(episodes: int, alpha: float, channels: int = 1, varying: bool = False) -> None:
    rank, needed = episodes_needed(alpha), episodes_needed(alpha, channels, varying=varying)
    if episodes >= needed:
        return
    parts = f': {needed - rank} for the scale of the scores, {rank} for the threshold'
    raise CalibrationError(
        f'{episodes} episodes are too few for alpha {alpha:g}',
        where='calibration',
        allowed=f'{needed} or more{parts if needed > rank else ""}',
        fix='record more held-out successful episodes or choose a larger alpha',
    )


def _beginnings(traces: Sequence[Array], names: Sequence[str]) -> tuple[int, ...]:
    """The tick from which each score is a number in every episode."""
    begin: NDArray[np.intp] = np.zeros(traces[0].shape[1] if traces else 1, dtype=np.intp)
    for trace in traces:
        told = np.isfinite(trace)
        first = told.argmax(axis=0) if len(trace) else begin
        for k, channel in enumerate(told.T):
            if not channel.any() or not channel[first[k] :].all():
                name = f'{names[k]}: ' if names else ''
                problem = 'a score that is not finite' if channel.any() else 'no score'
                raise CalibrationError(
                    f'{name}an episode has {problem}',
                    where='calibration',
                    fix='leave that episode out or record it again',
                )
        begin = np.maximum(begin, first)
    return tuple(int(tick) for tick in begin)


def _require_variation(loc: Array, scale: Array, names: Sequence[str]) -> None:
    still = ~(scale > 1e-9 * np.maximum(1.0, np.abs(loc))).all(axis=1)
    if still.any():
        k = int(np.argmax(still))
        raise CalibrationError(
            f'{names[k] if names else f"score {k}"} never varies: it has no scale',
            where='calibration',
            fix='leave that score out',
        )


def _maximum(loc: Array, scale: Array, trace: Array) -> float:
    """Largest mean of the scores over the ticks of one episode, in units of the scale."""
    columns = np.minimum(np.arange(len(trace)), loc.shape[1] - 1)
    heights = (trace - loc[:, columns].T) / scale[:, columns].T
    means = [mean_ratio(row) for row in heights]
    return float(np.nanmax(means))
