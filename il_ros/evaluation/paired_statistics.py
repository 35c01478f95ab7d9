"""Statistics of two policies on the same episodes: tests, intervals and sample sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from math import ceil, comb, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from il_ros.core.errors import EvaluationError
from il_ros.core.limits import Array
from il_ros.evaluation.intervals import CONFIDENCE, wilson

RESAMPLES = 10_000
"""Bootstrap samples: the ends of an interval then vary by about a hundredth of its width."""

POWER = 0.8
"""Customary probability of detecting an existing difference."""


@dataclass(frozen=True)
class PairedOutcomes:
    """Counts of the paired outcomes of two policies A and B.

    Attributes:
        both: Cases that both solved.
        only_a: Cases that only A solved.
        only_b: Cases that only B solved.
        neither: Cases that neither solved.

    Raises:
        EvaluationError: If there is no case or a count is negative.
    """

    both: int
    only_a: int
    only_b: int
    neither: int
    _: KW_ONLY

    def __post_init__(self) -> None:
        counts = (self.both, self.only_a, self.only_b, self.neither)
        if min(counts) < 0 or not sum(counts):
            raise EvaluationError(
                f'counts {counts}', where='pairs', allowed='at least 0, and at least one pair'
            )

    @classmethod
    def of(cls, outcomes: Sequence[tuple[bool, bool]]) -> PairedOutcomes:
        """Count pairs of (A solved it, B solved it)."""
        kinds = ((True, True), (True, False), (False, True), (False, False))
        return cls(*(sum((bool(a), bool(b)) == kind for a, b in outcomes) for kind in kinds))

    @property
    def pairs(self) -> int:
        """Number of cases."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def difference(self) -> float:
        """Success rate of B minus that of A, in [-1, 1]."""
        return (self.only_b - self.only_a) / self.pairs

    @property
    def discordant(self) -> float:
        """Fraction of the cases that only one of them solved, in [0, 1]."""
        return (self.only_a + self.only_b) / self.pairs


def mcnemar(table: PairedOutcomes) -> float:
    """Two-sided p-value of the exact McNemar test that A and B solve equally many cases.

    Cases with the same outcome say nothing about the difference. If A and B are equally good, each
    of the other n cases goes to either with probability 1/2. The p-value is twice the binomial
    probability of a split at least as uneven, at most 1 (McNemar 1947, Note on the sampling error
    of the difference between correlated proportions; exact form: Fagerland et al. 2013, The McNemar
    test for binary matched-pairs data, section 'The exact conditional test').
    """
    n, fewer = table.only_a + table.only_b, min(table.only_a, table.only_b)
    tail = sum(comb(n, k) for k in range(fewer + 1))
    return min(1.0, 2 * tail / (1 << n))


def difference_interval(
    table: PairedOutcomes, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Interval of the difference of the success rates, B minus A, in [-1, 1].

    Wilson intervals of both rates, combined by squaring and adding with the correlation of the
    pairs (Newcombe 1998, Improved confidence intervals for the difference between binomial
    proportions based on paired data, method 10). It is informative even if all pairs agree.

    Raises:
        EvaluationError: Unless 0 < confidence < 1.
    """
    n, phi = table.pairs, _correlation(table)
    rate_a, rate_b = (table.both + table.only_a) / n, (table.both + table.only_b) / n
    low_a, high_a = wilson(table.both + table.only_a, n, confidence)
    low_b, high_b = wilson(table.both + table.only_b, n, confidence)
    down, up = (rate_b - low_b, high_a - rate_a), (high_b - rate_b, rate_a - low_a)
    below, above = (sqrt(max(x * x - 2 * phi * x * y + y * y, 0.0)) for x, y in (down, up))
    return max(table.difference - below, -1.0), min(table.difference + above, 1.0)


def _correlation(table: PairedOutcomes) -> float:
    """Newcombe's phi, with its continuity correction where it is positive."""
    a, b, c, d = table.both, table.only_a, table.only_b, table.neither
    product = (a + b) * (c + d) * (a + c) * (b + d)
    if not product:
        return 0.0
    covariance = float(a * d - b * c)
    if covariance > 0:
        covariance = max(covariance - table.pairs / 2, 0.0)
    return covariance / sqrt(product)


def pairs_needed(
    difference: float,
    discordant: float,
    *,
    confidence: float = CONFIDENCE,
    power: float = POWER,
) -> int | None:
    """Number of paired episodes that detect a given difference between two policies.

    Uses the asymptotic variance of the difference (Connor 1987, Sample size for testing differences
    in proportions for the paired-sample design) and the continuity correction of McNemar's test
    (Edwards 1948), because the exact test is about as conservative as the corrected one.

    Args:
        difference: Difference of the success rates, in [-1, 1].
        discordant: Fraction of the cases that only one of them solves, in [0, 1].
        confidence: 1 minus the significance level, two-sided.
        power: Probability of detecting the difference.

    Returns:
        The number; None if no number suffices (no difference) or no such pair of policies exists
        (the difference is larger than the discordant fraction).
    """
    size = abs(difference)
    if size == 0 or size > discordant + 1e-12:
        return None
    normal = NormalDist()
    z_significance, z_power = normal.inv_cdf((1 + confidence) / 2), normal.inv_cdf(power)
    spread = sqrt(max(discordant - size**2, 0.0))
    # n pairs differ by n * size on average; the correction subtracts one:
    # n * size - 1 = root * sqrt(n).
    root = z_significance * sqrt(discordant) + z_power * spread
    return ceil(((root + sqrt(root**2 + 4 * size)) / (2 * size)) ** 2)


def bootstrap(
    values: Sequence[float] | Array,
    statistic: Callable[..., Any],
    *,
    seed: int,
) -> tuple[float, float] | tuple[None, None]:
    """Percentile interval of a statistic of independent values.

    The values are resampled with replacement, RESAMPLES times (Efron and Tibshirani 1993, An
    Introduction to the Bootstrap, ch. 13). With few values the interval is too narrow.

    Args:
        values: Shape (n,).
        statistic: Such as `np.mean`: takes an array and an `axis`.
        seed: Seed of the resampling.

    Returns:
        Both ends; (None, None) for fewer than two values.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) < 2:
        return None, None
    rows = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    resampled = statistic(values[rows], axis=-1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return float(low), float(high)
