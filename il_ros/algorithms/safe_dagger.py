"""SafeDAgger (Zhang & Cho 2017, algorithm 1): ask only where the learner would go wrong.

A classifier learns, from what was seen, where learner and expert differ by more than `threshold`.
Where it says unsafe the expert drives, and these steps alone are labels; where it says safe the
learner drives. In the next step it is asked anew.

The classifier has to be taught on steps that the learner has not learned from. The paper takes
further demonstrations for it; here a few steps that seem safe are asked about at random, which are
labels as all others. While there is nothing to teach it with, the learner drives and every step is
a label, as in DAgger.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from il_ros.algorithms.probability_network import ProbabilityNetwork
from il_ros.algorithms.query_rules import (
    QueryContext,
    QueryDecision,
    QueryRule,
    RoundContext,
)
from il_ros.core.config import require_ranges
from il_ros.core.limits import Array

_HIDDEN, _STEPS = (32, 32), 600  # of the classifier

SAFETY_RANGES = {
    'threshold': 'more than 0',
    'probability': '0 < x < 1',
    'check': '0 <= x <= 1',
    'memory': 'more than 0',
}


@dataclass(frozen=True, kw_only=True)
class SafeDaggerConfig:
    """When the learner is unsafe.

    Attributes:
        threshold: Discrepancy from which a step is unsafe (tau): mean squared difference of the
            two actions, in units of `Actor.action_std`.
        probability: Probability of an unsafe step from which the expert drives.
        check: Share of the steps that seem safe which are asked about all the same.
        memory: Last rounds that the classifier learns from.
    """

    threshold: float = 0.05
    probability: float = 0.5
    check: float = 0.05
    memory: int = 3

    def __post_init__(self) -> None:
        require_ranges(self, 'safe_dagger', SAFETY_RANGES)


class SafeDagger(QueryRule):
    """Hands over and back by a learned classifier."""

    Config = SafeDaggerConfig
    config: SafeDaggerConfig

    def __init__(self, config: SafeDaggerConfig | None = None) -> None:
        super().__init__(config)
        self._unsafe_probability: ProbabilityNetwork | None = None

    def begin_round(self, now: RoundContext) -> None:
        """Learn the classifier anew, unless all that is known is safe or all is unsafe."""
        features, unsafe = honest(now, self.config.memory, self.config.threshold)
        if unsafe.any() and not unsafe.all():
            untrained = ProbabilityNetwork.random(features.shape[1], _HIDDEN, now.seed)
            self._unsafe_probability = untrained.fit(features, unsafe, steps=_STEPS, seed=now.seed)

    def decide(self, step: QueryContext) -> QueryDecision:
        """See `QueryRule.decide`."""
        checked = bool(self.random.random() < self.config.check)
        if self._unsafe_probability is None:
            return QueryDecision(driver='policy', ask=True)
        unsafe = self._unsafe_probability(step.features)
        by_expert = self._by_expert(step, not unsafe <= self.config.probability)
        return QueryDecision(
            driver='expert' if by_expert else 'policy',
            ask=by_expert or checked,
            scores={'unsafe': unsafe},
        )

    def _by_expert(self, step: QueryContext, unsafe: bool) -> bool:
        """Whether the expert drives a step that the classifier has judged."""
        return unsafe


def honest(now: RoundContext, memory: int, threshold: float) -> tuple[Array, NDArray[np.bool_]]:
    """Where learner and expert were both asked before the learner was trained on the answer.

    What it does on steps that it was trained on says nothing about how safe it is.

    Args:
        now: The round that begins.
        memory: Last rounds that are looked at; in earlier ones the learner was another.
        threshold: Discrepancy from which a step is unsafe, in squared units of `Actor.action_std`.

    Returns:
        Features, shape (F, D), and whether each step was unsafe, shape (F,).
    """
    steps = now.steps
    rows = steps.labelled & (steps.round > max(0, now.number - 1 - memory))
    rows &= np.isfinite(steps.policy).all(axis=1)
    error = (steps.policy[rows] - steps.expert[rows]) / now.actor.action_std
    features = now.actor.features(steps.observation[rows])
    return features, np.asarray((error**2).mean(axis=1) > threshold)
