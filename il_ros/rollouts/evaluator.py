"""Who runs the episodes of an evaluation, what is still to be run, and what two runs share."""

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
    """What episodes must share to be counted together; see `EvaluationJournal`.

    Args:
        bundle: Of the policy.
        perturbations: Those of the suites, by name.
        task: Name of the task.
        heuristic: Which simple rule is the floor.
        run: How episodes are run: `graph` or `in process`.
    """
    limit = asdict(bundle.threshold) if bundle.threshold else None
    return {
        'policy': bundle.policy_id,
        'calibration': _hash(limit) if limit else '',
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


def missing(
    plan: Sequence[PlannedEpisode], journal: EvaluationJournal, task: str
) -> list[PlannedEpisode]:
    """What is planned and not yet done, in its order."""
    done = journal.done
    return [one for one in plan if (one.suite, one.key(task)) not in done]


class Evaluator(Protocol):
    """Runs the episodes of an evaluation."""

    def run(self, plan: Sequence[PlannedEpisode]) -> Generator[EpisodeResult, None, None]:
        """Run what is planned, in its order."""
