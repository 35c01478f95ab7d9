"""The loop of interactive imitation: roll out, ask, aggregate, train, evaluate (Ross et al. 2011).

    round 0: the expert demonstrates; train a policy on it
    round i: let the rule share episodes between policy and expert, and ask the expert;
             add the answers to all earlier ones; train; evaluate

The methods differ only in the rule (`algorithms/query_rules.py`). Every draw has its own seed, made
of the seed of the run, the round and the episode, and a rule is shown everything again that it has
seen. So a run that was interrupted at any point resumes as if it had not been.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Generic

import numpy as np

from il_ros.algorithms.query_rules import (
    Actor,
    DemonstrationRule,
    DriverName,
    QueryRule,
    RoundContext,
)
from il_ros.algorithms.transitions import Transitions, join
from il_ros.core.config import parse, require_ranges
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.evaluation.suites import SEEDS
from il_ros.interactive.budget import Budget, Spent
from il_ros.interactive.episode_env import EpisodeEnv, StepContext
from il_ros.interactive.learner import A, Learner
from il_ros.interactive.round_journal import RoundJournal
from il_ros.interactive.shared_control import SharedControl


@dataclass(frozen=True, kw_only=True)
class RoundsConfig:
    """How many rounds of what.

    Attributes:
        demonstrations: Episodes that the expert drives first.
        rounds: Rounds after that, at most; the budget may end them earlier.
        episodes: Episodes of a round, at most.
        labels: Labels of a round, after which it ends, within an episode too; 0 for no such end.
        budget: What the expert may be asked for, after the demonstrations.
        evaluations: Episodes in which a policy is evaluated.
        seed: Seed of the run.
    """

    demonstrations: int = 10
    rounds: int = 5
    episodes: int = 5
    labels: int = 0
    budget: Budget = field(default_factory=Budget)
    evaluations: int = 10
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class DaggerLoopConfig(RoundsConfig):
    """How the rounds go.

    Attributes:
        evaluate_every: Rounds between two evaluations; 0 evaluates the last policy alone.
        warm_start: Whether training goes on from the last policy instead of from scratch.
        train_fraction: Fraction of the usual training in all rounds but the last, whose policy
            stays.
        stages: Parts of the training of a round. After each the policy is tried in `trials`
            episodes, and the best one stays: how well it does decides, not a loss. 1 for no trial.
        trials: Episodes that a stage's policy is tried in, on seeds that are used for nothing else.
        patience: Stages without a better policy after which training stops.
        wait: Whether a round whose labels are still to come waits for them before it trains.
        lead: Steps before a takeover that are marked as such (15 in Sirius, Liu et al. 2023).
    """

    renamed: ClassVar[dict[str, str]] = {'effort': 'train_fraction'}

    demonstrations: int = 1
    rounds: int = 10
    episodes: int = 10
    evaluate_every: int = 0
    warm_start: bool = False
    train_fraction: float = 1.0
    stages: int = 1
    trials: int = 5
    patience: int = 3
    wait: bool = True
    lead: int = 15

    def __post_init__(self) -> None:
        may_be_none = ('rounds', 'labels', 'evaluate_every', 'lead', 'seed')
        whole = ('demonstrations', 'episodes', 'evaluations', 'stages', 'trials', 'patience')
        ranges = dict.fromkeys(may_be_none, '0 or more') | dict.fromkeys(whole, '1 or more')
        require_ranges(self, 'dagger', {**ranges, 'train_fraction': '0 < x <= 1'})


@dataclass(frozen=True, kw_only=True)
class RoundResult:
    """How a round went.

    Attributes:
        round: Which.
        policy_id: Hash of the weights that were learned after it.
        spent: What the expert was asked for until its end.
        steps: Steps of all episodes until then.
        gains: What each evaluation episode gave; empty where there was no evaluation.
    """

    round: int
    policy_id: str
    spent: Spent
    steps: int
    gains: tuple[float, ...] = ()


class DaggerLoop(Generic[A]):
    """Runs the rounds.

    Args:
        env: Where episodes happen.
        learner: Who learns.
        rule: Who drives, and when the expert is asked.
        journal: Where it is kept.
        config: How many rounds of what.
        before_use: Called with the number of a round, the policy that was learned after it and
            all steps until then, before that policy first acts in `env`.
    """

    def __init__(
        self,
        env: EpisodeEnv,
        learner: Learner[A],
        rule: QueryRule,
        journal: RoundJournal,
        config: DaggerLoopConfig,
        *,
        before_use: Callable[[int, A, Transitions], None] | None = None,
    ) -> None:
        self._env, self._learner, self._rule = env, learner, rule
        self._journal, self.config = journal, config
        self._before_use = before_use
        self._introduced = -1
        self._episodes: list[Transitions] = []

    @property
    def steps(self) -> Transitions:
        """All steps so far."""
        return join(self._episodes)

    def run(
        self,
        on_round: Callable[[RoundResult], None] | None = None,
        on_episode: Callable[[Transitions], None] = lambda steps: None,
    ) -> tuple[A, RoundResult]:
        """All rounds that are not done yet.

        Args:
            on_round: Called after each round, those that were done before included.
            on_episode: Called with each new episode of a round, once it is on the disk.

        Returns:
            The last policy, and how its round went.

        Raises:
            IlRosError: If training fails, or the disk refuses.
        """
        self._on_episode = on_episode
        actor: A | None = None
        round_ = 0
        while True:
            self._collect(round_, actor)
            last = round_ == self.config.rounds or self.config.budget.used_up(self._spent())
            actor = self._train(round_, actor, last)
            result = self._evaluate(round_, actor, last)
            if on_round is not None:
                on_round(result)
            if last:
                return actor, result
            round_ += 1

    def _collect(self, round_: int, actor: A | None) -> None:
        """Episodes of a round: those that are there, then the ones that are missing."""
        rule: QueryRule = DemonstrationRule() if actor is None else self._rule
        if actor is not None:
            rule.begin_round(
                RoundContext(
                    number=round_,
                    actor=actor,
                    steps=join(self._episodes),
                    seed=self._seed(round_, 'rule'),
                )
            )
        budget = self._round_budget(round_)
        found = self._journal.episodes(round_)
        for steps in found:
            self._episodes.append(steps)
            rule.end_episode(steps)
        if self._journal.policy(round_) is not None:
            return
        count = self.config.episodes if round_ else self.config.demonstrations
        for _ in range(len(found), count):
            if round_ and budget.used_up(self._spent()):
                break
            self._episode(round_, rule, actor, budget)

    def _episode(self, round_: int, rule: QueryRule, actor: A | None, budget: Budget) -> None:
        number = len(self._episodes)
        if actor is not None:
            self._introduce(round_ - 1, actor)
        rule.begin_episode(np.random.default_rng(self._seed(round_, 'episode', number)))
        supervisor = SharedControl(
            rule,
            actor,
            low=self._env.low,
            high=self._env.high,
            spent=self._spent(),
            budget=budget,
            period=self._env.period,
        )
        part = 'corrections' if round_ else 'demonstrations'
        seed = self._scene(part, number)
        outcome = self._env.run(seed, supervisor)
        if not supervisor.count:
            raise IlRosError(f'the episode of seed {seed} has no steps', where=f'round {round_}')
        steps = supervisor.steps(
            outcome.ending, round_=round_, episode=number, lead=self.config.lead
        )
        self._journal.add_episode(round_, number, steps, bag=outcome.bag)
        self._episodes.append(steps)
        rule.end_episode(steps)
        self._on_episode(steps)

    def _introduce(self, round_: int, actor: A) -> None:
        """Call `before_use` with the policy of a round, once."""
        if self._before_use is None or self._introduced == round_:
            return
        learned = [steps for steps in self._episodes if int(steps.round[0]) <= round_]
        self._before_use(round_, actor, join(learned))
        self._introduced = round_

    def _train(self, round_: int, before: A | None, last: bool) -> A:
        saved = self._journal.policy(round_)
        if saved is not None:
            return self._learner.load(saved)
        self._require_labels(round_)
        actor = self._fit(
            round_,
            before if self.config.warm_start else None,
            1.0 if last else self.config.train_fraction,
        )
        self._journal.save_policy(round_, self._learner.arrays(actor))
        return actor

    def _fit(self, round_: int, start: A | None, train_fraction: float) -> A:
        """Train in stages; give the policy that did best in the trials."""
        steps, stages = join(self._episodes), self.config.stages
        best, best_gain, best_stage = start, -np.inf, 0
        for stage in range(stages):
            start = self._learner.fit(
                steps,
                seed=self._seed(round_, 'training', stage),
                start=start,
                train_fraction=train_fraction / stages,
            )
            if stages == 1:
                return start
            trials = SEEDS['calibration'][: self.config.trials]
            gain = float(np.mean(evaluate(self._env, start, trials)))
            if best is None or gain > best_gain:
                best, best_gain, best_stage = start, gain, stage
            if stage - best_stage >= self.config.patience:
                break
        assert best is not None, 'there is at least one stage'
        return best

    def _require_labels(self, round_: int) -> None:
        missing = sum(int(steps.waiting.sum()) for steps in self._episodes)
        if missing and self.config.wait:
            raise IlRosError(
                f"{missing} steps wait for the expert's labels",
                where=f'round {round_}',
                fix='let the expert label them (offline_labelling.label_waiting), then run again',
            )

    def _evaluate(self, round_: int, actor: A, last: bool) -> RoundResult:
        """The policy alone, on seeds that are used for nothing else."""
        saved = self._journal.result(round_)
        if saved is not None:
            return parse(RoundResult, saved, where=f'result of round {round_}')
        every = self.config.evaluate_every
        due = last or (every and round_ % every == 0)
        seeds = SEEDS['nominal'][: self.config.evaluations if due else 0]
        if due:
            self._introduce(round_, actor)
        result = RoundResult(
            round=round_,
            policy_id=actor.policy_id,
            spent=self._spent(),
            steps=sum(map(len, self._episodes)),
            gains=tuple(evaluate(self._env, actor, seeds)),
        )
        self._journal.save_result(round_, {**vars(result), 'spent': vars(result.spent)})
        return result

    def _round_budget(self, round_: int) -> Budget:
        budget, labels = self.config.budget, self.config.labels
        if not labels:
            return budget
        return replace(budget, labels=min(budget.labels, self._spent().labels + labels))

    def _spent(self) -> Spent:
        return Spent.of(self._episodes, self._env.period)

    def _scene(self, part: str, number: int) -> int:
        """Seed of an episode's scene: runs of other seeds see others, evaluation none of them."""
        seeds = SEEDS[part]
        return seeds[(self.config.seed * 10_007 + number) % len(seeds)]

    def _seed(self, round_: int, what: str, number: int = 0) -> int:
        parts = (self.config.seed, round_, number, *what.encode())
        return int(np.random.SeedSequence(parts).generate_state(1)[0])


def evaluate(env: EpisodeEnv, actor: Actor, seeds: Sequence[int]) -> list[float]:
    """Gain of the policy alone in one episode for each seed."""
    return [env.run(seed, PolicyAlone(actor)).gain for seed in seeds]


class PolicyAlone:
    """Acts in an evaluation: the policy alone.

    Args:
        actor: The policy.
    """

    driver: DriverName = 'policy'

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def __call__(self, context: StepContext) -> Array:
        """See `episode_env.ActionSource`."""
        return self._actor.decide(self._actor.members(context.observation))
