"""Rounds with an arm, kept in one folder: what `il_ros dagger` and the coach node both run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from il_ros.algorithms.bc import BcConfig
from il_ros.algorithms.query_rules import QueryRule, make_rule
from il_ros.algorithms.transitions import POLICY, Transitions, join
from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.evaluation.coaching_report import CoachedRound, write_coaching_report
from il_ros.evaluation.intervals import Rate
from il_ros.interactive.arm_scores import RoundScores, ScoredEnv, ScoredRule, ScoresConfig
from il_ros.interactive.chunk_learner import TRAINING, ChunkActor, ChunkLearner
from il_ros.interactive.dagger_loop import DaggerLoop, DaggerLoopConfig, RoundsConfig
from il_ros.interactive.round_journal import RoundJournal
from il_ros.policies.bundle import load_bundle
from il_ros.policies.bundle_writer import save_bundle
from il_ros.rollouts.demonstrations import NOISE
from il_ros.sim.randomisation import NOTHING, Randomisation


class LiveEnv(ScoredEnv, Protocol):
    """One whose policy is loaded from bundles."""

    notes: str

    def load(self, bundle: Path, policy_id: str) -> None:
        """Let this policy drive from now on."""


@dataclass(frozen=True, kw_only=True)
class DaggerRun(RoundsConfig):
    """What the rounds are of; every policy is evaluated.

    Attributes:
        rule: Rule that decides: dagger, safe_dagger, lazy_dagger, ensemble_dagger, thrifty_dagger,
            hg_dagger, dart, monitor_gated, or one of an entry point.
        settings: Settings of the rule, as name=value.
        members: Networks that learn; 0 for as many as the rule needs.
        noise: Disturbance of the joints where it is learned from [rad].
        scores: Whether scores are fitted to the last policy, without which no monitor watches it.
    """

    rule: str = 'dagger'
    settings: tuple[str, ...] = ()
    members: int = 0
    noise: float = NOISE
    scores: bool = True

    @property
    def loop_config(self) -> DaggerLoopConfig:
        """The settings of the loop in this run."""
        shared = {each.name: getattr(self, each.name) for each in fields(RoundsConfig)}
        return DaggerLoopConfig(**shared, evaluate_every=1)


class ArmRounds:
    """The rounds of one run, which go on where they stopped.

    Args:
        contract: What the topics mean.
        task: Name of the task.
        out: Folder of the journal, the bundles and the curves.
        run: What the rounds are of.
        training: How a policy is trained.
        randomisation: What differs from episode to episode where they happen, for the record.
        cancelled: Asked in training whether to give up.

    Attributes:
        bundle: Folder of the last policy's bundle, once there is one.

    Raises:
        IlRosError: If there is no such rule, or a setting makes no sense.
    """

    def __init__(
        self,
        contract: Contract,
        task: str,
        out: Path,
        run: DaggerRun,
        training: BcConfig = TRAINING,
        *,
        randomisation: Randomisation = NOTHING,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._contract, self._task, self._out, self._run = contract, task, out, run
        self._randomisation = randomisation
        self._rule = make_rule(run.rule, run.settings)
        self._loop_config = run.loop_config
        self._learner = ChunkLearner(
            contract=contract,
            task=task,
            config=training,
            members=run.members or self._rule.members,
            cancelled=cancelled,
        )
        self.bundle = out / 'bundle'

    def journal(self, where: str) -> RoundJournal:
        """Where the rounds are kept; `where` they happen must be the same for them to go on."""
        return RoundJournal(self._out, self._identity(where))

    def teach(
        self,
        place: ScoredEnv,
        journal: RoundJournal,
        *,
        live: LiveEnv | None = None,
        on_round: Callable[[CoachedRound], None] = lambda coached: None,
        on_episode: Callable[[Transitions], None] = lambda steps: None,
    ) -> list[CoachedRound]:
        """Run what is missing, and write the last policy's bundle.

        Args:
            place: Where episodes happen.
            journal: Where they are kept.
            live: The same place, if each round's policy has to be loaded there.
            on_round: Called after each round.
            on_episode: Called with each new episode.
        """
        load_live = (
            None if live is None else loading(live, self._learner, self._out, self._run.rule)
        )
        loop = DaggerLoop(
            place,
            self._learner,
            self.rule_at(place),
            journal,
            self._loop_config,
            before_use=load_live,
        )
        actor, _ = loop.run(
            lambda now: on_round(coached_round(journal, now.round, place.period)), on_episode
        )
        if not self._is_there(actor.policy_id):
            made = self._learner.bundle(
                actor, loop.steps, algorithm=self._run.rule, scored=self._run.scores
            )
            save_bundle(made, self.bundle, overwrite=True)
        return [coached_round(journal, n, place.period) for n in range(journal.finished)]

    def report(self, rounds: list[CoachedRound], command: str) -> Path:
        """Write the curves; gives the page."""
        title = f'{self._run.rule} on {self._task}'
        return write_coaching_report(self._out, rounds, title=title, command=command)

    def _is_there(self, policy_id: str) -> bool:
        """Whether the bundle is this policy's already: it may have been calibrated since."""
        try:
            found = load_bundle(self.bundle)
        except IlRosError:
            return False
        scored = found.scores is not None
        return found.policy_id == policy_id and scored is self._run.scores

    def rule_at(self, place: ScoredEnv) -> QueryRule:
        """The run's rule; where it needs scores, with a scorer for each round's policy."""
        if not self._rule.needs_scores:
            return self._rule
        return ScoredRule(
            self._rule,
            place,
            lambda now: RoundScores(now, self._contract, self._task, ScoresConfig()),
        )

    def _identity(self, where: str) -> dict[str, Any]:
        """What must be the same for rounds to go on; there may be more of them."""
        chosen = {
            name: value
            for name, value in asdict(self._run).items()
            if name not in ('rounds', 'scores')
        }
        budget = {name: str(value) for name, value in chosen.pop('budget').items()}
        learned = {
            'training': asdict(self._learner.config),
            'task': self._task,
            'contract': self._contract.hash[:16],
        }
        if self._randomisation != NOTHING:
            learned['randomisation'] = self._randomisation.hash
        return {**chosen, 'budget': budget, **learned, 'run': where}


