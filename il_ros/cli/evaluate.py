"""``il_ros evaluate``: how good a policy is, over a graph or in one process, with intervals."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import il_ros
from il_ros.cli.session import graph
from il_ros.core.config import parse, read_yaml
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.evaluation.episodes import EpisodeResult
from il_ros.evaluation.journal import Journal
from il_ros.evaluation.metrics import summarise
from il_ros.evaluation.report import write_report
from il_ros.evaluation.suites import SUITES
from il_ros.policies.bundle import Bundle, load_bundle
from il_ros.rollouts.cases import Planned, plan_suites
from il_ros.rollouts.evaluation import Rehearsal
from il_ros.rollouts.pool import cores
from il_ros.sim.perturbations import Perturbation

Perturbations = Mapping[str, Sequence[Perturbation]]

FLOOR = 20
"""Episodes of the heuristic, which fails slowly."""


def evaluate(
    bundle: Path,
    contract: Path,
    perturbations: Path,
    out: Path,
    *,
    episodes: int = 50,
    floor: int = FLOOR,
    suites: tuple[str, ...] = tuple(SUITES),
    heuristic: str = 'straight',
    task: str = 'pick_place',
    start: bool = False,
    namespace: str = '/',
    in_process: bool = False,
    processes: int = 0,
    overwrite: bool = False,
) -> int:
    """Drive seeded episodes in lock-step and write report.json and report.html.

    Each episode is on disk before the next one is run; the same command goes on where it stopped,
    and more episodes or suites can be added to what is there.

    Args:
        bundle: Bundle of the policy.
        contract: Contract file.
        perturbations: YAML file of the named perturbations of the ood suites.
        out: Folder of the report.
        episodes: How many a suite.
        suites: Which of nominal, expert, heuristic, ood_unwatched, ood.
        floor: How many of the heuristic's, which fails slowly.
        heuristic: Which simple rule is the floor: hold or straight.
        task: Name of the simulator's task.
        start: Start a graph in lock-step here, instead of using the one that runs.
        namespace: Namespace of the running graph.
        in_process: Use no graph: simulator, policy and monitor in one process, without ROS.
        processes: How many episodes are simulated at once in process; 0 for one a core.
        overwrite: Begin anew where there are episodes already.
    """
    console = Console()
    cases = load_perturbations(perturbations)
    plan = plan_suites(suites, episodes, cases, floor=floor)
    identity = identify(
        load_bundle(bundle, load_contract(contract)),
        cases,
        task=task,
        heuristic=heuristic,
        run='in process' if in_process else 'graph',
    )
    with Journal(out, identity, anew=overwrite) as journal:
        if missing(plan, journal, task):
            with _runner(
                bundle=bundle,
                contract=contract,
                task=task,
                heuristic=heuristic,
                start=start,
                namespace=namespace,
                processes=(processes or cores()) if in_process else 0,
            ) as runner:
                run_plan(runner, plan, journal, task, console)
        results = journal.episodes
    command = (
        f'il_ros evaluate --bundle {bundle} --contract {contract} --perturbations {perturbations} '
        f'--out {out} --episodes {episodes} --task {task} '
        f'{"--in-process" if in_process else "--start"}'
    )
    summary = write(results, out, command=command)
    console.print(f'{summary["headline"]}\nreport: {out / "report.html"}')
    return 0


def load_perturbations(path: Path) -> dict[str, tuple[Perturbation, ...]]:
    """Read the named perturbations of a suite.

    Raises:
        IlRosError: With the dotted path of what is wrong.
    """
    data = read_yaml(path)
    if not isinstance(data, Mapping) or not all(isinstance(item, list) for item in data.values()):
        raise IlRosError('not a mapping of names to lists', where=path.name)
    return {
        str(name): tuple(
            parse(Perturbation, item, where=f'{path.name}.{name}[{i}]')
            for i, item in enumerate(items)
        )
        for name, items in data.items()
    }


def identify(
    bundle: Bundle, perturbations: Perturbations, *, task: str, heuristic: str, run: str
) -> dict[str, str]:
    """What episodes must share to be counted together; see `Journal`.

    Args:
        bundle: Of the policy.
        perturbations: Those of the suites, by name.
        task: Name of the task.
        heuristic: Which simple rule is the floor.
        run: How episodes are run: `graph` or `in process`.
    """
    limit = asdict(bundle.threshold) if bundle.threshold else None
    return {
        'policy': bundle.policy_id,
        'calibration': _hash(limit) if limit else '',
        'contract': bundle.contract.hash[:16],
        'task': task,
        'heuristic': heuristic,
        'run': run,
        **{
            f'perturbations.{name}': _hash([asdict(one) for one in some])
            for name, some in perturbations.items()
        },
    }


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def missing(plan: Sequence[Planned], journal: Journal, task: str) -> list[Planned]:
    """What is planned and not yet done, in its order."""
    done = journal.done
    return [one for one in plan if (one.suite, one.key(task)) not in done]


class Runner(Protocol):
    """Runs the episodes of an evaluation."""

    def run(self, plan: Sequence[Planned]) -> Generator[EpisodeResult, None, None]:
        """Run what is planned, in its order."""


@contextmanager
def _runner(
    *,
    bundle: Path,
    contract: Path,
    task: str,
    heuristic: str,
    start: bool,
    namespace: str,
    processes: int,
) -> Iterator[Runner]:
    """What runs the episodes: a graph, or so many processes where there are any."""
    if processes:
        yield Rehearsal(contract, task, bundle, heuristic, processes=processes)
        return
    with graph(
        load_contract(contract),
        start=start,
        namespace=namespace,
        contract=str(contract.resolve()),
        task=task,
    ) as client:
        from il_ros.ros.evaluation import GraphRuns

        yield GraphRuns(client, task, bundle, heuristic)


def run_plan(
    runner: Runner, plan: Sequence[Planned], journal: Journal, task: str, console: Console
) -> None:
    """Run what is planned and not yet done, write each episode down, and show how far it is."""
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    left = missing(plan, journal, task)
    names, open_ = [one.suite for one in plan], [one.suite for one in left]
    with Progress(*columns, console=console) as progress, closing(runner.run(left)) as episodes:
        bars = {
            name: progress.add_task(SUITES[name].title, total=count, completed=count - rest)
            for name in dict.fromkeys(names)
            for count, rest in [(names.count(name), open_.count(name))]
        }
        for episode in episodes:
            journal.add(episode)
            progress.advance(bars[episode.suite])


def write(results: Sequence[EpisodeResult], out: Path, *, command: str) -> dict[str, object]:
    """Summarise and write the report; gives the summary."""
    summary = summarise(
        results,
        versions=versions(),
        created=datetime.now(UTC).isoformat(timespec='seconds'),
    )
    write_report(out, summary, results, command=command)
    return summary


def versions() -> dict[str, str]:
    """Versions of what an evaluation depends on."""
    found = {'il_ros': il_ros.__version__, 'python': platform.python_version()}
    for name in ('rclpy', 'mujoco', 'torch', 'numpy', 'ruckig'):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
