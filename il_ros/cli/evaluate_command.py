"""``il_ros evaluate``: evaluates a policy over a graph or in one process, with intervals."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from il_ros.cli.evaluation_run import graph_evaluator, run_plan, write_evaluation
from il_ros.cli.printing import Console
from il_ros.cli.running_graph import graph
from il_ros.core.contract import load_contract
from il_ros.datasets.process_pool import worker_count
from il_ros.evaluation.evaluation_journal import EvaluationJournal
from il_ros.evaluation.suites import SUITES
from il_ros.policies.bundle import load_bundle
from il_ros.policies.threads import one_thread
from il_ros.rollouts.episode_cases import plan_suites
from il_ros.rollouts.evaluator import Evaluator, evaluation_identity, remaining_episodes
from il_ros.rollouts.in_process_evaluator import InProcessEvaluator
from il_ros.rollouts.video_maker import VideoConfig, VideoMaker
from il_ros.sim.perturbations import load_perturbations
from il_ros.sim.tasks import floor_of

FLOOR = 20
"""Number of episodes of the heuristic, which takes long to fail."""


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
    videos: VideoConfig = VideoConfig(),  # noqa: B008  (frozen)
    overwrite: bool = False,
) -> int:
    """Evaluate a policy on seeded episodes; write report.json, report.html and episodes.csv.

    To continue an interrupted evaluation, or to add episodes or suites, run the command again.

    Args:
        bundle: Bundle of the policy.
        contract: Contract file.
        perturbations: YAML file of the named perturbations of the ood suites.
        out: Folder of the report.
        episodes: Number of episodes in each suite.
        suites: Suites to run, of nominal, expert, heuristic, ood_unwatched and ood.
        floor: Number of episodes of the heuristic, which takes long to fail.
        heuristic: Baseline: hold or straight; by default the task's own.
        task: Task of the simulator.
        start: Start a graph in lock-step instead of using a running one.
        namespace: Namespace of the running graph.
        in_process: Use no graph: run simulator, policy and monitor in one process, without ROS.
        processes: Number of episodes simulated in parallel with --in-process; 0 for one per core.
        videos: Videos of the worst episodes.
        overwrite: Discard existing episodes and start anew.
    """
    console, heuristic = Console(), heuristic or floor_of(task)
    one_thread()  # in every process, so that an episode is the same in any of them
    cases = load_perturbations(perturbations)
    plan = plan_suites(suites, episodes, cases, floor=floor)
    loaded = load_bundle(bundle, load_contract(contract))
    in_processes = InProcessEvaluator(
        contract, task, bundle, heuristic, processes=worker_count(processes, len(plan))
    )
    run = 'in process' if in_process else 'graph'
    identity = evaluation_identity(loaded, cases, task=task, heuristic=heuristic, run=run)
    with EvaluationJournal(out, identity, anew=overwrite) as journal, ExitStack() as stack:
        if remaining_episodes(plan, journal, task):
            evaluator: Evaluator = in_processes
            if not in_process:
                running = graph(contract, start=start, namespace=namespace, task=task)
                evaluator = graph_evaluator(stack.enter_context(running), task, bundle, heuristic)
            run_plan(evaluator, plan, journal, task, console)
        results = journal.episodes
    setups = in_processes.setups(episode.suite for episode in results)
    workers = worker_count(processes, videos.count)
    maker = VideoMaker(setups, cases, exact=in_process, config=videos, processes=workers)
    made = maker.make_videos(out, results)
    if made.missing and videos.count:
        console.print(f'no videos: {made.missing}')
    command = (
        f'il_ros evaluate --bundle {bundle} --contract {contract} --perturbations {perturbations} '
        f'--out {out} --episodes {episodes} --floor {floor} --suites {" ".join(suites)} '
        f'--heuristic {heuristic} --task {task} --videos.count {videos.count} '
        f'{"--in-process" if in_process else "--start"}'
    )
    summary = write_evaluation(results, out, loaded, videos=made, command=command)
    console.print(f'{summary["headline"]}\nreport: {out / "report.html"}')
    return 0
