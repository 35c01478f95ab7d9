"""Interactive imitation on simulated arms: who needs how many labels.

`python -m benchmarks.dagger_arms` makes the table and the plot, in one process; with `--graph`
every episode goes over a ROS graph in lock-step, and is recorded. What its folder holds already is
not run again, and a run that was ended goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.dagger_arms_tables import METHODS, Run, plot, rows, table
from benchmarks.rows import ROOT, RUNS, Row, machine, save, show
from il_ros.algorithms.bc import BcConfig
from il_ros.algorithms.query_rules import (
    DemonstrationRule,
    DriverName,
    QueryRule,
    RoundContext,
    make_rule,
)
from il_ros.cli.evaluation_run import versions
from il_ros.cli.main import guarded
from il_ros.cli.running_graph import graph
from il_ros.core.atomic_files import write_atomic
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.evaluation.suites import draw_seeds
from il_ros.interactive.arm_episode_env import ArmEpisodeEnv
from il_ros.interactive.arm_rounds import LiveEnv, loading
from il_ros.interactive.arm_scores import RoundScores, ScoredEnv, ScoredRule, ScoresConfig
from il_ros.interactive.budget import Budget
from il_ros.interactive.chunk_learner import TRAINING, ChunkLearner
from il_ros.interactive.dagger_loop import DaggerLoop, DaggerLoopConfig, RoundResult
from il_ros.interactive.episode_env import StepContext
from il_ros.interactive.round_journal import RoundJournal

TASKS = ('pick_place', 'push', 'drawer_open')
SEEDS = range(1, 6)
"""Without 0, on which the settings were chosen."""


@dataclass(frozen=True, kw_only=True)
class ArmSizes:
    """How much of everything.

    Attributes:
        tasks: Which tasks.
        seeds: Of each of them.
        methods: Which methods; DAgger comes before those that get a share of its labels.
        demonstrations: Episodes that every method begins with.
        rounds: Rounds of DAgger after that.
        episodes: Episodes of each of them.
        share: Labels that a gated method may have, of those that DAgger had with the same seed.
        gated_rounds: Rounds of a gated method, in each of which it may use as many of them.
        evaluations: Episodes in which the last policy is judged.
        train_fraction: Fraction of the training in all rounds but the last.
        noise: Disturbance of the joints where it is learned from [rad]. Without any, what the
            demonstrations do not show is how to get back, which is what DAgger is about.
        settings: Settings of each rule, as on the command line.
        training: How a policy is trained.
    """

    tasks: tuple[str, ...] = TASKS
    seeds: tuple[int, ...] = tuple(SEEDS)
    methods: tuple[str, ...] = tuple(METHODS)
    demonstrations: int = 10
    rounds: int = 10
    episodes: int = 5
    share: float = 0.4
    gated_rounds: int = 8
    evaluations: int = 20
    train_fraction: float = 0.3
    noise: float = 0.0
    settings: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {
            # Left alone at once, a learner that has seen ten demonstrations stands still before
            # it has done anything, and is labelled there for hundreds of steps.
            'dagger': ('schedule=linear',),
            # A chunk is compared over all its steps: no learner is ever within the rules' defaults.
            'safe_dagger': ('threshold=0.3',),
            'lazy_dagger': ('threshold=0.3', 'hand_back=0.03'),
        }
    )
    training: BcConfig = TRAINING


FULL = ArmSizes()
SMOKE = ArmSizes(
    tasks=('push',), seeds=(1,), demonstrations=2, rounds=1, episodes=1, gated_rounds=1,
    evaluations=1, training=replace(TRAINING, epochs=4),
)  # fmt: skip


class Study:
    """The runs of one task and one seed, each in a folder of its own.

    Args:
        task: Name of the task.
        seed: Of every draw; methods of one seed have the same demonstrations.
        folder: Where everything is kept.
        sizes: How much of everything.
        graph: Whether episodes go over a ROS graph.
    """

    def __init__(
        self, task: str, seed: int, folder: Path, sizes: ArmSizes, *, graph: bool = False
    ) -> None:
        self.task, self.seed, self.sizes, self.graph = task, seed, sizes, graph
        self._folder = folder / task
        self._path = ROOT / f'config/contracts/franka_{task}.yaml'
        self._contract = load_contract(self._path)

    def run(self, methods: Sequence[str]) -> None:
        """Each method in its turn; behaviour cloning gets as many labels as DAgger had."""
        for method in methods:
            path = self._folder / f'{method}_{self.seed}.json'
            if path.exists():
                continue
            with self._place() as place:  # a new one, which knows nothing of the method before
                found = self._run(method, place)
            write_atomic(path, json.dumps(asdict(found), indent=1) + '\n')

    @contextmanager
    def _place(self) -> Iterator[ArmEpisodeEnv | LiveEnv]:
        if not self.graph:
            yield ArmEpisodeEnv(self._contract, self.task, noise=self.sizes.noise)
            return
        running = graph(
            self._path,
            start=True,
            log=self._folder / 'log',
            task=self.task,
            directory=self._folder / 'episodes',
        )
        with running as client:
            from il_ros.ros.graph_episode_env import graph_episode_env

            noise, horizon = self.sizes.noise, self.sizes.training.policy.horizon
            with graph_episode_env(client, self._contract, horizon=horizon, noise=noise) as place:
                yield place

    def _run(self, method: str, place: ArmEpisodeEnv | LiveEnv) -> Run:
        if method == 'expert':
            return self._alone(place)
        learner = ChunkLearner(contract=self._contract, task=self.task, config=self.sizes.training)
        config = self._config(method)
        rule = self._rule(method, place)
        folder = self._folder / f'{method}_{self.seed}'
        live = None if isinstance(place, ArmEpisodeEnv) else loading(place, learner, folder, method)
        with RoundJournal(folder, self._identity(method)) as journal:
            loop = DaggerLoop(place, learner, rule, journal, config, before_use=live)
            _, result = loop.run(lambda now: self._say(method, now))
        return Run(
            task=self.task,
            method=method,
            seed=self.seed,
            labels=result.spent.labels,
            takeovers=result.spent.takeovers,
            steps=result.steps,
            gains=result.gains,
        )

    def _alone(self, place: ScoredEnv) -> Run:
        """The expert in the episodes in which the policies are judged."""
        seeds = draw_seeds('nominal', self.sizes.evaluations)
        gains = tuple(place.run(seed, Demonstrator()).gain for seed in seeds)
        facts = {'task': self.task, 'method': 'expert', 'seed': self.seed}
        return Run(**facts, labels=0, takeovers=0, steps=0, gains=gains)

    def _config(self, method: str) -> DaggerLoopConfig:
        sizes = self.sizes
        common: dict[str, Any] = {
            'demonstrations': sizes.demonstrations,
            'evaluations': sizes.evaluations,
            'train_fraction': sizes.train_fraction,
            'seed': self.seed,
        }
        if method == 'dagger':
            return DaggerLoopConfig(rounds=sizes.rounds, episodes=sizes.episodes, **common)
        labels = self._labels_of_dagger()
        if method == 'bc':
            # An episode of the expert's own has far fewer steps than one in which a learner fails.
            most = 20 * sizes.rounds * sizes.episodes
            return DaggerLoopConfig(rounds=1, episodes=most, budget=Budget(labels=labels), **common)
        allowed = int(sizes.share * labels)
        return DaggerLoopConfig(
            rounds=sizes.gated_rounds,
            labels=-(-allowed // sizes.gated_rounds),
            episodes=4 * sizes.episodes,
            budget=Budget(labels=allowed),
            **common,
        )

    def _labels_of_dagger(self) -> int:
        path = self._folder / f'dagger_{self.seed}.json'
        if not path.exists():
            raise IlRosError(
                'how many labels DAgger had is not known', where=str(path), fix='run dagger first'
            )
        return int(json.loads(path.read_text(encoding='utf-8'))['labels'])

    def _rule(self, method: str, place: ScoredEnv) -> QueryRule:
        if method == 'bc':
            return DemonstrationRule()
        rule = make_rule(method, self.sizes.settings.get(method, ()))
        return ScoredRule(rule, place, self._scores) if rule.needs_scores else rule

    def _scores(self, now: RoundContext) -> RoundScores:
        return RoundScores(now, self._contract, self.task, ScoresConfig())

    def _identity(self, method: str) -> dict[str, Any]:
        sizes = {**asdict(self.sizes), 'settings': self.sizes.settings.get(method, ())}
        for other in ('tasks', 'seeds', 'methods'):  # that make no other run of it
            del sizes[other]
        return {'task': self.task, 'method': method, 'seed': self.seed, **sizes}

    def _say(self, method: str, now: RoundResult) -> None:
        spent, done = now.spent, f', {sum(now.gains):g} of {len(now.gains)}' if now.gains else ''
        print(
            f'{self.task} {self.seed} {method}, round {now.round}: {spent.labels} labels, '
            f'{spent.takeovers} takeovers{done}',
            flush=True,
        )


class Demonstrator:
    """The action source of an episode that the expert drives alone."""

    driver: DriverName = 'expert'

    def __call__(self, context: StepContext) -> Array | None:
        """See `episode_env.ActionSource`."""
        return context.ask()


def known(runs: Path = RUNS, *, graph: bool = False) -> list[Run]:
    """All runs that are there, by task, seed and method."""
    folder = _folder(runs, graph)
    paths = (
        folder / task / f'{method}_{seed}.json'
        for task in TASKS
        for seed in SEEDS
        for method in METHODS
    )
    return [_read(path) for path in paths if path.exists()]


def _folder(runs: Path, graph: bool) -> Path:
    return runs / ('dagger_arms_graph' if graph else 'dagger_arms')


def _read(path: Path) -> Run:
    facts = json.loads(path.read_text(encoding='utf-8'))
    return Run(**{**facts, 'gains': tuple(facts['gains'])})


def run(sizes: ArmSizes = FULL, runs: Path = RUNS, *, graph: bool = False) -> Iterator[Row]:
    """Run what is missing, then write table and plot of all that is there; gives its rows."""
    folder = _folder(runs, graph)
    for task in sizes.tasks:
        for seed in sizes.seeds:
            Study(task, seed, folder, sizes, graph=graph).run(sizes.methods)
    done = known(runs, graph=graph)
    text = table(done)
    write_atomic(folder / 'study.md', text)
    plot(done).savefig(folder / 'study.svg')
    about = {'machine': machine(), 'versions': versions(), 'sizes': asdict(sizes)}
    facts = {**about, 'runs': [asdict(one) for one in done]}
    write_atomic(folder / 'study.json', json.dumps(facts, indent=1) + '\n')
    print(text)
    yield from rows(done)


def main() -> None:
    """Run what is asked for and show the rows of all that is there."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks.dagger_arms', description=__doc__)
    parser.add_argument('--tasks', nargs='+', choices=TASKS, default=TASKS)
    parser.add_argument('--seeds', nargs='+', type=int, default=SEEDS)
    parser.add_argument('--methods', nargs='+', choices=METHODS, default=tuple(METHODS))
    parser.add_argument('--graph', action='store_true', help='over a ROS graph')
    options = parser.parse_args()
    sizes = ArmSizes(
        tasks=tuple(options.tasks), seeds=tuple(options.seeds), methods=tuple(options.methods)
    )
    found = run(sizes, graph=options.graph)
    show(save(found, _folder(RUNS, options.graph) / 'rows.json'))


if __name__ == '__main__':
    raise SystemExit(guarded(main))
