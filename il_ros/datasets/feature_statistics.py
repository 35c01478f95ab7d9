"""What normalisation needs of a dataset's columns, read block by block: memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from il_ros.core.limits import Array

_Blocks = Callable[[], Iterator[Array]]

QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99)
"""Fractions of the values that lie at or below each quantile that is kept."""

BINS = 2048
"""Bins of a histogram; two rounds of them resolve the range into BINS squared parts."""

BLOCK = 1 << 19
"""Numbers that are read at a time."""

Row = tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class FeatureStatistics:
    """Statistics of one column of D features; None for a feature that never had a value.

    Attributes:
        count: Finite values of each feature.
        mean: Mean of each, in the column's unit.
        std: Standard deviation of each (of the values, not an estimate for others: divisor n).
        min: Smallest value of each.
        max: Largest value of each.
        quantiles: By fraction, '0.01' to '0.99': the smallest value that at least this fraction of
            the values does not exceed (numpy's `inverted_cdf`), at most (max - min) / 4 million
            from it.

    Raises:
        ValueError: If they are not of one number of features.
    """

    count: tuple[int, ...]
    mean: Row
    std: Row
    min: Row
    max: Row
    quantiles: Mapping[str, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = (self.count, self.mean, self.std, self.min, self.max, *self.quantiles.values())
        if len({*map(len, rows)}) > 1:
            raise ValueError(f'rows of {sorted({*map(len, rows)})} features')


class StreamingStatistics:
    """Mean, spread and range of D features, from blocks in any number and order.

    Blocks are merged by their moments (Chan, Golub, LeVeque 1979, Updating formulae and a pairwise
    algorithm for computing sample variances, eq. 2.1), which loses no digits where a mean is large
    against the spread. Values that are not finite are left out.

    Attributes:
        count: Finite values so far, shape (D,).
        mean: Their mean, shape (D,); 0 without any.
        squares: Sum of squared distances from the mean, shape (D,).
        min: Smallest value, shape (D,); inf without any.
        max: Largest value, shape (D,); -inf without any.
    """

    def __init__(self, size: int) -> None:
        self.count: NDArray[np.int64] = np.zeros(size, np.int64)
        self.mean = np.zeros(size)
        self.squares = np.zeros(size)
        self.min = np.full(size, np.inf)
        self.max = np.full(size, -np.inf)

    def update(self, block: NDArray[np.generic]) -> None:
        """Take a block of shape (B, D)."""
        values = block.astype(np.float64)
        known = np.isfinite(values)
        count = known.sum(axis=0, dtype=np.int64)
        mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1)
        squares = (np.where(known, values - mean, 0.0) ** 2).sum(axis=0)
        fraction, apart = count / np.maximum(self.count + count, 1), mean - self.mean
        self.squares = self.squares + squares + apart**2 * self.count * fraction
        self.mean = self.mean + apart * fraction
        self.count = self.count + count
        lowest = np.where(known, values, np.inf).min(axis=0, initial=np.inf)
        highest = np.where(known, values, -np.inf).max(axis=0, initial=-np.inf)
        self.min, self.max = np.minimum(self.min, lowest), np.maximum(self.max, highest)

    @property
    def std(self) -> Array:
        """Standard deviation of each feature, shape (D,); 0 without values."""
        return np.asarray(np.sqrt(self.squares / np.maximum(self.count, 1)))


def statistics_of(columns: Mapping[str, NDArray[np.generic]]) -> dict[str, FeatureStatistics]:
    """Statistics of columns of shape (F, D) or (F,), memory-mapped or not, by name.

    Every column is read three times from end to end: for the moments and the range, for a
    histogram over the range, and for a finer one inside the bin where each quantile lies.
    """
    return {name: _statistics(column) for name, column in columns.items()}


def _statistics(column: NDArray[np.generic]) -> FeatureStatistics:
    size = 1 if column.ndim == 1 else column.shape[1]
    rows = max(1, BLOCK // max(size, 1))

    def blocks() -> Iterator[Array]:
        for start in range(0, len(column), rows):
            block = column[start : start + rows].reshape(-1, size).astype(np.float64)
            block[~np.isfinite(block)] = np.nan
            yield block

    moments = StreamingStatistics(size)
    for block in blocks():
        moments.update(block)
    known = moments.count > 0
    quantiles = _quantiles(blocks, moments)
    return FeatureStatistics(
        count=tuple(moments.count.tolist()),
        mean=_row(moments.mean, known),
        std=_row(moments.std, known),
        min=_row(moments.min, known),
        max=_row(moments.max, known),
        quantiles={name: _row(values, known) for name, values in quantiles.items()},
    )


def _quantiles(blocks: _Blocks, moments: StreamingStatistics) -> dict[str, Array]:
    known = moments.count > 0
    low = np.where(known, moments.min, 0.0)[None]
    high = np.where(known, moments.max, 0.0)[None]
    rank = np.maximum(np.ceil(np.outer(QUANTILES, moments.count) - 1e-9), 1.0)
    for _ in range(2):
        low, high = _narrow(blocks, low, high, rank)
    return {str(fraction): (low[i] + high[i]) / 2 for i, fraction in enumerate(QUANTILES)}


def _narrow(blocks: _Blocks, low: Array, high: Array, rank: Array) -> tuple[Array, Array]:
    """For each rank, from 1, the bin in which the value of that rank lies, each shape (Q, D).

    The bins divide the intervals from `low` to `high`, shape (1 or Q, D) each.
    """
    below, counts = _histogram(blocks, low, high)
    width = (high - low) / BINS
    total = below[..., None] + np.cumsum(counts, axis=-1)
    # The first bin up to whose end there are as many values; the last where rounding at the
    # edges has left one out.
    index = np.minimum((total < rank[..., None]).sum(axis=-1), BINS - 1)
    return low + index * width, low + (index + 1) * width


def _histogram(blocks: _Blocks, low: Array, high: Array) -> tuple[Array, NDArray[np.int64]]:
    """Values below each interval, shape (I, D), and in each of its bins, (I, D, BINS)."""
    intervals, size = low.shape
    below = np.zeros((intervals, size))
    counts = np.zeros((intervals, size, BINS), np.int64)
    scale = BINS / np.where(high > low, high - low, 1.0)
    column = np.arange(size)
    for block in blocks():
        for i in range(intervals):
            below[i] += (block < low[i]).sum(axis=0)
            inside = (block >= low[i]) & (block <= high[i])
            place = np.where(inside, (block - low[i]) * scale[i], 0.0).astype(np.int64)
            flat = (column * BINS + np.minimum(place, BINS - 1))[inside]
            counts[i] += np.bincount(flat, minlength=size * BINS).reshape(size, BINS)
    return below, counts


def _row(values: Iterable[float], known: NDArray[np.bool_]) -> Row:
    return tuple(float(v) if ok else None for v, ok in zip(values, known, strict=True))
