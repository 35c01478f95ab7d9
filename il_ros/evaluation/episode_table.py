"""Episodes as a table for a spreadsheet or a data frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

import numpy as np

from il_ros.evaluation.episode_measures import arc_length, jerk
from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.evaluation.json_values import Array


def episodes_csv(episodes: Iterable[EpisodeResult]) -> str:
    """One row per episode under a header row: outcome, times [s], counts, means of traces.

    A field that was not measured is empty. Text that a spreadsheet would read as a formula gets a
    leading apostrophe.
    """
    rows = [_row(episode) for episode in episodes]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(_COLUMNS), lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


_COLUMNS = (
    'suite', 'task', 'seed', 'perturbations', 'success', 'duration_s', 'progress', 'violations',
    'fallback', 'fallback_time_s', 'takeovers', 'reason', 'spectral_arc_length',
    'log_dimensionless_jerk', 'latency_p50_ms', 'action_error', 'bag',
)  # fmt: skip


def _row(episode: EpisodeResult) -> dict[str, Any]:
    latency = _median(episode.latencies)
    return {
        'suite': episode.suite,
        'task': _plain(episode.task),
        'seed': episode.seed,
        'perturbations': _plain(' + '.join(episode.perturbations)),
        'success': int(episode.success),
        'duration_s': f'{episode.duration:.4f}',
        'progress': f'{episode.progress:.4f}',
        'violations': episode.violated,
        'fallback': int(episode.fallback),
        'fallback_time_s': _number(episode.fallback_time),
        'takeovers': episode.takeovers,
        'reason': _plain(episode.reason),
        'spectral_arc_length': _number(arc_length(episode)),
        'log_dimensionless_jerk': _number(jerk(episode)),
        'latency_p50_ms': _number(None if latency is None else 1e3 * latency),
        'action_error': _number(_mean(episode.action_errors)),
        'bag': _plain(episode.bag),
    }


def _median(values: Array) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else None


def _mean(values: Array) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def _number(value: float | None) -> str:
    return '' if value is None else f'{value:.4f}'


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(('=', '+', '-', '@')) else text
