"""Runs many episodes, in several processes if there is more than one core."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Literal, TypeVar

from il_ros.core.contract import load_contract
from il_ros.core.errors import BundleError, IlRosError
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.policies.bundle import Bundle, load_bundle
from il_ros.policies.threads import one_thread
from il_ros.rollouts.drivers import Driver, ExpertDriver, PolicyDriver
from il_ros.rollouts.episode_cases import EpisodeCase
from il_ros.rollouts.episode_runner import EpisodeRunner
from il_ros.rollouts.in_process_monitor import limits_monitor, scores_monitor
from il_ros.rollouts.rollout import Rollout
from il_ros.rollouts.safety_filters import NoFilter, SafetyFilter
from il_ros.sim.scene_cameras import CameraConfig, Choice

T = TypeVar('T')
FilterName = Literal['none', 'limits', 'scores', 'monitor']


@dataclass(frozen=True, kw_only=True)
class EpisodeSetup:
    """Driver, task and safety filter of an episode.

    Attributes:
        contract: Contract file.
        task: Name of the simulator's task.
        bundle: Folder of the policy's bundle; None for an expert.
        expert: Expert or heuristic that drives without a bundle; empty for the task's expert.
        safety_filter: `none` sends the driver's commands straight to the servos; `limits` is the
            monitor with its hard checks only; `scores` adds the bundle's calibrated scores, which
            only report; with `monitor` the scores also stop the policy.
        renderer: How images are rendered, if any are requested.

    Raises:
        IlRosError: If scores are requested without a bundle.
    """

    contract: Path
    task: str
    bundle: Path | None = None
    expert: str = ''
    safety_filter: FilterName = 'none'
    renderer: Choice = CameraConfig.renderer

    def __post_init__(self) -> None:
        if self.bundle is None and self.safety_filter in ('scores', 'monitor'):
            raise IlRosError(
                'scores belong to a bundle',
                where=f'safety filter {self.safety_filter}',
                allowed='none, limits',
            )

    def make_runner(self) -> EpisodeRunner:
        """Make a runner for this setup.

        Raises:
            IlRosError: If contract, task, bundle or expert cannot be loaded.
        """
        contract = load_contract(self.contract)
        driver: Driver
        safety_filter: SafetyFilter = NoFilter()
        if self.bundle is None:
            driver = ExpertDriver(self.expert or self.task, contract)
        else:
            bundle = load_bundle(self.bundle, contract)
            driver = PolicyDriver(bundle.policy, bundle.policy_id)
            if self.safety_filter in ('scores', 'monitor'):
                stops = self.safety_filter == 'monitor'
                config = MonitorConfig(novelty=stops, allow_uncalibrated=not stops)
                safety_filter = bundle_monitor(bundle, config, where=str(self.bundle))
        if self.safety_filter == 'limits':
            safety_filter = limits_monitor(contract, driver.source, policy_id=driver.policy_id)
        return EpisodeRunner(contract, self.task, driver, safety_filter, renderer=self.renderer)


def bundle_monitor(
    bundle: Bundle, config: MonitorConfig | None = None, *, where: str = ''
) -> SafetyFilter:
    """The monitor as deployed with a bundle.

    Args:
        bundle: A calibrated bundle.
        config: Settings; the defaults if None.
        where: Name of the bundle in errors.

    Raises:
        BundleError: If the bundle is not calibrated.
    """
    if bundle.scores is None or bundle.calibration is None:
        raise BundleError(
            'is not calibrated',
            where=where,
            fix='run "il_ros monitor calibrate" on rollouts of its policy',
        )
    return scores_monitor(bundle.policy, bundle.scores, bundle.calibration, config)


def run_cases(
    setup: EpisodeSetup, cases: Sequence[EpisodeCase], *, processes: int = 1
) -> Iterator[Rollout]:
    """Run every case and yield its rollout, in the order of the cases.

    Args:
        setup: Driver, task and safety filter.
        cases: The episodes.
        processes: Number of processes; with one, the episodes run in this process.
    """
    jobs = [(setup, partial(_episode, case=case)) for case in cases]
    yield from stream(jobs, processes=processes)


def stream(
    jobs: Sequence[tuple[EpisodeSetup, Callable[[EpisodeRunner], T]]], *, processes: int = 1
) -> Iterator[T]:
    """Call every job with the runner of its setup, and yield the results in order.

    Each process makes each runner once. With several processes, jobs and results must be picklable:
    a job is a module-level function or a `partial` of one.

    Args:
        jobs: Setups, each with a function of its runner.
        processes: Number of processes; with one, the jobs run in this process.
    """
    if processes <= 1 or len(jobs) < 2:
        runner_of = cache(EpisodeSetup.make_runner)
        yield from (work(runner_of(setup)) for setup, work in jobs)
        return
    # A forked child would share the parent's threads and locks (torch, DDS).
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(processes, context, one_thread) as pool:
        yield from pool.map(_in_worker, jobs)


def _episode(runner: EpisodeRunner, case: EpisodeCase) -> Rollout:
    return runner.run(case.seed, case.perturbations, name=case.name)


_runner_of = cache(EpisodeSetup.make_runner)  # in a worker process


def _in_worker(job: tuple[EpisodeSetup, Callable[[EpisodeRunner], T]]) -> T:
    setup, work = job
    return work(_runner_of(setup))


def count_outcomes(rollouts: Iterable[Rollout]) -> dict[str, int]:
    """Number of rollouts by outcome, and of their violations, for a progress line."""
    counts = {'success': 0, 'time limit': 0, 'stopped': 0, 'violations': 0}
    for rollout in rollouts:
        counts[rollout.outcome] += 1
        counts['violations'] += rollout.violated
    return counts
