"""Which episodes are run: a seed of the scene, what goes wrong in it, and in which suite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from il_ros.core.errors import UnknownNameError
from il_ros.evaluation.failure_detection import CaseKey
from il_ros.evaluation.suites import SUITES, draw_seeds, nominal_seeds, ood_cases
from il_ros.sim.perturbations import Perturbation


@dataclass(frozen=True, kw_only=True)
class EpisodeCase:
    """One episode to run.

    Attributes:
        seed: Of the scene.
        name: What the perturbations are called; empty for none.
        perturbations: What goes wrong.
    """

    seed: int
    name: str = ''
    perturbations: tuple[Perturbation, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlannedEpisode:
    """One episode of an evaluation.

    Attributes:
        suite: How it is run: a key of `il_ros.evaluation.suites.SUITES`.
        case: What is run.
    """

    suite: str
    case: EpisodeCase

    def key(self, task: str) -> CaseKey:
        """What its result shares with it, see `il_ros.evaluation.failure_detection.case_key`."""
        return task, self.case.seed, (self.case.name,) if self.case.name else ()


def plan_suites(
    suites: Iterable[str],
    episodes: int,
    perturbations: Mapping[str, Sequence[Perturbation]],
    *,
    floor: int,
) -> list[PlannedEpisode]:
    """The episodes of these suites, suite by suite; more of them begin with the same ones.

    Args:
        suites: Keys of `il_ros.evaluation.suites.SUITES`.
        episodes: How many a suite.
        perturbations: What goes wrong in the disturbed suites, by name.
        floor: How many at most where a heuristic drives: it fails slowly.

    Raises:
        UnknownNameError: If there is no such suite.
        EvaluationError: If there is no perturbation, or not that many seeds.
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


def undisturbed(seeds: Iterable[int]) -> list[EpisodeCase]:
    """Episodes in which nothing goes wrong."""
    return [EpisodeCase(seed=seed) for seed in seeds]


def calibration_cases(count: int, start: int = 0) -> list[EpisodeCase]:
    """Undisturbed episodes on seeds that are kept for calibration, from the `start`-th on."""
    return undisturbed(draw_seeds('calibration', count, start))


def nominal_cases(count: int, start: int = 0) -> list[EpisodeCase]:
    """Undisturbed episodes on seeds that only ever evaluate, from the `start`-th on."""
    return undisturbed(nominal_seeds(count, start))


def perturbed_cases(
    count: int, perturbations: Mapping[str, Sequence[Perturbation]], start: int = 0
) -> list[EpisodeCase]:
    """Disturbed episodes, each perturbation in its turn, from the `start`-th seed on.

    Raises:
        EvaluationError: If there is no perturbation.
    """
    return [
        EpisodeCase(seed=seed, name=name, perturbations=tuple(perturbations[name]))
        for seed, name in ood_cases(count, tuple(perturbations), start)
    ]
