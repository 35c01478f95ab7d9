"""Scores of stored rollouts, equal to the scores while the policy drove.

Nothing is simulated here, so a changed score can be evaluated again within seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, nan
from typing import Any

import numpy as np

from il_ros.core.frames import NS
from il_ros.core.limits import Array
from il_ros.evaluation.score_quality import ScoreResult, ScoreTrace
from il_ros.monitors.conformal_thresholds import ConformalThresholds, mean_ratio
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.score_bank import ScoreBank
from il_ros.monitors.scores.score import ScoreInput
from il_ros.policies.score_inputs import ScoreInputs
from il_ros.rollouts.rollout import Rollout


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredRollout:
    """One episode and its K scores.

    Attributes:
        values: Averaged scores at each tick until the episode's end, shape (T, K).
        times: Time of each tick since the reset, shape (T,) [s].
        failed: Whether the policy failed or a hard check stopped it.
        perturbation: Name of the perturbations; empty for none.
        duration: Length of the episode [s].
        gated: Whether a hard check stopped the policy.
    """

    values: Array
    times: Array
    failed: bool
    perturbation: str
    duration: float
    gated: bool

    def ratios(self, thresholds: ConformalThresholds, columns: Sequence[int]) -> Array:
        """Scores relative to their thresholds, shape (T, len(columns)).

        A score of NaN is ignored here: hard checks stop the policy when an observation is missing.
        """
        rows = self.values[:, list(columns)]
        ratios = [thresholds.ratios(row, tick, missing=nan) for tick, row in enumerate(rows)]
        return np.array(ratios).reshape(rows.shape)

    def trace(self, ratios: Array) -> ScoreTrace:
        """Combine the ratios of these scores, shape (T, K), into one trace."""
        return ScoreTrace(
            times=self.times,
            ratios=np.array([mean_ratio(row) for row in ratios]),
            failed=self.failed,
            perturbed=bool(self.perturbation),
            duration=self.duration,
        )


def score_rollouts(
    bank: ScoreBank, score_inputs: ScoreInputs, rollouts: Iterable[Rollout]
) -> list[ScoredRollout]:
    """Compute every score of a bank for each rollout, up to a stop of the policy."""
    scored = []
    for rollout in rollouts:
        values, times = bank.trace(score_inputs_of(score_inputs, rollout)), rollout.times
        before = times < rollout.duration - 1e-9
        scored.append(
            ScoredRollout(
                values=values[before],
                times=times[before],
                failed=not rollout.success,
                perturbation=rollout.perturbation,
                duration=rollout.duration,
                gated=rollout.alarm is not None,
            )
        )
    return scored


def score_inputs_of(score_inputs: ScoreInputs, rollout: Rollout) -> Iterator[ScoreInput]:
    """Yield the score input of each frame, with the newest answer at that time."""
    chunk, time = None, 0.0
    for frame, answer in zip(rollout.frames, rollout.chunks, strict=True):
        if answer is not None:
            chunk, time = answer, frame.stamp / NS
        yield score_inputs.of_frame(frame, chunk, time)


def overdue(scored: ScoredRollout, longest: int, config: MonitorConfig) -> Array:
    """Length so far over the longest allowed one, shape (T,): above 1 the monitor stops it."""
    longest_allowed = config.overdue * longest if config.overdue else inf
    return np.arange(1, len(scored.times) + 1) / longest_allowed


def whole_monitor(
    scored: ScoredRollout, ratios: Array, *, longest: int, limit: float, config: MonitorConfig
) -> ScoreTrace:
    """Trace of the whole monitor: scores, episode length, and stops by hard checks.

    Args:
        scored: The episode.
        ratios: Scores relative to their thresholds, shape (T, K).
        longest: Ticks of the longest calibration episode.
        limit: Length of an episode that a hard check ended, had it continued [s]: the time limit
            of the task.
        config: Settings of the monitor.
    """
    trace = scored.trace(ratios)
    trace = replace(trace, ratios=np.fmax(trace.ratios, overdue(scored, longest, config)))
    return replace(trace, stopped=scored.duration, duration=limit) if scored.gated else trace


def result_of(traces: Sequence[ScoreTrace], config: MonitorConfig) -> ScoreResult:
    """Evaluate these traces; an alarm is what stops the policy in the monitor."""
    return ScoreResult(traces=traces, count=config.trigger_count, window=config.trigger_window)


def by_perturbation(
    scored: Sequence[ScoredRollout], traces: Sequence[ScoreTrace], config: MonitorConfig
) -> dict[str, Mapping[str, Any]]:
    """Count episodes, failures, stops by hard checks and detections of each perturbation.

    Args:
        scored: Episodes.
        traces: Traces of one score in the same episodes.
        config: Settings that define an alarm.
    """
    rows: dict[str, Mapping[str, Any]] = {}
    for name in dict.fromkeys(one.perturbation for one in scored):
        some = [
            (one, trace.alarm(config.trigger_count, config.trigger_window), trace.duration)
            for one, trace in zip(scored, traces, strict=True)
            if one.perturbation == name
        ]
        shares = [t / length for one, t, length in some if t is not None and one.failed]
        rows[name or 'nominal'] = {
            'episodes': len(some),
            'failed': sum(one.failed for one, _, _ in some),
            'stopped_by_checks': sum(one.gated for one, _, _ in some),
            'detected': sum(t is not None and one.failed and not one.gated for one, t, _ in some),
            'false_alarms': sum(t is not None and not one.failed for one, t, _ in some),
            'detection_share': float(np.median(shares)) if shares else None,
        }
    return rows
