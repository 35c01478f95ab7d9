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

from il_ros.algorithms.query_rules import QueryContext, QueryDecision, QueryRule, RoundContext
from il_ros.algorithms.safety_classifier import SafetyClassifier, learn_safety_classifier
from il_ros.core.config import require_ranges

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
    """Hands over and back by a learned classifier.

    Args:
        config: What is unsafe, and how often that is checked.
    """

    Config = SafeDaggerConfig
    config: SafeDaggerConfig

    def __init__(self, config: SafeDaggerConfig | None = None) -> None:
        super().__init__(config)
        self._safety: SafetyClassifier | None = None

    def begin_round(self, now: RoundContext) -> None:
        """See `QueryRule.begin_round`."""
        learned = learn_safety_classifier(now, self.config.memory, self.config.threshold)
        self._safety = learned or self._safety

    def decide(self, step: QueryContext) -> QueryDecision:
        """See `QueryRule.decide`."""
        checked = bool(self.random.random() < self.config.check)
        if self._safety is None:
            return QueryDecision(driver='policy', ask=True)
        unsafe = self._safety.unsafe(step.features)
        if unsafe > self.config.probability:
            return QueryDecision(driver='expert', ask=True, scores={'unsafe': unsafe})
        return QueryDecision(driver='policy', ask=checked, scores={'unsafe': unsafe})
