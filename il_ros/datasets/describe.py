"""What a manifest says of arrays: worked out of them, wherever they come from."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from il_ros import __version__
from il_ros.bags.bag_reader import BagReadOptions
from il_ros.core.contract import Contract
from il_ros.core.frames import gaps
from il_ros.datasets.episode_arrays import SOURCES, EpisodeArrays
from il_ros.datasets.feature_statistics import FeatureStatistics
from il_ros.datasets.layout import sizes
from il_ros.datasets.manifest import EpisodeEntry, ImageFormat, LeftOut, Manifest, hash_data


def described(episode: EpisodeArrays, contract: Contract) -> EpisodeEntry:
    """An episode's entry with what its arrays say: length, times, gaps, shares of the sources."""
    counts = np.bincount(episode.source, minlength=len(SOURCES))
    shares = counts / max(1, episode.frames)
    return replace(
        episode.entry,
        length=episode.frames,
        begin=int(episode.stamp[0]),
        end=int(episode.stamp[-1]),
        gaps=gaps(episode.stamp.tolist(), contract),
        sources={name: float(share) for name, share in zip(SOURCES, shares, strict=True) if share},
    )


def make_manifest(
    contract: Contract,
    entries: Iterable[EpisodeEntry],
    files: Mapping[str, str],
    *,
    statistics: Mapping[str, FeatureStatistics],
    image_format: ImageFormat = 'jpeg',
    labels: int = 0,
    left_out: Iterable[LeftOut] = (),
    preprocessing: Mapping[str, Any] | None = None,
    steps: Mapping[str, Mapping[str, float]] | None = None,
    reading: BagReadOptions | None = None,
) -> Manifest:
    """A manifest of episodes that lie one behind the other; `files` are hashes by name."""
    placed, (ordinary, privileged) = _renumbered(entries), sizes(contract)
    return Manifest(
        contract=contract.text,
        contract_hash=contract.hash,
        observations=ordinary,
        privileged=privileged,
        images=tuple(contract.images),
        image_format=image_format,
        action_names=contract.action.names,
        labels=labels,
        rate=contract.rate,
        frames=placed[-1].stop,
        episodes=placed,
        left_out=tuple(left_out),
        statistics=statistics,
        preprocessing=preprocessing or {},
        steps=steps or {},
        reading=reading,
        files=files,
        versions={
            'il_ros': __version__,
            'numpy': np.__version__,
            'python': platform.python_version(),
        },
        data_hash=hash_data(files, placed, contract.hash),
    )


def _renumbered(entries: Iterable[EpisodeEntry]) -> tuple[EpisodeEntry, ...]:
    """Entries one behind the other: `start` is where the one before ends."""
    placed: list[EpisodeEntry] = []
    for entry in entries:
        placed.append(replace(entry, start=placed[-1].stop if placed else 0))
    return tuple(placed)
