"""The numbers of a report, computed from the episodes of all suites."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from il_ros.core.errors import EvaluationError
from il_ros.evaluation.episode_measures import compare_with_expert, measures
from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.evaluation.failure_detection import (
    Groups,
    WatchedPair,
    by_kind,
    case_key,
    detection_rate,
    pair_up,
    time_share,
)
from il_ros.evaluation.intervals import CONFIDENCE, Rate, rate_fields
from il_ros.evaluation.report_notes import notes_on
from il_ros.evaluation.suites import SUITES
from il_ros.evaluation.target_findings import TARGETS, MeasuredRates, assess, headline


def summarise(
    episodes: Iterable[EpisodeResult],
    *,
    versions: Mapping[str, str],
    training: Mapping[str, Any] | None = None,
    created: str = '',
    watched: bool = True,
) -> dict[str, Any]:
    """Count and compare the episodes of an evaluation and assess them against the targets.

    Args:
        episodes: Episodes of any suites, in any order.
        versions: Versions of the policy and the software, by name.
        training: Training record of the policy: bundle, algorithm, episodes, held_out_episodes,
            held_out_loss.
        created: Date and time of the evaluation, for a reader.
        watched: Whether a monitor ran, so that false alarms and violations can be assessed.

    Returns:
        JSON values. Rates are in [0, 1], times in seconds; a value that was not measured is None
        and has a sentence under 'notes'. Keys: verdict, headline, findings, notes, nominal, ood,
        ood_unwatched, expert, heuristic, suites, perturbations, comparison, training,
        targets, confidence, episodes, tasks, seeds, versions, created.

    Raises:
        EvaluationError: If a suite holds two episodes of one case.
    """
    groups = _group(episodes)
    pairs = pair_up(groups['ood'], groups['ood_unwatched'])
    measured = _measured(groups, pairs, watched)
    return {
        **_verdict(measured),
        'notes': notes_on(groups),
        **_sections(groups, pairs, measured),
        'perturbations': by_kind(pairs),
        'comparison': compare_with_expert(groups['nominal'], groups['expert']),
        'training': dict(training) if training else None,
        'targets': asdict(TARGETS),
        'confidence': CONFIDENCE,
        'episodes': sum(len(group) for group in groups.values()),
        'tasks': sorted({e.task for group in groups.values() for e in group}),
        'seeds': {suite: sorted(int(e.seed) for e in group) for suite, group in groups.items()},
        'versions': dict(versions),
        'created': created,
    }


def _group(episodes: Iterable[EpisodeResult]) -> dict[str, list[EpisodeResult]]:
    """Group episodes by suite; the known suites come first and are present even if empty."""
    groups: dict[str, list[EpisodeResult]] = {suite: [] for suite in SUITES}
    for episode in episodes:
        groups.setdefault(episode.suite, []).append(episode)
    for suite, group in groups.items():
        cases = Counter(case_key(episode) for episode in group)
        for (task, seed, perturbations), count in cases.items():
            if count > 1:
                raise EvaluationError(
                    f'{count} episodes of task {task}, seed {seed}, {list(perturbations)}',
                    where=f'suite {suite}',
                    allowed='one episode of each case, so that none counts twice',
                    fix='evaluate into an empty folder, or use other seeds',
                )
    return groups


def _measured(groups: Groups, pairs: Sequence[WatchedPair], watched: bool) -> MeasuredRates:
    return MeasuredRates(
        nominal=_success(groups['nominal']),
        false_alarms=Rate.of(e.fallback for e in groups['nominal'] if watched),
        detection=detection_rate(pairs),
        violations=_violations([*groups['nominal'], *groups['ood']]) if watched else None,
        expert=_success(groups['expert']),
        heuristic=_success(groups['heuristic']),
    )


def _verdict(measured: MeasuredRates) -> dict[str, Any]:
    findings = assess(measured)
    missed = [finding.text for finding in findings if finding.state == 'missed']
    return {
        'verdict': ' '.join([headline(findings), *missed]),
        'headline': headline(findings),
        'findings': [asdict(finding) for finding in findings],
    }


def _sections(
    groups: Groups, pairs: Sequence[WatchedPair], measured: MeasuredRates
) -> dict[str, Any]:
    """The values of every suite, and again, with those that only it has, for each known one."""
    suites = {suite: _section(group) for suite, group in groups.items()}
    known = {suite: dict(suites[suite]) for suite in SUITES}
    known['nominal'] |= rate_fields(measured.false_alarms, 'false_alarm_rate', 'false_alarm_wilson')
    known['ood'] |= {
        **rate_fields(measured.detection, 'detection_rate', 'detection_wilson'),
        'pairs': len(pairs),
        'failures': sum(pair.failed for pair in pairs),
        'detected': sum(pair.detected for pair in pairs),
        'needless_fallbacks': sum(pair.watched.fallback and not pair.failed for pair in pairs),
        'detection_time_share': time_share(pairs),
    }
    return {**known, 'suites': suites}


def _section(group: Sequence[EpisodeResult]) -> dict[str, Any]:
    """Return the values reported for every suite; if it did not run, all but the count are null."""
    solved = [episode.duration for episode in group if episode.success]
    kinds = Counter[str]()
    for episode in group:
        kinds.update(episode.violations)
    return {
        'episodes': len(group),
        'successes': len(solved) if group else None,
        **rate_fields(_success(group), 'success_rate', 'wilson'),
        'fallbacks': sum(e.fallback for e in group) if group else None,
        'violations': _violations(group),
        'violations_by_kind': dict(kinds) if group else None,
        'median_success_s': median(solved) if solved else None,
        **measures(group),
    }


def _success(group: Sequence[EpisodeResult]) -> Rate | None:
    return Rate.of(episode.success for episode in group)


def _violations(group: Sequence[EpisodeResult]) -> int | None:
    return sum(episode.violated for episode in group) if group else None
