"""Split conformal prediction over whole episodes, for one score or several at once."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, inf

import numpy as np
from numpy.typing import NDArray

from il_ros.core.limits import Array
from il_ros.monitors.conformal_thresholds import (
    CalibrationError,
    ConformalThresholds,
    mean_ratio,
    ranked,
    warn_ratio,
)

WARN_ALPHA = 0.1
"""Largest rate of nominal episodes with a warning, where none other is asked for."""

_SCALING = 5  # fewest episodes that bring several scores to one scale
_SCALING_VARYING = 10  # fewest that say how scores go up and down in the course of an episode
_SHARE = 5  # one episode in so many is spent on scales, where there are more than enough
_AROUND = 10  # ticks before and behind one that a band of that tick is drawn from
_NARROWEST = 0.1  # least width of a band that varies, as a share of the width over whole episodes


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
    return ranked(maxima, alpha)


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
        warn=warn_ratio(warn, stop),
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
        known = np.isfinite(trace)
        first = known.argmax(axis=0) if len(trace) else begin
        for k, channel in enumerate(known.T):
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


def levels(traces: Sequence[Array], *, varying: bool) -> tuple[Array, Array]:
    """Where each of K scores usually is, and how far above that an episode goes.

    That is the mean of the score, and the mean height of the episodes' maxima above it: what a
    threshold is about is how far scores go, not how much they vary on the way.

    Args:
        traces: Scores of several episodes, each (T, K); NaN where one is not known.
        varying: Whether around each tick, or over whole episodes.

    Returns:
        Both of shape (K, T) where they vary, T the median length of the episodes; else (K, 1).
    """
    longest = max(len(trace) for trace in traces)
    loc, scale = _level(traces, 0, longest)
    if not varying:
        return loc[:, None], scale[:, None]
    # Beyond the middle one of the lengths fewer and fewer episodes would speak.
    ticks = range(int(np.median([len(trace) for trace in traces])))
    around = [_level(traces, max(0, t - _AROUND), t + _AROUND + 1) for t in ticks]
    locs, scales = (np.stack(parts, axis=1) for parts in zip(*around, strict=True))
    known = np.isfinite(locs) & np.isfinite(scales)
    floor = _NARROWEST * scale[:, None]
    return (
        np.where(known, locs, loc[:, None]),
        np.where(known, np.maximum(scales, floor), scale[:, None]),
    )


def _level(traces: Sequence[Array], first: int, end: int) -> tuple[Array, Array]:
    """Mean of the scores from tick `first` to `end`, and mean height of the maxima above it."""
    parts = [trace[first:end] for trace in traces if len(trace) > first]
    joined = np.concatenate(parts)
    known = np.isfinite(joined)
    tops = np.array([np.where(np.isfinite(p), p, -inf).max(axis=0) for p in parts])
    with np.errstate(invalid='ignore', divide='ignore'):
        loc = np.where(known, joined, 0.0).sum(axis=0) / known.sum(axis=0)
        heights = np.where(np.isfinite(tops), tops - loc, 0.0)
        return loc, heights.sum(axis=0) / np.isfinite(tops).sum(axis=0)
