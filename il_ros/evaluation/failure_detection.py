"""Detection of failures: whether the monitor stops episodes that the policy alone fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.evaluation.intervals import CONFIDENCE, Rate, rate_fields

CaseKey = tuple[str, int, tuple[str, ...]]


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


def pair_up(
    watched: Iterable[EpisodeResult], unwatched: Iterable[EpisodeResult]
) -> tuple[WatchedPair, ...]:
    """Pair the episodes of the same case; a case that ran only one way has no pair."""
    by_case = {case_key(episode): episode for episode in unwatched}
    return tuple(
        WatchedPair(watched=episode, unwatched=by_case[case_key(episode)])
        for episode in watched
        if case_key(episode) in by_case
    )


def detection_rate(pairs: Iterable[WatchedPair], confidence: float = CONFIDENCE) -> Rate | None:
    """Fraction of the failing cases that were detected; None if nothing failed."""
    return Rate.of((pair.detected for pair in pairs if pair.failed), confidence)


def time_share(pairs: Iterable[WatchedPair]) -> float | None:
    """Median of detection time / duration of the failing run, in [0, 1); None if none detected."""
    fractions = [
        pair.watched.fallback_time / pair.unwatched.duration
        for pair in pairs
        if pair.detected and pair.watched.fallback_time is not None
    ]
    return median(fractions) if fractions else None


def by_kind(pairs: Sequence[WatchedPair], confidence: float = CONFIDENCE) -> list[dict[str, Any]]:
    """Return one row of the report's table for each kind of perturbation, sorted by name."""
    kinds = sorted({pair.watched.kind for pair in pairs})
    return [_row(kind, [p for p in pairs if p.watched.kind == kind], confidence) for kind in kinds]


def _row(kind: str, pairs: Sequence[WatchedPair], confidence: float) -> dict[str, Any]:
    rate = detection_rate(pairs, confidence)
    success_unwatched = Rate.of((pair.unwatched.success for pair in pairs), confidence)
    success_watched = Rate.of((pair.watched.success for pair in pairs), confidence)
    violated_unwatched = Rate.of((pair.unwatched.violated > 0 for pair in pairs), confidence)
    violated_watched = Rate.of((pair.watched.violated > 0 for pair in pairs), confidence)
    times = [pair.watched.fallback_time for pair in pairs if pair.detected]
    return {
        'kind': kind,
        'episodes': len(pairs),
        'unwatched_failed': sum(pair.failed for pair in pairs),
        'detected': sum(pair.detected for pair in pairs),
        **rate_fields(rate, 'detection_rate', 'detection_wilson'),
        'detection_time_s': median(time for time in times if time is not None) if times else None,
        'detection_time_share': time_share(pairs),
        **rate_fields(success_unwatched, 'success_rate_unwatched', 'success_wilson_unwatched'),
        **rate_fields(success_watched, 'success_rate_watched', 'success_wilson_watched'),
        **rate_fields(violated_unwatched, 'violation_rate_unwatched', 'violation_wilson_unwatched'),
        **rate_fields(violated_watched, 'violation_rate_watched', 'violation_wilson_watched'),
        'violations_watched': sum(pair.watched.violated for pair in pairs),
        'violations_unwatched': sum(pair.unwatched.violated for pair in pairs),
    }
