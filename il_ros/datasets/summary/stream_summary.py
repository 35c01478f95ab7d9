"""How the streams of a dataset came: their rates, their ages, how often they were valid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from il_ros.core.dataset_summary import StreamSummary
from il_ros.core.frames import NS
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.summary.bag_message_loss import BagTopics

# Ages are float32: two samples are different from this distance on [s].
_APART = 1e-4


def summarise_streams(
    dataset: Dataset, episodes: Sequence[int], bags: BagTopics
) -> tuple[StreamSummary, ...]:
    """Every stream and camera in the contract's order, over the frames of `episodes`."""
    rows = dataset.rows(episodes)
    stamp = np.asarray(dataset.stamp[rows])
    first = np.zeros(len(rows), dtype=bool)
    first[np.cumsum([0, *(dataset.episodes[i].length for i in episodes)])[:-1]] = True
    duration = sum(dataset.episodes[i].duration for i in episodes)
    found = []
    for column, (key, stream) in enumerate(dataset.contract.inputs.items()):
        age = np.asarray(dataset.age[rows, column], dtype=np.float64)
        valid = np.asarray(dataset.valid[key][rows])
        found.append(
            StreamSummary(
                key=key,
                topic=stream.topic,
                kind=_kind(dataset, key),
                required=stream.required,
                expected=stream.rate,
                bag_rate=bags.rate(stream.topic),
                rate=_new_samples(stamp, age, first) / duration if duration > 0 else np.nan,
                age_median=_percentile(age, 50),
                age_p95=_percentile(age, 95),
                valid=float(valid.mean()) if len(valid) else np.nan,
                lost=bags.lost(stream.topic),
            )
        )
    return tuple(found)


def _kind(dataset: Dataset, key: str) -> str:
    if key in dataset.contract.images:
        return 'image'
    return 'privileged' if key in dataset.contract.privileged else 'observation'


def _new_samples(
    stamp: NDArray[np.int64], age: NDArray[np.float64], first: NDArray[np.bool_]
) -> int:
    """Frames whose sample is not that of the frame before, in the same episode."""
    if not len(stamp):
        return 0
    taken = (stamp - stamp[0]) / NS - age
    newer = np.diff(taken, prepend=np.nan) > _APART
    return int((newer & ~first).sum())


def _percentile(values: NDArray[np.float64], percentage: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.percentile(known, percentage)) if len(known) else np.nan
