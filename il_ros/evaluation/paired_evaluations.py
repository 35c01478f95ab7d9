"""Compares two evaluations of the same episodes, suite by suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from il_ros.core.errors import EvaluationError
from il_ros.evaluation.episode_result import EpisodeResult, read_episodes
from il_ros.evaluation.evaluation_journal import EPISODES, EvaluationJournal
from il_ros.evaluation.failure_detection import CaseKey, EpisodePair, case_key
from il_ros.evaluation.intervals import CONFIDENCE
from il_ros.evaluation.paired_statistics import (
    POWER,
    PairedOutcomes,
    bootstrap,
    difference_interval,
    mcnemar,
    pairs_needed,
)
from il_ros.evaluation.report_notes import seed_ranges
from il_ros.evaluation.suites import SUITES

DIFFERENCES = (0.02, 0.05, 0.10, 0.20)
"""Differences of success rates for which a comparison reports the required number of episodes."""


@dataclass(frozen=True, kw_only=True)
class FinishedEvaluation:
    """A finished evaluation.

    Attributes:
        folder: Folder of the evaluation.
        identity: Its identity; see `il_ros.evaluation.evaluation_journal`.
        episodes: Its episodes.
    """

    folder: str
    identity: Mapping[str, str]
    episodes: Sequence[EpisodeResult]

    def suite(self, name: str) -> dict[CaseKey, EpisodeResult]:
        """Episodes of a suite by their case."""
        return {case_key(episode): episode for episode in self.episodes if episode.suite == name}


def read_evaluation(folder: Path) -> FinishedEvaluation:
    """Read the folder of `il_ros evaluate`.

    Raises:
        EvaluationError: If the folder holds no evaluation, or a damaged one.
    """
    identity, episodes = EvaluationJournal.read_identity(folder), read_episodes(folder / EPISODES)
    return FinishedEvaluation(folder=str(folder), identity=identity, episodes=episodes)


def compare_evaluations(
    a: FinishedEvaluation,
    b: FinishedEvaluation,
    *,
    suites: Sequence[str] = (),
    seed: int = 0,
) -> dict[str, Any]:
    """Compare two evaluations episode by episode.

    Args:
        a: The reference.
        b: The evaluation to compare with it.
        suites: Suites to compare; by default all suites of either that a policy drives.
        seed: Seed of the bootstrap.

    Returns:
        JSON values: 'a', 'b' (folder, identity), 'differs' (keys in which their identities differ),
        'confidence', 'power', and 'suites', one entry each from `compare_suite`.

    Raises:
        EvaluationError: If there is nothing to compare, or episodes have no partner.
    """
    names = suites or [
        name
        for name in dict.fromkeys(e.suite for e in [*a.episodes, *b.episodes])
        if name not in SUITES or SUITES[name].controller == 'policy'
    ]
    if not names:
        raise EvaluationError('no suite to compare', where=f'{a.folder}, {b.folder}')
    pairs = {name: paired(a, b, name) for name in names}
    shared = {*a.identity, *b.identity}
    return {
        'a': {'folder': a.folder, 'identity': dict(a.identity)},
        'b': {'folder': b.folder, 'identity': dict(b.identity)},
        'differs': sorted(k for k in shared if a.identity.get(k) != b.identity.get(k)),
        'confidence': CONFIDENCE,
        'power': POWER,
        'suites': {name: compare_suite(some, seed=seed) for name, some in pairs.items()},
    }


def paired(a: FinishedEvaluation, b: FinishedEvaluation, suite: str) -> list[EpisodePair]:
    """Pair all episodes of a suite by task, seed and perturbations, in order.

    Raises:
        EvaluationError: If an episode has no partner, or perturbations of the same name differ.
    """
    ours, theirs = a.suite(suite), b.suite(suite)
    if not (ours and theirs):
        raise EvaluationError(
            f'no episode in {" and ".join(x.folder for x in (a, b) if not x.suite(suite))}',
            where=f'suite {suite}',
            fix='run the suite there too, or choose the suites to compare with --suites',
        )
    if ours.keys() != theirs.keys():
        raise EvaluationError(
            '; '.join(
                f'{len(single)} episodes are only in {x.folder} ({_cases(single)})'
                for x, single in (
                    (a, sorted(ours.keys() - theirs.keys())),
                    (b, sorted(theirs.keys() - ours.keys())),
                )
                if single
            ),
            where=f'suite {suite}',
            allowed='the same tasks, seeds and perturbations in both',
            fix='evaluate both with the same options, or extend the shorter one with --episodes',
        )
    for name in sorted({name for _, _, some in ours for name in some}):
        key = f'perturbations.{name}'
        if a.identity.get(key) != b.identity.get(key):
            raise EvaluationError(
                f'{name} differs: {a.identity.get(key)} and {b.identity.get(key)}',
                where=f'suite {suite}',
                fix='evaluate both with the same perturbation file',
            )
    return [(ours[key], theirs[key]) for key in sorted(ours)]


def _cases(keys: Sequence[CaseKey]) -> str:
    tasks = sorted({task for task, _, _ in keys})
    names = sorted({name for _, _, some in keys for name in some})
    more = f', {", ".join(names)}' if names else ''
    return f'{", ".join(tasks)}: seeds {seed_ranges([seed for _, seed, _ in keys])}{more}'


def compare_suite(pairs: Sequence[EpisodePair], *, seed: int = 0) -> dict[str, Any]:
    """Compare B with A on these pairs.

    Returns:
        JSON values: counts; rates and their difference with its interval
        (`difference_interval`); 'p_value' (`mcnemar`); 'verdict': 'better', 'worse' or 'open';
        'pairs_needed' for the observed difference and 'pairs_needed_for' others, at the observed
        fraction of discordant pairs (`pairs_needed`); 'time': how much longer B takes where both
        succeed.
    """
    table = PairedOutcomes.of([(a.success, b.success) for a, b in pairs])
    low, high = difference_interval(table)
    p_value = mcnemar(table)
    significant = p_value <= 1 - CONFIDENCE
    better = 'better' if table.difference > 0 else 'worse'
    return {
        'pairs': table.pairs,
        'both': table.both,
        'only_a': table.only_a,
        'only_b': table.only_b,
        'neither': table.neither,
        'rate_a': (table.both + table.only_a) / table.pairs,
        'rate_b': (table.both + table.only_b) / table.pairs,
        'difference': table.difference,
        'difference_low': low,
        'difference_high': high,
        'p_value': p_value,
        'verdict': better if significant else 'open',
        'discordant': table.discordant,
        'pairs_needed': pairs_needed(table.difference, table.discordant),
        'pairs_needed_for': {
            str(size): pairs_needed(size, max(table.discordant, size)) for size in DIFFERENCES
        },
        'time': _time(pairs, seed),
    }


def _time(pairs: Sequence[EpisodePair], seed: int) -> dict[str, Any] | None:
    """Mean of the paired differences of completion times [s], B minus A."""
    differences = np.array([b.duration - a.duration for a, b in pairs if a.success and b.success])
    if not len(differences):
        return None
    low, high = bootstrap(differences, np.mean, seed=seed)
    return {
        'pairs': len(differences),
        'difference_s': float(differences.mean()),
        'difference_low_s': low,
        'difference_high_s': high,
        'seed': seed,
    }
