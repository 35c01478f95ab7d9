"""Many episodes, in several processes where there is more than one core."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from il_ros.core.contract import load_contract
from il_ros.core.errors import BundleError, IlRosError
from il_ros.policies.bundle import Bundle, load_bundle
from il_ros.rollouts.cases import Case
from il_ros.rollouts.drivers import Driver, ExpertDriver, PolicyDriver
from il_ros.rollouts.gate import limits_gate, scores_gate
from il_ros.rollouts.guards import Guard, Unguarded
from il_ros.rollouts.loop import Stage
from il_ros.rollouts.rollout import Rollout

Guarding = Literal['none', 'limits', 'monitor']


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Who drives what, under whose eyes.

    Attributes:
        contract: Contract file.
        task: Name of the simulator's task.
        bundle: Folder of the policy's bundle; none for the task's expert.
        guard: `none` sends the driver's word to the servos; `limits` has the monitor with its hard
            checks alone; `monitor` has it with the bundle's calibrated scores, too.

    Raises:
        IlRosError: If an expert is to be watched by scores.
    """

    contract: Path
    task: str
    bundle: Path | None = None
    guard: Guarding = 'none'

    def __post_init__(self) -> None:
        if self.bundle is None and self.guard == 'monitor':
            raise IlRosError(
                'scores belong to a bundle', where='guard monitor', allowed='none, limits'
            )

    def stage(self) -> Stage:
        """The stage, ready to run.

        Raises:
            IlRosError: If contract, task or bundle cannot be had.
        """
        contract = load_contract(self.contract)
        driver: Driver
        guard: Guard = Unguarded()
        if self.bundle is None:
            driver = ExpertDriver(self.task, contract)
        else:
            bundle = load_bundle(self.bundle, contract)
            driver = PolicyDriver(bundle.policy, bundle.policy_id)
            if self.guard == 'monitor':
                guard = bundle_gate(bundle, where=str(self.bundle))
        if self.guard == 'limits':
            guard = limits_gate(contract, driver.source, policy_id=driver.policy_id)
        return Stage(contract, self.task, driver, guard)


def bundle_gate(bundle: Bundle, *, where: str = '') -> Guard:
    """The monitor as it is deployed with a bundle.

    Raises:
        BundleError: If it is not calibrated.
    """
    if bundle.scores is None or bundle.calibration is None:
        raise BundleError(
            'is not calibrated',
            where=where,
            fix='run "il_ros monitor calibrate" on rollouts of its policy',
        )
    return scores_gate(bundle.policy, bundle.scores, bundle.calibration)


def run_cases(setup: Setup, cases: Sequence[Case], *, processes: int = 1) -> list[Rollout]:
    """Run every case; see `stream_cases`."""
    return list(stream_cases(setup, cases, processes=processes))


def stream_cases(setup: Setup, cases: Sequence[Case], *, processes: int = 1) -> Iterator[Rollout]:
    """Run every case and give its rollout, in the order of the cases, whatever the processes.

    Args:
        setup: Who drives what.
        cases: The episodes.
        processes: How many at once; one runs them here.
    """
    if processes <= 1 or len(cases) < 2:
        stage = setup.stage()
        yield from (_episode(stage, case) for case in cases)
        return
    # A forked child would share the parent's threads and locks (torch, DDS).
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(processes, context, _prepare, (setup,)) as pool:
        yield from pool.map(_episode_here, cases, chunksize=4)


def _episode(stage: Stage, case: Case) -> Rollout:
    return stage.run(case.seed, case.perturbations, name=case.name)


_prepared: list[Stage] = []  # of this worker process


def _prepare(setup: Setup) -> None:
    _prepared[:] = [setup.stage()]


def _episode_here(case: Case) -> Rollout:
    return _episode(_prepared[0], case)


def counted(rollouts: Iterable[Rollout]) -> dict[str, int]:
    """How many ended in which way, and their violations, for a line of progress."""
    counts = {'success': 0, 'time limit': 0, 'stopped': 0, 'violations': 0}
    for rollout in rollouts:
        counts[rollout.outcome] += 1
        counts['violations'] += rollout.violated
    return counts
