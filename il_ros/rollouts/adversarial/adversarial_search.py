"""Searches for the smallest disturbance that makes an episode fail.

The search begins with random disturbances of all magnitudes. CMA-ES then refines the best
disturbance of each scene in which the smallest ones failed. Last, bisection finds the boundary of
each number by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
from cmaes import CMA

from il_ros.core.errors import IlRosError, require
from il_ros.core.limits import Array
from il_ros.rollouts.adversarial.search_space import Parameter, SearchSpace
from il_ros.rollouts.episode_cases import EpisodeCase
from il_ros.rollouts.rollout import Rollout
from il_ros.sim.perturbations import Perturbation

NOTHING: Mapping[str, float] = MappingProxyType({})
Phase = Literal['undisturbed', 'random', 'cma_es', 'boundary']


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """Settings of a search.

    Attributes:
        random: Episodes with random disturbances, over the scenes in turn.
        searches: Scenes that CMA-ES then searches, those with the smallest failing disturbances.
        generations: Generations of each CMA-ES search.
        sigma: Initial step size of CMA-ES, as a fraction of the bounds.
        boundaries: Bisection steps for each number by itself, in the first of these scenes; 0
            skips them.
        seed: Seed of all random numbers.
    """

    random: int = 100
    searches: int = 3
    generations: int = 12
    sigma: float = 0.2
    boundaries: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        counts = (self.random, self.searches, self.generations, self.boundaries, self.seed)
        fine = min(counts) >= 0 and self.random >= 1 and self.sigma > 0
        allowed = 'counts and seed of at least 0, random of at least 1, sigma above 0'
        require(fine, self, 'search', allowed)


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


class Search:
    """One search. The same seed, space and reproducible episodes give the same result.

    Args:
        space: Possible disturbances.
        run: Runs an episode.
        limit: Time limit of the task [s].
        config: Settings.
        watch: Called after each trial.
    """

    def __init__(
        self,
        space: SearchSpace,
        run: Callable[[EpisodeCase], Rollout],
        *,
        limit: float,
        config: SearchConfig,
        watch: Callable[[Trial], None] = lambda trial: None,
    ) -> None:
        self._space, self._run, self._limit = space, run, limit
        self._config, self._watch = config, watch
        self._rng = np.random.default_rng(config.seed)
        self._trials: list[Trial] = []

    def search(self) -> SearchResult:
        """Run the whole search.

        Raises:
            IlRosError: If every scene fails undisturbed.
        """
        seeds = self._sound_scenes()
        for i in range(self._config.random):
            self._disturbed('random', seeds[i % len(seeds)], self._scattered())
        best = sorted(map(self._best, seeds[: self._config.random]), key=severity)
        best = best[: self._config.searches]
        for trial in best:
            self._refine(trial)
        boundaries = self._boundaries(best[0].seed) if best and self._config.boundaries else []
        return SearchResult(trials=tuple(self._trials), boundaries=tuple(boundaries))

    def _sound_scenes(self) -> list[int]:
        """Scenes that succeed undisturbed; failures in the others are not due to a disturbance."""
        trials = [self._trial('undisturbed', seed) for seed in self._space.seeds]
        sound = [trial.seed for trial in trials if trial.success]
        if not sound:
            raise IlRosError(
                f'each of {len(trials)} scenes fails undisturbed; the last: {trials[-1].outcome} '
                f'{trials[-1].reason}'.rstrip(),
                where='search',
                fix='search with a policy that succeeds when nothing goes wrong',
            )
        return sound

    def _scattered(self) -> Array:
        """A random point of the cube, scaled towards the undisturbed point.

        Uniform points alone would all be large disturbances, since few of their numbers are small.
        """
        reach = self._rng.uniform()
        shares = self._rng.uniform(size=len(self._space.parameters))
        neutral = [
            share if p.neutral is None else p.share(p.neutral)
            for p, share in zip(self._space.parameters, shares, strict=True)
        ]
        return np.asarray(neutral + reach * (shares - neutral))

    def _best(self, seed: int) -> Trial:
        return min((t for t in self._trials if t.seed == seed and t.values), key=severity)

    def _refine(self, trial: Trial) -> None:
        """Search the scene of a trial from its point, within the unit cube."""
        shares = [p.share(trial.values[p.name]) for p in self._space.parameters]
        strategy = CMA(
            mean=np.clip(shares, 0.0, 1.0),
            sigma=self._config.sigma,
            bounds=np.tile([0.0, 1.0], (len(shares), 1)),
            seed=int(self._rng.integers(2**32)),
        )
        for _ in range(self._config.generations):
            points = [strategy.ask() for _ in range(strategy.population_size)]
            trials = [self._disturbed('cma_es', trial.seed, point) for point in points]
            values = [one.objective for one in trials]
            strategy.tell(list(zip(points, values, strict=True)))

    def _boundaries(self, seed: int) -> Iterator[Boundary]:
        for p in self._space.parameters:
            if p.neutral is None or not self._space.has_effect(p):
                continue
            neutral = min(max(p.neutral, p.low), p.high)
            for bound in (p.low, p.high):
                if bound != neutral:
                    yield self._boundary(p, seed, neutral, bound)

    def _boundary(self, p: Parameter, seed: int, neutral: float, bound: float) -> Boundary:
        if self._alone(p, seed, bound):
            return Boundary(parameter=p.name, seed=seed, bound=bound, holds=bound, fails=None)
        if p.neutral is not None and neutral != p.neutral and not self._alone(p, seed, neutral):
            holds = p.neutral  # the scene succeeded undisturbed; the bounds begin beyond that
            return Boundary(parameter=p.name, seed=seed, bound=bound, holds=holds, fails=neutral)
        good, bad = p.share(neutral), p.share(bound)
        for _ in range(self._config.boundaries):
            middle = 0.5 * (good + bad)
            if self._alone(p, seed, p.value(middle)):
                good = middle
            else:
                bad = middle
        return Boundary(
            parameter=p.name, seed=seed, bound=bound, holds=p.value(good), fails=p.value(bad)
        )

    def _alone(self, p: Parameter, seed: int, value: float) -> bool:
        perturbations = self._space.alone(p, value)
        return self._trial('boundary', seed, {p.name: value}, perturbations).success

    def _disturbed(self, phase: Phase, seed: int, point: Array) -> Trial:
        values = self._space.values(point)
        return self._trial(phase, seed, values, self._space.perturbations(values))

    def _trial(
        self,
        phase: Phase,
        seed: int,
        values: Mapping[str, float] = NOTHING,
        perturbations: Sequence[Perturbation] = (),
    ) -> Trial:
        rollout = self._run(EpisodeCase(seed=seed, name=phase, perturbations=tuple(perturbations)))
        trial = Trial(
            phase=phase,
            seed=seed,
            values=values,
            perturbations=tuple(perturbations),
            size=self._space.size(values),
            success=rollout.success,
            progress=rollout.progress,
            duration=rollout.duration,
            slack=float(np.clip(1.0 - rollout.duration / self._limit, 0.0, 1.0)),
            outcome=rollout.outcome,
            reason=rollout.reason,
        )
        self._trials.append(trial)
        self._watch(trial)
        return trial
