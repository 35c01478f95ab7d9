"""Which episodes of a dataset to inspect first, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from il_ros.core.dataset_summary import Coverage, EpisodeSummary
from il_ros.core.limits import Array
from il_ros.datasets.preprocessing.quality_rules import Outliers, median_and_spread

_OUTLIERS = Outliers()  # from where on a duration, a jerk or a distance is an outlier

# Largest fractions of the frames of an episode that is not odd: with a command at a limit, and
# those that the dataset leaves out.
_SATURATED, _LEFT_OUT = 0.05, 0.1

# Largest fraction of frames with a stream that is not valid, above the median of the episodes: an
# unplugged camera makes no single episode odd.
_INVALID = 0.02


def suspicious_first(
    episodes: Sequence[EpisodeSummary], coverage: Coverage | None = None
) -> tuple[EpisodeSummary, ...]:
    """The episodes with their reasons, those with the most reasons first, else in order.

    Args:
        episodes: Episodes in the dataset's order.
        coverage: How alike they are, if that was compared.
    """
    marked = _compared(episodes, coverage)
    scores = {
        name: _robust_scores(np.array([getattr(e, name) for e in marked], float))
        for name in ('duration', 'jerk', 'nearest_distance')
    }
    fractions = np.array([e.invalid for e in marked] or [0.0])
    median, spread = median_and_spread(fractions)
    usual = median + max(_INVALID, _OUTLIERS.deviations * spread)
    found = [
        replace(
            episode,
            reasons=(
                *episode.findings,
                *_defects(episode, usual),
                *_outliers(episode, {n: float(s[i]) for n, s in scores.items()}),
                *_duplicate(episode, coverage, marked),
            ),
        )
        for i, episode in enumerate(marked)
    ]
    return tuple(sorted(found, key=lambda e: (not e.flagged, -len(e.reasons), e.index)))


def _compared(
    episodes: Iterable[EpisodeSummary], coverage: Coverage | None
) -> list[EpisodeSummary]:
    if coverage is None:
        return list(episodes)
    found = zip(coverage.nearest.tolist(), coverage.distance.tolist(), strict=True)
    by_index = dict(zip(coverage.episodes.tolist(), found, strict=True))
    nothing = (-1, np.nan)
    return [
        replace(e, nearest=near, nearest_distance=distance)
        for e in episodes
        for near, distance in (by_index.get(e.index, nothing),)
    ]


def _robust_scores(values: Array) -> Array:
    """How many robust standard deviations each is above (or, negative, below) the median.

    Of the logarithms: durations, jerks and distances are positive and skewed, and one that is a
    fifth of the others is as odd as one that is five times as large.
    """
    known = np.isfinite(values)
    if known.sum() < _OUTLIERS.fewest:
        return np.zeros(len(values))
    logs = np.log(np.maximum(values, 1e-9))
    median, spread = median_and_spread(logs[known])
    scores: Array = np.nan_to_num((logs - median) / max(spread, _OUTLIERS.spread))
    return scores


def _defects(episode: EpisodeSummary, usual: float) -> list[str]:
    """What is wrong with an episode; `usual` is the largest usual fraction of invalid frames."""
    all_frames = episode.frames + episode.left_out
    tests = (
        (episode.flagged, 'flagged by the operator'),
        (bool(episode.gaps), f'{episode.gaps} {"gap" if episode.gaps == 1 else "gaps"} in time'),
        (episode.lost > 0, f'{episode.lost:.0f} messages lost'),
        (episode.invalid > usual, f'a stream invalid in {episode.invalid:.0%} of it'),
        (episode.saturated > _SATURATED, f'at a limit in {episode.saturated:.0%} of it'),
        (
            episode.left_out > _LEFT_OUT * all_frames,
            f'{episode.left_out} of {all_frames} frames left out',
        ),
    )
    return [text for true, text in tests if true]


def _outliers(episode: EpisodeSummary, scores: dict[str, float]) -> list[str]:
    found, limit = [], _OUTLIERS.deviations
    if abs(scores['duration']) > limit:
        size = 'long' if scores['duration'] > 0 else 'short'
        found.append(f'unusually {size}: {episode.duration:.1f} s')
    if scores['jerk'] > limit:
        found.append(f'unusually jerky: {episode.jerk:.2g} of the limit')
    if scores['nearest_distance'] > limit:
        found.append('unlike any other')
    return found


def _duplicate(
    episode: EpisodeSummary, coverage: Coverage | None, episodes: Sequence[EpisodeSummary]
) -> list[str]:
    if coverage is None or not episode.nearest_distance < coverage.duplicate:
        return []
    by_index = {e.index: e.id for e in episodes} if episode.nearest >= 0 else {}
    return [f'near-duplicate of {by_index.get(episode.nearest, episode.nearest)}']
