"""What the bags of a dataset say of their topics: rates, and messages lost while recording."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from il_ros.bags.episode_info import EpisodeInfo, TopicInfo, read_episode_info
from il_ros.bags.episode_writer import absolute
from il_ros.core.errors import IlRosError
from il_ros.datasets.manifest import EpisodeEntry


@dataclass(frozen=True, kw_only=True)
class BagTopics:
    """The bags that are still there and that counted what they lost.

    Attributes:
        infos: What each says of itself, by the folder that the dataset names.
    """

    infos: Mapping[str, EpisodeInfo]

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


def read_bag_topics(entries: Iterable[EpisodeEntry]) -> BagTopics:
    """Read the `episode.json` of every bag that is still there; the others are skipped.

    So are those of format 1 and those that were recovered after a crash: their losses were not
    counted, and that is not the same as none.
    """
    infos: dict[str, EpisodeInfo] = {}
    for bag in dict.fromkeys(entry.bag for entry in entries if entry.bag):
        try:
            info = read_episode_info(Path(bag))
        except (IlRosError, OSError, ValueError):
            continue  # a dataset outlives its bags, and is shown without what they said
        if info is not None and info.format >= 2 and info.state == 'complete':
            infos[bag] = info
    return BagTopics(infos=infos)
