"""EnsembleDAgger (Menda, Driggs-Campbell & Kochenderfer 2019): drive when sure.

The learner is an ensemble. It drives only where its members agree (their variance is at most chi)
and where its mean does nearly what the expert would do (the discrepancy is at most tau). Close to
the expert is not enough: far from the data two actions may agree by chance, and next to a cliff a
small difference is too much. The variance keeps the learner to states that it knows.

The discrepancy is known only after the expert was asked, so every step that the learner might
drive is a label. Where the variance alone decides, with an infinite `discrepancy`, the expert is
not asked while the learner drives.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isinf
from typing import ClassVar

from il_ros.algorithms.query_rules import (
    QueryContext,
    QueryDecision,
    QueryRule,
    discrepancy,
    ensemble_variance,
)
from il_ros.core.config import require_ranges


@dataclass(frozen=True, kw_only=True)
class EnsembleDaggerConfig:
    """When the learner may drive; both in squared units of `Actor.action_std`.

    Attributes:
        ensemble_variance: Greatest variance among the members (chi).
        discrepancy: Greatest squared difference from the expert (tau).
    """

    renamed: ClassVar[dict[str, str]] = {'doubt': 'ensemble_variance'}

    ensemble_variance: float = 0.01
    discrepancy: float = 0.05

    def __post_init__(self) -> None:
        ranges = {'ensemble_variance': '0 or more', 'discrepancy': '0 or more'}
        require_ranges(self, 'ensemble_dagger', ranges)


class EnsembleDagger(QueryRule):
    """Lets an ensemble drive where it is sure and right."""

    Config = EnsembleDaggerConfig
    members = 5
    config: EnsembleDaggerConfig

    def decide(self, step: QueryContext) -> QueryDecision:
        """See `QueryRule.decide`."""
        variance = ensemble_variance(step.members)
        scores = {'ensemble_variance': variance}
        if not variance <= self.config.ensemble_variance:  # NaN is not sure
            return QueryDecision(driver='expert', ask=True, scores=scores)
        if isinf(self.config.discrepancy):
            return QueryDecision(driver='policy', ask=False, scores=scores)
        answer = step.ask()
        if answer is not None:
            scores['discrepancy'] = discrepancy(step.action, answer)
        right = scores.get('discrepancy', inf) <= self.config.discrepancy
        return QueryDecision(driver='policy' if right else 'expert', ask=True, scores=scores)
