"""Runs the suites of an evaluation in one or more processes, without ROS."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from il_ros.core.frames import Frame
from il_ros.core.limits import Array
from il_ros.evaluation.episode_result import EpisodeResult, why_it_ended
from il_ros.evaluation.suites import SUITES
from il_ros.policies.bundle import load_bundle
from il_ros.rollouts.action_error import action_error
from il_ros.rollouts.episode_cases import EpisodeCase, PlannedEpisode
from il_ros.rollouts.episode_runner import EpisodeRunner
from il_ros.rollouts.in_process_monitor import InProcessMonitor
from il_ros.rollouts.rollout_pool import EpisodeSetup, FilterName, stream


class InProcessEvaluator:
    """Runs the episodes of an evaluation with the same monitor as on the graph.

    Args:
        contract: Contract file.
        task: Name of the simulator's task.
        bundle: Bundle of the policy.
        heuristic: Heuristic that sets the floor.
        processes: Number of episodes simulated at once.
    """

    def __init__(
        self, contract: Path, task: str, bundle: Path, heuristic: str, *, processes: int
    ) -> None:
        self._contract, self._task, self._bundle = contract, task, bundle
        self._heuristic, self._processes = heuristic, processes

    def run(self, plan: Sequence[PlannedEpisode]) -> Generator[EpisodeResult, None, None]:
        """Run the planned episodes in order.

        Raises:
            IlRosError: If a suite needs calibrated scores and the bundle has none.
        """
        setups = self.setups(one.suite for one in plan)
        jobs = [
            (setups[one.suite], partial(run_case, suite=one.suite, task=self._task, case=one.case))
            for one in plan
        ]
        yield from stream(jobs, processes=self._processes)

    def setups(self, suites: Iterable[str]) -> dict[str, EpisodeSetup]:
        """Driver and safety filter of each suite."""
        calibrated = load_bundle(self._bundle).calibration is not None
        return {suite: self._setup(suite, calibrated) for suite in dict.fromkeys(suites)}

    def _setup(self, name: str, calibrated: bool) -> EpisodeSetup:
        suite = SUITES[name]
        if suite.controller != 'policy':
            expert = self._heuristic if suite.controller == 'heuristic' else self._task
            return EpisodeSetup(
                contract=self._contract, task=self._task, expert=expert, safety_filter='limits'
            )
        unwatched: FilterName = 'scores' if calibrated else 'limits'
        return EpisodeSetup(
            contract=self._contract,
            task=self._task,
            bundle=self._bundle,
            safety_filter='monitor' if suite.watched else unwatched,
        )


def run_case(runner: EpisodeRunner, *, suite: str, task: str, case: EpisodeCase) -> EpisodeResult:
    """Run one case and return the result that the report needs."""
    trace = _Trace(runner, task)
    rollout = runner.run(case.seed, case.perturbations, name=case.name, watch=trace.record)
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
        latencies=np.array(trace.latencies),
        action_errors=np.array(trace.errors),
    )


class _Trace:
    """Measurements of each frame of an episode.

    Attributes:
        scores: The monitor's score, NaN without one.
        scored: Whether the monitor has any score.
        latencies: Time that the driver took [s], NaN without an answer.
        errors: Normalised action errors, NaN while the policy did not drive; empty if they are not
            measured.
    """

    def __init__(self, runner: EpisodeRunner, task: str) -> None:
        self._runner, self._error = runner, action_error(runner, task)
        self.scores: list[float] = []
        self.scored = False
        self.latencies: list[float] = []
        self.errors: list[float] = []

    def record(self, frame: Frame, chunk: Array | None) -> None:
        """See `EpisodeRunner.run`."""
        safety_filter = self._runner.safety_filter
        verdict = safety_filter.verdict if isinstance(safety_filter, InProcessMonitor) else None
        self.scores.append(np.nan if verdict is None else verdict.scores.score)
        self.scored |= verdict is not None and bool(verdict.scores.names)
        self.latencies.append(np.nan if chunk is None else self._runner.latency)
        if self._error is not None:
            if chunk is not None and verdict is not None and verdict.watched:
                self.errors.append(self._error(chunk))
            else:
                self.errors.append(np.nan)
