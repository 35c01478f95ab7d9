"""Compares policy and expert on the same seeds: completion time and smoothness."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

import numpy as np

from il_ros.evaluation.episode_measures import SEED, arc_length
from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.evaluation.failure_detection import EpisodePair, same_case
from il_ros.evaluation.paired_statistics import bootstrap


def compare(policy: Iterable[EpisodeResult], expert: Iterable[EpisodeResult]) -> dict[str, Any]:
    """Compare completion time and smoothness over the seeds that both solved.

    Returns:
        'completion_time' and 'smoothness', each with the number of pairs, the medians of policy
        and expert, and the median of the paired ratio (time, with its bootstrap interval) or of
        the paired difference (smoothness); None without pairs.
    """
    pairs = [(p, e) for p, e in same_case(policy, expert) if p.success and e.success]
    return {'completion_time': _completion_time(pairs), 'smoothness': _smoothness(pairs)}


def _completion_time(pairs: Sequence[EpisodePair]) -> dict[str, Any] | None:
    times = [(p.duration, e.duration) for p, e in pairs if p.duration > 0 and e.duration > 0]
    if not times:
        return None
    ratios = [policy / expert for policy, expert in times]
    low, high = bootstrap(ratios, np.median, seed=SEED)
    return {
        'pairs': len(times),
        'policy_median_s': median(policy for policy, _ in times),
        'expert_median_s': median(expert for _, expert in times),
        'ratio_median': median(ratios),
        'ratio_low': low,
        'ratio_high': high,
    }


def _smoothness(pairs: Sequence[EpisodePair]) -> dict[str, Any] | None:
    """Spectral arc length of the commanded joints: 0 is ideal, lower is rougher."""
    lengths = [
        (policy, expert)
        for policy, expert in ((arc_length(p), arc_length(e)) for p, e in pairs)
        if policy is not None and expert is not None
    ]
    if not lengths:
        return None
    return {
        'pairs': len(lengths),
        'policy_median': median(policy for policy, _ in lengths),
        'expert_median': median(expert for _, expert in lengths),
        'difference_median': median(policy - expert for policy, expert in lengths),
    }
