"""One episode of learner and expert: the rule decides who drives; everything is recorded."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.algorithms.query_rules import (
    Actor,
    DriverName,
    QueryContext,
    QueryDecision,
    QueryRule,
)
from il_ros.algorithms.transitions import ENDINGS, EXPERT, POLICY, Ending, Floats, Transitions
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.interactive.budget import Budget, Spent
from il_ros.interactive.episode_env import StepContext


class SharedControl:
    """Acts in a training episode (`episode_env.ActionSource`).

    Args:
        rule: Decides who drives and whether to ask; `begin_episode` was called.
        actor: The learner's policy; None before there is one, when the expert drives.
        low: Least action, shape (A,).
        high: Greatest action, shape (A,).
        spent: What the expert was asked for before this episode.
        budget: Ends the episode when it is used up.
        period: Time of one step [s].
    """

    def __init__(
        self,
        rule: QueryRule,
        actor: Actor | None,
        *,
        low: Array,
        high: Array,
        spent: Spent,
        budget: Budget,
        period: float,
    ) -> None:
        self._rule, self._actor = rule, actor
        self._low, self._high = low, high
        self._action_std = np.ones(len(low)) if actor is None else actor.action_std
        self._unknown = np.full(len(low), np.nan)
        self._before, self._budget, self._period = spent, budget, period
        self._rows: list[dict[str, Any]] = []
        self.driver: DriverName = 'expert'
        self.labels = self.takeovers = self.busy = 0

    @property
    def count(self) -> int:
        """Steps so far."""
        return len(self._rows)

    @property
    def spent(self) -> Spent:
        """What the expert was asked for so far, this episode included."""
        return Spent(
            labels=self._before.labels + self.labels,
            takeovers=self._before.takeovers + self.takeovers,
            minutes=self._before.minutes + self.busy * self._period / 60.0,
        )

    def __call__(self, context: StepContext) -> Array | None:
        """What to do, shape (A,); None when the budget is used up.

        Raises:
            IlRosError: If it would not be made of numbers: nobody answered, or with no number.
        """
        if self._actor is not None and self._budget.used_up(self.spent):
            return None
        question = cache(context.ask)  # the expert is asked at most once
        seen = context.observation
        members, own = self._answers(seen)
        step = QueryContext(
            tick=self.count,
            features=self._actor.features(seen) if self._actor else seen,
            action=own / self._action_std,
            members=members / self._action_std,
            scores=context.scores,
            human=context.human,
            ask=lambda: _scaled(question(), 1.0 / self._action_std),
        )
        decision = self._rule.decide(step)
        if context.human:  # who holds the switch drives, whatever the rule says
            decision = replace(decision, driver='expert', ask=True, noise=None)
        asked_by_rule = question.cache_info().currsize > 0
        asked = asked_by_rule or decision.ask or decision.driver == 'expert'
        return self._record(context, decision, own, question() if asked else None, asked)

    def steps(self, ending: Ending, *, round_: int, episode: int, lead: int) -> Transitions:
        """The whole episode.

        Args:
            ending: How it ended.
            round_: Which round it is of.
            episode: Its number.
            lead: Steps before a takeover that are marked.
        """
        rows, count = self._rows, len(self._rows)
        names = {name: None for row in rows for name in row['scores']}
        source = np.array([row['source'] for row in rows], np.uint8)
        ends = np.zeros(count, np.uint8)
        ends[-1:] = ENDINGS.index(ending)
        steps = Transitions(
            observation=self._column('observation'),
            policy=self._column('policy'),
            expert=self._column('expert'),
            executed=self._column('executed'),
            source=source,
            asked=np.array([row['asked'] for row in rows], np.bool_),
            policy_id=np.full(count, self._actor.policy_id if self._actor else '', 'U16'),
            round=np.full(count, round_, np.int32),
            episode=np.full(count, episode, np.int32),
            before_takeover=np.zeros(count, np.bool_),
            ending=ends,
            scores={
                name: np.array([row['scores'].get(name, np.nan) for row in rows], np.float32)
                for name in names
            },
        )
        steps.before_takeover[:] = leading(steps.takeovers, lead)
        return steps

    def _answers(self, observation: Array) -> tuple[Array, Array]:
        """What the networks would do, shape (M, A), and what the learner would, shape (A,)."""
        if self._actor is None:
            return self._unknown[None], self._unknown
        members = self._actor.members(observation)
        return members, self._actor.decide(members)

    def _record(
        self,
        context: StepContext,
        decision: QueryDecision,
        own: Array,
        answer: Array | None,
        asked: bool,
    ) -> Array | None:
        by_expert = decision.driver == 'expert' and answer is not None
        action: Array = answer if by_expert and answer is not None else own
        if decision.noise is not None:
            action = action + decision.noise * self._action_std
        action = np.minimum(np.maximum(action, self._low), self._high)
        if not np.isfinite(action).all():
            raise IlRosError(
                f'{action} is no action' if by_expert else 'nobody has an action',
                where=f'the {"expert" if by_expert else "policy"} at step {self.count}',
                fix='only a policy that has learned can go on where the expert gives no answer',
            )
        self.labels += asked
        self.busy += asked
        driver: DriverName = 'expert' if by_expert else 'policy'
        self.takeovers += bool(self._rows and driver == 'expert' != self.driver)
        self.driver = driver
        self._rows.append(
            {
                'observation': context.observation,
                'policy': own,
                'expert': self._unknown if answer is None else answer,
                'executed': action,
                'source': EXPERT if by_expert else POLICY,
                'asked': asked,
                'scores': {**context.scores, **decision.scores},
            }
        )
        return action

    def _column(self, name: str) -> Floats:
        return np.array([row[name] for row in self._rows], np.float32)


def _scaled(answer: Array | None, factor: Array) -> Array | None:
    return None if answer is None else answer * factor


def leading(events: NDArray[np.bool_], lead: int) -> NDArray[np.bool_]:
    """Steps of one episode with an event within the `lead` steps after them, shape (F,)."""
    marked = np.zeros(len(events), np.bool_)
    for at in np.flatnonzero(events):
        marked[max(0, at - lead) : at] = True
    return marked
