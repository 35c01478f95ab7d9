"""A dataset in numbers, for a report: its content, its quality, and what to inspect first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from il_ros.core.dataset_summary import DatasetSummary, EpisodeSummary
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.manifest import EpisodeEntry
from il_ros.datasets.preprocessing.joint_motion import gripper_joints
from il_ros.datasets.preprocessing.preprocess import Preprocessing
from il_ros.datasets.preprocessing.quality_measures import PART_MEASURES, part_measures
from il_ros.datasets.summary.episode_coverage import EPISODES, choose, coverage_of
from il_ros.datasets.summary.feature_summary import summarise_features, summarise_joints
from il_ros.datasets.summary.stream_summary import BagTopics, summarise_streams
from il_ros.datasets.summary.suspicious_episodes import suspicious_first
from il_ros.datasets.summary.thumbnails import thumbnails_of


def summarise(
    dataset: Dataset,
    name: str = '',
    *,
    seed: int = 0,
    frames: int = 500_000,
    thumbnails: int = 6,
    compared: int = EPISODES,
) -> DatasetSummary:
    """A dataset in numbers; the same every time.

    Args:
        dataset: Opened from its folder, so that memory holds only what is looked at.
        name: What it is called.
        seed: Of every choice where a dataset is larger than what is looked at.
        frames: Frames whose ages and actions are read, in whole episodes.
        thumbnails: Episodes that images are shown of.
        compared: Episodes that are compared with one another.
    """
    entries = dataset.episodes
    bags = BagTopics(entries)
    looked_at = _episodes_within(entries, frames, seed)
    coverage = coverage_of(
        [dataset.values[key] for key in dataset.contract.observations],
        [(entry.start, entry.length) for entry in entries],
        seed=seed,
        episodes=compared,
    )
    episodes = suspicious_first(_episodes(dataset, bags), coverage)
    features, computed = summarise_features(dataset, looked_at)
    manifest = dataset.manifest
    return DatasetSummary(
        name=name,
        contract=dataset.contract.name,
        contract_hash=manifest.contract_hash,
        data_hash=manifest.data_hash,
        rate=manifest.rate,
        frames=dataset.frames,
        duration=sum(entry.duration for entry in entries),
        outcomes=dict(Counter(entry.outcome for entry in entries).most_common()),
        tasks=dict(Counter(entry.task for entry in entries).most_common()),
        sources=_sources(entries),
        episodes=episodes,
        left_out=tuple((left.id or left.bag, left.reason) for left in manifest.left_out),
        streams=summarise_streams(dataset, looked_at, bags),
        joints=summarise_joints(dataset, dataset.rows(looked_at)),
        features=features,
        coverage=coverage,
        thumbnails=tuple(thumbnails_of(dataset, _shown(episodes, thumbnails, seed))),
        steps=manifest.steps,
        notes=(
            *manifest.findings.values(),
            *_notes(dataset, looked_at, bags, computed=computed, compared=compared, seed=seed),
        ),
        versions=manifest.versions,
    )


def _episodes(dataset: Dataset, bags: BagTopics) -> list[EpisodeSummary]:
    invalid = _invalid_fractions(dataset)
    return [
        EpisodeSummary(
            id=entry.id,
            index=index,
            task=entry.task,
            outcome=entry.outcome,
            frames=entry.length,
            duration=entry.duration,
            gaps=entry.gaps,
            left_out=entry.left_out,
            jerk=measures.get('jerk', np.nan),
            saturated=measures.get('saturated_fraction', np.nan),
            invalid=invalid[index],
            lost=bags.lost_in(entry.bag),
            flagged=entry.flagged,
            notes=entry.notes,
            bag=entry.bag,
            findings=tuple(entry.findings.values()),
        )
        for index, entry in enumerate(dataset.episodes)
        for measures in (_measures(dataset, index),)
    ]


def _measures(dataset: Dataset, index: int) -> Mapping[str, float]:
    """What the build measured; of episodes that came another way it is measured now."""
    known = dataset.episodes[index].measures
    if not known.keys().isdisjoint(PART_MEASURES):
        return known
    settings, contract = Preprocessing(), dataset.contract
    grippers = gripper_joints(contract, settings.grippers)
    episode = dataset.episode_arrays(index, images=False)
    return part_measures(contract, episode, settings.segmentation.idle, grippers)


def _invalid_fractions(dataset: Dataset) -> list[float]:
    """For each episode, the fraction of invalid frames of its worst stream."""
    starts = [entry.start for entry in dataset.episodes]
    if not starts:
        return []
    lengths = np.array([entry.length for entry in dataset.episodes])
    worst = np.zeros(len(starts))
    for array in dataset.valid.values():
        counts = np.add.reduceat(~np.asarray(array), starts, dtype=np.int64)
        worst = np.maximum(worst, counts / lengths)
    found: list[float] = worst.tolist()
    return found


def _episodes_within(entries: Sequence[EpisodeEntry], frames: int, seed: int) -> list[int]:
    """Whole episodes with at most so many frames together, at least one; in order."""
    order = np.random.default_rng(seed).permutation(len(entries)).tolist()
    total = np.cumsum([entries[i].length for i in order])
    count = max(1, int((total <= frames).sum()))
    return sorted(order[:count])


def _sources(entries: Sequence[EpisodeEntry]) -> dict[str, float]:
    """Fraction of all frames in which each source was in control, the largest first."""
    found = {source: 0.0 for entry in entries for source in entry.sources}
    total = sum(entry.length for entry in entries)
    for source in found:
        found[source] = sum(e.sources.get(source, 0.0) * e.length for e in entries) / total
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _shown(episodes: Sequence[EpisodeSummary], count: int, seed: int) -> list[int]:
    """Half of the places go to the oddest episodes, the others to a seeded choice of the rest."""
    odd = [e.index for e in episodes if e.reasons][: count // 2]
    rest = [e.index for e in episodes if e.index not in odd]
    places = choose(len(rest), count - len(odd), seed)
    return [*odd, *sorted(rest[i] for i in places)]


def _notes(
    dataset: Dataset,
    looked_at: Sequence[int],
    bags: BagTopics,
    *,
    computed: bool,
    compared: int,
    seed: int,
) -> tuple[str, ...]:
    count = len(dataset.episodes)
    part = f'{len(looked_at)} of {count} episodes, chosen by seed {seed}'
    counted = sum(entry.bag in bags.infos for entry in dataset.episodes)
    tests = (
        (len(looked_at) < count, f'Streams and actions are those of {part}.'),
        (
            computed and len(looked_at) < count,
            f'Statistics that the manifest lacks are those of {part}.',
        ),
        (
            count > compared,
            f'{compared} of {count} episodes were compared with one another, chosen by seed '
            f'{seed}; near-duplicates among the others are not found.',
        ),
        (
            counted < count,
            f'Losses and rates in the bags are those of {counted} of {count} episodes; the bags '
            'of the others are missing, or do not state them.',
        ),
    )
    return tuple(text for true, text in tests if true)
