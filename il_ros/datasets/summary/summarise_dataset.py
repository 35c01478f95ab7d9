"""A dataset in numbers, for a report: its content, its quality, and what to inspect first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from il_ros.core.dataset_summary import DatasetSummary, EpisodeSummary
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.manifest import EpisodeEntry
from il_ros.datasets.preprocessing.joint_motion import gripper_joints
from il_ros.datasets.preprocessing.preprocess import Preprocessing
from il_ros.datasets.preprocessing.quality_measures import PART_MEASURES, part_measures
from il_ros.datasets.summary.bag_message_loss import BagTopics, read_bag_topics
from il_ros.datasets.summary.episode_coverage import CoverageSettings, choose, coverage_of
from il_ros.datasets.summary.feature_summary import summarise_features, summarise_joints
from il_ros.datasets.summary.stream_summary import summarise_streams
from il_ros.datasets.summary.suspicious_episodes import SuspicionSettings, suspicious_first
from il_ros.datasets.summary.thumbnails import thumbnails


@dataclass(frozen=True, kw_only=True)
class SummarySettings:
    """How much of a dataset is read; of more, a seeded choice.

    Attributes:
        seed: Of every choice.
        frames: Frames whose ages and actions are read, in whole episodes.
        thumbnails: Episodes that images are shown of.
        coverage: How the episodes are compared.
        suspicion: From where on an episode is odd.
    """

    seed: int = 0
    frames: int = 500_000
    thumbnails: int = 6
    coverage: CoverageSettings = field(default_factory=CoverageSettings)
    suspicion: SuspicionSettings = field(default_factory=SuspicionSettings)


def summarise(
    dataset: Dataset, name: str = '', settings: SummarySettings = SummarySettings()
) -> DatasetSummary:
    """A dataset in numbers; the same every time.

    Args:
        dataset: Opened from its folder, so that memory holds only what is looked at.
        name: What it is called.
        settings: How much of it is looked at.
    """
    entries = dataset.episodes
    bags = read_bag_topics(entries)
    looked_at = _episodes_within(entries, settings)
    coverage = coverage_of(
        [dataset.values[key] for key in dataset.contract.observations],
        [(entry.start, entry.length) for entry in entries],
        seed=settings.seed,
        settings=settings.coverage,
    )
    episodes = suspicious_first(_episodes(dataset, bags), coverage, settings.suspicion)
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
        thumbnails=tuple(thumbnails(dataset, _shown(episodes, settings))),
        steps=manifest.steps,
        notes=_notes(dataset, looked_at, bags, computed=computed, settings=settings),
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
        )
        for index, entry in enumerate(dataset.episodes)
        for measures in (_measures(dataset, index),)
    ]


def _measures(dataset: Dataset, index: int) -> Mapping[str, float]:
    """What the build measured; of episodes that came another way it is measured now."""
    known = dataset.episodes[index].measures
    if not PART_MEASURES.keys().isdisjoint(known):
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


def _episodes_within(entries: Sequence[EpisodeEntry], settings: SummarySettings) -> list[int]:
    """Whole episodes with at most so many frames together, at least one; in order."""
    order = np.random.default_rng(settings.seed).permutation(len(entries)).tolist()
    total = np.cumsum([entries[i].length for i in order])
    count = max(1, int((total <= settings.frames).sum()))
    return sorted(order[:count])


def _sources(entries: Sequence[EpisodeEntry]) -> dict[str, float]:
    frames: Counter[str] = Counter()
    for entry in entries:
        for source, fraction in entry.sources.items():
            frames[source] += fraction * entry.length  # type: ignore[assignment]
    total = sum(entry.length for entry in entries) or 1
    return {source: count / total for source, count in frames.most_common()}


def _shown(episodes: Sequence[EpisodeSummary], settings: SummarySettings) -> list[int]:
    """Half of the places go to the oddest episodes, the others to a seeded choice of the rest."""
    odd = [e.index for e in episodes if e.reasons][: settings.thumbnails // 2]
    rest = [e.index for e in episodes if e.index not in odd]
    places = choose(len(rest), settings.thumbnails - len(odd), settings.seed)
    return [*odd, *sorted(rest[i] for i in places)]


def _notes(
    dataset: Dataset,
    looked_at: Sequence[int],
    bags: BagTopics,
    *,
    computed: bool,
    settings: SummarySettings,
) -> tuple[str, ...]:
    count, seed = len(dataset.episodes), settings.seed
    part = f'{len(looked_at)} of {count} episodes, chosen by seed {seed}'
    compared = settings.coverage.episodes
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
