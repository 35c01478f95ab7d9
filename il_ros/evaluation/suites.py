"""Suites of an evaluation and the seeds of each purpose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from il_ros.core.errors import EvaluationError, UnknownNameError

SEEDS: Mapping[str, range] = {
    'demonstrations': range(0, 100_000),
    'calibration': range(100_000, 200_000),
    'corrections': range(200_000, 300_000),
    'nominal': range(300_000, 400_000),
    'ood': range(400_000, 500_000),
    'adversarial': range(500_000, 600_000),
}
"""Seeds of the scene by purpose; no two ranges share a seed.

Demonstrations train the policy. Calibration sets the monitor's threshold and tests policies during
training. Corrections are rollouts that an expert relabels. Nominal and ood (perturbed) seeds are
reserved for evaluation. Adversarial seeds are for the search of the smallest failing disturbance.
"""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """One way of running episodes.

    Attributes:
        controller: Driver of the arm: 'policy', 'expert' or 'heuristic'.
        watched: Whether the monitor's scores may stop the episode.
        seeds: Entry of SEEDS for its scenes.
        title: Name for a reader.
    """

    controller: str
    watched: bool = False
    seeds: str
    title: str


SUITES: Mapping[str, Suite] = {
    'nominal': Suite(
        controller='policy', watched=True, seeds='nominal', title='policy, unseen seeds'
    ),
    'expert': Suite(controller='expert', seeds='nominal', title='expert (the ceiling)'),
    'heuristic': Suite(controller='heuristic', seeds='nominal', title='heuristic (the floor)'),
    'ood_unwatched': Suite(controller='policy', seeds='ood', title='policy, perturbed, no monitor'),
    'ood': Suite(
        controller='policy', watched=True, seeds='ood', title='policy, perturbed, with monitor'
    ),
}
"""The suites with a fixed meaning in a report; others may have any other name.

Expert and heuristic run on the nominal seeds, and both ood suites on the same cases, so that
episodes compare pair by pair.
"""


def draw_seeds(part: str, count: int, start: int = 0) -> range:
    """Take `count` consecutive seeds of a part of SEEDS, beginning at index `start`.

    Raises:
        UnknownNameError: If SEEDS has no such part.
        EvaluationError: If the part does not hold that many.
    """
    if part not in SEEDS:
        raise UnknownNameError(f'unknown part of the seeds {part!r}', allowed=SEEDS)
    whole = SEEDS[part]
    if count < 0 or start < 0 or start + count > len(whole):
        raise EvaluationError(
            f'{count} seeds from offset {start} do not fit',
            where=f'seeds.{part}',
            allowed=f'offset and count of at least 0, together at most {len(whole)}',
            fix='ask for fewer seeds or a smaller offset',
        )
    return whole[start : start + count]
