"""How the streams of a dataset came: rates, ages, validity, and what their bags lost of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from il_ros.bags.episode_info import EpisodeInfo, TopicInfo, read_episode_info
from il_ros.bags.episode_writer import absolute
from il_ros.core.dataset_summary import StreamSummary
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.manifest import EpisodeEntry

# Ages are float32: two samples are different from this distance on [s].
_APART = 1e-4


class BagTopics:
    """What the bags of a dataset say of their topics, by their `episode.json`.

    Bags that are gone are left out. So are those of format 1 and those that were recovered after a
    crash: their losses were not counted, and that is not the same as none.

    Args:
        entries: Episodes of the dataset.

    Attributes:
        infos: What each bag says of itself, by the folder that the dataset names.
    """

    def __init__(self, entries: Iterable[EpisodeEntry]) -> None:
        self.infos: dict[str, EpisodeInfo] = {}
        for bag in dict.fromkeys(entry.bag for entry in entries if entry.bag):
            try:
                info = read_episode_info(Path(bag))
            except (IlRosError, OSError, ValueError):
                continue  # a dataset outlives its bags, and is shown without what they said
            if info is not None and info.format >= 2 and info.state == 'complete':
                self.infos[bag] = info

    def lost_in(self, bag: str) -> float:
        """Messages that a bag lost, all topics together; NaN where the bag is not there."""
        info = self.infos.get(bag)
        return float(sum(t.lost for t in info.topics.values())) if info else np.nan

    def lost(self, topic: str) -> float:
        """Messages of a topic of the contract that all bags lost; NaN where none has it."""
        return float(sum(found)) if (found := [t.lost for t in self._all(topic)]) else np.nan

    def rate(self, topic: str) -> float:
        """Median rate of a topic of the contract over the bags [Hz]; NaN where none has it."""
        found = [t.rate for t in self._all(topic) if t.rate > 0]
        return float(np.median(found)) if found else np.nan

    def _all(self, topic: str) -> list[TopicInfo]:
        names = ((absolute(info.namespace, topic), info) for info in self.infos.values())
        return [info.topics[name] for name, info in names if name in info.topics]


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
