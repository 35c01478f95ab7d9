"""DART (Laskey et al. 2017, algorithm 1): noise makes the expert show how to recover.

The expert drives in every step. Noise on the executed action leads to states that a learner's
errors would lead to; the expert's actions without the noise are the labels. The noise has the
shape of the learner's errors: its covariance is that of learner minus expert on the expert's own
steps, scaled to the error that the final learner is expected to make.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from il_ros.algorithms.query_rules import (
    QueryContext,
    QueryDecision,
    QueryRule,
    RoundContext,
)
from il_ros.core.config import require_ranges
from il_ros.core.limits import Array


@dataclass(frozen=True, kw_only=True)
class DartConfig:
    """How strong the noise is.

    Attributes:
        error: Squared error per step that is expected of the final learner, summed over the action
            (alpha over T in the paper), in squared units of `Actor.action_std`.
    """

    error: float = 0.05

    def __post_init__(self) -> None:
        require_ranges(self, 'dart', {'error': 'more than 0'}, finite=True)


class Dart(QueryRule):
    """The expert drives under noise.

    Attributes:
        covariance: Of the noise, shape (A, A), in squared units of `Actor.action_std`.
    """

    Config = DartConfig
    config: DartConfig

    def __init__(self, config: DartConfig | None = None) -> None:
        super().__init__(config)
        self.covariance: Array = np.zeros((0, 0))

    def begin_round(self, now: RoundContext) -> None:
        """Learn the noise from the last round's steps, which the expert drove.

        For the first round only the learner's errors on the demonstrations are known, on which it
        was trained; later rounds use its actions from before it was trained on the steps.
        """
        steps = now.steps
        last = steps.take(steps.labelled & (steps.round == now.number - 1))
        own = np.asarray(last.policy, np.float64)
        if not np.isfinite(own).all():
            own = now.actor.decide(now.actor.members(last.observation))
        self.covariance = noise_covariance(
            (own - last.expert) / now.actor.action_std, self.config.error
        )

    def decide(self, step: QueryContext) -> QueryDecision:
        """See `QueryRule.decide`."""
        still = np.zeros(len(self.covariance))
        noise = self.random.multivariate_normal(still, self.covariance, method='eigh')
        return QueryDecision(driver='expert', ask=True, noise=noise)


def noise_covariance(errors: Array, error: float) -> Array:
    """Second moment of errors (F, A), scaled to a trace of `error`; shape (A, A).

    A learner without any error says nothing of a shape; the noise is then the same all round.
    """
    size = errors.shape[1]
    moment = errors.T @ errors / len(errors)
    trace = float(np.trace(moment))
    return np.asarray(moment * (error / trace) if trace > 0 else np.eye(size) * (error / size))
