"""Interactive imitation: who drives the next step, and whether the expert is asked.

All methods share one loop (`interactive/dagger_loop.py`): learner and expert share episodes, the
expert's answers are added to all earlier ones, and the learner is trained on the aggregate (Ross et
al. 2011). The methods differ in a query rule. It sees one step at a time, on a simulated arm as on
a real one, and depends on no simulator and no robot.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from il_ros.algorithms.transitions import Transitions
from il_ros.core.config import override
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.core.registry import lookup

DriverName = Literal['policy', 'expert']


class Actor(Protocol):
    """The learner's policy in one round, as M networks that saw the same data (M may be 1).

    Attributes:
        policy_id: Hash of its weights.
        action_std: Unit in which actions are compared: the standard deviation of the expert's
            actions, shape (A,).
    """

    policy_id: str
    action_std: Array

    def features(self, observation: NDArray[np.floating]) -> Array:
        """Observations, shape (..., D), as the networks see them, shape (..., D)."""

    def members(self, observation: NDArray[np.floating]) -> Array:
        """What each network would do: (M, A) for one observation (D,), (M, F, A) for (F, D)."""

    def decide(self, members: Array) -> Array:
        """What is done when the networks answer `members`, shape (M, ..., A); shape (..., A)."""


@dataclass(frozen=True, kw_only=True)
class QueryContext:
    """One step before anybody moves. Actions are in units of `Actor.action_std`.

    Attributes:
        tick: Steps since the beginning of the episode.
        features: Normalised observation, shape (D,).
        action: What the learner would do, shape (A,).
        members: What each of its networks would do, shape (M, A).
        scores: The monitor's scores by name, as ratios: 1 is the calibrated threshold.
        human: Whether a person holds the enable switch and wants to drive.
        ask: Asks the expert what to do here, shape (A,); None where the answer comes later.
            However often it is called, it costs one label.
    """

    tick: int
    features: Array
    action: Array
    members: Array
    scores: Mapping[str, float]
    human: bool
    ask: Callable[[], Array | None]


@dataclass(frozen=True, kw_only=True)
class QueryDecision:
    """What a rule has decided about a step.

    Attributes:
        driver: Who drives it. The learner does where the expert is to drive but cannot answer now.
        ask: Whether the expert is asked what to do; always, where the expert drives.
        noise: Added to what is executed, shape (A,), in units of `Actor.action_std`.
        scores: What the decision was made by, for the record.
    """

    driver: DriverName
    ask: bool
    noise: Array | None = None
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RoundContext:
    """What a rule may learn from between two rounds.

    Attributes:
        number: Which round begins, from 1; round 0 are the demonstrations.
        actor: The policy that will be in it, trained on the labelled ones of `steps`.
        steps: All steps so far.
        seed: Seed of whatever is drawn or trained.
    """

    number: int
    actor: Actor
    steps: Transitions
    seed: int


@dataclass(frozen=True, kw_only=True)
class NoSettings:
    """The configuration of a rule that has none."""


class QueryRule(ABC):
    """Decides step by step.

    What it remembers has to follow from the rounds and episodes that it was shown, in their order:
    a run that goes on after a crash shows them again.

    Args:
        config: An instance of `Config`; its defaults if None. `make_rule` constructs every rule
            with this one argument.

    Attributes:
        members: Networks that the learner has to have, at least.
        needs_scores: Whether `QueryContext.scores` must hold the monitor's score, which is then
            fitted and calibrated anew for each round's policy.
        Config: Its configuration, a dataclass with a default for every field.
    """

    members: ClassVar[int] = 1
    needs_scores: ClassVar[bool] = False
    Config: ClassVar[type] = NoSettings

    def __init__(self, config: Any = None) -> None:
        self.config = self.Config() if config is None else config

    def begin_round(self, now: RoundContext) -> None:
        """Learn from what there is."""
        return

    def begin_episode(self, random: np.random.Generator) -> None:
        """Forget the last episode; draw from `random` in this one."""
        self.random = random

    @abstractmethod
    def decide(self, step: QueryContext) -> QueryDecision:
        """Who drives, and whether to ask."""

    def end_episode(self, steps: Transitions) -> None:
        """Learn from the episode that has ended."""
        return


class DemonstrationRule(QueryRule):
    """The expert drives and every step is a label: round 0."""

    def decide(self, step: QueryContext) -> QueryDecision:
        """See `QueryRule.decide`."""
        return QueryDecision(driver='expert', ask=True)


RULES = {
    'dagger': 'il_ros.algorithms.dagger:Dagger',
    'safe_dagger': 'il_ros.algorithms.safe_dagger:SafeDagger',
    'lazy_dagger': 'il_ros.algorithms.lazy_dagger:LazyDagger',
    'ensemble_dagger': 'il_ros.algorithms.ensemble_dagger:EnsembleDagger',
    'thrifty_dagger': 'il_ros.algorithms.thrifty_dagger:ThriftyDagger',
    'hg_dagger': 'il_ros.algorithms.hg_dagger:HgDagger',
    'dart': 'il_ros.algorithms.dart:Dart',
    'monitor_gated': 'il_ros.algorithms.monitor_gated:MonitorGated',
}
"""Rules by name; third parties use entry points of the group `il_ros.rule`."""


def make_rule(name: str, settings: Iterable[str] = ()) -> QueryRule:
    """A rule by its name, with ``name=value`` settings of its configuration.

    Raises:
        UnknownNameError: If there is no such rule; it lists those there are.
        IlRosError: If a setting is not one of the rule's, or makes no sense.
    """
    kind: Any = lookup('rule', name, RULES)
    rule: QueryRule = kind(override(kind.Config(), settings))
    return rule


def ensemble_variance(members: Array) -> float:
    """How far the networks disagree: variance over the members (M, A), mean over the action.

    Raises:
        IlRosError: If there is only one network: it has no variance.
    """
    if len(members) < 2:
        raise IlRosError(
            'one network alone has no variance',
            where='learner.members',
            allowed='2 or more',
            fix='train as many as the rule asks for (QueryRule.members)',
        )
    return float(members.var(axis=0).mean())


def discrepancy(one: Array, other: Array) -> float:
    """Mean squared difference of two actions (..., A), over their last axis and all others."""
    return float(np.mean((one - other) ** 2))
