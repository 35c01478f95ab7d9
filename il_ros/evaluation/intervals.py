"""Success rates with their confidence intervals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from il_ros.core.errors import EvaluationError

CONFIDENCE = 0.95
"""Default confidence of every interval."""


def wilson(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the Wilson score interval of a binomial proportion, both ends in [0, 1].

    Unlike the normal approximation it holds for few trials and for rates near 0 or 1 (Wilson 1927,
    Probable Inference, the Law of Succession, and Statistical Inference).

    Raises:
        EvaluationError: Unless 0 <= successes <= trials, trials >= 1, 0 < confidence < 1.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise EvaluationError(
            f'{successes} successes of {trials} trials',
            where='rate',
            allowed='0 <= successes <= trials, trials >= 1',
        )
    if not 0 < confidence < 1:
        raise EvaluationError(f'got {confidence}', where='confidence', allowed='0 < confidence < 1')
    z2 = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    rate = successes / trials
    centre = rate + z2 / (2 * trials)
    half = sqrt(z2 * (rate * (1 - rate) / trials + z2 / (4 * trials**2)))
    scale = 1 + z2 / trials
    # Both ends are exact in the formula; rounding must not exclude 0 or 1.
    low = 0.0 if successes == 0 else (centre - half) / scale
    high = 1.0 if successes == trials else (centre + half) / scale
    return low, high


@dataclass(frozen=True)
class Rate:
    """How often something happened, with its Wilson interval.

    Attributes:
        successes: How often it happened.
        trials: How often it could have, at least 1.

    Raises:
        EvaluationError: As `wilson`.
    """

    successes: int
    trials: int

    def __post_init__(self) -> None:
        wilson(self.successes, self.trials)

    @classmethod
    def of(cls, outcomes: Iterable[bool]) -> Rate | None:
        """Count outcomes; None if there are none, because no measurement is not a rate of 0."""
        flags = [bool(outcome) for outcome in outcomes]
        return cls(sum(flags), len(flags)) if flags else None

    @property
    def rate(self) -> float:
        """The fraction of successes, in [0, 1]."""
        return self.successes / self.trials

    @property
    def low(self) -> float:
        """Lower end of the interval, in [0, rate]."""
        return wilson(self.successes, self.trials)[0]

    @property
    def high(self) -> float:
        """Upper end of the interval, in [rate, 1]."""
        return wilson(self.successes, self.trials)[1]

    def overlaps(self, other: Rate) -> bool:
        """Whether the two intervals overlap, so that neither rate is clearly larger."""
        return self.low <= other.high and other.low <= self.high

    def __str__(self) -> str:
        low, high = (f'{100 * end:.3g}' for end in (self.low, self.high))
        return (
            f'{self.successes} of {self.trials} = {percent(self.rate)} '
            f'({percent(CONFIDENCE)} interval {low} to {high} %)'
        )


def rate_fields(rate: Rate | None, name: str, interval: str) -> dict[str, float | None]:
    """Return the JSON fields of a rate: `name`, `interval`_low and _high; null without a rate."""
    return {
        name: None if rate is None else rate.rate,
        f'{interval}_low': None if rate is None else rate.low,
        f'{interval}_high': None if rate is None else rate.high,
    }


def percent(share: float) -> str:
    """Format a fraction in [0, 1] for a reader: 0.94 is '94 %'."""
    return f'{100 * share:.3g} %'
