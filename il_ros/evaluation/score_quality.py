"""How well and how early a score separates failing episodes from good ones.

The input is one trace per episode: the windowed score relative to its calibrated threshold at each
tick, so that the score stops the policy at 1. The measures are those of Xu et al. 2025
(FAIL-Detect: Can We Detect Failures Without Failure Data?): rates over failing and good episodes,
their mean, and the detection time; and the area under the ROC curve, which needs no threshold.
Every figure has an interval over episodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import EvaluationError
from il_ros.core.limits import Array
from il_ros.evaluation.intervals import CONFIDENCE, Rate, rate_fields

RESAMPLES = 1000  # of the bootstrap
SEED = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreTrace:
    """One episode as one score saw it.

    Attributes:
        times: Time of each tick since the start, shape (T,) [s].
        ratios: Windowed score relative to its threshold, shape (T,); NaN if it is unknown.
        failed: Whether the policy failed.
        perturbed: Whether the episode was perturbed.
        duration: Length of the episode [s].
        stopped: When something other than the score stopped the policy [s]; counts as an alarm.

    Raises:
        EvaluationError: If times and ratios differ in shape, or the duration is not positive.
    """

    times: Array
    ratios: Array
    failed: bool
    perturbed: bool
    duration: float
    stopped: float | None = None

    def __post_init__(self) -> None:
        if np.shape(self.times) != np.shape(self.ratios) or np.ndim(self.times) != 1:
            raise EvaluationError(
                f'times {np.shape(self.times)} and ratios {np.shape(self.ratios)}',
                where='trace',
                allowed='one of each per tick',
            )
        if not self.duration > 0:
            raise EvaluationError(
                f'a duration of {self.duration} s', where='trace', allowed='above 0 s'
            )

    @property
    def maximum(self) -> float:
        """Largest ratio of the episode; -inf if all are NaN, inf if something else stopped it."""
        if self.stopped is not None:
            return np.inf
        known = self.ratios[~np.isnan(self.ratios)]
        return float(known.max()) if len(known) else -np.inf

    def alarm(self, count: int = 1, window: int = 1) -> float | None:
        """First time at which `count` of the last `window` ticks were above 1 [s]; None if never.

        An alarm at or after the end of the episode prevents nothing and does not count.
        """
        above = np.concatenate([[0], np.cumsum(self.ratios > 1.0)])
        recent = above[1:] - above[np.maximum(np.arange(len(above) - 1) - window + 1, 0)]
        hits = self.times[(recent >= count) & (self.times < self.duration)]
        alarms = [float(hits[0])] if len(hits) else []
        return min([*alarms, *([] if self.stopped is None else [self.stopped])], default=None)


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval.

    Attributes:
        value: The figure.
        low: Lower end of its interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreResult:
    """Results of one score on a set of episodes; an alarm is `count` of `window` ticks above 1.

    Attributes:
        traces: The episodes.
        count: Ticks above the threshold that raise an alarm.
        window: Length of the window [ticks].
    """

    traces: Sequence[ScoreTrace]
    count: int = 1
    window: int = 1

    @cached_property
    def alarms(self) -> tuple[float | None, ...]:
        """When each episode raised its alarm [s]."""
        return tuple(trace.alarm(self.count, self.window) for trace in self.traces)

    @property
    def true_positives(self) -> Rate | None:
        """Rate of failing episodes with an alarm before their end."""
        return self._rate(failed=True)

    @property
    def true_negatives(self) -> Rate | None:
        """Rate of good episodes, perturbed or not, without an alarm."""
        alarms = self._rate(failed=False)
        return alarms and Rate(alarms.trials - alarms.successes, alarms.trials)

    @property
    def nominal_false_alarms(self) -> Rate | None:
        """Rate of good unperturbed episodes with an alarm."""
        return self._rate(failed=False, perturbed=False)

    @property
    def perturbed_false_alarms(self) -> Rate | None:
        """Rate of good perturbed episodes with an alarm, although the policy coped."""
        return self._rate(failed=False, perturbed=True)

    @cached_property
    def auroc(self) -> Estimate | None:
        """Probability that a failing episode has a larger maximum than a good one; ties count half.

        Failing episodes often last longer, and longer episodes tend to have larger maxima.
        """
        maxima = np.array([trace.maximum for trace in self.traces])
        wins = _wins(maxima[self._failed], maxima[~self._failed])
        if not wins.size:
            return None
        bad, good = self._draws
        return _estimate(wins.mean(), np.einsum('bi,ij,bj->b', bad, wins, good))

    @cached_property
    def balanced_accuracy(self) -> Estimate | None:
        """Mean of the rates of true positives and of true negatives."""
        return self._mean(np.array([alarm is not None for alarm in self.alarms], np.float64))

    @cached_property
    def time_weighted_accuracy(self) -> Estimate | None:
        """Balanced accuracy in which an early alarm counts more than a late one.

        An alarm at time t of a failing episode of length T counts 1 - t / T instead of 1: a stop at
        the start counts 1, a stop at the end 0. Good episodes count as in `balanced_accuracy`.
        """
        pairs = zip(self.alarms, self.traces, strict=True)
        weights = [
            0.0 if t is None else 1.0 - t / trace.duration if trace.failed else 1.0
            for t, trace in pairs
        ]
        return self._mean(np.array(weights))

    @cached_property
    def detection_share(self) -> Estimate | None:
        """Median of detection time / episode length over the detected failures, 0 to 1."""
        shares = np.array([
            t / trace.duration
            for t, trace in zip(self.alarms, self.traces, strict=True)
            if trace.failed and t is not None
        ])  # fmt: skip
        if not len(shares):
            return None
        rng = np.random.default_rng(SEED)
        drawn = shares[rng.integers(len(shares), size=(RESAMPLES, len(shares)))]
        return _estimate(np.median(shares), np.median(drawn, axis=1))

    def row(self) -> dict[str, Any]:
        """All measures as plain numbers; null if there was nothing to measure."""
        row: dict[str, Any] = {'episodes': len(self.traces), 'failed': int(self._failed.sum())}
        for name in ('auroc', 'balanced_accuracy', 'time_weighted_accuracy', 'detection_share'):
            figure: Estimate | None = getattr(self, name)
            row |= {
                name: figure and figure.value,
                f'{name}_low': figure and figure.low,
                f'{name}_high': figure and figure.high,
            }
        rates = {
            'true_positive_rate': self.true_positives,
            'true_negative_rate': self.true_negatives,
            'false_alarms_nominal': self.nominal_false_alarms,
            'false_alarms_perturbed': self.perturbed_false_alarms,
        }
        for name, rate in rates.items():
            row |= rate_fields(rate, name, name)
        return row

    @cached_property
    def _failed(self) -> NDArray[np.bool_]:
        return np.array([trace.failed for trace in self.traces], dtype=bool)

    def _rate(self, *, failed: bool, perturbed: bool | None = None) -> Rate | None:
        chosen = [
            alarm is not None
            for alarm, trace in zip(self.alarms, self.traces, strict=True)
            if trace.failed == failed and perturbed in (None, trace.perturbed)
        ]
        return Rate.of(chosen)

    @cached_property
    def _draws(self) -> tuple[Array, Array]:
        """Weights of each failing and each good episode in the resamples, (B, F) and (B, G).

        Failing and good episodes are resampled separately: their numbers were chosen, not measured.
        """
        rng = np.random.default_rng(SEED)
        sizes = int(self._failed.sum()), int((~self._failed).sum())
        shares = [rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES) / n for n in sizes]
        return shares[0], shares[1]

    def _mean(self, weights: Array) -> Estimate | None:
        """Mean of the failing episodes' mean weight and 1 minus the good episodes' mean weight."""
        bad, good = weights[self._failed], weights[~self._failed]
        if not len(bad) or not len(good):
            return None
        drawn = [draw @ part for draw, part in zip(self._draws, (bad, good), strict=True)]
        return _estimate(0.5 * (bad.mean() + 1 - good.mean()), 0.5 * (drawn[0] + 1 - drawn[1]))


def _estimate(value: float, drawn: Array) -> Estimate:
    """Percentile interval of a bootstrap (Efron & Tibshirani 1993, section 13.3)."""
    tail = 50.0 * (1.0 - CONFIDENCE)
    low, high = np.percentile(drawn, [tail, 100.0 - tail])
    return Estimate(float(value), float(low), float(high))


def table(results: Mapping[str, ScoreResult]) -> str:
    """A Markdown table with one row per score."""
    measures = {
        'AUROC': 'auroc',
        'detected': 'true_positives',
        'quiet on good': 'true_negatives',
        'balanced accuracy': 'balanced_accuracy',
        'time-weighted accuracy': 'time_weighted_accuracy',
        'detection time share': 'detection_share',
        'false alarms, nominal': 'nominal_false_alarms',
        'false alarms, perturbed': 'perturbed_false_alarms',
    }
    lines = ['| score | ' + ' | '.join(measures) + ' |', '|' + ' --- |' * (len(measures) + 1)]
    for name, result in results.items():
        cells = [_cell(getattr(result, measure)) for measure in measures.values()]
        lines.append('| ' + ' | '.join([name, *cells]) + ' |')
    return '\n'.join(lines) + '\n'


def _cell(figure: Estimate | Rate | None) -> str:
    if figure is None:
        return '-'
    if isinstance(figure, Rate):
        return f'{figure.successes}/{figure.trials} ({figure.low:.2f} to {figure.high:.2f})'
    return f'{figure.value:.3f} ({figure.low:.2f} to {figure.high:.2f})'


def _wins(positive: Array, negative: Array) -> Array:
    """1 if a positive score is above a negative one, 0.5 if they tie, shape (P, N)."""
    above = positive[:, None] > negative[None]
    tied = positive[:, None] == negative[None]
    return np.asarray(above + 0.5 * tied, dtype=np.float64)
