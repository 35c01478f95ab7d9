"""The table of the tasks: expert, heuristic, and behaviour cloning of few and many demonstrations.

`python -m benchmarks.tasks` makes it; what its folder holds already is not made again.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rows import ROOT, RUNS, Row, machine
from il_ros.algorithms.bc import BcConfig, train_bundle
from il_ros.cli.evaluation_run import versions
from il_ros.cli.main import guarded
from il_ros.core.arms import DEFAULT_ARM
from il_ros.core.atomic_files import write_atomic
from il_ros.core.contract import load_contract
from il_ros.datasets.dataset_writer import save_dataset
from il_ros.datasets.process_pool import worker_count
from il_ros.evaluation.intervals import Rate
from il_ros.evaluation.suites import draw_seeds
from il_ros.rollouts.demonstrations import demonstrate
from il_ros.rollouts.episode_cases import nominal_cases
from il_ros.rollouts.rollout import Rollout
from il_ros.rollouts.rollout_pool import EpisodeSetup, run_cases
from il_ros.sim.tasks import TASKS, floor_of
from il_ros.sim.tasks.connectors import CONNECTORS
from il_ros.sim.tasks.peg_insertion import PegInsertion


@dataclass(frozen=True, kw_only=True)
class TaskSizes:
    """How much of everything.

    Attributes:
        tasks: Which tasks; empty for all that the robot has a contract for.
        demonstrations: Of each cloned policy.
        expert: Episodes of the expert.
        heuristic: Episodes of the heuristic.
        cloned: Episodes of each cloned policy.
        training: How it is trained.
    """

    tasks: tuple[str, ...] = ()
    demonstrations: tuple[int, ...] = (50, 200)
    expert: int = 200
    heuristic: int = 50
    cloned: int = 100
    training: BcConfig = field(default_factory=BcConfig)

    @property
    def columns(self) -> dict[str, int]:
        """Episodes of each column of the table."""
        cloned = {f'bc_{count}': self.cloned for count in self.demonstrations}
        return {'expert': self.expert, 'heuristic': self.heuristic, **cloned}


FULL = TaskSizes()
SMOKE = TaskSizes(
    tasks=('peg_insertion',), demonstrations=(2,), expert=1, heuristic=1, cloned=1,
    training=BcConfig(epochs=4),
)  # fmt: skip


class TaskTable:
    """The rows of one robot's table; what is known already is kept in files.

    Args:
        robot: Whose contracts are used.
        sizes: How much of everything.
        runs: Folder that the folder of the table is made in.
    """

    def __init__(self, robot: str, sizes: TaskSizes, runs: Path) -> None:
        self.robot, self.sizes, self.folder, self._runs = robot, sizes, runs / 'tasks', runs

    def measure(self, task: str) -> dict[str, Rate]:
        """Success rates on undisturbed episodes, by column."""
        columns, rates = self.sizes.columns, {}
        for column, episodes in columns.items():
            path = self._path(task, column)
            if not path.exists() or 'failed_seeds' not in self.outcome(task, column):
                processes = worker_count(0, min(columns.values()))
                cases = nominal_cases(episodes)
                rollouts = list(run_cases(self._setup(task, column), cases, processes=processes))
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(path, json.dumps(_outcome(rollouts)) + '\n')
            outcome = self.outcome(task, column)
            rates[column] = Rate(outcome['successes'], outcome['episodes'])
            violations = outcome['violations']
            print(f'{self.robot} {task}, {column}: {rates[column]}, violations {violations}')
        return rates

    def outcome(self, task: str, column: str) -> dict[str, Any]:
        """What the episodes of a cell came to."""
        outcome: dict[str, Any] = json.loads(self._path(task, column).read_text(encoding='utf-8'))
        return outcome

    def _path(self, task: str, column: str) -> Path:
        return self.folder / f'{self.robot}_{task}' / f'{column}.json'

    def _setup(self, task: str, column: str) -> EpisodeSetup:
        """Who drives; a policy is trained first. The hard checks watch a policy alone."""
        contract = contract_of(task, self.robot)
        if column == 'expert':
            return EpisodeSetup(contract=contract, task=task)
        if column == 'heuristic':
            return EpisodeSetup(contract=contract, task=task, expert=floor_of(task))
        count = int(column.removeprefix('bc_'))
        bundle = cloned(task, self.robot, count, self.sizes.training, self._runs)
        return EpisodeSetup(contract=contract, task=task, bundle=bundle, safety_filter='limits')


def _outcome(rollouts: Sequence[Rollout]) -> dict[str, Any]:
    return {
        'successes': sum(rollout.success for rollout in rollouts),
        'episodes': len(rollouts),
        'violations': sum(rollout.violated for rollout in rollouts),
        'failed_seeds': [rollout.seed for rollout in rollouts if not rollout.success],
    }


def cloned(task: str, robot: str, count: int, training: BcConfig, runs: Path) -> Path:
    """Bundle of a policy that is trained on so many demonstrations, if it is not there yet."""
    folder = runs / 'tasks' / f'{robot}_{task}' / f'bc_{count}'
    bundle, data = folder / 'bundle', folder / 'dataset'
    if not bundle.exists():
        shutil.rmtree(folder, ignore_errors=True)
        seeds = draw_seeds('demonstrations', count)
        contract = load_contract(contract_of(task, robot))
        save_dataset(demonstrate(contract, task, seeds), data)
        train_bundle(data, bundle, training)
    return bundle


def contract_of(task: str, robot: str) -> Path:
    """Contract file of a robot and a task."""
    return ROOT / f'config/contracts/{robot}_{task}.yaml'


def lines(results: dict[str, dict[str, Rate]]) -> Iterator[str]:
    """The table as Markdown."""
    columns = next(iter(results.values()))
    yield f'| task | {" | ".join(columns)} |'
    yield f'|---|{len(columns) * "---|"}'
    for task, rates in results.items():
        yield f'| `{task}` | {" | ".join(map(str, rates.values()))} |'


def connector_lines(table: TaskTable) -> Iterator[str]:
    """How often each connector of the peg insertion went in, as Markdown."""
    columns = table.sizes.columns
    yield f'| connector | {" | ".join(columns)} |'
    yield f'|---|{len(columns) * "---|"}'
    outcomes = [table.outcome('peg_insertion', column) for column in columns]
    for connector in CONNECTORS:
        rates = [_of_connector(outcome, connector) for outcome in outcomes]
        yield f'| {connector} | {" | ".join(str(rate or "-") for rate in rates)} |'


def _of_connector(outcome: dict[str, Any], connector: str) -> Rate | None:
    seeds = [s for s in draw_seeds('nominal', outcome['episodes']) if _connector(s) == connector]
    return Rate.of(seed not in outcome['failed_seeds'] for seed in seeds)


def _connector(seed: int) -> str:
    """Which one this seed's episode mounts; all others are stored below the table."""
    bodies = PegInsertion().draw(np.random.default_rng(seed), 0.0).bodies
    return next(name for name in CONNECTORS if bodies[f'plug_{name}'][2] == 0.0)


