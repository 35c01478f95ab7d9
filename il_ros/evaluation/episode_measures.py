"""Measures of the episodes of one suite, in addition to their success, and the expert's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

import numpy as np

from il_ros.core.limits import Array
from il_ros.core.smoothness import log_dimensionless_jerk, spectral_arc_length
from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.evaluation.failure_detection import EpisodePair, same_case
from il_ros.evaluation.intervals import Rate, rate_fields
from il_ros.evaluation.paired_statistics import bootstrap

SEED = 0
"""Seed of every bootstrap in a report, so that the same episodes give the same report."""


def measures(group: Sequence[EpisodeResult]) -> dict[str, Any]:
    """Compute all measures of a suite; None if nothing was measured.

    Returns:
        JSON values. 'violation_rate': fraction of the episodes with a limit violation, with its
        Wilson interval. 'fallback_rate': fraction that the monitor stopped, with its interval.
        'takeovers_per_episode': mean. 'smoothness': `smoothness`. 'latency': `latency`.
        'action_error': `action_error`.
    """
    violated = Rate.of(e.violated > 0 for e in group)
    stopped = Rate.of(e.fallback for e in group)
    return {
        **rate_fields(violated, 'violation_rate', 'violation_wilson'),
        **rate_fields(stopped, 'fallback_rate', 'fallback_wilson'),
        'takeovers_per_episode': sum(e.takeovers for e in group) / len(group) if group else None,
        'smoothness': smoothness(group),
        'latency': latency(group),
        'action_error': action_error(group),
    }


def smoothness(group: Sequence[EpisodeResult]) -> dict[str, Any] | None:
    """Medians over the episodes: spectral arc length and log dimensionless jerk (lower: rougher).

    Both use the commanded joints of the whole episode, including a stop; see
    `il_ros.core.smoothness`.
    """
    lengths = [value for value in map(arc_length, group) if value is not None]
    jerks = [value for value in map(jerk, group) if value is not None]
    if not lengths and not jerks:
        return None
    return {
        'episodes': max(len(lengths), len(jerks)),
        'spectral_arc_length': median(lengths) if lengths else None,
        'log_dimensionless_jerk': median(jerks) if jerks else None,
    }


def arc_length(episode: EpisodeResult) -> float | None:
    """Spectral arc length of the commanded joints; None if it is undefined."""
    return spectral_arc_length(episode.times, episode.joints) if episode.joints.size else None


def jerk(episode: EpisodeResult) -> float | None:
    """Log dimensionless jerk of the commanded joints; None if it is undefined."""
    if not episode.joints.size:
        return None
    known = np.isfinite(episode.joints).all(axis=1)
    times, joints = episode.times[known], episode.joints[known]
    if len(times) < 4:
        return None
    step = float(np.median(np.diff(times)))
    even = np.arange(times[0], times[-1] + step / 2, step)
    # Commands between two known ticks are interpolated linearly.
    filled = [np.interp(even, times, column) for column in joints.T]
    return log_dimensionless_jerk(np.stack(filled, axis=1), step)


def latency(group: Sequence[EpisodeResult]) -> dict[str, Any] | None:
    """Milliseconds from observation to chunk over all ticks: median, 99th percentile, largest."""
    latencies = finite(np.concatenate([np.zeros(0), *(episode.latencies for episode in group)]))
    if not len(latencies):
        return None
    p50, p99 = np.percentile(latencies, [50, 99])
    return {
        'chunks': len(latencies),
        'p50_ms': float(1e3 * p50),
        'p99_ms': float(1e3 * p99),
        'max_ms': float(1e3 * latencies.max()),
    }


def action_error(group: Sequence[EpisodeResult]) -> dict[str, Any] | None:
    """Distance of the policy's actions from the expert's in the states that the policy visited.

    `il_ros.rollouts.action_error` defines both measures. Each is averaged over the ticks of an
    episode, then over the episodes. The interval is a bootstrap over episodes, because the ticks of
    one episode are not independent.
    """
    per_tick = [finite(episode.action_errors) for episode in group]
    counted = [
        (errors, episode.joints.shape[1])
        for errors, episode in zip(per_tick, group, strict=True)
        if errors.size and episode.joints.size
    ]
    if not counted:
        return None
    means = np.array([errors.mean() for errors, _ in counted])
    low, high = bootstrap(means, np.mean, seed=SEED)
    return {
        'episodes': len(counted),
        'mean': float(means.mean()),
        'low': low,
        'high': high,
        'kl_nats': float(np.mean([joints / 2 * (errors**2).mean() for errors, joints in counted])),
    }


def finite(values: Array) -> Array:
    """The values that are neither NaN nor infinite."""
    known: Array = values[np.isfinite(values)]
    return known


def compare_with_expert(
    policy: Iterable[EpisodeResult], expert: Iterable[EpisodeResult]
) -> dict[str, Any]:
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
