"""Statistics as LeRobot writes them: mean, std, min, max, five quantiles, a count."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.streams import ImageStream

QUANTILES = (0.01, 0.10, 0.50, 0.90, 0.99)
NAMES = ('min', 'max', 'mean', 'std', 'q01', 'q10', 'q50', 'q90', 'q99')

Summary = dict[str, Any]


def summary(values: NDArray[Any]) -> Summary | None:
    """Statistics per number, over the frames where it is finite.

    Args:
        values: Shape (F, size) or (F,); a memory map is read one number after the other.

    Returns:
        A list of `size` per name; None where a number is nowhere finite, since LeRobot takes
        whatever is there for a scale.
    """
    table = values[:, None] if values.ndim == 1 else values
    columns = []
    for i in range(table.shape[1]):
        column = np.asarray(table[:, i], np.float64)
        column = column[np.isfinite(column)]
        if not len(column):
            return None
        columns.append(_of_column(column))
    found: Summary = dict(zip(NAMES, np.transpose(columns).tolist(), strict=True))
    return found | {'count': [len(table)]}


def side_by_side(parts: list[Summary | None]) -> Summary | None:
    """Statistics of several features side by side in one."""
    known = [part for part in parts if part is not None]
    if len(known) != len(parts) or not known:
        return None
    joined = {name: [x for part in known for x in part[name]] for name in NAMES}
    return joined | {'count': known[0]['count']}


class Histogram:
    """Counts of pixel values of one camera, per colour: statistics of any number of images.

    Args:
        stream: The camera; depth has none.
    """

    def __init__(self, stream: ImageStream) -> None:
        self._colours = 3 if stream.encoding == 'rgb8' else 1
        self._counts = np.zeros((self._colours, 256), np.int64)
        self._images = 0

    def add(self, pixels: NDArray[np.uint8]) -> None:
        """Count one image, every fourth row and column."""
        planes = pixels.reshape(*pixels.shape[:2], -1)[::4, ::4]
        for colour in range(self._colours):
            self._counts[colour] += np.bincount(planes[..., colour].ravel(), minlength=256)
        self._images += 1

    def merge(self, other: Histogram) -> None:
        """Add another's counts."""
        self._counts += other._counts
        self._images += other._images

    def summary(self) -> Summary | None:
        """Statistics in [0, 1], shape (3, 1, 1) each; gray counts as three equal colours."""
        if not self._images:
            return None
        colours = [_of_counts(counts) for counts in self._counts] * (3 // self._colours)
        shaped = np.transpose(colours)[..., None, None].tolist()
        found: Summary = dict(zip(NAMES, shaped, strict=True))
        return found | {'count': [self._images]}


def sample_rows(valid: NDArray[np.bool_], most: int = 16) -> NDArray[np.int64]:
    """At most `most` frames of those that are valid, evenly spread."""
    rows = np.flatnonzero(valid)
    if len(rows) > most:
        rows = rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]
    return rows


def _of_column(column: NDArray[np.float64]) -> list[float]:
    """The numbers that `NAMES` names."""
    quantiles = np.quantile(column, QUANTILES)
    return [column.min(), column.max(), column.mean(), column.std(), *quantiles]


def _of_counts(counts: NDArray[np.int64]) -> list[float]:
    """The numbers that `NAMES` names, of pixels counted by value."""
    levels, total = np.arange(256) / 255.0, counts.sum()
    mean = (counts * levels).sum() / total
    std = np.sqrt((counts * (levels - mean) ** 2).sum() / total)
    there = levels[counts > 0]
    quantiles = levels[np.searchsorted(np.cumsum(counts) / total, QUANTILES)]
    return [there[0], there[-1], mean, std, *quantiles]
