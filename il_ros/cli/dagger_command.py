"""``il_ros dagger``: rounds of interactive imitation, on a graph or in one process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from il_ros.algorithms.bc import BcConfig
from il_ros.cli.printing import Console
from il_ros.cli.running_graph import graph
from il_ros.core.contract import Contract, load_contract
from il_ros.core.errors import IlRosError
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.process_pool import worker_count
from il_ros.evaluation.coaching_report import CoachedRound
from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.interactive.arm_episode_env import ArmEpisodeEnv
from il_ros.interactive.arm_rounds import ArmRounds, DaggerRun, LiveEnv
from il_ros.interactive.arm_scores import ScoredEnv
from il_ros.interactive.chunk_learner import TRAINING
from il_ros.interactive.retraining import (
    DECISION,
    TRIALS,
    Retraining,
    RetrainingPlan,
    Trials,
    learned_from,
)
from il_ros.interactive.round_journal import RoundJournal
from il_ros.policies.bundle import load_bundle
from il_ros.rollouts.demonstrations import dataset_of_rollouts
from il_ros.rollouts.episode_cases import EpisodeCase
from il_ros.rollouts.in_process_evaluator import InProcessEvaluator
from il_ros.rollouts.rollout_pool import EpisodeSetup, run_cases
from il_ros.sim.randomisation import NOTHING, Randomisation, load_randomisation
from il_ros.sim.tasks import floor_of

if TYPE_CHECKING:
    from il_ros.ros.graph_client import GraphClient


@dataclass(frozen=True, kw_only=True)
class Against:
    """The policy in use, with which the new one is compared.

    Attributes:
        bundle: Its bundle; without one nothing is compared.
        trials: Number of episodes of each policy.
    """

    bundle: Path | None = None
    trials: int = TRIALS


def dagger(
    contract: Path,
    task: str,
    out: Path,
    run: Annotated[DaggerRun, tyro.conf.arg(name='')] = DaggerRun(),  # noqa: B008  (frozen)
    training: BcConfig = TRAINING,
    *,
    against: Against = Against(),
    randomisation: Path | None = None,
    start: bool = False,
    namespace: str = '/',
    in_process: bool = False,
) -> int:
    """Train in rounds: the expert demonstrates, then corrects the learner while it drives.

    To continue an interrupted run, give the same command again; with more rounds the run goes on.
    With --against.bundle, the new policy and the one in use are evaluated on the same scenes after
    the last round; the new one is calibrated, and recommended only if it is better.

    Args:
        contract: Contract file.
        task: Task of the simulator; its expert has the same name.
        out: Folder of the rounds, bundles, bags and curves.
        run: Settings of the rounds.
        training: Training settings.
        against: The policy in use.
        randomisation: YAML file of the domain randomisation.
        start: Start a graph in lock-step instead of using a running one.
        namespace: Namespace of the running graph.
        in_process: Use no graph: run simulator, expert and monitor in one process, without ROS.
    """
    console, loaded = Console(), load_contract(contract)
    ranges = NOTHING if randomisation is None else load_randomisation(randomisation)
    rounds = ArmRounds(loaded, task, out, run, training, randomisation=ranges)
    if against.bundle is not None:
        load_bundle(against.bundle, loaded)
        if against.bundle.resolve() == rounds.bundle.resolve():
            raise IlRosError(
                'the new policy would be written over the one in use',
                where=str(against.bundle),
                fix='copy the bundle in use to a folder of its own',
            )
    settings: dict[str, Any] = {
        'horizon': training.policy.horizon,
        'noise': run.noise,
        'randomisation': ranges,
    }
    with rounds.journal('in process' if in_process else 'graph') as journal, ExitStack() as stack:
        client = None
        if not in_process:
            episodes, log = out / 'episodes', out / 'log'
            running = graph(
                contract, start=start, namespace=namespace, log=log, task=task, directory=episodes
            )
            client = stack.enter_context(running)
        with _episode_env(client, loaded, task, settings) as (env, live):
            results = rounds.teach(
                env, journal, live=live, on_round=lambda one: console.print(_line(one))
            )
        if against.bundle is not None:
            trials = _trials(client, contract, task, out / 'trials', ranges)
            verdict = _compare(against.bundle, against.trials, rounds, journal, trials)
    way = '--in-process' if in_process else '--start' if start else f'--namespace {namespace}'
    options = ' '.join([*_options(run, training, against, randomisation), way])
    command = f'il_ros dagger --contract {contract} --task {task} --out {out} {options}'
    page = rounds.report(results, command)
    console.print(f'bundle: {rounds.bundle}\ncurves: {page}')
    if against.bundle is not None:
        console.print(verdict, soft_wrap=True)
    return 0


@contextmanager
def _episode_env(
    client: GraphClient | None, contract: Contract, task: str, settings: Mapping[str, Any]
) -> Iterator[tuple[ScoredEnv, LiveEnv | None]]:
    """Where the episodes happen: a graph, which is given twice, or this process without one."""
    if client is None:
        yield ArmEpisodeEnv(contract, task, **settings), None
        return
    from il_ros.ros.graph_episode_env import graph_episode_env

    with graph_episode_env(client, contract, **settings) as live:
        yield live, live


def _compare(
    old: Path, trials: int, rounds: ArmRounds, journal: RoundJournal, evaluation: Trials
) -> str:
    """Compare the new policy with the old one, unless that was done; returns the verdict."""
    before, now = (load_bundle(bundle).policy_id for bundle in (old, rounds.bundle))
    one = Retraining(journal.folder / f'against_{before}_{now}')
    decision, learned = one.decision, learned_from(journal)
    if decision is None:
        plan = RetrainingPlan(
            old=str(old.resolve()),
            old_id=before,
            rounds=learned['rounds'] - 1,
            trials=trials,
            reason='asked for',
        )
        one.begin(plan)
        decision = one.judge(rounds.bundle, evaluation, learned)
    verdict = 'promote it' if decision.promoted else 'keep the old one'
    return f'{verdict}; {decision.reason}; {one.folder / DECISION}'


def _trials(
    client: GraphClient | None, contract: Path, task: str, out: Path, ranges: Randomisation
) -> Trials:
    if client is not None:
        from il_ros.ros.graph_episode_env import graph_trials

        return graph_trials(client, task, out, ranges)
    processes = worker_count(0, TRIALS)

    def runner(bundle: Path) -> InProcessEvaluator:
        return InProcessEvaluator(contract, task, bundle, floor_of(task), processes=processes)

    def rollouts(bundle: Path, episodes: Sequence[EpisodeResult]) -> Dataset:
        setup = EpisodeSetup(contract=contract, task=task, bundle=bundle, safety_filter='limits')
        cases = [
            EpisodeCase(seed=one.seed, perturbations=tuple(ranges.draw(one.seed)))
            for one in episodes
        ]
        rollouts = run_cases(setup, cases, processes=processes)
        return dataset_of_rollouts(load_contract(contract), task, rollouts)

    return Trials(
        runner=runner, rollouts=rollouts, task=task, run='in process', randomisation=ranges
    )


def _options(
    run: DaggerRun, training: BcConfig, against: Against, randomisation: Path | None
) -> Iterator[str]:
    yield from _changed(run, DaggerRun())
    yield from _changed(training, TRAINING, 'training.')
    yield from _changed(against, Against(), 'against.')
    if randomisation:
        yield f'--randomisation {randomisation}'


def _line(one: CoachedRound) -> str:
    return (
        f'round {one.round}: {one.labels} labels, {one.takeovers} takeovers '
        f'({one.takeovers_per_minute:.1f} a minute), {100 * one.autonomy:.0f} % driven by the '
        f'policy; alone it did {one.success or "not drive"}'
    )


def _changed(given: Any, usual: Any, prefix: str = '') -> Iterator[str]:
    """Options of the settings that differ from their defaults."""
    for name, value in vars(given).items():
        option, before = f'{prefix}{name}'.replace('_', '-'), getattr(usual, name)
        if is_dataclass(value):
            yield from _changed(value, before, f'{prefix}{name}.')
        elif value != before and isinstance(value, bool):
            yield f'--{option}' if value else f'--{prefix}no-{name}'.replace('_', '-')
        elif value != before:
            words = value if isinstance(value, tuple) else (value,)
            yield ' '.join([f'--{option}', *map(str, words)])
