"""Episodes to run: the seed of the scene, its perturbations, and the suite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

from il_ros.core.errors import EvaluationError, UnknownNameError
from il_ros.evaluation.failure_detection import CaseKey
from il_ros.evaluation.suites import SUITES, draw_seeds
from il_ros.sim.perturbations import Perturbation


@dataclass(frozen=True, kw_only=True)
class EpisodeCase:
    """One episode to run.

    Attributes:
        seed: Seed of the scene.
        name: Name of the perturbations; empty for none.
        perturbations: Perturbations to apply.
    """

    seed: int
    name: str = ''
    perturbations: tuple[Perturbation, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlannedEpisode:
    """One episode of an evaluation.

    Attributes:
        suite: Key of `il_ros.evaluation.suites.SUITES`.
        case: The episode.
    """

    suite: str
    case: EpisodeCase

    def key(self, task: str) -> CaseKey:
        """Key of its result; see `il_ros.evaluation.failure_detection.case_key`."""
        return task, self.case.seed, (self.case.name,) if self.case.name else ()


def plan_suites(
    suites: Iterable[str],
    episodes: int,
    perturbations: Mapping[str, Sequence[Perturbation]],
    *,
    floor: int,
) -> list[PlannedEpisode]:
    """Plan the episodes of these suites, suite by suite.

    A plan with more episodes begins with the same cases.

    Args:
        suites: Keys of `il_ros.evaluation.suites.SUITES`.
        episodes: Number of episodes per suite.
        perturbations: Perturbations of the disturbed suites, by name.
        floor: Most episodes of the heuristic, whose failures take the full time limit.

    Raises:
        UnknownNameError: If there is no such suite.
        EvaluationError: If there is no perturbation, or there are too few seeds.
    """
    plan = []
    for name in dict.fromkeys(suites):
        if name not in SUITES:
            raise UnknownNameError(f'unknown suite {name}', allowed=SUITES)
        suite = SUITES[name]
        count = min(floor, episodes) if suite.controller == 'heuristic' else episodes
        disturbed = suite.seeds == 'ood'
        cases = perturbed_cases(count, perturbations) if disturbed else nominal_cases(count)
        plan += [PlannedEpisode(suite=name, case=case) for case in cases]
    return plan


def nominal_cases(count: int, start: int = 0) -> list[EpisodeCase]:
    """Undisturbed episodes on seeds reserved for evaluation, beginning at index `start`."""
    return [EpisodeCase(seed=seed) for seed in draw_seeds('nominal', count, start)]


def perturbed_cases(
    count: int, perturbations: Mapping[str, Sequence[Perturbation]], start: int = 0
) -> list[EpisodeCase]:
    """Disturbed episodes that cycle through the perturbations, beginning at seed index `start`.

    Raises:
        EvaluationError: If there is no perturbation.
    """
    if not perturbations:
        raise EvaluationError(
            'no perturbation to draw from',
            where='perturbations',
            allowed='at least one',
            fix='name the perturbations for the simulator to apply',
        )
    return [
        EpisodeCase(seed=seed, name=name, perturbations=tuple(perturbations[name]))
        for seed, name in zip(draw_seeds('ood', count, start), cycle(perturbations), strict=False)
    ]
