"""The tables of the monitor's study, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.monitor_study import CHANNELS, VARYING, Found, StudySizes
from il_ros.calibration.fit_scores import DEFAULT_CHANNELS
from il_ros.core.atomic_files import write_atomic
from il_ros.evaluation.score_quality import ScoreResult, table
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.rollouts.rollout_scores import by_perturbation, result_of
from il_ros.sim.tasks import make_task

DEFAULT = tuple(name for name, _, _ in DEFAULT_CHANNELS)
TOGETHER = ' + '.join(DEFAULT)
MONITOR = 'whole monitor'

Costs = Mapping[str, tuple[float, float]]
Results = Mapping[str, ScoreResult]


def singles(found: Sequence[Found]) -> list[str]:
    """Scores that can be told on the rollouts of every policy."""
    left_out = {name for one in found for name in one.left_out}
    return [name for name, _, _ in CHANNELS if name not in left_out]


def results_of(found: Sequence[Found], *, varying: bool = VARYING) -> dict[str, ScoreResult]:
    """Each score by itself, then the default ones together, over the episodes of these policies."""
    comparisons = [replace(one.comparison, varying=varying) for one in found]
    results = {}
    for names in [*((name,) for name in singles(found)), DEFAULT]:
        traces = [trace for one in comparisons for trace in one.traces(*names)]
        results[' + '.join(names)] = result_of(traces, MonitorConfig())
    return results


def write(
    folder: Path, sizes: StudySizes, found: Sequence[Found], costs: Costs
) -> dict[str, ScoreResult]:
    """Write study.json and study.md; gives the results over all policies."""
    config, limit = MonitorConfig(), make_task(sizes.task).time_limit
    whole = [trace for one in found for trace in one.comparison.whole(*DEFAULT, limit=limit)]
    kinds = by_perturbation([s for one in found for s in one.comparison.test], whole, config)
    results = results_of(found)
    parts: dict[str, Results] = {'all policies': {**results, MONITOR: result_of(whole, config)}}
    other = 'constant' if VARYING else 'following the episode'
    parts[f'all policies, thresholds {other}'] = results_of(found, varying=not VARYING)
    facts = {
        'task': sizes.task,
        'alpha': sizes.alpha,
        'varying': VARYING,
        'default': DEFAULT,
        'policies': [_policy(one) for one in found],
        'left_out': found[0].left_out,
        'cost_us': dict(costs),
        'scores': {
            part: {name: result.row() for name, result in some.items()}
            for part, some in parts.items()
        },
        'perturbations': kinds,
    }
    write_atomic(folder / 'study.json', json.dumps(facts, indent=1) + '\n')
    sections = [f'## {part[0].upper()}{part[1:]}\n\n{table(some)}' for part, some in parts.items()]
    sections += [f'## What the whole monitor notices\n\n{_kinds(kinds, found)}']
    sections += [f'## Cost of a tick\n\n{_cost_table(costs)}']
    write_atomic(folder / 'study.md', '\n'.join(sections))
    return results


def _policy(found: Found) -> dict[str, Any]:
    figures = {name: r.balanced_accuracy for name, r in results_of([found]).items()}
    return {
        'seed': found.seed,
        'successes': found.successes,
        'stopped_by_checks': sum(one.gated for one in found.comparison.test),
        'violations_with_monitor': found.violations_guarded,
        'violations_without_monitor': found.violations_raw,
        'balanced_accuracy': {name: figure and figure.value for name, figure in figures.items()},
    }


def _kinds(kinds: Mapping[str, Mapping[str, Any]], found: Sequence[Found]) -> str:
    violations = ('violations with', 'violations without')
    head = ['disturbance', *next(iter(kinds.values())), *violations]
    lines = ['| ' + ' | '.join(head) + ' |', '|' + ' --- |' * len(head)]
    for name, row in kinds.items():
        left = [
            sum(part.get(name, 0) for part in parts)
            for parts in (
                [one.violations_guarded for one in found],
                [one.violations_raw for one in found],
            )
        ]
        lines.append('| ' + ' | '.join([name, *map(_cell, row.values()), *map(str, left)]) + ' |')
    return '\n'.join(lines) + '\n'


def _cell(value: object) -> str:
    if value is None:
        return '-'
    return f'{value:.2f}' if isinstance(value, float) else str(value)


def _cost_table(costs: Costs) -> str:
    lines = [f'| {name} | {p50:.0f} | {p99:.0f} |' for name, (p50, p99) in costs.items()]
    return '\n'.join(['| score | p50 [us] | p99 [us] |', '| --- | --- | --- |', *lines]) + '\n'
