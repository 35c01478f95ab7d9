"""HG-DAgger (Kelly et al. 2019, algorithm 1): a person decides when to take over.

Only what the person does while driving is a label: people answer badly when they are asked for
single actions while the policy drives. Each takeover also hints at how much ensemble variance is
too much: the variance at that step goes into a log, and `threshold` is the mean of the log's last
quarter, when the person had come to know the learner.
"""

from __future__ import annotations

import numpy as np

from il_ros.algorithms.query_rules import (
    NoSettings,
    QueryContext,
    QueryDecision,
    QueryRule,
    ensemble_variance,
)
from il_ros.algorithms.transitions import Transitions


class HgDagger(QueryRule):
    """The person drives while holding the enable switch."""

    members = 5

    def __init__(self, config: NoSettings | None = None) -> None:
        super().__init__(config)
        self._variances: list[float] = []

    @property
    def threshold(self) -> float:
        """Variance above which the learner is not to be trusted (tau); NaN before any takeover."""
        last = self._variances[int(0.75 * len(self._variances)) :]
        return float(np.mean(last)) if last else float('nan')

    def decide(self, step: QueryContext) -> QueryDecision:
        """See `QueryRule.decide`."""
        scores = {'ensemble_variance': ensemble_variance(step.members)}
        return QueryDecision(
            driver='expert' if step.human else 'policy', ask=step.human, scores=scores
        )

    def end_episode(self, steps: Transitions) -> None:
        """Log the variances at the takeovers."""
        if 'ensemble_variance' in steps.scores:
            variances = steps.scores['ensemble_variance'][steps.takeovers]
            self._variances += variances[np.isfinite(variances)].tolist()
