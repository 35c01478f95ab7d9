"""Detection of failures: whether the monitor stops episodes that the policy alone fails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.evaluation.intervals import Rate, rate_fields

CaseKey = tuple[str, int, tuple[str, ...]]
EpisodePair = tuple[EpisodeResult, EpisodeResult]
Groups = Mapping[str, Sequence[EpisodeResult]]
"""Episodes by suite; none for a suite that was not run."""


@dataclass(frozen=True, kw_only=True)
class WatchedPair:
    """One perturbed case, run once with and once without the monitor.

    Attributes:
        watched: The run that the monitor could stop.
        unwatched: The run of the policy alone.
    """

    watched: EpisodeResult
    unwatched: EpisodeResult

    @property
    def failed(self) -> bool:
        """Whether the policy alone failed, so that there is a failure to detect."""
        return not self.unwatched.success

    @property
    def detected(self) -> bool:
        """Whether the monitor took over before the end of the failing run.

        A fallback at or after that time comes too late to prevent anything.
        """
        time = self.watched.fallback_time
        return self.failed and time is not None and time < self.unwatched.duration


def case_key(episode: EpisodeResult) -> CaseKey:
    """Key that two episodes share if they can be compared: task, seed and perturbations."""
    return episode.task, episode.seed, tuple(sorted(episode.perturbations))


def same_case(a: Iterable[EpisodeResult], b: Iterable[EpisodeResult]) -> list[EpisodePair]:
    """Pair the episodes of the same case, in order; a case that is only in one has no pair."""
    by_case = {case_key(episode): episode for episode in b}
    pairs = [(one, by_case[case_key(one)]) for one in a if case_key(one) in by_case]
    return sorted(pairs, key=lambda pair: case_key(pair[0]))


def pair_up(
    watched: Iterable[EpisodeResult], unwatched: Iterable[EpisodeResult]
) -> tuple[WatchedPair, ...]:
    """Pair the runs of the same case with and without the monitor."""
    return tuple(WatchedPair(watched=a, unwatched=b) for a, b in same_case(watched, unwatched))


def detection_rate(pairs: Iterable[WatchedPair]) -> Rate | None:
    """Fraction of the failing cases that were detected; None if nothing failed."""
    return Rate.of(pair.detected for pair in pairs if pair.failed)


def time_share(pairs: Iterable[WatchedPair]) -> float | None:
    """Median of detection time / duration of the failing run, in [0, 1); None if none detected."""
    fractions = [
        pair.watched.fallback_time / pair.unwatched.duration
        for pair in pairs
        if pair.detected and pair.watched.fallback_time is not None
    ]
    return median(fractions) if fractions else None


def by_kind(pairs: Sequence[WatchedPair]) -> list[dict[str, Any]]:
    """Return one row of the report's table for each kind of perturbation, sorted by name."""
    kinds = sorted({pair.watched.kind for pair in pairs})
    return [_row(kind, [pair for pair in pairs if pair.watched.kind == kind]) for kind in kinds]


def _row(kind: str, pairs: Sequence[WatchedPair]) -> dict[str, Any]:
    times = [pair.watched.fallback_time for pair in pairs if pair.detected]
    row = {
        'kind': kind,
        'episodes': len(pairs),
        'unwatched_failed': sum(pair.failed for pair in pairs),
        'detected': sum(pair.detected for pair in pairs),
        **rate_fields(detection_rate(pairs), 'detection_rate', 'detection_wilson'),
        'detection_time_s': median(time for time in times if time is not None) if times else None,
        'detection_time_share': time_share(pairs),
    }
    for way in ('unwatched', 'watched'):
        runs: list[EpisodeResult] = [getattr(pair, way) for pair in pairs]
        success, violated = Rate.of(e.success for e in runs), Rate.of(e.violated > 0 for e in runs)
        row |= rate_fields(success, f'success_rate_{way}', f'success_wilson_{way}')
        row |= rate_fields(violated, f'violation_rate_{way}', f'violation_wilson_{way}')
        row[f'violations_{way}'] = sum(e.violated for e in runs)
    return row
