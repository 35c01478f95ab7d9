"""Selects the episodes to look at first."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.evaluation.failure_detection import CaseKey, case_key, pair_up


@dataclass(frozen=True, kw_only=True)
class EpisodeProblem:
    """An episode that went wrong, and how.

    Attributes:
        episode: The episode.
        what: The problem, in a few words.
        severity: 0 is worst.
    """

    episode: EpisodeResult
    what: str
    severity: int


def worst_episodes(episodes: Iterable[EpisodeResult]) -> list[EpisodeProblem]:
    """List problems, worst first: violations under watch, failures, misses, false alarms.

    Failures of the heuristic and of the unwatched policy under perturbation are expected and not
    listed.
    """
    episodes = tuple(episodes)
    pairs = pair_up(*([e for e in episodes if e.suite == s] for s in ('ood', 'ood_unwatched')))
    missed = {case_key(pair.watched) for pair in pairs if pair.failed and not pair.detected}
    problems = []
    for episode in episodes:
        if episode.suite not in ('heuristic', 'ood_unwatched'):
            checks = enumerate(_checks(episode, missed))
            problems += [
                EpisodeProblem(episode=episode, what=what, severity=severity)
                for severity, (wrong, what) in checks
                if wrong
            ][:1]
    return sorted(
        problems,
        key=lambda problem: (
            problem.severity,
            -problem.episode.violated,
            problem.episode.progress,
            problem.episode.seed,
        ),
    )


def _checks(episode: EpisodeResult, missed: Container[CaseKey]) -> tuple[tuple[bool, str], ...]:
    """Return pairs of (problem exists, description), worst first."""
    perturbed = episode.suite == 'ood'
    return (
        (episode.violated > 0, f'{episode.violated} limit violations'),
        (not perturbed and not episode.success and not episode.fallback, 'not solved'),
        (perturbed and case_key(episode) in missed, 'failure not detected in time'),
        (not perturbed and episode.fallback, 'false alarm'),
    )
