"""Episodes as a table for a spreadsheet or a data frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable

import numpy as np

from il_ros.core.limits import Array
from il_ros.evaluation.episode_measures import arc_length, finite, jerk
from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.evaluation.html_pages import without_controls


def episodes_csv(episodes: Iterable[EpisodeResult]) -> str:
    """One row per episode under a header row: outcome, times [s], counts, means of traces.

    A field that was not measured is empty. Text that a spreadsheet would read as a formula gets a
    leading apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(_COLUMNS)
    for episode in episodes:
        writer.writerow(_cell(value_of(episode)) for value_of in _COLUMNS.values())
    return text.getvalue()


_COLUMNS: dict[str, Callable[[EpisodeResult], str | float | None]] = {
    'suite': lambda e: e.suite,
    'task': lambda e: e.task,
    'seed': lambda e: e.seed,
    'perturbations': lambda e: ' + '.join(e.perturbations),
    'success': lambda e: int(e.success),
    'duration_s': lambda e: float(e.duration),
    'progress': lambda e: float(e.progress),
    'violations': lambda e: e.violated,
    'fallback': lambda e: int(e.fallback),
    'fallback_time_s': lambda e: e.fallback_time,
    'takeovers': lambda e: e.takeovers,
    'reason': lambda e: e.reason,
    'spectral_arc_length': arc_length,
    'log_dimensionless_jerk': jerk,
    'latency_p50_ms': lambda e: _of_known(np.median, 1e3 * e.latencies),
    'action_error': lambda e: _of_known(np.mean, e.action_errors),
    'bag': lambda e: e.bag,
}


def _of_known(statistic: Callable[[Array], float], values: Array) -> float | None:
    known = finite(values)
    return float(statistic(known)) if known.size else None


def _cell(value: str | float | None) -> object:
    if isinstance(value, float):
        return f'{value:.4f}'
    if isinstance(value, str):
        value = without_controls(value)  # a bare carriage return would end the row
        return f"'{value}" if value.lstrip().startswith(('=', '+', '-', '@')) else value
    return value
