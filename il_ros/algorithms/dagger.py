"""DAgger (Ross, Gordon & Bagnell 2011, algorithm 3.1): label what the learner itself visits.

In round i the expert drives each step with probability beta_i and the learner drives the others;
the expert labels every step. The learner is trained on all labels so far. As beta falls to zero,
the states in the aggregate become those that the learner itself comes to.

Labels of neighbouring steps say nearly the same. `ask` below 1 leaves some of them out at random,
which changes nothing about which states the labels are of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from il_ros.algorithms.query_rules import QueryContext, QueryDecision, QueryRule, RoundContext
from il_ros.core.config import require_ranges


@dataclass(frozen=True, kw_only=True)
class DaggerConfig:
    """How much the expert drives, and how many steps are labelled.

    Attributes:
        schedule: How beta falls: `indicator` is 1 in the demonstrations (round 0) and 0 in every
            round after (the paper's choice without a parameter); `linear` falls to 0 in `rounds`;
            `exponential` is multiplied by `decay` each round.
        rounds: Round in which the linear schedule reaches 0.
        decay: Factor of the exponential schedule, p in the paper.
        ask: Fraction of the steps that are labelled.
    """

    schedule: Literal['indicator', 'linear', 'exponential'] = 'indicator'
    rounds: int = 10
    decay: float = 0.5
    ask: float = 1.0

    def __post_init__(self) -> None:
        ranges = {'rounds': 'more than 0', 'decay': '0 <= x <= 1', 'ask': '0 < x <= 1'}
        require_ranges(self, 'dagger', ranges)

    def beta(self, round_: int) -> float:
        """Fraction of the steps of a round, from 0, that the expert drives."""
        if self.schedule == 'indicator':
            return float(round_ == 0)
        if self.schedule == 'linear':
            return max(0.0, 1.0 - round_ / self.rounds)
        return float(self.decay**round_)


class Dagger(QueryRule):
    """Mixes learner and expert step by step."""

    Config = DaggerConfig
    config: DaggerConfig

    def __init__(self, config: DaggerConfig | None = None) -> None:
        super().__init__(config)
        self.beta = self.config.beta(0)

    def begin_round(self, now: RoundContext) -> None:
        """See `QueryRule.begin_round`."""
        self.beta = self.config.beta(now.number)

    def decide(self, step: QueryContext) -> QueryDecision:
        """See `QueryRule.decide`."""
        by_expert, labelled = self.random.random(2) < (self.beta, self.config.ask)
        return QueryDecision(
            driver='expert' if by_expert else 'policy', ask=bool(by_expert or labelled)
        )