def loading(
    live: LiveEnv, learner: ChunkLearner, out: Path, algorithm: str
) -> Callable[[int, ChunkActor, Transitions], None]:
    """What a new policy needs before it drives (`DaggerLoop`): its bundle, loaded.

    Args:
        live: Where it will drive.
        learner: Who has learned it.
        out: Folder of the journal, in which each round's bundle is kept.
        algorithm: What the bundle says it was learned by.
    """

    def introduce(round_: int, actor: ChunkActor, steps: Transitions) -> None:
        bundle = out / f'round_{round_:03d}' / 'bundle'
        made = learner.bundle(actor, steps, algorithm=algorithm, scored=False)
        save_bundle(made, bundle, overwrite=True)
        live.load(bundle, actor.policy_id)
        live.notes = f'{algorithm}, after round {round_}'

    return introduce


def coached_round(journal: RoundJournal, round_: int, period: float) -> CoachedRound:
    """A round that is over, counted from the record.

    Args:
        journal: Of the run, in which a gain of 1 is a success and 0 is none.
        round_: Which.
        period: Time of one step [s].

    Raises:
        IlRosError: If it is not over.
    """
    episodes, result = journal.episodes(round_), journal.result(round_)
    if not episodes or result is None:
        raise IlRosError(f'round {round_} is not over', where=str(journal.folder))
    steps = join(episodes)
    return CoachedRound(
        round=round_,
        policy_id=str(result['policy_id']),
        episodes=len(episodes),
        labels=int(steps.asked.sum()),
        takeovers=int(steps.takeovers.sum()),
        minutes=len(steps) * period / 60.0,
        autonomy=float((steps.source == POLICY).mean()),
        success=Rate.of(gain > 0.5 for gain in result['gains']),
    )
