"""``il_ros adversarial``: finds the smallest disturbances that make a policy fail."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from il_ros.cli.evaluation_run import versions
from il_ros.cli.printing import Console
from il_ros.core.atomic_files import writable_folder, write_atomic
from il_ros.core.regular_files import read_text
from il_ros.evaluation.intervals import Rate
from il_ros.rollouts.adversarial.adversarial_search import Search, SearchConfig, SearchResult, Trial
from il_ros.rollouts.adversarial.search_findings import (
    by_size,
    cases_of,
    facts,
    most_severe,
    replay_list,
)
from il_ros.rollouts.adversarial.search_space import load_space
from il_ros.rollouts.episode_cases import EpisodeCase
from il_ros.rollouts.rollout import Rollout
from il_ros.rollouts.rollout_pool import EpisodeSetup, FilterName, run_cases
from il_ros.sim.perturbations import load_perturbations
from il_ros.sim.tasks import make_task


def search(
    contract: Path,
    bounds: Path,
    out: Path,
    *,
    bundle: Path | None = None,
    task: str = 'pick_place',
    guard: FilterName = 'limits',
    most: int = 20,
    config: Annotated[SearchConfig, tyro.conf.arg(name='')] = SearchConfig(),  # noqa: B008
) -> int:
    """Search for small disturbances that make a policy fail, in scenes in which it succeeds.

    Needs no ROS. Writes adversarial.yaml with the failures by severity, which evaluate takes as
    --perturbations, and trials.json with every episode.

    Args:
        contract: Contract file.
        bounds: YAML file of the disturbances and their bounds.
        out: Folder of the results.
        bundle: Bundle of the policy; without one the task's expert is tested.
        task: Task of the simulator.
        guard: Safety filter between policy and arm: nothing, the monitor's hard checks, its scores,
            or the whole monitor. An episode that it stops is a failure.
        most: Largest number of failures that are listed.
        config: Settings of the search.
    """
    console, space = Console(), load_space(bounds)
    setup = EpisodeSetup(contract=contract, task=task, bundle=bundle, safety_filter=guard)
    runner = setup.make_runner()
    writable_folder(out)

    def run(case: EpisodeCase) -> Rollout:
        return runner.run(case.seed, case.perturbations, name=case.name)

    text = TextColumn('{task.completed:.0f} episodes, {task.description}', markup=False)
    columns = text, BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task('', total=None)

        def watch(trial: Trial) -> None:
            progress.update(bar, advance=1, description=trial.phase)

        limit = make_task(task).time_limit
        found = Search(space, run, limit=limit, config=config, watch=watch).search()
    about = {
        'policy_id': runner.driver.policy_id,
        'task': task,
        'guard': guard,
        'bounds': read_text(bounds),
        'versions': versions(),
    }
    listed = most_severe(space, found, most)
    head = (
        f'Disturbances that make {runner.driver.policy_id or "the expert"} fail ({task}, guard '
        f'{guard}), the smallest first;\nmade by il_ros adversarial search. Names end with the '
        "scene's seed.\nil_ros adversarial replay runs each in its scene."
    )
    write_atomic(out / 'adversarial.yaml', replay_list(listed, head=head))
    write_atomic(out / 'trials.json', facts(space, found, config, about=about))
    _say(console, found, listed)
    return 0


def replay(
    perturbations: tyro.conf.Positional[Path],
    contract: Path,
    *,
    bundle: Path | None = None,
    task: str = 'pick_place',
    guard: FilterName = 'limits',
    processes: int = 1,
) -> int:
    """Run the failures of a search again, each in its scene, for example after retraining.

    Args:
        perturbations: The adversarial.yaml of a search.
        contract: Contract file.
        bundle: Bundle of the policy; without one the task's expert is tested.
        task: Task of the simulator.
        guard: Safety filter between policy and arm, as in the search.
        processes: Number of episodes simulated in parallel.
    """
    cases = cases_of(load_perturbations(perturbations), where=perturbations.name)
    setup = EpisodeSetup(contract=contract, task=task, bundle=bundle, safety_filter=guard)
    console, rows = Console(), Table('disturbance', 'outcome', 'progress', 'time [s]')
    rollouts = []
    for case, rollout in zip(cases, run_cases(setup, cases, processes=processes), strict=True):
        rollouts.append(rollout)
        rows.add_row(
            case.name, rollout.outcome, f'{rollout.progress:.2f}', f'{rollout.duration:.2f}'
        )
    console.print(rows)
    console.print(f'failed: {Rate.of(not rollout.success for rollout in rollouts) or "none ran"}')
    return 0


def _say(console: Console, found: SearchResult, listed: Sequence[Trial]) -> None:
    console.print(f'undisturbed, failed: {_share(found.of("undisturbed"))}')
    console.print(f'random disturbances, failed: {_share(found.of("random"))}')
    rows = Table('size', 'failed')
    for low, high, trials in by_size(found.of('random')):
        rows.add_row(f'{low:g} to {high:g}', _share(trials))
    console.print(rows)
    rows = Table('by itself', 'towards', 'holds at', 'fails at')
    for one in found.boundaries:
        fails = 'never' if one.fails is None else f'{one.fails:g}'
        rows.add_row(one.parameter, f'{one.bound:g}', f'{one.holds:g}', fails)
    console.print(rows)
    least = f', the smallest of size {listed[0].size:.3f}' if listed else ''
    console.print(f'{len(listed)} failures listed{least}')


def _share(episodes: Sequence[Trial] | Sequence[Rollout]) -> str:
    return str(Rate.of(not one.success for one in episodes) or 'none ran')
