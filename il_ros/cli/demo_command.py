"""``il_ros demo``: the whole loop on a simulated arm, over ROS but for most of the evaluation."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING

from il_ros.algorithms.bc import BcConfig
from il_ros.cli.dataset_command import build
from il_ros.cli.evaluate_command import FLOOR
from il_ros.cli.evaluation_run import graph_evaluator, run_plan, write_evaluation
from il_ros.cli.monitor_command import calibrate
from il_ros.cli.printing import Console
from il_ros.cli.record_command import run_recording
from il_ros.cli.running_graph import graph
from il_ros.cli.train_command import bc
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.datasets.process_pool import worker_count
from il_ros.evaluation.evaluation_journal import EvaluationJournal
from il_ros.evaluation.suites import SUITES, draw_seeds
from il_ros.launching import packages
from il_ros.policies.bundle import load_bundle
from il_ros.policies.threads import one_thread
from il_ros.rollouts.episode_cases import PlannedEpisode, plan_suites
from il_ros.rollouts.evaluator import evaluation_identity
from il_ros.rollouts.in_process_evaluator import InProcessEvaluator
from il_ros.rollouts.video_maker import VideoMaker
from il_ros.sim.perturbations import load_perturbations
from il_ros.sim.tasks import default_arm, floor_of

if TYPE_CHECKING:
    from il_ros.ros.graph_client import GraphClient


def demo(
    *,
    out: Path = Path('runs/demo'),
    task: str = 'pick_place',
    arm: str | None = None,
    demonstrations: int = 120,
    rollouts: int = 100,
    episodes: int = 50,
    over_graph: int = 8,
    noise: float = 0.002,
    seed: int = 0,
) -> int:
    """Teach a simulated arm by demonstration: record, train, calibrate, evaluate.

    Args:
        out: Output folder; the output of an earlier demo is replaced.
        task: Task of the simulator.
        arm: Arm of the simulator, with a contract for the task in `config/contracts`; by default
            the task's own.
        demonstrations: Number of expert episodes to train on.
        rollouts: Number of policy episodes to calibrate the monitor on.
        episodes: Number of episodes in each suite of the evaluation.
        over_graph: Number of them that run over the graph; the others run in process, without ROS,
            under the same monitor.
        noise: Disturbance of the joints while the expert demonstrates [rad].
        seed: Seed of the training.
    """
    console, begin = Console(), time.monotonic()
    contract, perturbations = _settings(task, default_arm(task) if arm is None else arm)
    _clear(out)
    cases, floor = load_perturbations(perturbations), floor_of(task)
    plan = plan_suites(SUITES, episodes, cases, floor=FLOOR)
    on_graph = first_of_each_suite(plan, over_graph)
    with graph(
        contract, start=True, log=out / 'log', task=task, directory=out / 'episodes'
    ) as client:
        _teach(client, out, console, demonstrations, rollouts, noise=noise, seed=seed)
        loaded = load_bundle(out / 'bundle', load_contract(contract))
        run = f'{over_graph} of each suite over the graph, the others in process'
        identity = evaluation_identity(loaded, cases, task=task, heuristic=floor, run=run)
        with (
            _step(console, f'4/5 evaluate {len(on_graph)} episodes over the graph'),
            EvaluationJournal(out, identity, anew=True) as journal,
        ):
            runner = graph_evaluator(client, task, out / 'bundle', floor)
            run_plan(runner, on_graph, journal, task, console)
    processes = worker_count(0, len(plan))
    in_process = InProcessEvaluator(contract, task, out / 'bundle', floor, processes=processes)
    with (
        _step(console, f'4/5 evaluate the other {len(plan) - len(on_graph)} in process'),
        EvaluationJournal(out, identity) as journal,
    ):
        one_thread()  # as every process does, so that an episode is the same in whichever it runs
        run_plan(in_process, plan, journal, task, console)
    with _step(console, '5/5 report'):
        maker = VideoMaker(in_process.setups(SUITES), cases, exact=False)
        videos, notes = maker.make_videos(out, journal.episodes), [how_they_ran(plan, on_graph)]
        command = (
            f'il_ros demo --out {out} --task {task} --arm {loaded.contract.arm_name} --seed {seed}'
        )
        summary = write_evaluation(
            journal.episodes, out, loaded, videos=videos, command=command, notes=notes
        )
    console.print(f'{summary["headline"]}', style='bold')
    console.print(f'all in {time.monotonic() - begin:.0f} s; report: {out / "report.html"}')
    return 0


def _teach(
    client: GraphClient,
    out: Path,
    console: Console,
    demonstrations: int,
    rollouts: int,
    *,
    noise: float,
    seed: int,
) -> None:
    """Record demonstrations, train on them, and calibrate the monitor on the policy's rollouts."""
    with _step(console, f'1/5 record {demonstrations} demonstrations'):
        seeds = draw_seeds('demonstrations', demonstrations)
        bags = run_recording(client, seeds, source='expert', noise=noise, console=console)
    with _step(console, '2/5 train by behaviour cloning'):
        build(bags, out / 'dataset')
        bc(out / 'dataset', out / 'bundle', BcConfig(seed=seed))
    with _step(console, f'3/5 calibrate the monitor on {rollouts} rollouts'):
        client.load(out / 'bundle')
        seeds = draw_seeds('calibration', rollouts)
        bags = run_recording(client, seeds, source='policy', noise=0.0, console=console)
        build(bags, out / 'rollouts')
        calibrate(out / 'bundle', out / 'rollouts')


def first_of_each_suite(plan: Sequence[PlannedEpisode], count: int) -> list[PlannedEpisode]:
    """The first so many episodes of every suite, in their order."""
    return [
        one
        for _, episodes in groupby(plan, key=lambda one: one.suite)
        for one in islice(episodes, count)
    ]


def how_they_ran(plan: Sequence[PlannedEpisode], on_graph: Sequence[PlannedEpisode]) -> str:
    """A note for the report: which episodes ran over the graph, and which did not."""
    if len(on_graph) == len(plan):
        return 'All episodes ran over the ROS graph.'
    most = max(Counter(one.suite for one in on_graph).values(), default=0)
    return (
        f'{len(on_graph)} of {len(plan)} episodes ran over the ROS graph, the first {most} of each '
        'suite. The others ran in process, without ROS, with the same simulator, policy and '
        'monitor.'
    )


def _settings(task: str, arm: str) -> tuple[Path, Path]:
    """Files of the contract and of the perturbations."""
    config = packages.share('il_ros', os.environ, 'demo') / 'config'
    return config / 'contracts' / f'{arm}_{task}.yaml', config / 'suites' / f'{task}.yaml'


def _clear(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise IlRosError('not a folder', where=str(out), fix='name another with --out')
    for name in ('episodes', 'dataset', 'bundle', 'rollouts', 'log'):
        shutil.rmtree(out / name, ignore_errors=True)


@contextmanager
def _step(console: Console, title: str) -> Iterator[None]:
    console.rule(title, align='left')
    begin = time.monotonic()
    yield
    console.print(f'{title}: {time.monotonic() - begin:.0f} s', style='dim')
