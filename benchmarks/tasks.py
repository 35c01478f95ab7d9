"""The table of the tasks: expert, heuristic, and behaviour cloning of few and many demonstrations.

`python -m benchmarks.tasks` makes it; what its folder holds already is not made again.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rows import machine
from il_ros.algorithms.bc import BcConfig, train_bundle
from il_ros.cli.evaluation_run import versions
from il_ros.cli.main import guarded
from il_ros.core.arms import DEFAULT_ARM
from il_ros.core.atomic_files import write_atomic
from il_ros.core.contract import load_contract
from il_ros.datasets.dataset_writer import save_dataset
from il_ros.datasets.process_pool import worker_count
from il_ros.evaluation.intervals import Rate
from il_ros.evaluation.suites import draw_seeds, nominal_seeds
from il_ros.rollouts.demonstrations import demonstrate
from il_ros.rollouts.episode_cases import nominal_cases
from il_ros.rollouts.rollout import Rollout
from il_ros.rollouts.rollout_pool import EpisodeSetup, run_cases
from il_ros.sim.tasks import TASKS, floor_of
from il_ros.sim.tasks.connectors import CONNECTORS
from il_ros.sim.tasks.peg_insertion import PegInsertion

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / 'runs/tasks'
DEMONSTRATIONS = (50, 200)
EPISODES = {'expert': 200, 'heuristic': 50, 'bc': 100}
COLUMNS = ('expert', 'heuristic', *(f'bc_{count}' for count in DEMONSTRATIONS))


def measure(task: str, robot: str) -> dict[str, Rate]:
    """Success rates on undisturbed episodes, by column; kept in files."""
    found = {}
    for column in COLUMNS:
        path = FOLDER / f'{robot}_{task}' / f'{column}.json'
        if not path.exists() or 'failed_seeds' not in _known(task, robot, column):
            rollouts = run_cases(
                _setup(task, robot, column),
                nominal_cases(EPISODES[column.split('_')[0]]),
                processes=worker_count(0, min(EPISODES.values())),
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, json.dumps(_outcome(rollouts)) + '\n')
        outcome = _known(task, robot, column)
        found[column] = Rate(outcome['successes'], outcome['episodes'])
        print(f'{robot} {task}, {column}: {found[column]}, violations {outcome["violations"]}')
    return found


def _known(task: str, robot: str, column: str) -> dict[str, Any]:
    path = FOLDER / f'{robot}_{task}' / f'{column}.json'
    outcome: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    return outcome


def _outcome(rollouts: Sequence[Rollout]) -> dict[str, Any]:
    return {
        'successes': sum(rollout.success for rollout in rollouts),
        'episodes': len(rollouts),
        'violations': sum(rollout.violated for rollout in rollouts),
        'failed_seeds': [rollout.seed for rollout in rollouts if not rollout.success],
    }


def _setup(task: str, robot: str, column: str) -> EpisodeSetup:
    """Who drives; a policy is trained first. The hard checks watch a policy alone."""
    contract = _contract(task, robot)
    if column == 'expert':
        return EpisodeSetup(contract=contract, task=task)
    if column == 'heuristic':
        return EpisodeSetup(contract=contract, task=task, expert=floor_of(task))
    bundle = cloned(task, robot, contract, int(column.removeprefix('bc_')))
    return EpisodeSetup(contract=contract, task=task, bundle=bundle, guard='limits')


def cloned(task: str, robot: str, contract: Path, count: int) -> Path:
    """Bundle of a policy that is trained on so many demonstrations, if it is not there yet."""
    folder = FOLDER / f'{robot}_{task}' / f'bc_{count}'
    bundle, data = folder / 'bundle', folder / 'dataset'
    if not bundle.exists():
        shutil.rmtree(folder, ignore_errors=True)
        seeds = draw_seeds('demonstrations', count)
        save_dataset(demonstrate(load_contract(contract), task, seeds), data)
        train_bundle(data, bundle, replace(BcConfig(), seed=0))
    return bundle


def _contract(task: str, robot: str) -> Path:
    return ROOT / f'config/contracts/{robot}_{task}.yaml'


def lines(results: dict[str, dict[str, Rate]]) -> Iterator[str]:
    """The table as Markdown."""
    yield f'| task | {" | ".join(COLUMNS)} |'
    yield f'|---|{len(COLUMNS) * "---|"}'
    for task, rates in results.items():
        yield f'| `{task}` | {" | ".join(str(rates[column]) for column in COLUMNS)} |'


def connector_lines(robot: str) -> Iterator[str]:
    """How often each connector of the peg insertion went in, as Markdown."""
    yield f'| connector | {" | ".join(COLUMNS)} |'
    yield f'|---|{len(COLUMNS) * "---|"}'
    known = {column: _known('peg_insertion', robot, column) for column in COLUMNS}
    for connector in CONNECTORS:
        rates = [_of_connector(outcome, connector) for outcome in known.values()]
        yield f'| {connector} | {" | ".join(map(str, rates))} |'


def _of_connector(outcome: dict[str, Any], connector: str) -> Rate:
    seeds = [s for s in nominal_seeds(outcome['episodes']) if _connector(s) == connector]
    return Rate(len(set(seeds) - set(outcome['failed_seeds'])), len(seeds))


def _connector(seed: int) -> str:
    """Which one this seed's episode mounts; all others are stored below the table."""
    bodies = PegInsertion().draw(np.random.default_rng(seed), 0.0).bodies
    return next(name for name in CONNECTORS if bodies[f'plug_{name}'][2] == 0.0)


def main() -> None:
    """Measure every task, or those asked for, and write the table."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks.tasks', description=__doc__)
    parser.add_argument(
        'tasks', nargs='*', choices=[*TASKS, []], help='by default all that it can do'
    )
    parser.add_argument('--robot', default=DEFAULT_ARM, help='whose contracts are used')
    options = parser.parse_args()
    able = [task for task in TASKS if _contract(task, options.robot).exists()]
    results = {task: measure(task, options.robot) for task in options.tasks or able}
    text = '\n'.join(lines(results)) + '\n'
    if 'peg_insertion' in results:
        text += '\n' + '\n'.join(connector_lines(options.robot)) + '\n'
    write_atomic(FOLDER / f'{options.robot}.md', text)
    about = {'machine': machine(), 'versions': versions()}
    write_atomic(FOLDER / f'{options.robot}.json', json.dumps(about, indent=2) + '\n')
    print(text)


if __name__ == '__main__':
    raise SystemExit(guarded(main))
