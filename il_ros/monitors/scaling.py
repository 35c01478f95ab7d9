"""What is usual for a score, so that several of them can be compared on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from il_ros.core.limits import Array

_AROUND = 10
"""Ticks before and behind one that a band of that tick is drawn from."""

_NARROWEST = 0.1
"""Least width of a band that varies, as a share of the width over whole episodes."""


def levels(traces: Sequence[Array], *, varying: bool) -> tuple[Array, Array]:
    """Where each of K scores usually is, and how far above that an episode goes.

    That is the mean of the score, and the mean height of the episodes' maxima above it: what a
    threshold is about is how far scores go, not how much they vary on the way.

    Args:
        traces: Scores of several episodes, each (T, K); NaN where one cannot be told.
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
    locs = np.stack([level[0] for level in around], axis=1)
    scales = np.stack([level[1] for level in around], axis=1)
    known = np.isfinite(locs) & np.isfinite(scales)
    floor = _NARROWEST * scale[:, None]
    return (
        np.where(known, locs, loc[:, None]),
        np.where(known, np.maximum(scales, floor), scale[:, None]),
    )


def _level(traces: Sequence[Array], first: int, end: int) -> tuple[Array, Array]:
    """Mean of the scores from tick `first` to `end`, and mean height of the maxima above it."""
    parts = [trace[first:end] for trace in traces if len(trace) > first]
    told = np.concatenate(parts)
    known = np.isfinite(told)
    with np.errstate(invalid='ignore', divide='ignore'):
        loc = np.where(known, told, 0.0).sum(axis=0) / known.sum(axis=0)
    tops = np.array([np.where(np.isfinite(p), p, -inf).max(axis=0) for p in parts])
    heights = np.where(np.isfinite(tops), tops - loc, 0.0)
    with np.errstate(invalid='ignore', divide='ignore'):
        return loc, heights.sum(axis=0) / np.isfinite(tops).sum(axis=0)
