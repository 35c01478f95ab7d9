"""The numbers in a dataset: the commands of each joint, and the distribution of every feature."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.dataset_summary import FeatureSummary, JointSummary
from il_ros.core.geometry import nearest_turn
from il_ros.core.streams import Stream
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.feature_statistics import FeatureStatistics, statistics_of

BINS = 40
"""Bins of an action's histogram between its limits."""

# Of the range between the limits, how much the histogram shows beyond each of them.
_MARGIN = 0.05


def summarise_joints(dataset: Dataset, rows: NDArray[np.int64]) -> tuple[JointSummary, ...]:
    """Histogram of every commanded joint over `rows`, as it was commanded, against its limits."""
    low, high = dataset.contract.action_range
    commands = np.asarray(dataset.action_raw[rows], dtype=np.float64)
    commands = nearest_turn(commands, np.zeros(len(low)), dataset.contract.endless)
    found = []
    for joint, name in enumerate(dataset.contract.action.names):
        lower, upper = float(low[joint]), float(high[joint])
        known = commands[:, joint][np.isfinite(commands[:, joint])]
        margin = _MARGIN * (upper - lower)
        edges = np.linspace(lower - margin, upper + margin, BINS + 1).astype(np.float64)
        # What lies further out counts in the outermost bins: nothing vanishes from the picture.
        counts, _ = np.histogram(np.clip(known, edges[0], edges[-1]), edges)
        # A float32 of a limit may lie a rounding beyond it.
        slack = 1e-6 * max(1.0, abs(lower), abs(upper))
        outside = int(((known < lower - slack) | (known > upper + slack)).sum())
        counts = counts.astype(np.float64)
        found.append(
            JointSummary(
                name=name, lower=lower, upper=upper, edges=edges, counts=counts, outside=outside
            )
        )
    return tuple(found)


def summarise_features(
    dataset: Dataset, episodes: Sequence[int]
) -> tuple[tuple[FeatureSummary, ...], bool]:
    """Every number of every observation and of the action, in order.

    The manifest's statistics where it has them; otherwise those of the frames of `episodes`.

    Returns:
        The features, and whether some had to be computed.
    """
    stored = dataset.manifest.statistics
    columns = {**dataset.values, 'action': dataset.action}
    missing = [key for key in columns if key not in stored]
    rows = dataset.rows(episodes) if missing else np.empty(0, np.int64)
    tables = {**stored, **statistics_of({key: columns[key][rows] for key in missing})}
    features = [f for key in columns for f in _features(dataset.contract, key, tables[key])]
    return tuple(features), bool(missing)


def feature_names(contract: Contract, key: str) -> list[str]:
    """What each number of an observation, or of `action`, is called."""
    if key == 'action':
        return list(contract.action.names)
    stream = contract.streams[key]
    names = _pose_names(stream) if not stream.names else list(stream.names)
    if stream.names and len(stream.fields) > 1:
        names = [f'{field} {name}' for field in stream.fields for name in stream.names]
    return names if len(names) == stream.size else [str(i) for i in range(stream.size)]


def _pose_names(stream: Stream) -> list[str]:
    found: list[str] = []
    for field in stream.fields:
        short = field.rsplit('.', 1)[-1]
        axes = ('x', 'y', 'z', 'w') if short in ('orientation', 'rotation') else ('x', 'y', 'z')
        found += [f'{short} {axis}' for axis in axes]
    return found


def _features(contract: Contract, key: str, table: FeatureStatistics) -> list[FeatureSummary]:
    return [
        FeatureSummary(
            key=key,
            name=name,
            mean=_number(table.mean[i]),
            std=_number(table.std[i]),
            min=_number(table.min[i]),
            max=_number(table.max[i]),
            quantiles={fraction: _number(row[i]) for fraction, row in table.quantiles.items()},
        )
        for i, name in enumerate(feature_names(contract, key))
    ]


def _number(value: float | None) -> float:
    return np.nan if value is None else value
