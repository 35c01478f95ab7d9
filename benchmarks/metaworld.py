"""MetaWorld in figures: every expert, and behaviour cloning of 50 demonstrations on some tasks.

`.venv-metaworld/bin/python -m benchmarks.metaworld` makes the tables; what their folder holds
already is not made again.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.rows import machine
from il_ros.algorithms.bc import BcConfig, train_bundle
from il_ros.cli.evaluation_run import versions
from il_ros.cli.main import guarded
from il_ros.core.atomic_files import write_atomic
from il_ros.core.contract import load_contract
from il_ros.evaluation.intervals import Rate
from il_ros.evaluation.suites import draw_seeds, nominal_seeds
from il_ros.policies.bundle import load_bundle
from il_ros.rollouts.metaworld_rollouts import MetaWorldRunner, record_experts
from il_ros.sim.metaworld_env import task_names

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / 'runs/metaworld'
CONTRACT = ROOT / 'config/contracts/metaworld.yaml'  # every task has what it asks for
CLONED = ('reach-v3', 'push-v3', 'drawer-open-v3', 'pick-place-v3', 'door-open-v3')
DEMONSTRATIONS = 50
EPISODES = {'expert': 50, 'bc': 100}


def measure(task: str, column: str) -> Rate:
    """Success rate of a task's expert, or of a policy cloned from it, on unseen scenes; kept."""
    path = FOLDER / task / f'{column}.json'
    if not path.exists():
        policy = load_bundle(_bundle(task)).policy if column == 'bc' else None
        stage = MetaWorldRunner(load_contract(CONTRACT), task, policy)
        rollouts = [stage.run(seed) for seed in nominal_seeds(EPISODES[column])]
        path.parent.mkdir(parents=True, exist_ok=True)
        solved = sum(rollout.success for rollout in rollouts)
        outcome = {'successes': solved, 'episodes': len(rollouts)}
        write_atomic(path, json.dumps(outcome) + '\n')
    outcome = json.loads(path.read_text(encoding='utf-8'))
    rate = Rate(outcome['successes'], outcome['episodes'])
    print(f'{task}, {column}: {rate}', flush=True)
    return rate


def _bundle(task: str) -> Path:
    folder = FOLDER / task / 'bc'
    bundle, data = folder / 'bundle', folder / 'dataset'
    if not bundle.exists():
        shutil.rmtree(folder, ignore_errors=True)
        seeds = draw_seeds('demonstrations', DEMONSTRATIONS)
        record_experts(load_contract(CONTRACT), task, data, seeds)
        train_bundle(data, bundle, replace(BcConfig(), seed=0))
    return bundle


def lines(experts: dict[str, Rate], policies: dict[str, Rate]) -> Iterator[str]:
    """The tables as Markdown: experts that fail at times, and policies beside their experts."""
    perfect = [task for task, rate in experts.items() if rate.successes == rate.trials]
    yield f'{len(perfect)} of {len(experts)} experts succeed in all of {EPISODES["expert"]} scenes.'
    yield from ('', '| expert | success |', '|---|---|')
    yield from (f'| `{task}` | {rate} |' for task, rate in experts.items() if task not in perfect)
    yield from ('', '| task | expert | bc_50 |', '|---|---|---|')
    yield from (f'| `{task}` | {experts[task]} | {rate} |' for task, rate in policies.items())


def main(arguments: Iterable[str] | None = None) -> None:
    """Measure every task, or those asked for, and write the tables."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks.metaworld', description=__doc__)
    parser.add_argument('tasks', nargs='*', help='by default all')
    chosen = parser.parse_args(arguments).tasks or task_names()
    policies = {task: measure(task, 'bc') for task in CLONED if task in chosen}
    experts = {task: measure(task, 'expert') for task in chosen}
    text = '\n'.join(lines(experts, policies)) + '\n'
    write_atomic(FOLDER / 'tables.md', text)
    about = {'machine': machine(), 'versions': versions(), 'bc': asdict(BcConfig())}
    write_atomic(FOLDER / 'about.json', json.dumps(about, indent=2) + '\n')
    print(text)


if __name__ == '__main__':
    raise SystemExit(guarded(main))
