"""LazyDAgger (Hoque et al. 2021, algorithm 1): SafeDAgger that does not switch to and fro.

A takeover costs a person more than a step of driving. So the expert takes over where SafeDAgger's
classifier says unsafe, and drives until the learner's action is as good as the expert's: until the
discrepancy, which is known while the expert drives, is below a much lower threshold. This
hysteresis turns many short interventions into few long ones. While the expert drives, noise on the
executed action makes the expert show how to recover.

The paper hands back by the discrepancy alone. Where the classifier errs on the safe side, the
expert takes over again in the next step, so that there are more interventions than without. Here
the expert also keeps the arm while the classifier says unsafe.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from il_ros.algorithms.query_rules import QueryContext, QueryDecision, discrepancy
from il_ros.algorithms.safe_dagger import SAFETY_RANGES, SafeDagger, SafeDaggerConfig
from il_ros.core.config import require_ranges


@dataclass(frozen=True, kw_only=True)
class LazyDaggerConfig(SafeDaggerConfig):
    """When the expert takes over and when the expert hands back.

    Attributes:
        hand_back: Discrepancy below which the expert hands back (beta_R), as a fraction of
            `threshold` (beta_H).
        noise: Standard deviation of the noise while the expert drives, in units of
            `Actor.action_std`.
    """

    hand_back: float = 0.1
    noise: float = 0.1

    def __post_init__(self) -> None:
        ranges = {**SAFETY_RANGES, 'hand_back': '0 < x <= 1', 'noise': '0 or more'}
        require_ranges(self, 'lazy_dagger', ranges)


class LazyDagger(SafeDagger):
    """Hands over by a learned classifier and back by the measured discrepancy."""

    Config = LazyDaggerConfig
    config: LazyDaggerConfig

    def begin_episode(self, random: np.random.Generator) -> None:
        """See `QueryRule.begin_episode`; the learner begins."""
        super().begin_episode(random)
        self._taken_over = False

    def decide(self, step: QueryContext) -> QueryDecision:
        """As SafeDAgger, with noise while the expert drives."""
        decision = super().decide(step)
        if decision.driver == 'policy':
            return decision
        noise = self.config.noise * self.random.standard_normal(len(step.action))
        return replace(decision, noise=noise)

    def _by_expert(self, step: QueryContext, unsafe: bool) -> bool:
        self._taken_over = unsafe or (self._taken_over and not self._as_good(step))
        return self._taken_over

    def _as_good(self, step: QueryContext) -> bool:
        answer = step.ask()
        limit = self.config.hand_back * self.config.threshold
        return answer is not None and discrepancy(step.action, answer) < limit
