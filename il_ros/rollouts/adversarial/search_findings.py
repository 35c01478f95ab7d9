"""Output of an adversarial search: a list to replay, all trials as JSON, and a summary."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
import yaml

from il_ros.core.errors import IlRosError
from il_ros.evaluation.intervals import Rate, rate_fields
from il_ros.rollouts.adversarial.adversarial_search import (
    SearchConfig,
    SearchResult,
    Trial,
    severity,
)
from il_ros.rollouts.adversarial.search_space import SearchSpace
from il_ros.rollouts.episode_cases import EpisodeCase
from il_ros.sim.perturbations import KINDS, Perturbation

BANDS = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)  # sizes between which failures are counted
APART = 0.1  # least distance of two listed disturbances of one scene, root mean square of shares


def most_severe(space: SearchSpace, result: SearchResult, most: int) -> list[Trial]:
    """List failures, the smallest disturbance first; those of one scene must differ clearly."""
    failed = [t for t in result.trials if t.phase in ('random', 'cma_es') and not t.success]
    listed: list[Trial] = []
    for trial in sorted(failed, key=severity):
        if len(listed) == most:
            break
        if all(other.seed != trial.seed or _apart(space, trial, other) for other in listed):
            listed.append(trial)
    return listed


def replay_list(trials: Sequence[Trial], *, head: str = '') -> str:
    """Write a list of failures as YAML for `il_ros evaluate --perturbations`.

    Each name ends with the seed of the scene; see `cases_of`.
    """
    lines = [f'# {line}' for line in head.splitlines()]
    if not trials:
        lines.append('{}')
    for rank, trial in enumerate(trials, 1):
        why = f': {" ".join(trial.reason.split())}' if trial.reason else ''
        lines += [
            f'# size {trial.size:.3f}, progress {trial.progress:.2f}, {trial.outcome}'
            f' after {trial.duration:.2f} s{why}',
            f'{rank:03}_seed_{trial.seed}:',
            *(f'  - {_flow(p)}' for p in trial.perturbations),
        ]
    return '\n'.join(lines) + '\n'


def cases_of(
    perturbations: Mapping[str, Sequence[Perturbation]], *, where: str = ''
) -> list[EpisodeCase]:
    """Read the episodes of a list; each name ends with the seed of the scene.

    Raises:
        IlRosError: If a name does not end with a seed.
    """
    cases = []
    for name, items in perturbations.items():
        match = re.fullmatch(r'.*_seed_(\d+)', name)
        if match is None:
            raise IlRosError(
                f'{name!r} names no scene',
                where=where,
                allowed='names that end with _seed_<number>, as "adversarial search" writes them',
            )
        cases.append(EpisodeCase(seed=int(match[1]), name=name, perturbations=tuple(items)))
    return cases


def summary(result: SearchResult) -> dict[str, Any]:
    """Failure rates with Wilson intervals, and the size of the smallest failing disturbance.

    The rates use undisturbed and random episodes only. CMA-ES selects episodes that fail, so their
    failure rate says nothing about the policy.
    """
    random, refined = result.of('random'), result.of('cma_es')
    failures = [t for t in (*random, *refined) if not t.success]
    return {
        'undisturbed': _failed(result.of('undisturbed')),
        'random': _failed(random),
        'by_size': [
            {'from': low, 'to': high, **_failed(trials)} for low, high, trials in by_size(random)
        ],
        'cma_es': {'trials': len(refined), 'failures': sum(not t.success for t in refined)},
        'smallest': min((t.size for t in failures), default=None),
    }


def facts(
    space: SearchSpace, result: SearchResult, config: SearchConfig, *, about: Mapping[str, Any]
) -> str:
    """Write everything as JSON: space, settings, summary, boundaries, and every trial."""
    data = {
        **about,
        'objective': 'size of a failure; 1 + share of the time limit that was left of a success',
        'settings': asdict(config),
        'parameters': [asdict(parameter) for parameter in space.parameters],
        'scenes': list(space.seeds),
        'summary': summary(result),
        'boundaries': [asdict(boundary) for boundary in result.boundaries],
        'trials': [
            {**_plain(trial), 'objective': trial.objective, 'failed': not trial.success}
            for trial in result.trials
        ],
    }
    return json.dumps(data, indent=1, allow_nan=False) + '\n'


def _plain(trial: Trial) -> dict[str, Any]:
    row = {name: value for name, value in vars(trial).items() if name != 'perturbations'}
    return {**row, 'values': dict(trial.values)}


def _failed(trials: Sequence[Trial]) -> dict[str, Any]:
    rate = Rate.of(not trial.success for trial in trials)
    return {
        'trials': len(trials),
        'failures': 0 if rate is None else rate.successes,
        'stopped': sum(trial.outcome == 'stopped' for trial in trials),
        **rate_fields(rate, 'share', 'share'),
    }


def by_size(trials: Sequence[Trial]) -> Iterator[tuple[float, float, list[Trial]]]:
    """Group the trials by the size of their disturbance: lower end, upper end, trials."""
    for low, high in pairwise(BANDS):
        last = high == BANDS[-1]
        yield low, high, [t for t in trials if low <= t.size < high or (last and t.size == high)]


def _apart(space: SearchSpace, one: Trial, other: Trial) -> bool:
    shares = [p.share(one.values[p.name]) - p.share(other.values[p.name]) for p in space.parameters]
    return float(np.sqrt(np.mean(np.square(shares)))) > APART


def _flow(p: Perturbation) -> str:
    """A perturbation on one line of YAML, without defaults."""
    item: dict[str, Any] = {'kind': p.kind}
    if p.target:
        item['target'] = p.target
    if not KINDS[p.kind].episode:
        item |= {'start': p.start} if p.start else {}
        item |= {'duration': p.duration} if math.isfinite(p.duration) else {}
    if p.value:
        item['value'] = list(p.value)
    return yaml.safe_dump(item, default_flow_style=True, sort_keys=False, width=10_000).strip()
