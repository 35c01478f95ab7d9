"""Which episodes are run: a seed of the scene, and what goes wrong in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from il_ros.evaluation.suites import draw_seeds, nominal_seeds, ood_cases
from il_ros.sim.perturbations import Perturbation


@dataclass(frozen=True, kw_only=True)
class Case:
    """One episode to run.

    Attributes:
        seed: Of the scene.
        name: What the perturbations are called; empty for none.
        perturbations: What goes wrong.
    """

    seed: int
    name: str = ''
    perturbations: tuple[Perturbation, ...] = ()


def undisturbed(seeds: Iterable[int]) -> list[Case]:
    """Episodes in which nothing goes wrong."""
    return [Case(seed=seed) for seed in seeds]


def calibration_cases(count: int, start: int = 0) -> list[Case]:
    """Undisturbed episodes on seeds that are kept for calibration, from the `start`-th on."""
    return undisturbed(draw_seeds('calibration', count, start))


def nominal_cases(count: int, start: int = 0) -> list[Case]:
    """Undisturbed episodes on seeds that only ever evaluate, from the `start`-th on."""
    return undisturbed(nominal_seeds(count, start))


def perturbed_cases(
    count: int, perturbations: Mapping[str, Sequence[Perturbation]], start: int = 0
) -> list[Case]:
    """Disturbed episodes, each perturbation in its turn, from the `start`-th seed on.

    Raises:
        EvaluationError: If there is no perturbation.
    """
    return [
        Case(seed=seed, name=name, perturbations=tuple(perturbations[name]))
        for seed, name in ood_cases(count, tuple(perturbations), start)
    ]
