"""Channel 1: the novelty score, smoothed, compared with its threshold, counted."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

from il_ros.core.limits import Array
from il_ros.monitors.config import MonitorConfig
from il_ros.monitors.conformal import ScoreWindow
from il_ros.monitors.novelty import NoveltyScore
from il_ros.monitors.trigger import Trigger


@dataclass(frozen=True, kw_only=True)
class Novelty:
    """What the score says at one tick.

    Attributes:
        score: Windowed score; NaN when there is none.
        exceeded: Whether it is above the threshold.
        triggered: Whether that was so often enough to stop.
    """

    score: float = nan
    exceeded: bool = False
    triggered: bool = False


class NoveltyWatch:
    """Watches one policy with its calibrated score.

    Args:
        score: The score; None when the policy is not calibrated, then nothing is ever found.
        threshold: Its threshold for the score averaged over `config.score_window` ticks.
        config: Settings.
        longest: Ticks of the longest calibration episode; None when that is not known.
    """

    def __init__(
        self,
        score: NoveltyScore | None,
        threshold: float | None,
        config: MonitorConfig,
        longest: int | None = None,
    ) -> None:
        self._score = score
        self._longest = longest
        self._ticks = 0
        self.threshold = nan if threshold is None else threshold
        self._config = config
        self._window = ScoreWindow(config.score_window)
        self._trigger = Trigger(config.trigger_count, config.trigger_window)

    @property
    def calibrated(self) -> bool:
        """Whether there is a score at all."""
        return self._score is not None

    @property
    def required(self) -> bool:
        """Whether the policy must not drive without being scored."""
        return self.calibrated and self._config.novelty

    def look(self, features: Array | None) -> Novelty:
        """Take in the features (D,) of one tick."""
        self._ticks += 1
        if self._score is None or features is None:
            return Novelty()
        score = self._window.push(self._score.score(features))
        exceeded = not score <= self.threshold  # NaN counts as strange
        return Novelty(score=score, exceeded=exceeded, triggered=self._trigger.push(exceeded))

    def stop_text(self, novelty: Novelty) -> str:
        """Why the policy has to stop; empty when it does not have to."""
        if not self._config.novelty:
            return ''
        if not novelty.triggered:
            return self._overdue()
        count, window = self._config.trigger_count, self._config.trigger_window
        values = f'{novelty.score:.3g} above threshold {self.threshold:.3g}'
        return f'novelty {values}, {count} of the last {window} ticks were'

    def _overdue(self) -> str:
        """A policy that gets nowhere can look normal at every single tick."""
        factor = self._config.overdue
        if not factor or self._longest is None or self._ticks <= factor * self._longest:
            return ''
        return f'overdue: {self._ticks} ticks, {factor:g} times the longest good episode'

    def reset(self) -> None:
        """Forget earlier ticks, as at the start of an episode."""
        self._ticks = 0
        self._window.reset()
        self._trigger.reset()
