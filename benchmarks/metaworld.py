"""MetaWorld in figures: every expert, and behaviour cloning of 50 demonstrations on some tasks.

`.venv-metaworld/bin/python -m benchmarks.metaworld` makes the tables; what their folder holds
already is not made again.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.rows import ROOT, RUNS, Row, machine
from il_ros.algorithms.bc import BcConfig, train_bundle
from il_ros.cli.evaluation_run import versions
from il_ros.cli.main import guarded
from il_ros.core.atomic_files import write_atomic
from il_ros.core.contract import load_contract
from il_ros.evaluation.intervals import Rate
from il_ros.evaluation.suites import draw_seeds
from il_ros.policies.bundle import load_bundle
from il_ros.rollouts.metaworld_rollouts import MetaWorldRunner, record_experts
from il_ros.sim.metaworld_env import task_names

CONTRACT = ROOT / 'config/contracts/metaworld.yaml'  # every task has what it asks for


@dataclass(frozen=True, kw_only=True)
class MetaworldSizes:
    """How much of everything.

    Attributes:
        tasks: Which tasks; empty for all.
        cloned: Those of them that a policy is cloned for.
        demonstrations: Of each policy.
        expert: Scenes of each expert.
        bc: Scenes of each policy.
        training: How it is trained.
    """

    tasks: tuple[str, ...] = ()
    cloned: tuple[str, ...] = (
        'reach-v3', 'push-v3', 'drawer-open-v3', 'pick-place-v3', 'door-open-v3',
    )  # fmt: skip
    demonstrations: int = 50
    expert: int = 50
    bc: int = 100
    training: BcConfig = field(default_factory=BcConfig)


FULL = MetaworldSizes()
SMOKE = MetaworldSizes(
    tasks=('reach-v3',), demonstrations=2, expert=1, bc=1, training=BcConfig(epochs=4)
)


def measure(task: str, column: str, sizes: MetaworldSizes, folder: Path) -> Rate:
    """Success rate of a task's expert, or of a policy cloned from it, on unseen scenes; kept."""
    path = folder / task / f'{column}.json'
    if not path.exists():
        policy = None
        if column == 'bc':
            policy = load_bundle(_bundle(task, sizes, folder)).policy
        runner = MetaWorldRunner(load_contract(CONTRACT), task, policy)
        seeds = draw_seeds('nominal', sizes.bc if column == 'bc' else sizes.expert)
        rollouts = [runner.run(seed) for seed in seeds]
        path.parent.mkdir(parents=True, exist_ok=True)
        solved = sum(rollout.success for rollout in rollouts)
        outcome = {'successes': solved, 'episodes': len(rollouts)}
        write_atomic(path, json.dumps(outcome) + '\n')
    outcome = json.loads(path.read_text(encoding='utf-8'))
    rate = Rate(outcome['successes'], outcome['episodes'])
    print(f'{task}, {column}: {rate}', flush=True)
    return rate


def _bundle(task: str, sizes: MetaworldSizes, folder: Path) -> Path:
    bundle, data = folder / task / 'bc/bundle', folder / task / 'bc/dataset'
    if not bundle.exists():
        shutil.rmtree(bundle.parent, ignore_errors=True)
        seeds = draw_seeds('demonstrations', sizes.demonstrations)
        record_experts(load_contract(CONTRACT), task, data, seeds)
        train_bundle(data, bundle, sizes.training)
    return bundle


def lines(experts: dict[str, Rate], policies: dict[str, Rate], scenes: int) -> Iterator[str]:
    """The tables as Markdown: experts that fail at times, and policies beside their experts."""
    perfect = [task for task, rate in experts.items() if rate.successes == rate.trials]
    yield f'{len(perfect)} of {len(experts)} experts succeed in all of {scenes} scenes.'
    yield from ('', '| expert | success |', '|---|---|')
    yield from (f'| `{task}` | {rate} |' for task, rate in experts.items() if task not in perfect)
    yield from ('', '| task | expert | bc_50 |', '|---|---|---|')
    yield from (f'| `{task}` | {experts[task]} | {rate} |' for task, rate in policies.items())


def run(sizes: MetaworldSizes = FULL, runs: Path = RUNS) -> Iterator[Row]:
    """Measure the tasks and write the tables; there is no figure with a target among them."""
    folder, chosen = runs / 'metaworld', sizes.tasks or tuple(task_names())
    policies = {task: measure(task, 'bc', sizes, folder) for task in sizes.cloned if task in chosen}
    experts = {task: measure(task, 'expert', sizes, folder) for task in chosen}
    text = '\n'.join(lines(experts, policies, sizes.expert)) + '\n'
    write_atomic(folder / 'tables.md', text)
    about = {'machine': machine(), 'versions': versions(), 'bc': asdict(sizes.training)}
    write_atomic(folder / 'about.json', json.dumps(about, indent=2) + '\n')
    print(text)
    yield from ()


def main(arguments: Iterable[str] | None = None) -> None:
    """Measure every task, or those asked for."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks.metaworld', description=__doc__)
    parser.add_argument('tasks', nargs='*', help='by default all')
    parser.add_argument('--smoke', type=Path, help='hardly anything of it, into this folder')
    options = parser.parse_args(arguments)
    if options.smoke:
        list(run(SMOKE, options.smoke))
    else:
        list(run(MetaworldSizes(tasks=tuple(options.tasks))))


if __name__ == '__main__':
    raise SystemExit(guarded(main))
