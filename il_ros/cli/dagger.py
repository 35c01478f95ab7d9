"""``il_ros dagger``: rounds of interactive imitation on a graph, or in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import tyro
from rich.console import Console

from il_ros.algorithms.bc import BcConfig
from il_ros.algorithms.rules import Rule, make_rule
from il_ros.algorithms.steps import Steps
from il_ros.cli.session import graph
from il_ros.coach.arm_field import ArmField
from il_ros.coach.arm_scores import RoundScores, Scored, ScoresConfig, Watched
from il_ros.coach.budget import Budget
from il_ros.coach.chunk_learner import TRAINING, ChunkActor, ChunkLearner
from il_ros.coach.curves import coached_round, coached_rounds
from il_ros.coach.field import Field
from il_ros.coach.journal import Journal
from il_ros.coach.rounds import Coach, CoachConfig, RoundResult
from il_ros.core.contract import Contract, load_contract
from il_ros.evaluation.coaching_report import CoachedRound, write_coaching_report
from il_ros.policies.bundle import save_bundle
from il_ros.rollouts.demonstrations import NOISE

Introduce = Callable[[int, ChunkActor, Steps], None]
SCORED = ('monitor_gated',)
"""Rules that need the monitor's scores, calibrated anew for each round's policy."""


class _Place(Field, Scored, Protocol):
    """A field with an arm in it, whose steps may be scored."""


@dataclass(frozen=True, kw_only=True)
class DaggerRun:
    """What the rounds are of.

    Attributes:
        rule: Rule that decides: dagger, safe_dagger, lazy_dagger, ensemble_dagger, thrifty_dagger,
            hg_dagger, dart, monitor_gated, or one of an entry point.
        settings: Settings of the rule, as name=value.
        demonstrations: Episodes that the expert drives first.
        rounds: Rounds after that, at most; the budget may end them earlier.
        episodes: Episodes of a round, at most.
        labels: Labels of a round, after which it ends; 0 for no such end.
        budget: What the expert may be troubled for, after the demonstrations.
        evaluations: Episodes in which each round's policy is evaluated.
        members: Networks that learn; 0 for as many as the rule needs.
        noise: Disturbance of the joints where it is learned from [rad].
        seed: Seed of the run.
        scores: Whether scores are fitted to the last policy, without which no monitor watches it.
    """

    rule: str = 'dagger'
    settings: tuple[str, ...] = ()
    demonstrations: int = 10
    rounds: int = 5
    episodes: int = 5
    labels: int = 0
    budget: Budget = field(default_factory=Budget)
    evaluations: int = 10
    members: int = 0
    noise: float = NOISE
    seed: int = 0
    scores: bool = True

    @property
    def coach(self) -> CoachConfig:
        """The same for a coach."""
        return CoachConfig(
            demonstrations=self.demonstrations,
            rounds=self.rounds,
            episodes=self.episodes,
            labels=self.labels,
            budget=self.budget,
            evaluations=self.evaluations,
            evaluate_every=1,
            seed=self.seed,
        )


def dagger(
    contract: Path,
    task: str,
    out: Path,
    run: Annotated[DaggerRun, tyro.conf.arg(name='')] = DaggerRun(),
    training: BcConfig = TRAINING,
    *,
    start: bool = False,
    namespace: str = '/',
    in_process: bool = False,
) -> int:
    """Demonstrate, train, and let the learner drive while the expert corrects it, in rounds.

    The same command goes on where it stopped, whatever ended it; with more rounds it goes further.

    Args:
        contract: Contract file.
        task: Task of the simulator; its expert has the same name.
        out: Folder of the rounds, bundles, bags and curves.
        run: What the rounds are of.
        training: How a policy is trained.
        start: Start a graph in lock-step here, instead of using the one that runs.
        namespace: Namespace of the running graph.
        in_process: Use no graph: simulator, expert and monitor in one process, without ROS.
    """
    console, loaded = Console(), load_contract(contract)
    rule = make_rule(run.rule, run.settings)
    learner = ChunkLearner(
        contract=loaded, task=task, config=training, members=run.members or rule.members
    )
    identity = _identity(run, training, task, loaded, 'in process' if in_process else 'graph')
    with (
        Journal(out, identity) as journal,
        _field(
            loaded,
            path=contract,
            task=task,
            out=out,
            run=run,
            learner=learner,
            start=start,
            namespace=namespace,
            in_process=in_process,
        ) as (
            place,
            introduce,
        ),
    ):
        if run.rule in SCORED:
            rule = _watched(rule, place, loaded, task)
        coach = Coach(place, learner, rule, journal, run.coach, before_use=introduce)
        actor, _ = coach.run(lambda now: _tell(console, journal, now, place.period))
        rounds, bundle = coached_rounds(journal, place.period), out / 'bundle'
        save_bundle(
            learner.bundle(actor, coach.steps, algorithm=run.rule, scored=run.scores),
            bundle,
            overwrite=True,
        )
    way = '--in-process' if in_process else '--start' if start else f'--namespace {namespace}'
    changed = ' '.join([*_changed(run, DaggerRun()), *_changed(training, TRAINING, 'training.')])
    page = write_coaching_report(
        out,
        rounds,
        title=f'{run.rule} on {task}',
        command=f'il_ros dagger --contract {contract} --task {task} --out {out} {changed} {way}',
    )
    console.print(f'bundle: {bundle}\ncurves: {page}')
    return 0


def _changed(given: Any, usual: Any, prefix: str = '') -> Iterator[str]:
    """The options of settings that are not as they usually are."""
    for name, value in vars(given).items():
        option, before = f'{prefix}{name}'.replace('_', '-'), getattr(usual, name)
        if is_dataclass(value):
            yield from _changed(value, before, f'{prefix}{name}.')
        elif value != before and isinstance(value, bool):
            yield f'--{option}' if value else f'--{prefix}no-{name}'.replace('_', '-')
        elif value != before:
            words = value if isinstance(value, tuple) else (value,)
            yield ' '.join([f'--{option}', *map(str, words)])


def _identity(
    run: DaggerRun, training: BcConfig, task: str, contract: Contract, where: str
) -> dict[str, Any]:
    """What must be the same for rounds to go on; there may be more of them."""
    chosen = {
        name: value for name, value in asdict(run).items() if name not in ('rounds', 'scores')
    }
    budget = {name: str(value) for name, value in chosen.pop('budget').items()}
    learned = {'training': asdict(training), 'task': task, 'contract': contract.hash[:16]}
    return {**chosen, 'budget': budget, **learned, 'run': where}


@contextmanager
def _field(
    contract: Contract,
    *,
    path: Path,
    task: str,
    out: Path,
    run: DaggerRun,
    learner: ChunkLearner,
    start: bool,
    namespace: str,
    in_process: bool,
) -> Iterator[tuple[_Place, Introduce | None]]:
    """Where episodes happen, and what a new policy needs before it gets there."""
    policy = learner.config.policy
    if in_process:
        yield (
            ArmField(contract, task, horizon=policy.horizon, blend=policy.blend, noise=run.noise),
            None,
        )
        return
    with graph(
        contract,
        start=start,
        namespace=namespace,
        log=out / 'log',
        contract=str(path.resolve()),
        task=task,
        directory=str((out / 'episodes').resolve()),
    ) as client:
        from il_ros.ros.graph_field import graph_field

        with graph_field(client, contract, horizon=policy.horizon, noise=run.noise) as place:

            def introduce(round_: int, actor: ChunkActor, steps: Steps) -> None:
                bundle = out / f'round_{round_:03d}' / 'bundle'
                made = learner.bundle(actor, steps, algorithm=run.rule, scored=False)
                save_bundle(made, bundle, overwrite=True)
                place.load(bundle, actor.policy_id)
                place.notes = f'{run.rule}, after round {round_}'

            yield place, introduce


def _watched(rule: Rule, place: _Place, contract: Contract, task: str) -> Rule:
    return Watched(rule, place, lambda now: RoundScores(now, contract, task, ScoresConfig()))


def _tell(console: Console, journal: Journal, now: RoundResult, period: float) -> None:
    one: CoachedRound = coached_round(journal, now.round, period)
    console.print(
        f'round {one.round}: {one.labels} labels, {one.takeovers} takeovers '
        f'({one.takeovers_per_minute:.1f} a minute), {100 * one.autonomy:.0f} % driven by the '
        f'policy; alone it did {one.success or "not drive"}'
    )
