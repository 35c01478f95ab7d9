"""Monitor-gated DAgger: the calibrated score that guards the robot also asks for help.

A monitor's score is a ratio to a threshold with a promise: on an episode of the kind that it was
calibrated on, it exceeds 1 at any step with probability at most alpha
(`monitors/conformal_thresholds.py`). A rule on it therefore asks the expert for nothing in at most
that share of the episodes in which the learner keeps to what it knows, whatever the score is. No
other rule here has such a bound.

The expert drives from the first step above the threshold until the score has been below `calm` for
`hold` steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from il_ros.algorithms.query_rules import QueryContext, QueryDecision, QueryRule
from il_ros.core.config import require_ranges
from il_ros.core.errors import IlRosError


@dataclass(frozen=True, kw_only=True)
class MonitorGatedConfig:
    """When the expert takes over and when the expert hands back.

    Attributes:
        score: Name of the ratio in `QueryContext.scores`.
        calm: Ratio below which the expert may hand back.
        hold: Steps in a row for which the ratio has to be below `calm`.
        drive: Whether the expert drives; else the expert is only asked, and the learner drives on.
    """

    score: str = 'monitor'
    calm: float = 0.9
    hold: int = 5
    drive: bool = True

    def __post_init__(self) -> None:
        require_ranges(self, 'monitor_gated', {'calm': '0 < x <= 1', 'hold': '1 or more'})


class MonitorGated(QueryRule):
    """Asks while the monitor's score is above its threshold."""

    Config = MonitorGatedConfig
    needs_scores = True
    config: MonitorGatedConfig

    def __init__(self, config: MonitorGatedConfig | None = None) -> None:
        super().__init__(config)
        self._steps_left = 0

    def begin_episode(self, random: np.random.Generator) -> None:
        """See `QueryRule.begin_episode`."""
        super().begin_episode(random)
        self._steps_left = 0

    def decide(self, step: QueryContext) -> QueryDecision:
        """See `QueryRule.decide`; a score that is not a number counts as above it.

        Raises:
            IlRosError: If there is no such score.
        """
        if self.config.score not in step.scores:
            raise IlRosError(
                f'no score {self.config.score!r}',
                where='monitor_gated',
                allowed=step.scores,
                fix='choose one of these; only rounds with an arm have scores',
            )
        ratio = step.scores[self.config.score]
        if not ratio <= 1.0 or (self._steps_left and not ratio < self.config.calm):
            self._steps_left = self.config.hold
        elif self._steps_left:
            self._steps_left -= 1
        asked = self._steps_left > 0
        return QueryDecision(
            driver='expert' if asked and self.config.drive else 'policy', ask=asked
        )
