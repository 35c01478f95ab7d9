"""The suites of an evaluation in one process or several, without ROS."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from il_ros.core.frames import Frame
from il_ros.evaluation.episodes import EpisodeResult, why_it_ended
from il_ros.evaluation.suites import SUITES
from il_ros.policies.bundle import load_bundle
from il_ros.rollouts.cases import Case, Planned
from il_ros.rollouts.gate import Gate
from il_ros.rollouts.loop import Stage
from il_ros.rollouts.pool import Guarding, Setup, stream

Array = NDArray[np.float64]


class Rehearsal:
    """Runs the episodes of an evaluation as the graph would, with the same monitor.

    Args:
        contract: Contract file.
        task: Name of the simulator's task.
        bundle: Bundle of the policy.
        heuristic: Which simple rule is the floor.
        processes: How many episodes are simulated at once.
    """

    def __init__(
        self, contract: Path, task: str, bundle: Path, heuristic: str, *, processes: int
    ) -> None:
        self._contract, self._task, self._bundle = contract, task, bundle
        self._heuristic, self._processes = heuristic, processes

    def run(self, plan: Sequence[Planned]) -> Generator[EpisodeResult, None, None]:
        """Run what is planned, in its order.

        Raises:
            IlRosError: If a policy is to be watched and is not calibrated.
        """
        calibrated = load_bundle(self._bundle).calibration is not None
        setups = {suite: self._setup(suite, calibrated) for suite in {one.suite for one in plan}}
        jobs = [
            (setups[one.suite], partial(run_case, suite=one.suite, task=self._task, case=one.case))
            for one in plan
        ]
        yield from stream(jobs, processes=self._processes)

    def _setup(self, name: str, calibrated: bool) -> Setup:
        suite = SUITES[name]
        if suite.controller != 'policy':
            expert = self._heuristic if suite.controller == 'heuristic' else self._task
            return Setup(contract=self._contract, task=self._task, expert=expert, guard='limits')
        alone: Guarding = 'scores' if calibrated else 'limits'
        return Setup(
            contract=self._contract,
            task=self._task,
            bundle=self._bundle,
            guard='monitor' if suite.watched else alone,
        )


def run_case(stage: Stage, *, suite: str, task: str, case: Case) -> EpisodeResult:
    """Run one case on a stage that the monitor guards; gives what the report needs of it."""
    trace = _Trace(stage)
    rollout = stage.run(case.seed, case.perturbations, name=case.name, watch=trace.take)
    return EpisodeResult(
        suite=suite,
        task=task,
        seed=case.seed,
        success=rollout.success,
        duration=rollout.elapsed,
        progress=rollout.progress,
        violations=rollout.violations,
        fallback=rollout.alarm is not None,
        fallback_time=rollout.alarm,
        reason=why_it_ended(rollout.reason, rollout.success),
        perturbations=(case.name,) if case.name else (),
        times=rollout.times,
        scores=np.array(trace.scores),
        threshold=1.0 if trace.scored else None,
        joints=rollout.actions,
    )


class _Trace:
    """What the monitor said of each frame of an episode."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.scores: list[float] = []
        self.scored = False

    def take(self, frame: Frame, chunk: Array | None) -> None:
        """See `Stage.run`."""
        guard = self._stage.guard
        verdict = guard.verdict if isinstance(guard, Gate) else None
        self.scores.append(np.nan if verdict is None else verdict.scores.score)
        self.scored |= verdict is not None and bool(verdict.scores.names)
