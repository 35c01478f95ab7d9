"""Trials of an adversarial search and their objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from il_ros.sim.perturbations import Perturbation

Phase = Literal['undisturbed', 'random', 'cma_es', 'boundary']


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One episode of the search.

    Attributes:
        phase: Phase of the search.
        seed: Seed of the scene.
        values: Searched numbers by name; empty if undisturbed.
        perturbations: Applied perturbations.
        size: Size of the disturbance, 0 to 1; see `SearchSpace.size`.
        success: Whether the task was solved without a stop.
        progress: Progress on the task, 0 to 1.
        duration: From the reset to the goal, the time limit or the stop [s].
        slack: Fraction of the time limit that was left, 0 to 1.
        outcome: `success`, `stopped` or `time limit`.
        reason: Why the driver was stopped.
    """

    phase: Phase
    seed: int
    values: Mapping[str, float] = field(default_factory=dict)
    perturbations: tuple[Perturbation, ...] = ()
    size: float = 0.0
    success: bool
    progress: float
    duration: float
    slack: float
    outcome: str
    reason: str

    @property
    def objective(self) -> float:
        """The minimised value: size of a failure, or 1 + slack of a success.

        Every failure ranks below every success, the smallest failing disturbance is best, and the
        slowest success is nearest to a failure.
        """
        return 1.0 + self.slack if self.success else self.size


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """Where one number by itself begins to make a scene fail.

    Attributes:
        parameter: Name of the number.
        seed: Seed of the scene.
        bound: Bound in whose direction the search went from the neutral value.
        holds: Farthest value with which the episode succeeded.
        fails: Nearest value with which it failed; None if it succeeds up to the bound.
    """

    parameter: str
    seed: int
    bound: float
    holds: float
    fails: float | None


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """Result of a search.

    Attributes:
        trials: All episodes in the order in which they ran.
        boundaries: Boundaries of each number by itself.
    """

    trials: tuple[Trial, ...]
    boundaries: tuple[Boundary, ...]

    def of(self, phase: Phase) -> list[Trial]:
        """The trials of one phase."""
        return [trial for trial in self.trials if trial.phase == phase]


def severity(trial: Trial) -> tuple[float, float]:
    """Sort key of trials: objective, then progress; the worst failure comes first."""
    return trial.objective, trial.progress
