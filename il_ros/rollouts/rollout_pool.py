"""Many episodes, in several processes where there is more than one core."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
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
    """Who drives what, under whose eyes.

    Attributes:
        contract: Contract file.
        task: Name of the simulator's task.
        bundle: Folder of the policy's bundle; none for an expert.
        expert: Which expert or heuristic drives without a bundle; empty for the task's.
        guard: `none` sends the driver's word to the servos; `limits` has the monitor with its hard
            checks alone; `scores` has it with the bundle's calibrated scores, too, which only
            report; with `monitor` they stop the policy.
        renderer: How images are made, if any are asked for.

    Raises:
        IlRosError: If an expert is to be watched by scores.
    """

    contract: Path
    task: str
    bundle: Path | None = None
    expert: str = ''
    guard: FilterName = 'none'
    renderer: Choice = CameraConfig.renderer

    def __post_init__(self) -> None:
        if self.bundle is None and self.guard in ('scores', 'monitor'):
            raise IlRosError(
                'scores belong to a bundle',
                where=f'guard {self.guard}',
                allowed='none, limits',
            )

    def stage(self) -> EpisodeRunner:
        """The stage, ready to run.

        Raises:
            IlRosError: If contract, task, bundle or expert cannot be had.
        """
        contract = load_contract(self.contract)
        driver: Driver
        guard: SafetyFilter = NoFilter()
        if self.bundle is None:
            driver = ExpertDriver(self.expert or self.task, contract)
        else:
            bundle = load_bundle(self.bundle, contract)
            driver = PolicyDriver(bundle.policy, bundle.policy_id)
            if self.guard in ('scores', 'monitor'):
                stops = self.guard == 'monitor'
                config = MonitorConfig(novelty=stops, allow_uncalibrated=not stops)
                guard = bundle_monitor(bundle, config, where=str(self.bundle))
        if self.guard == 'limits':
            guard = limits_monitor(contract, driver.source, policy_id=driver.policy_id)
        return EpisodeRunner(contract, self.task, driver, guard, renderer=self.renderer)


def bundle_monitor(
    bundle: Bundle, config: MonitorConfig | None = None, *, where: str = ''
) -> SafetyFilter:
    """The monitor as it is deployed with a bundle.

    Args:
        bundle: A calibrated bundle.
        config: Settings; the defaults by default.
        where: What an error should name.

    Raises:
        BundleError: If it is not calibrated.
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
) -> list[Rollout]:
    """Run every case; see `stream_cases`."""
    return list(stream_cases(setup, cases, processes=processes))


def stream_cases(
    setup: EpisodeSetup, cases: Sequence[EpisodeCase], *, processes: int = 1
) -> Iterator[Rollout]:
    """Run every case and give its rollout, in the order of the cases, whatever the processes.

    Args:
        setup: Who drives what.
        cases: The episodes.
        processes: How many at once; one runs them here.
    """
    jobs = [(setup, partial(_episode, case=case)) for case in cases]
    yield from stream(jobs, processes=processes)


def stream(
    jobs: Sequence[tuple[EpisodeSetup, Callable[[EpisodeRunner], T]]], *, processes: int = 1
) -> Iterator[T]:
    """Do every piece of work on the stage of its setup, and give the results in their order.

    Each process makes each stage once. Where several processes run, work and results have to
    travel between them: work is a function of a module, or a `partial` of one.

    Args:
        jobs: Setups and what is to be done on their stages.
        processes: How many at once; one does them here.
    """
    if processes <= 1 or len(jobs) < 2:
        stages: dict[EpisodeSetup, EpisodeRunner] = {}
        yield from (_on_stage(stages, job) for job in jobs)
        return
    # A forked child would share the parent's threads and locks (torch, DDS).
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(processes, context, one_thread) as pool:
        yield from pool.map(_here, jobs)


def _episode(stage: EpisodeRunner, case: EpisodeCase) -> Rollout:
    return stage.run(case.seed, case.perturbations, name=case.name)


def _on_stage(
    stages: dict[EpisodeSetup, EpisodeRunner],
    job: tuple[EpisodeSetup, Callable[[EpisodeRunner], T]],
) -> T:
    setup, work = job
    if setup not in stages:
        stages[setup] = setup.stage()
    return work(stages[setup])


_stages: dict[EpisodeSetup, EpisodeRunner] = {}  # of this worker process


def _here(job: tuple[EpisodeSetup, Callable[[EpisodeRunner], T]]) -> T:
    return _on_stage(_stages, job)


def counted(rollouts: Iterable[Rollout]) -> dict[str, int]:
    """How many ended in which way, and their violations, for a line of progress."""
    counts = {'success': 0, 'time limit': 0, 'stopped': 0, 'violations': 0}
    for rollout in rollouts:
        counts[rollout.outcome] += 1
        counts['violations'] += rollout.violated
    return counts
