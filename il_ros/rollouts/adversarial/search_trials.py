"""What an adversarial search has tried, and what it is judged by."""

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
        phase: What it was run for.
        seed: Of the scene.
        values: The searched numbers by name; empty where there are none.
        perturbations: What went wrong.
        size: How large the disturbance was, 0 to 1; see `Space.size`.
        success: Whether the task was done, with nobody having stopped it.
        progress: How much of the way was done, 0 to 1.
        duration: From the reset to the goal, the time limit or the stop [s].
        slack: Share of the time limit that was left, 0 to 1.
        outcome: In words: success, stopped, or time limit.
        reason: Why it was stopped.
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
        """What is minimised: the size of a failure; 1 + slack of a success.

        So every failure is below every success, the smallest disturbance that fails is the best,
        and among successes the slowest is nearest to a failure.
        """
        return 1.0 + self.slack if self.success else self.size


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """Where one number by itself begins to make a scene fail.

    Attributes:
        parameter: Its name.
        seed: Of the scene.
        bound: The bound that was gone towards from the neutral number.
        holds: The number farthest out with which the episode still succeeded.
        fails: The number nearest to it with which it failed; none up to the bound.
    """

    parameter: str
    seed: int
    bound: float
    holds: float
    fails: float | None


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What a search found.

    Attributes:
        trials: Every episode, in the order in which they ran.
        boundaries: Of each number by itself.
    """

    trials: tuple[Trial, ...]
    boundaries: tuple[Boundary, ...]

    def of(self, phase: Phase) -> list[Trial]:
        """The trials of one phase."""
        return [trial for trial in self.trials if trial.phase == phase]


def severity(trial: Trial) -> tuple[float, float]:
    """Orders trials, the most telling first: by objective, then by how little was achieved."""
    return trial.objective, trial.progress
