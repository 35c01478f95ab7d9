"""Whether the world is still the one that a policy was calibrated in.

A calibrated monitor stops a policy in at most a fraction alpha of the runs in which nothing changed
(`monitors/conformal_thresholds.py`). So of n such runs k or more are stopped with a probability
of at most

    P(Binomial(n, alpha) >= k)

and a drift is confirmed where that is small. One odd run confirms nothing, and a policy that was
never calibrated has no alpha to be held to.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import exp, lgamma, log, log1p
from typing import ClassVar

from il_ros.core.config import require_ranges
from il_ros.core.errors import require


@dataclass(frozen=True, kw_only=True)
class DriftConfig:
    """When a drift is confirmed.

    Attributes:
        window: Last runs that count.
        level: Largest p-value at which it is confirmed. Each run is a test of its own, so about
            one in 1 / level undisturbed runs confirms a drift that is none.
    """

    window: int = 20
    level: float = 0.001

    def __post_init__(self) -> None:
        require_ranges(self, 'drift', {'window': '1 or more', 'level': '0 < x < 1'})


@dataclass(frozen=True, kw_only=True)
class DriftResult:
    """What the last runs say.

    Attributes:
        runs: How many there were, at most the window.
        stopped: How many of them the scores ended.
        alpha: Largest fraction of them that would have been ended if nothing had changed.
        p_value: Probability of as many or more then; 1 without a run.
        confirmed: Whether that is a drift.
    """

    renamed: ClassVar[dict[str, str]] = {'drives': 'runs'}

    runs: int
    stopped: int
    alpha: float
    p_value: float
    confirmed: bool

    def __str__(self) -> str:
        return (
            f'the scores ended {self.stopped} of the last {self.runs} runs, where '
            f'{100 * self.alpha:g} % are to be expected (p = {self.p_value:.2g})'
        )


class DriftTest:
    """Counts the runs of one policy.

    A run is the time from the policy's getting the arm until somebody or something else has it.

    Args:
        alpha: Largest rate of false stops that its thresholds were calibrated for.
        config: When a drift is confirmed.

    Raises:
        IlRosError: Unless 0 < alpha < 1.
    """

    def __init__(self, alpha: float, config: DriftConfig) -> None:
        require(0 < alpha < 1, alpha, 'alpha', '0 < x < 1')
        self._alpha, self._level = alpha, config.level
        self._runs: deque[bool] = deque(maxlen=config.window)

    def add(self, *, stopped: bool) -> DriftResult:
        """A run is over; the scores ended it, or not."""
        self._runs.append(stopped)
        return self.now

    @property
    def now(self) -> DriftResult:
        """What the runs so far say."""
        count, stopped = len(self._runs), sum(self._runs)
        p_value = upper_tail(count, stopped, self._alpha)
        return DriftResult(
            runs=count,
            stopped=stopped,
            alpha=self._alpha,
            p_value=p_value,
            confirmed=stopped > 0 and p_value <= self._level,
        )


def upper_tail(trials: int, successes: int, probability: float) -> float:
    """P(Binomial(trials, probability) >= successes)."""
    # By logarithms: in a long window the coefficients are larger than a float holds.
    once, never = log(probability), log1p(-probability)
    logs = (
        lgamma(trials + 1)
        - lgamma(k + 1)
        - lgamma(trials - k + 1)
        + k * once
        + (trials - k) * never
        for k in range(successes, trials + 1)
    )
    return min(1.0, sum(map(exp, logs)))


class PolicyRuns:
    """Parts what a monitor says, tick by tick, into runs of the policy."""

    def __init__(self) -> None:
        self._policy_id = ''

    def hear(self, *, policy_id: str, driving: bool, stopped: bool, fault: bool) -> bool | None:
        """Take in one status of the monitor.

        Args:
            policy_id: Whose calibration is in use; empty where none is.
            driving: Whether the policy has the arm.
            stopped: Whether the monitor has taken it from the policy.
            fault: Whether for a hard fault, which ends a run that then tells nothing.

        Returns:
            Whether the scores ended the run that ends here; None where none ends.
        """
        if driving and policy_id == self._policy_id:
            return None
        before, self._policy_id = self._policy_id, policy_id if driving else ''
        return None if not before or fault else stopped and not driving
