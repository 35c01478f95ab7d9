"""How well a score tells failing episodes from good ones, and how early.

A score is evaluated by its traces: for every episode the windowed score relative to its calibrated
threshold at each tick, so that 1 is where it stops the policy. The measures are those of Xu et al.
2025 (FAIL-Detect: Can We Detect Failures Without Failure Data?): rates of failing and of good
episodes, their mean, and the time of detection; and also the area under the ROC curve, which needs
no threshold. Every figure comes with an interval over episodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import EvaluationError
from il_ros.evaluation.intervals import CONFIDENCE, Rate, rate_fields

Array = NDArray[np.float64]

RESAMPLES = 1000  # of the bootstrap


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreTrace:
    """One episode as one score saw it.

    Attributes:
        times: Time of each tick since the start, shape (T,) [s].
        ratios: Windowed score relative to its threshold, shape (T,); NaN where it cannot be told.
        failed: Whether the policy failed.
        perturbed: Whether something was disturbed.
        duration: Length of the episode [s].
        stopped: When something else than the score stopped the policy [s], which is an alarm, too.

    Raises:
        EvaluationError: If times and ratios do not fit, or the duration is not positive.
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
                allowed='one of each a tick',
            )
        if not self.duration > 0:
            raise EvaluationError(
                f'a duration of {self.duration} s', where='trace', allowed='above 0 s'
            )

    @property
    def maximum(self) -> float:
        """Largest ratio of the episode; -inf where it could never be told, inf where it stopped."""
        if self.stopped is not None:
            return np.inf
        known = self.ratios[~np.isnan(self.ratios)]
        return float(known.max()) if len(known) else -np.inf

    def alarm(self, count: int = 1, window: int = 1) -> float | None:
        """When `count` of the last `window` ticks were above 1 for the first time [s]; None: never.

        An alarm at the end of the episode or after it spares nothing, and is none.
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

    def __str__(self) -> str:
        return f'{self.value:.3f} ({self.low:.3f} to {self.high:.3f})'


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreResult:
    """What one score came to on a set of episodes, an alarm being `count` of `window` ticks.

    Attributes:
        traces: The episodes.
        count: Ticks above the threshold that make an alarm.
        window: Among how many.
        confidence: Of every interval.
        seed: Of the bootstrap.
    """

    traces: Sequence[ScoreTrace]
    count: int = 1
    window: int = 1
    confidence: float = CONFIDENCE
    seed: int = 0

    @cached_property
    def alarms(self) -> tuple[float | None, ...]:
        """When each episode raised its alarm [s]."""
        return tuple(trace.alarm(self.count, self.window) for trace in self.traces)

    @property
    def true_positives(self) -> Rate | None:
        """How many failing episodes raised an alarm before their end."""
        return self._rate(failed=True)

    @property
    def true_negatives(self) -> Rate | None:
        """How many good episodes, disturbed or not, raised none."""
        false = self._rate(failed=False)
        return false and Rate(false.trials - false.successes, false.trials)

    @property
    def nominal_false_alarms(self) -> Rate | None:
        """How many good episodes in which nothing was disturbed raised an alarm."""
        return self._rate(failed=False, perturbed=False)

    @property
    def perturbed_false_alarms(self) -> Rate | None:
        """How many good episodes raised an alarm although the policy coped with the disturbance."""
        return self._rate(failed=False, perturbed=True)

    @cached_property
    def auroc(self) -> Estimate | None:
        """Chance that a failing episode has a larger maximum than a good one; ties count half.

        Failing episodes often last longer, and a longer one has more chances of a large maximum.
        """
        maxima = np.array([trace.maximum for trace in self.traces])
        wins = _wins(maxima[self._failed], maxima[~self._failed])
        if not wins.size:
            return None
        bad, good = self._draws
        return self._figure(wins.mean(), np.einsum('bi,ij,bj->b', bad, wins, good))

    @cached_property
    def balanced_accuracy(self) -> Estimate | None:
        """Mean of the rates of true positives and of true negatives."""
        return self._mean(np.array([alarm is not None for alarm in self.alarms], np.float64))

    @cached_property
    def time_weighted_accuracy(self) -> Estimate | None:
        """As balanced accuracy, with an early alarm worth more than a late one.

        An alarm at time t of a failing episode of length T counts 1 - t / T instead of 1, so that
        a policy stopped as it begins counts 1 and one stopped as it ends nothing; good episodes
        count as before.
        """
        pairs = zip(self.alarms, self.traces, strict=True)
        weights = [
            0.0 if t is None else 1.0 - t / trace.duration if trace.failed else 1.0
            for t, trace in pairs
        ]
        return self._mean(np.array(weights))

    @cached_property
    def detection_share(self) -> Estimate | None:
        """Median of detection time over length of the episode, of the failures detected, 0 to 1."""
        shares = np.array([
            t / trace.duration
            for t, trace in zip(self.alarms, self.traces, strict=True)
            if trace.failed and t is not None
        ])  # fmt: skip
        if not len(shares):
            return None
        rng = np.random.default_rng(self.seed)
        drawn = shares[rng.integers(len(shares), size=(RESAMPLES, len(shares)))]
        return self._figure(float(np.median(shares)), np.median(drawn, axis=1))

    def row(self) -> dict[str, Any]:
        """All of it as plain numbers; null where there was nothing to measure."""
        figures = {
            'auroc': self.auroc,
            'balanced_accuracy': self.balanced_accuracy,
            'time_weighted_accuracy': self.time_weighted_accuracy,
            'detection_share': self.detection_share,
        }
        rates = {
            'true_positive_rate': self.true_positives,
            'true_negative_rate': self.true_negatives,
            'false_alarms_nominal': self.nominal_false_alarms,
            'false_alarms_perturbed': self.perturbed_false_alarms,
        }
        row: dict[str, Any] = {'episodes': len(self.traces), 'failed': int(self._failed.sum())}
        for name, figure in figures.items():
            row |= {
                name: figure and figure.value,
                f'{name}_low': figure and figure.low,
                f'{name}_high': figure and figure.high,
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
        return Rate.of(chosen, self.confidence)

    @cached_property
    def _draws(self) -> tuple[Array, Array]:
        """Shares of each failing and each good episode in the resamples, (B, F) and (B, G).

        Failing and good ones are drawn apart: how many of each there are was chosen, not measured.
        """
        rng = np.random.default_rng(self.seed)
        sizes = int(self._failed.sum()), int((~self._failed).sum())
        shares = [rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES) / n for n in sizes]
        return shares[0], shares[1]

    def _mean(self, weights: Array) -> Estimate | None:
        """Half of the mean weight of failing episodes and half of what good ones leave to 1."""
        bad, good = weights[self._failed], weights[~self._failed]
        if not len(bad) or not len(good):
            return None
        drawn = [draw @ part for draw, part in zip(self._draws, (bad, good), strict=True)]
        return self._figure(0.5 * (bad.mean() + 1 - good.mean()), 0.5 * (drawn[0] + 1 - drawn[1]))

    def _figure(self, value: float, drawn: Array) -> Estimate:
        """Percentile interval of a bootstrap (Efron & Tibshirani 1993, section 13.3)."""
        tail = 50.0 * (1.0 - self.confidence)
        low, high = np.percentile(drawn, [tail, 100.0 - tail])
        return Estimate(float(value), float(low), float(high))


def auroc(positive: Array, negative: Array) -> float:
    """Area under the ROC curve of scores (P,) and (N,): the Mann-Whitney statistic; ties half.

    Raises:
        EvaluationError: If there are none of one kind.
    """
    if not len(positive) or not len(negative):
        raise EvaluationError(
            f'{len(positive)} positive and {len(negative)} negative scores',
            where='auroc',
            allowed='at least one of each',
        )
    return float(_wins(np.asarray(positive), np.asarray(negative)).mean())


def table(results: Mapping[str, ScoreResult]) -> str:
    """A Markdown table, a line for each score."""
    head = (
        'score', 'AUROC', 'detected', 'quiet on good', 'balanced accuracy',
        'time-weighted accuracy', 'detection time share', 'false alarms, nominal',
        'false alarms, perturbed',
    )  # fmt: skip
    lines = ['| ' + ' | '.join(head) + ' |', '|' + ' --- |' * len(head)]
    for name, result in results.items():
        figures = (
            result.auroc, result.true_positives, result.true_negatives, result.balanced_accuracy,
            result.time_weighted_accuracy, result.detection_share, result.nominal_false_alarms,
            result.perturbed_false_alarms,
        )  # fmt: skip
        lines.append('| ' + ' | '.join([name, *map(_cell, figures)]) + ' |')
    return '\n'.join(lines) + '\n'


def _cell(figure: Estimate | Rate | None) -> str:
    if figure is None:
        return '-'
    if isinstance(figure, Rate):
        return f'{figure.successes}/{figure.trials} ({figure.low:.2f} to {figure.high:.2f})'
    return f'{figure.value:.3f} ({figure.low:.2f} to {figure.high:.2f})'


def _wins(positive: Array, negative: Array) -> Array:
    """1 where a positive score is above a negative one, 0.5 where they tie, shape (P, N)."""
    above = positive[:, None] > negative[None]
    tied = positive[:, None] == negative[None]
    return np.asarray(above + 0.5 * tied, dtype=np.float64)
