"""``il_ros demo``: the whole loop on a simulated arm, over ROS topics and services."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from il_ros.algorithms.bc import BcConfig
from il_ros.cli.dataset_command import build
from il_ros.cli.evaluate_command import FLOOR
from il_ros.cli.evaluation_run import run_plan, write_evaluation
from il_ros.cli.monitor_command import calibrate
from il_ros.cli.record_command import run_recording
from il_ros.cli.running_graph import graph
from il_ros.cli.train_command import bc
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.evaluation.evaluation_journal import EvaluationJournal
from il_ros.evaluation.suites import SUITES, draw_seeds
from il_ros.launching import packages
from il_ros.policies.bundle import load_bundle
from il_ros.rollouts.episode_cases import plan_suites
from il_ros.rollouts.evaluator import evaluation_identity
from il_ros.rollouts.in_process_evaluator import InProcessEvaluator
from il_ros.rollouts.video_maker import VideoMaker
from il_ros.sim.perturbations import load_perturbations
from il_ros.sim.tasks import default_arm, floor_of


def demo(
    *,
    out: Path = Path('runs/demo'),
    task: str = 'pick_place',
    arm: str | None = None,
    demonstrations: int = 120,
    rollouts: int = 66,
    episodes: int = 50,
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
        noise: Disturbance of the joints while the expert demonstrates [rad].
        seed: Seed of the training.
    """
    console, begin = Console(), time.monotonic()
    places = _places(task, default_arm(task) if arm is None else arm)
    _clear(out)
    contract = load_contract(places['contract'])
    with graph(
        contract,
        start=True,
        log=out / 'log',
        contract=str(places['contract']),
        task=task,
        directory=str((out / 'episodes').resolve()),
    ) as client:
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
        with _step(console, f'4/5 evaluate on {episodes} episodes a suite'):
            from il_ros.ros.graph_evaluator import GraphEvaluator

            cases = load_perturbations(places['perturbations'])
            plan = plan_suites(SUITES, episodes, cases, floor=FLOOR)
            loaded = load_bundle(out / 'bundle', contract)
            floor = floor_of(task)
            identity = evaluation_identity(loaded, cases, task=task, heuristic=floor, run='graph')
            with EvaluationJournal(out, identity, anew=True) as journal:
                runner = GraphEvaluator(client, task, out / 'bundle', floor)
                run_plan(runner, plan, journal, task, console)
    with _step(console, '5/5 report'):
        rehearsal = InProcessEvaluator(places['contract'], task, out / 'bundle', floor, processes=1)
        videos = VideoMaker(rehearsal.setups(SUITES), cases, exact=False).film_worst(
            out, journal.episodes
        )
        command = f'il_ros demo --out {out} --task {task} --arm {contract.arm} --seed {seed}'
        summary = write_evaluation(journal.episodes, out, loaded, videos=videos, command=command)
    console.print(f'{summary["headline"]}', style='bold')
    console.print(f'all in {time.monotonic() - begin:.0f} s; report: {out / "report.html"}')
    return 0


def _places(task: str, arm: str) -> dict[str, Path]:
    import os

    share = packages.share('il_ros', os.environ, 'demo') / 'config'
    return {
        'contract': share / 'contracts' / f'{arm}_{task}.yaml',
        'perturbations': share / 'suites' / f'{task}.yaml',
    }


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
