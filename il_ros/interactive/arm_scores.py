"""The monitor's scores in the rounds on an arm: fitted and calibrated anew for each round's policy.

There are no rollouts of a new policy to calibrate on, and no labels to spare. So every episode of
the aggregate that went well without help (demonstrations, and the learner's own successes) takes
its turn to be held out: the scores are fitted to the labels of the others and look at it, and the
threshold is the split conformal one of what they found (cross-conformal prediction, Vovk 2015).
The policy itself has learned from the held-out episodes, and those of earlier rounds were of
earlier policies, so `alpha` is what the threshold aims at here, not a promise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from il_ros.algorithms.query_rules import QueryContext, QueryDecision, QueryRule, RoundContext
from il_ros.algorithms.transitions import EXPERT, Transitions
from il_ros.calibration.conformal_calibration import (
    WARN_ALPHA,
    episodes_needed,
    joint_thresholds,
)
from il_ros.calibration.fit_scores import fit_bank, traces
from il_ros.core.config import require_ranges
from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS, Frame
from il_ros.interactive.arm_episode_env import FrameScorer
from il_ros.interactive.arm_transitions import dataset_of_steps, succeeded
from il_ros.interactive.chunk_learner import ChunkActor
from il_ros.interactive.episode_env import EpisodeEnv
from il_ros.monitors.calibrated_scores import WINDOW, FittedScores
from il_ros.monitors.conformal_thresholds import (
    CalibrationError,
    ConformalThresholds,
    mean_ratio,
)
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.score_bank import Spec
from il_ros.policies.score_inputs import ScoreInputs

MONITOR = 'monitor'
"""Name of the score in a step: mean ratio of the monitor's scores, or how far it is overdue."""


@dataclass(frozen=True, kw_only=True)
class ScoresConfig:
    """Which scores watch the learner, and how their threshold is calibrated.

    Attributes:
        channels: Scores: name, kind, input.
        alpha: Fraction of good episodes in which the threshold would be exceeded, at most. Larger
            than in a monitor that guards: here it costs a few labels, not an episode.
        folds: Parts that the good episodes are held out in.
        window: Ticks that scores are averaged over.
        overdue: How much longer than the longest good episode one may take; see `MonitorConfig`.
    """

    channels: tuple[Spec, ...] = (('mahalanobis_embedding', 'mahalanobis', 'embedding'),)
    alpha: float = 0.5
    folds: int = 5
    window: int = WINDOW
    overdue: float = MonitorConfig.overdue

    def __post_init__(self) -> None:
        require_ranges(self, 'scores', {'alpha': '0 < x < 1', 'folds': '2 or more'})


class RoundScores:
    """Scores of one round's policy (`arm_episode_env.FrameScorer`).

    They are fitted when the first episode begins: a run that goes on asks for rounds which are
    over, and has no episode left in them.

    Args:
        now: The round, with a `ChunkActor`.
        contract: What is seen.
        task: Name of the task.
        config: Which scores, and how they are calibrated.

    Raises:
        IlRosError: If the round's actor is another.
    """

    def __init__(
        self, now: RoundContext, contract: Contract, task: str, config: ScoresConfig
    ) -> None:
        if not isinstance(now.actor, ChunkActor):
            raise IlRosError(
                f'an actor of the type {type(now.actor).__name__}',
                where='scores of an arm',
                allowed='ChunkActor',
                fix='learn with ChunkLearner',
            )
        self._now, self._contract, self._task, self.config = now, contract, task, config
        self._policy = now.actor.policy

    def begin(self) -> None:
        """See `FrameScorer.begin`.

        Raises:
            CalibrationError: If the good episodes are too few for `alpha`.
        """
        self._scores, self._thresholds, self._longest = self._calibrated
        self._policy.reset()
        self._inputs = ScoreInputs.of_scores(self._policy, self._scores)
        self._bank = self._scores.bank(self.config.window)
        self._tick = 0

    def ratios(self, frame: Frame) -> Mapping[str, float]:
        """See `FrameScorer.ratios`."""
        chunk = self._policy.act(frame) if self._bank.uses_policy_output else None
        values = self._bank.read(self._inputs.of_frame(frame, chunk, frame.stamp / NS))
        ratio = mean_ratio(self._thresholds.ratios(values, self._tick, counts=self._bank.counts))
        self._tick += 1
        limit = self.config.overdue * self._longest
        overdue = self._tick / limit if limit else 0.0
        return {MONITOR: float(np.fmax(ratio, overdue))}

    @cached_property
    def _calibrated(self) -> tuple[FittedScores, ConformalThresholds, int]:
        """Scores fitted to all labels, their threshold, and ticks of the longest good episode."""
        config, policy, seed, steps = self.config, self._policy, self._now.seed, self._now.steps
        data, labelled = dataset_of_steps(self._contract, self._task, steps, labelled=True)
        whole, numbers = dataset_of_steps(self._contract, self._task, steps, labelled=False)
        episodes = [steps.take(steps.episode == number) for number in numbers]
        good = [i for i, episode in enumerate(episodes) if went_well(episode)]
        self._require(len(good))
        held_out = []
        for part in range(config.folds):
            out = good[part :: config.folds]
            kept = [i for i, n in enumerate(labelled) if n not in {numbers[j] for j in out}]
            if out:
                scores = fit_bank(policy, data, kept, config.channels, seed)
                held_out += traces(scores, policy, whole, out, config.window)
        thresholds = joint_thresholds(
            held_out,
            alpha=config.alpha,
            warn_alpha=max(config.alpha, WARN_ALPHA),
            names=[name for name, _, _ in config.channels],
        )
        scores = fit_bank(policy, data, range(len(labelled)), config.channels, seed)
        return scores, thresholds, max(len(trace) for trace in held_out)

    def _require(self, count: int) -> None:
        needed = episodes_needed(self.config.alpha, len(self.config.channels))
        if count < max(2, needed):
            raise CalibrationError(
                f'{count} episodes went well without help',
                where=f'scores of round {self._now.number}',
                allowed=f'{max(2, needed)} or more for alpha {self.config.alpha:g}',
                fix='give more demonstrations, or choose a larger alpha',
            )


def went_well(steps: Transitions) -> bool:
    """Whether an episode ended in success with one driver throughout: the expert or the learner."""
    by_expert = steps.source == EXPERT
    return succeeded(steps) and bool(by_expert.all() or not by_expert.any())


class ScoredEnv(EpisodeEnv, Protocol):
    """An episode env of an arm that asks a scorer about each frame.

    Attributes:
        scorer: The scorer; None for no scores.
    """

    scorer: FrameScorer | None


class ScoredRule(QueryRule):
    """Another rule, with scores of every step, made anew for each round's policy.

    Args:
        rule: Decides.
        env: Gets the scorer of each round.
        scorer: Makes the scorer of a round.
    """

    def __init__(
        self, rule: QueryRule, env: ScoredEnv, scorer: Callable[[RoundContext], FrameScorer]
    ) -> None:
        self._rule, self._env, self._scorer = rule, env, scorer

    def begin_round(self, now: RoundContext) -> None:
        """See `QueryRule.begin_round`."""
        self._env.scorer = self._scorer(now)
        self._rule.begin_round(now)

    def begin_episode(self, random: np.random.Generator) -> None:
        """See `QueryRule.begin_episode`."""
        self._rule.begin_episode(random)

    def decide(self, step: QueryContext) -> QueryDecision:
        """See `QueryRule.decide`."""
        return self._rule.decide(step)

    def end_episode(self, steps: Transitions) -> None:
        """See `QueryRule.end_episode`."""
        self._rule.end_episode(steps)
