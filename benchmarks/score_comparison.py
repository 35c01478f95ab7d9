"""Which scores notice failures: each by itself and several together, on equal terms.

Every score and every combination looks at the same episodes, is smoothed alike, has its threshold
from the same calibration rollouts at the same alpha, and stops by the same rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from il_ros.calibration.conformal_calibration import joint_thresholds
from il_ros.core.errors import IlRosError
from il_ros.evaluation.score_quality import ScoreResult, ScoreTrace
from il_ros.monitors.conformal_thresholds import ConformalThresholds
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.rollouts.rollout_scores import ScoredRollout, result_of, whole_monitor

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Scores of one policy, to be judged one by one or together.

    Attributes:
        names: Names of the scores, K of them.
        calibration: Undisturbed rollouts; the successful ones set the thresholds.
        test: The episodes that are judged.
        alpha: Largest rate of nominal episodes with a false alarm.
        varying: Whether thresholds follow the course of an episode.
        config: Says how many ticks above a threshold stop the policy.
    """

    names: tuple[str, ...]
    calibration: Sequence[ScoredRollout]
    test: Sequence[ScoredRollout]
    alpha: float
    varying: bool = False
    config: MonitorConfig = field(default_factory=MonitorConfig)

    @property
    def longest(self) -> int:
        """Ticks of the longest successful calibration episode."""
        return max(len(scored.times) for scored in self._good)

    @property
    def judged(self) -> list[ScoredRollout]:
        """The episodes that are left to the scores: no hard check stopped them."""
        return [scored for scored in self.test if not scored.gated]

    def thresholds(self, *names: str) -> ConformalThresholds:
        """Thresholds of these scores together, which stop a nominal episode at rate alpha at most.

        Raises:
            IlRosError: If there is no such score.
            CalibrationError: If the rollouts are too few, or a score is not a number in one.
        """
        columns = self._columns(names)
        values = [scored.values[:, columns] for scored in self._good]
        return joint_thresholds(
            values,
            alpha=self.alpha,
            warn_alpha=max(self.alpha, 0.1),
            varying=self.varying,
            names=names,
        )

    def traces(self, *names: str) -> list[ScoreTrace]:
        """The judged episodes as these scores together saw them."""
        columns, thresholds = self._columns(names), self.thresholds(*names)
        return [scored.trace(scored.ratios(thresholds, columns)) for scored in self.judged]

    def result(self, *names: str) -> ScoreResult:
        """How well these scores together tell failures, alone and without the hard checks."""
        return result_of(self.traces(*names), self.config)

    def whole(self, *names: str, limit: float) -> list[ScoreTrace]:
        """All episodes as a monitor with these scores saw them; see `whole_monitor`."""
        columns, thresholds = self._columns(names), self.thresholds(*names)
        return [
            whole_monitor(
                scored,
                scored.ratios(thresholds, columns),
                longest=self.longest,
                limit=limit,
                config=self.config,
            )
            for scored in self.test
        ]

    @property
    def _good(self) -> list[ScoredRollout]:
        return [scored for scored in self.calibration if not scored.failed]

    def _columns(self, names: Sequence[str]) -> list[int]:
        unknown = [name for name in names if name not in self.names]
        if unknown or not names:
            raise IlRosError(
                f'no score {", ".join(unknown)}' if unknown else 'no score is named',
                where='comparison',
                allowed=self.names,
            )
        return [self.names.index(name) for name in names]
