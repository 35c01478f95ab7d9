"""The suites of an evaluation over a running graph, one episode after the other."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from il_ros.core.errors import IlRosError
from il_ros.evaluation.episode_result import EpisodeResult, why_it_ended
from il_ros.evaluation.suites import SUITES
from il_ros.rollouts.episode_cases import EpisodeCase, PlannedEpisode
from il_ros.ros.graph_client import GraphClient, GraphEpisode
from il_ros.ros.message_conversion import to_seconds


class GraphEvaluator:
    """Runs the episodes of an evaluation on one graph in lock-step.

    Args:
        client: Talks to the graph.
        task: Name of the simulator's task.
        bundle: Bundle of the policy; loaded here.
        heuristic: Which simple rule is the floor.
        record: Whether every episode is recorded, and has to be the driver's alone.
    """

    def __init__(
        self,
        client: GraphClient,
        task: str,
        bundle: Path,
        heuristic: str,
        *,
        record: bool = False,
    ) -> None:
        self._client, self._task, self._heuristic = client, task, heuristic
        self._record = record
        client.load(bundle)

    def run(self, plan: Sequence[PlannedEpisode]) -> Generator[EpisodeResult, None, None]:
        """Run what is planned, in its order; best suite by suite.

        Raises:
            IlRosError: If the graph does not answer, or refuses; or if somebody takes the arm in an
                episode that is recorded.
        """
        for name, planned in groupby(plan, key=lambda one: one.suite):
            suite = SUITES[name]
            if suite.controller != 'policy':
                expert = self._heuristic if suite.controller == 'heuristic' else self._task
                self._client.set_parameters('expert', expert=expert)
            mode = 'policy' if suite.controller == 'policy' else 'expert'
            with self._client.watching(novelty=suite.watched):
                for one in planned:
                    case = one.case
                    episode = self._client.episode(
                        case.seed, mode, case.perturbations, record=self._record
                    )
                    if self._record and episode.trace.takeovers:
                        raise taken(where=f'seed {case.seed}')
                    yield self._result(name, case, episode)

    def _result(self, suite: str, case: EpisodeCase, episode: GraphEpisode) -> EpisodeResult:
        state, trace = episode.state, episode.trace
        success = state.success and trace.alarm is None
        elapsed = to_seconds(state.elapsed)
        # Behind its end the arm is brought to rest for the next episode.
        seen = {*trace.joints, *trace.scores}
        times = sorted(time for time in seen if time < elapsed - 1e-9)
        size = len(next(iter(trace.joints.values()), ()))
        nothing = np.full(size, np.nan)
        return EpisodeResult(
            suite=suite,
            task=self._task,
            seed=case.seed,
            success=success,
            duration=elapsed,
            progress=state.progress,
            violations=dict(zip(state.violation_kinds, state.violation_counts, strict=True)),
            fallback=trace.alarm is not None,
            fallback_time=trace.alarm,
            reason=why_it_ended(trace.reason, success),
            perturbations=(case.name,) if case.name else (),
            times=np.array(times),
            scores=np.array([trace.scores.get(time, np.nan) for time in times]),
            threshold=1.0 if trace.scores else None,
            joints=np.array([trace.joints.get(time, nothing) for time in times]).reshape(-1, size),
            takeovers=trace.takeovers,
            bag=episode.bag,
        )


def taken(where: str) -> IlRosError:
    """The error of an operator who took the arm while a policy is evaluated alone."""
    return IlRosError(
        'somebody took the arm in an episode that judges a policy',
        where=where,
        fix='leave it alone; the same command goes on where it stopped',
    )
