"""The watch over one policy: its scores, what they say together, and getting nowhere."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from math import inf, isfinite, isnan, nan

import numpy as np

from il_ros.core.limits import Array
from il_ros.monitors.calibrated_scores import Calibration
from il_ros.monitors.conformal_thresholds import mean_ratio
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.scores.score import ScoreInput


class Trigger:
    """Fires when at least `count` of the last `window` ticks were exceeded.

    Args:
        count: N, at least 1.
        window: M, at least N.

    Raises:
        ValueError: If the two do not fit together.
    """

    def __init__(self, count: int, window: int) -> None:
        if not 1 <= count <= window:
            raise ValueError(f'count {count} must be in 1..{window} (window)')
        self._count = count
        self._recent: deque[bool] = deque(maxlen=window)

    def push(self, exceeded: bool) -> bool:
        """Take one tick in and say whether the trigger fires."""
        self._recent.append(exceeded)
        return sum(self._recent) >= self._count

    def reset(self) -> None:
        """Forget every tick."""
        self._recent.clear()


@dataclass(frozen=True, kw_only=True)
class ScoreReading:
    """What the scores say at one tick.

    Attributes:
        names: Names of the scores, K of them.
        values: Averaged scores, shape (K,); NaN where one is not known.
        thresholds: Where each one stops the policy at this tick, shape (K,).
        ratios: How anomalous each one is, shape (K,): 1 is at its threshold; NaN where one is
            not known yet.
        score: Mean of the ratios: 1 is at the threshold, larger is more anomalous, infinite where
            a score is missing; NaN where there is none.
        warn: Ratio from which the watch warns; NaN without calibration.
        channel: Name of the most anomalous one.
        exceeded: Whether the mean is above the threshold; then the most anomalous one is, too.
        warned: Whether the watch warns.
        triggered: Whether a threshold was exceeded often enough to stop the policy.
    """

    names: tuple[str, ...] = ()
    values: Array = field(default_factory=lambda: np.zeros(0))
    thresholds: Array = field(default_factory=lambda: np.zeros(0))
    ratios: Array = field(default_factory=lambda: np.zeros(0))
    score: float = nan
    warn: float = nan
    channel: str = ''
    exceeded: bool = False
    warned: bool = False
    triggered: bool = False

    @property
    def others(self) -> str:
        """For messages: what several scores come to; empty where there is one."""
        if len(self.names) < 2:
            return ''
        return f' (all {len(self.names)} on average {self.score:.2f} of theirs)'

    def of(self, name: str) -> tuple[float, float]:
        """Value and threshold of one score."""
        k = self.names.index(name)
        return float(self.values[k]), float(self.thresholds[k])


class ScoreWatch:
    """Watches one policy with its calibrated scores.

    Args:
        calibration: Its scores and thresholds; None when it is not calibrated: nothing is found.
    """

    def __init__(self, calibration: Calibration | None, config: MonitorConfig) -> None:
        self._calibration, self._config = calibration, config
        self._trigger = Trigger(config.trigger_count, config.trigger_window)
        self._warning = _Warning(config, calibration.thresholds.warn if calibration else nan)
        self._driving = self._answered = False
        self._ticks = self._evaluated = 0
        self.begin()

    @property
    def calibrated(self) -> bool:
        """Whether there is a calibration at all."""
        return self._calibration is not None

    @property
    def required(self) -> bool:
        """Whether the policy must not drive without being watched."""
        return self.calibrated and self._config.novelty

    def read(self, score_input: ScoreInput, driving: bool) -> ScoreReading:
        """Take in one tick.

        Args:
            score_input: The tick.
            driving: Whether the policy's chunks move the arm. While they do not, what it answers is
                not evaluated, the observation only for the record, and nothing triggers. Where the
                first chunk is still to come, nothing has to be there yet.
        """
        if self._calibration is None:
            return ScoreReading()
        if driving != self._driving:
            self._forget()
            self._driving = driving
        bank = self._calibration.bank
        if not driving:
            seen = replace(score_input, chunk=None, samples=None, reference=None)
            return self._evaluate(bank.read(seen))
        self._ticks += 1
        self._answered |= score_input.chunk is not None or not bank.uses_policy_output
        reading = self._evaluate(bank.read(score_input))
        self._evaluated += self._answered
        warned = self._warning.push(reading.score, score_input.time)
        return replace(reading, triggered=self._trigger.push(reading.exceeded), warned=warned)

    def stop_text(self, reading: ScoreReading) -> str:
        """Why the policy has to stop; empty when it does not have to."""
        if not self._config.novelty:
            return ''
        if not reading.triggered:
            return self._overdue()
        count, window = self._config.trigger_count, self._config.trigger_window
        value, limit = reading.of(reading.channel)
        place = 'above' if value > limit else 'not above'
        ticks = f'{count} of the last {window} ticks were'
        if not isfinite(value):
            return f'{reading.channel} is not known (threshold {limit:.3g}), {ticks} so or above it'
        others = reading.others
        return f'{reading.channel} {value:.3g} {place} threshold {limit:.3g}{others}, {ticks}'

    def warn_text(self, reading: ScoreReading) -> str:
        """Why the policy should go slowly; empty when it should not."""
        if not (self._config.novelty and reading.warned):
            return ''
        if not reading.channel:
            return 'no score is known'
        value, limit = reading.of(reading.channel)
        share = f'{np.nanmax(reading.ratios):.2f} of its threshold {limit:.3g}{reading.others}'
        return f'{reading.channel} {value:.3g} is {share}, warning from {reading.warn:.2f}'

    def begin(self, *, midway: bool = False) -> None:
        """Forget earlier ticks: the policy begins to drive, maybe `midway` in an episode."""
        if self._calibration is not None:
            thresholds = self._calibration.thresholds
            self._thresholds = thresholds.anywhere() if midway else thresholds
        self._forget()

    def _forget(self) -> None:
        self._driving = self._answered = False
        self._ticks = self._evaluated = 0
        self._trigger.reset()
        self._warning.reset()
        if self._calibration is not None:
            self._calibration.bank.reset()

    def _evaluate(self, values: Array) -> ScoreReading:
        assert self._calibration is not None
        bank, thresholds, tick = self._calibration.bank, self._thresholds, self._evaluated
        missing = inf if self._answered else nan
        ratios = thresholds.ratios(values, tick, counts=bank.counts, missing=missing)
        score = mean_ratio(ratios)
        return ScoreReading(
            names=bank.names,
            values=values,
            thresholds=thresholds.at(tick),
            ratios=ratios,
            score=score,
            warn=thresholds.warn,
            channel='' if isnan(score) else bank.names[int(np.nanargmax(ratios))],
            exceeded=score > 1.0,
        )

    def _overdue(self) -> str:
        """A policy that gets nowhere can look normal at every single tick."""
        factor, calibration = self._config.overdue, self._calibration
        if not factor or calibration is None or self._ticks <= factor * calibration.longest:
            return ''
        return f'overdue: {self._ticks} ticks, {factor:g} times the longest good episode'


class _Warning:
    """Begins when N of M ticks were above the level, ends after a while well below it."""

    def __init__(self, config: MonitorConfig, level: float) -> None:
        self._level, self._dwell = level, config.dwell
        # A level below zero would be raised by a share of it.
        self._calm = level - (1.0 - config.hysteresis) * abs(level)
        self._near = Trigger(config.trigger_count, config.trigger_window)
        self._on = False
        self._calm_since: float | None = None

    def push(self, ratio: float, time: float) -> bool:
        """Take in the ratio at `time` [s] and say whether to warn."""
        often = self._near.push(ratio > self._level)
        if not (self._on and ratio < self._calm):
            self._on, self._calm_since = self._on or often, None
            return self._on
        self._calm_since = time if self._calm_since is None else self._calm_since
        if time - self._calm_since >= self._dwell:
            self.reset()
        return self._on

    def reset(self) -> None:
        """Forget earlier ticks."""
        self._on, self._calm_since = False, None
        self._near.reset()
