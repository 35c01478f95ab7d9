"""``il_ros compare``: compares two policies on the same seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.table import Table

from il_ros.cli.printing import Console
from il_ros.core.atomic_files import write_atomic
from il_ros.evaluation.intervals import percent
from il_ros.evaluation.paired_evaluations import compare_evaluations, read_evaluation
from il_ros.evaluation.suites import SUITES


def compare(
    a: tyro.conf.Positional[Path],
    b: tyro.conf.Positional[Path],
    *,
    suites: tuple[str, ...] = (),
    seed: int = 0,
    out: Annotated[Path | None, tyro.conf.arg(name='json')] = None,
) -> int:
    """Compare evaluation B with evaluation A, episode by episode.

    Args:
        a: Output folder of `il_ros evaluate`.
        b: Another one on the same seeds.
        suites: Suites to compare; by default those that a policy drives.
        seed: Seed of the bootstrap.
        out: JSON file for the figures.
    """
    found = compare_evaluations(read_evaluation(a), read_evaluation(b), suites=suites, seed=seed)
    if out is not None:
        write_atomic(out, json.dumps(found, indent=1, allow_nan=False) + '\n')
    console = Console()
    console.print(f'A {a}, B {b}; they differ in: {", ".join(found["differs"]) or "nothing"}')
    console.print(_table(found))
    for name, suite in found['suites'].items():
        console.print(f'{_title(name)}: {_sentence(suite, found["power"])}')
    return 0


def _title(name: str) -> str:
    return SUITES[name].title if name in SUITES else name


def _table(found: Mapping[str, Any]) -> Table:
    level = percent(found['confidence'])
    table = Table(
        'suite', 'pairs', 'A', 'B', 'A alone / B alone', f'B - A ({level})', 'p', 'time B - A [s]'
    )
    for name, suite in found['suites'].items():
        table.add_row(
            _title(name),
            str(suite['pairs']),
            percent(suite['rate_a']),
            percent(suite['rate_b']),
            f'{suite["only_a"]} / {suite["only_b"]}',
            f'{100 * suite["difference"]:+.1f} ({100 * suite["difference_low"]:+.1f} to '
            f'{100 * suite["difference_high"]:+.1f})',
            f'{suite["p_value"]:.3g}',
            _time(suite['time']),
        )
    return table


def _time(time: Mapping[str, Any] | None) -> str:
    if time is None:
        return '-'
    text = f'{time["difference_s"]:+.2f}'
    if time['difference_low_s'] is None:
        return text
    return f'{text} ({time["difference_low_s"]:+.2f} to {time["difference_high_s"]:+.2f})'


def _sentence(suite: Mapping[str, Any], power: float) -> str:
    """What follows from the figures of one suite."""
    if suite['verdict'] != 'open':
        return f'B is {suite["verdict"]} than A.'
    needed, chance = suite['pairs_needed'], percent(power)
    if needed is None:
        return (
            f'not told apart, and no difference was seen; a difference of 10 points would take '
            f'{suite["pairs_needed_for"]["0.1"]} episodes ({chance} power).'
        )
    return (
        f'not told apart; if the difference seen were the true one, it would take about {needed} '
        f'episodes ({chance} power).'
    )
