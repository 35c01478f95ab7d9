"""ThriftyDAgger (Hoque et al. 2021, algorithm 1): ask where it is new or risky, within a budget.

The learner is an ensemble. A step is novel where its members disagree, and risky where it is not
expected to reach the goal: risk is 1 - Q, with Q(s, a) the discounted probability of success,
learned by fitted Q iteration from all episodes. The expert takes over where either is above its
threshold, and hands back when the discrepancy is below its mean on the data and the risk is below
its median.

The thresholds follow from the budget: they are quantiles over the steps that the learner has driven
itself. The paper gives both the same quantile; here each gets half of the budget, so that both
together keep within it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from il_ros.algorithms.probability_network import ProbabilityNetwork
from il_ros.algorithms.query_rules import (
    QueryContext,
    QueryDecision,
    QueryRule,
    RoundContext,
    discrepancy,
    ensemble_variance,
)
from il_ros.algorithms.transitions import ENDINGS, POLICY, Transitions
from il_ros.core.config import require_ranges
from il_ros.core.limits import Array

_HIDDEN, _SWEEPS, _STEPS = (64, 64), 4, 300  # of the probability of success
_SUCCESS, _FAILURE, _CUT = (ENDINGS.index(name) for name in ('success', 'failure', 'cut'))


@dataclass(frozen=True, kw_only=True)
class ThriftyDaggerConfig:
    """How often the expert may be called.

    Attributes:
        budget: Share of the learner's steps at which the expert takes over (alpha_h).
        discount: Discount of the probability of success (gamma).
    """

    budget: float = 0.1
    discount: float = 0.999

    def __post_init__(self) -> None:
        ranges = {'budget': '0 < x < 1', 'discount': '0 < x < 1'}
        require_ranges(self, 'thrifty_dagger', ranges)


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Where the expert takes over, and where the expert hands back.

    Attributes:
        novelty: Novelty above which the expert takes over (delta_h).
        risk: Risk above which the expert takes over (beta_h).
        calm: Risk below which the expert may hand back (beta_r).
        discrepancy: Discrepancy below which the expert may hand back (delta_r).
    """

    novelty: float = inf
    risk: float = inf
    calm: float = inf
    discrepancy: float = 0.0

    @classmethod
    def within(cls, budget: float, novelty: Array, risk: Array, discrepancy: float) -> Thresholds:
        """Thresholds that the given steps (F,) would have exceeded in at most `budget` of them."""
        share = 1.0 - budget / 2.0
        return cls(
            novelty=float(np.quantile(novelty, share, method='higher')),
            risk=float(np.quantile(risk, share, method='higher')),
            calm=float(np.quantile(risk, 0.5)),
            discrepancy=discrepancy,
        )


class ThriftyDagger(QueryRule):
    """Calls the expert by novelty and risk.

    Attributes:
        thresholds: Those in force.
    """

    Config = ThriftyDaggerConfig
    members = 5
    config: ThriftyDaggerConfig

    def __init__(self, config: ThriftyDaggerConfig | None = None) -> None:
        super().__init__(config)
        self.thresholds = Thresholds()
        self._success: ProbabilityNetwork | None = None
        self._novelty: list[float] = []
        self._risk: list[float] = []
        self._agreed = 0.0
        self._by_expert = False

    def begin_round(self, now: RoundContext) -> None:
        """Learn the risk, and set the thresholds by the steps that the learner drove last.

        In the first round it has driven none; the demonstrations stand in for them.
        """
        self._success = learn_success(now, self.config.discount)
        steps = now.steps
        driven = (steps.source == POLICY) & (steps.round == now.number - 1)
        rows = steps.take(driven if driven.any() else steps.labelled)
        members = now.actor.members(rows.observation) / now.actor.action_std
        self._novelty = members.var(axis=0).mean(axis=-1).tolist()
        features = now.actor.features(rows.observation)
        own = now.actor.decide(members * now.actor.action_std) / now.actor.action_std
        success = self._success.of_frames(np.concatenate([features, own], axis=1))
        self._risk = (1.0 - success).tolist()
        self._agreed = _mean_discrepancy(now)
        self._set_thresholds()

    def begin_episode(self, random: np.random.Generator) -> None:
        """See `QueryRule.begin_episode`; the learner begins."""
        super().begin_episode(random)
        self._by_expert = False

    def decide(self, step: QueryContext) -> QueryDecision:
        """See `QueryRule.decide`."""
        assert self._success is not None, 'begin_round comes first'
        novelty = ensemble_variance(step.members)
        risk = 1.0 - self._success(np.concatenate([step.features, step.action]))
        limits, scores = self.thresholds, {'novelty': novelty, 'risk': risk}
        if self._by_expert:
            answer = step.ask()
            agreed = answer is not None and discrepancy(step.action, answer) < limits.discrepancy
            self._by_expert = not (agreed and risk <= limits.calm)
        else:
            self._by_expert = not (novelty <= limits.novelty and risk <= limits.risk)
        driver = self._by_expert
        return QueryDecision(driver='expert' if driver else 'policy', ask=driver, scores=scores)

    def end_episode(self, steps: Transitions) -> None:
        """Count the steps that the learner drove, and set the thresholds anew."""
        if 'novelty' not in steps.scores:
            return
        novelty, risk = steps.scores['novelty'], steps.scores['risk']
        driven = (steps.source == POLICY) & np.isfinite(novelty) & np.isfinite(risk)
        self._novelty += novelty[driven].tolist()
        self._risk += risk[driven].tolist()
        self._set_thresholds()

    def _set_thresholds(self) -> None:
        self.thresholds = Thresholds.within(
            self.config.budget, np.array(self._novelty), np.array(self._risk), self._agreed
        )


def _mean_discrepancy(now: RoundContext) -> float:
    rows = now.steps.take(now.steps.labelled)
    own = now.actor.decide(now.actor.members(rows.observation))
    return discrepancy(own / now.actor.action_std, rows.expert / now.actor.action_std)


def learn_success(now: RoundContext, discount: float) -> ProbabilityNetwork:
    """Q(s, a), the discounted probability of success after an action, by fitted Q iteration.

    It is learned over all steps with a successor or a known ending. The target is 1 where the task
    is done, 0 where it has failed, and else the discounted Q of the next step with what the
    learner would do there. Steps after which an episode was cut say nothing.

    Returns:
        A network of features and action (D + A,), the latter in units of `Actor.action_std`.
    """
    steps, actor = now.steps, now.actor
    features = actor.features(steps.observation)
    done = np.asarray(steps.executed, np.float64) / actor.action_std
    own = actor.decide(actor.members(steps.observation)) / actor.action_std
    known = steps.ending != _CUT
    following = np.minimum(np.flatnonzero(known) + 1, len(steps) - 1)
    x = np.concatenate([features, done], axis=1)[known]
    ahead = np.concatenate([features, own], axis=1)[following]
    ending = steps.ending[known]
    target = (ending == _SUCCESS).astype(np.float64)
    network = ProbabilityNetwork.random(x.shape[1], _HIDDEN, now.seed)
    for sweep in range(_SWEEPS):
        if sweep:
            target = success_targets(ending, network.of_frames(ahead), discount)
        network = network.fit(x, target, steps=_STEPS, seed=now.seed + sweep)
    return network


def success_targets(ending: NDArray[np.uint8], ahead: Array, discount: float) -> Array:
    """What Q should be, shape (F,), where the next step's is `ahead`, shape (F,)."""
    success, failure = ending == _SUCCESS, ending == _FAILURE
    return np.where(success, 1.0, np.where(failure, 0.0, discount * ahead))