def run(sizes: TaskSizes = FULL, runs: Path = RUNS, robot: str = DEFAULT_ARM) -> Iterator[Row]:
    """Measure the tasks and write the table; there is no figure with a target among them."""
    table = TaskTable(robot, sizes, runs)
    able = [task for task in TASKS if contract_of(task, robot).exists()]
    results = {task: table.measure(task) for task in sizes.tasks or able}
    text = '\n'.join(lines(results)) + '\n'
    if 'peg_insertion' in results:
        text += '\n' + '\n'.join(connector_lines(table)) + '\n'
    write_atomic(table.folder / f'{robot}.md', text)
    about = {'machine': machine(), 'versions': versions()}
    write_atomic(table.folder / f'{robot}.json', json.dumps(about, indent=2) + '\n')
    print(text)
    yield from ()


def main() -> None:
    """Measure every task, or those asked for."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks.tasks', description=__doc__)
    parser.add_argument(
        'tasks', nargs='*', choices=[*TASKS, []], help='by default all that it can do'
    )
    parser.add_argument('--robot', default=DEFAULT_ARM, help='whose contracts are used')
    options = parser.parse_args()
    list(run(TaskSizes(tasks=tuple(options.tasks)), robot=options.robot))


if __name__ == '__main__':
    raise SystemExit(guarded(main))
