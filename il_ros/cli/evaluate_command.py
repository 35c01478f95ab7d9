"""``il_ros evaluate``: how good a policy is, over a graph or in one process, with intervals."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console

import il_ros
from il_ros.cli.evaluation_run import run_plan
from il_ros.cli.running_graph import graph
from il_ros.core.atomic_files import write_atomic
from il_ros.core.config import parse, read_yaml
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.datasets.process_pool import worker_count
from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.evaluation.episode_table import episodes_csv
from il_ros.evaluation.evaluation_journal import EvaluationJournal
from il_ros.evaluation.evaluation_report import write_report
from il_ros.evaluation.evaluation_summary import summarise
from il_ros.evaluation.report_videos import ReportVideos
from il_ros.evaluation.suites import SUITES
from il_ros.policies.bundle import Bundle, load_bundle
from il_ros.policies.threads import one_thread
from il_ros.rollouts.episode_cases import plan_suites
from il_ros.rollouts.evaluator import Evaluator, evaluation_identity, missing
from il_ros.rollouts.in_process_evaluator import InProcessEvaluator
from il_ros.rollouts.video_maker import VideoConfig, VideoMaker
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.tasks import floor_of

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
    heuristic: str | None = None,
    task: str = 'pick_place',
    start: bool = False,
    namespace: str = '/',
    in_process: bool = False,
    processes: int = 0,
    films: VideoConfig = VideoConfig(),  # noqa: B008  (frozen)
    overwrite: bool = False,
) -> int:
    """Drive seeded episodes in lock-step and write report.json, report.html and episodes.csv.

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
        heuristic: Which simple rule is the floor: hold or straight; by default the task's.
        task: Name of the simulator's task.
        start: Start a graph in lock-step here, instead of using the one that runs.
        namespace: Namespace of the running graph.
        in_process: Use no graph: simulator, policy and monitor in one process, without ROS.
        processes: How many episodes are simulated at once in process; 0 for one a core.
        films: Of the worst episodes.
        overwrite: Begin anew where there are episodes already.
    """
    console, heuristic = Console(), heuristic or floor_of(task)
    one_thread()  # as every process does, so that an episode is the same in whichever it runs
    cases = load_perturbations(perturbations)
    plan = plan_suites(suites, episodes, cases, floor=floor)
    loaded = load_bundle(bundle, load_contract(contract))
    identity = evaluation_identity(
        loaded,
        cases,
        task=task,
        heuristic=heuristic,
        run='in process' if in_process else 'graph',
    )
    with EvaluationJournal(out, identity, anew=overwrite) as journal:
        if missing(plan, journal, task):
            with _runner(
                bundle=bundle,
                contract=contract,
                task=task,
                heuristic=heuristic,
                start=start,
                namespace=namespace,
                processes=worker_count(processes, len(plan)) if in_process else 0,
            ) as runner:
                run_plan(runner, plan, journal, task, console)
        results = journal.episodes
    command = (
        f'il_ros evaluate --bundle {bundle} --contract {contract} --perturbations {perturbations} '
        f'--out {out} --episodes {episodes} --floor {floor} --suites {" ".join(suites)} '
        f'--heuristic {heuristic} --task {task} --films.count {films.count} '
        f'{"--in-process" if in_process else "--start"}'
    )
    rehearsal = InProcessEvaluator(contract, task, bundle, heuristic, processes=1)
    studio = VideoMaker(
        rehearsal.setups(episode.suite for episode in results),
        cases,
        exact=in_process,
        config=films,
        processes=worker_count(processes, films.count),
    )
    shown = studio.film_worst(out, results)
    if shown.missing and films.count:
        console.print(f'no films: {shown.missing}')
    summary = write(results, out, loaded, films=shown, command=command)
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
) -> Iterator[Evaluator]:
    """What runs the episodes: a graph, or so many processes where there are any."""
    if processes:
        yield InProcessEvaluator(contract, task, bundle, heuristic, processes=processes)
        return
    with graph(
        load_contract(contract),
        start=start,
        namespace=namespace,
        contract=str(contract.resolve()),
        task=task,
    ) as client:
        from il_ros.ros.graph_evaluator import GraphEvaluator

        yield GraphEvaluator(client, task, bundle, heuristic)


def write(
    results: Sequence[EpisodeResult],
    out: Path,
    bundle: Bundle,
    *,
    films: ReportVideos,
    command: str,
    watched: bool = True,
) -> dict[str, Any]:
    """Summarise and write report.json, report.html and episodes.csv; gives the summary.

    Args:
        results: The episodes.
        out: Folder of the three.
        bundle: Of the policy.
        films: Of some of the episodes.
        command: What repeats the evaluation.
        watched: Whether a monitor was there.
    """
    summary = summarise(
        results,
        versions=versions(),
        training=_training(bundle),
        created=datetime.now(UTC).isoformat(timespec='seconds'),
        watched=watched,
    )
    write_atomic(out / 'episodes.csv', episodes_csv(results))
    write_report(out, summary, results, films=films, command=command)
    return summary


def _training(bundle: Bundle) -> dict[str, Any]:
    training = bundle.training
    held_out = bool(training.metrics.get('held_out_frames'))
    return {
        'policy': f'{bundle.policy.kind} {bundle.policy_id}',
        'algorithm': training.algorithm,
        'episodes': len(training.episodes),
        'held_out_episodes': len(training.held_out),
        'held_out_loss': training.metrics.get('best_loss') if held_out else None,
    }


def versions() -> dict[str, str]:
    """Versions of what an evaluation depends on."""
    found = {'il_ros': il_ros.__version__, 'python': platform.python_version()}
    for name in ('rclpy', 'mujoco', 'metaworld', 'torch', 'numpy', 'ruckig'):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
