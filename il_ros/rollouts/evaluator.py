"""The evaluator interface, the identity of an evaluation, and its remaining episodes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict
from typing import Protocol

from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.evaluation.evaluation_journal import EvaluationJournal
from il_ros.policies.bundle import Bundle
from il_ros.rollouts.episode_cases import PlannedEpisode
from il_ros.sim.perturbations import Perturbation

Perturbations = Mapping[str, Sequence[Perturbation]]


def evaluation_identity(
    bundle: Bundle, perturbations: Perturbations, *, task: str, heuristic: str, run: str
) -> dict[str, str]:
    """Identity that all episodes of one evaluation share; see `EvaluationJournal`.

    Args:
        bundle: Bundle of the policy.
        perturbations: Perturbations of the suites, by name.
        task: Name of the task.
        heuristic: Heuristic that sets the floor.
        run: How episodes are run: `graph` or `in process`.
    """
    threshold = asdict(bundle.threshold) if bundle.threshold else None
    return {
        'bundle': bundle.identity,
        'policy': bundle.policy_id,
        'calibration': _hash(threshold) if threshold else '',
        'contract': bundle.contract.hash[:16],
        'task': task,
        'heuristic': heuristic,
        'run': run,
        **{
            f'perturbations.{name}': _hash([asdict(one) for one in some])
            for name, some in perturbations.items()
        },
    }


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def remaining_episodes(
    plan: Sequence[PlannedEpisode], journal: EvaluationJournal, task: str
) -> list[PlannedEpisode]:
    """Planned episodes that are not in the journal yet, in order."""
    done = journal.done
    return [one for one in plan if (one.suite, one.key(task)) not in done]


class Evaluator(Protocol):
    """Runs the episodes of an evaluation."""

    def run(self, plan: Sequence[PlannedEpisode]) -> Generator[EpisodeResult, None, None]:
        """Run the planned episodes in order."""
