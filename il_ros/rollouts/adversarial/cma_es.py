"""CMA-ES: minimises a function of real numbers of which nothing but values is known.

Hansen, The CMA Evolution Strategy: A Tutorial, arXiv:1604.00772; symbols, default parameters
(table 1) and the update (figure 6), with negative weights, are those of the tutorial.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError

Array = NDArray[np.float64]
Objective = Callable[[Array], Array]
"""Values, shape (lambda,), of points, shape (lambda, n)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Constants:
    """Strategy parameters (table 1) for n dimensions.

    Attributes:
        weights: Recombination weights, best first, shape (lambda,); the first half adds up to 1,
            the rest is negative.
        mu: How many weights are positive.
        mu_eff: Variance-effective selection mass of the positive weights.
        c_sigma: Rate of the step-size path.
        d_sigma: Damping of the step size.
        c_c: Rate of the covariance path.
        c_1: Rate of the rank-one update.
        c_mu: Rate of the rank-mu update.
        chi: Expected length of a standard normal vector.
    """

    weights: Array
    mu: int
    mu_eff: float
    c_sigma: float
    d_sigma: float
    c_c: float
    c_1: float
    c_mu: float
    chi: float


def constants(n: int, population: int) -> Constants:
    """The default strategy parameters for n dimensions and so many points a generation."""
    raw = math.log((population + 1) / 2) - np.log(np.arange(1, population + 1))
    mu = population // 2
    good, bad = raw[:mu], raw[mu:]
    mu_eff = float(good.sum() ** 2 / (good**2).sum())
    mu_bad = float(bad.sum() ** 2 / (bad**2).sum())
    c_sigma = (mu_eff + 2) / (n + mu_eff + 5)
    c_1 = 2 / ((n + 1.3) ** 2 + mu_eff)
    c_mu = min(1 - c_1, 2 * (0.25 + mu_eff + 1 / mu_eff - 2) / ((n + 2) ** 2 + mu_eff))
    least = min(1 + c_1 / c_mu, 1 + 2 * mu_bad / (mu_eff + 2), (1 - c_1 - c_mu) / (n * c_mu))
    return Constants(
        weights=np.concatenate([good / good.sum(), least * bad / np.abs(bad).sum()]),
        mu=mu,
        mu_eff=mu_eff,
        c_sigma=c_sigma,
        d_sigma=1 + 2 * max(0.0, math.sqrt((mu_eff - 1) / (n + 1)) - 1) + c_sigma,
        c_c=(4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n),
        c_1=c_1,
        c_mu=c_mu,
        chi=math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n**2)),
    )


class CmaEs:
    """The distribution that points are drawn from, and how it learns from their values.

    Args:
        mean: Where to begin, shape (n,), n at least 1.
        sigma: Standard deviation in every direction at the beginning.
        rng: Source of the points.
        population: Points of a generation, lambda; the tutorial's default without.

    Attributes:
        mean: Centre of the distribution, shape (n,).
        sigma: Step size.
        covariance: Its covariance over sigma squared, shape (n, n).

    Raises:
        IlRosError: If sigma is not above zero, or the population is below 4.
    """

    def __init__(
        self, mean: Array, sigma: float, rng: np.random.Generator, *, population: int | None = None
    ) -> None:
        n = len(mean)
        self.population = population or default_population(n)
        if not sigma > 0 or self.population < 4:
            raise IlRosError(
                f'step size {sigma}, population {self.population}',
                where='CMA-ES',
                allowed='step size > 0, population >= 4',
            )
        self.mean, self.sigma = np.array(mean, np.float64), float(sigma)
        self.covariance: Array = np.eye(n)
        self._rng, self._constants = rng, constants(n, self.population)
        self._path_sigma: Array = np.zeros(n)
        self._path_c: Array = np.zeros(n)
        self._generation = 0
        self._decompose()

    def ask(self) -> Array:
        """The points of a generation, shape (lambda, n)."""
        normal = self._rng.standard_normal((self.population, len(self.mean)))
        return np.asarray(self.mean + self.sigma * (normal * self._scales) @ self._axes.T)

    def tell(self, points: Array, order: NDArray[np.intp]) -> None:
        """Learn from the points of a generation.

        Args:
            points: As `ask` gave them.
            order: Their places in the order of their values, the best first, shape (lambda,).
        """
        k, n = self._constants, len(self.mean)
        steps = (points[order] - self.mean) / self.sigma
        step = k.weights[: k.mu] @ steps[: k.mu]
        self.mean = self.mean + self.sigma * step
        self._generation += 1
        self._path_sigma = (1 - k.c_sigma) * self._path_sigma + math.sqrt(
            k.c_sigma * (2 - k.c_sigma) * k.mu_eff
        ) * self._whitened(step)
        length = float(np.linalg.norm(self._path_sigma))
        forgotten = 1 - (1 - k.c_sigma) ** (2 * self._generation)
        rising = length / math.sqrt(forgotten) < (1.4 + 2 / (n + 1)) * k.chi
        self._path_c = (1 - k.c_c) * self._path_c
        if rising:
            self._path_c += math.sqrt(k.c_c * (2 - k.c_c) * k.mu_eff) * step
        self._adapt(steps, lost=0.0 if rising else k.c_c * (2 - k.c_c))
        self.sigma *= math.exp(min(1.0, k.c_sigma / k.d_sigma * (length / k.chi - 1)))
        self._decompose()

    def _adapt(self, steps: Array, lost: float) -> None:
        """Update the covariance; `lost` makes up for a covariance path that stood still."""
        k, n = self._constants, len(self.mean)
        squares = (self._whitened(steps) ** 2).sum(1)
        # Bad steps of any length count alike, so that the covariance stays positive definite.
        weights = np.where(k.weights >= 0, k.weights, k.weights * n / np.maximum(squares, 1e-300))
        kept = 1 + k.c_1 * lost - k.c_1 - k.c_mu * k.weights.sum()
        self.covariance = (
            kept * self.covariance
            + k.c_1 * np.outer(self._path_c, self._path_c)
            + k.c_mu * (steps.T * weights) @ steps
        )

    def _whitened(self, steps: Array) -> Array:
        """C^(-1/2) times each step, shape (n,) or (rows, n)."""
        return np.asarray(((steps @ self._axes) / self._scales) @ self._axes.T)

    def _decompose(self) -> None:
        self.covariance = 0.5 * (self.covariance + self.covariance.T)
        squares, self._axes = np.linalg.eigh(self.covariance)
        self._scales: Array = np.sqrt(np.maximum(squares, 1e-20))


def default_population(n: int) -> int:
    """Points of a generation in n dimensions."""
    return 4 + math.floor(3 * math.log(n))


def minimise(
    objective: Objective,
    start: Array,
    sigma: float,
    *,
    lower: Array,
    upper: Array,
    generations: int,
    rng: np.random.Generator,
    population: int | None = None,
) -> tuple[Array, float]:
    """The best point that was tried within bounds, shape (n,), and its value.

    A point outside is tried at the nearest one inside, and a penalty that grows with the squared
    distance between the two is added to its value, weighted by how much the generation's values
    differ (as Hansen et al. 2009 do, IEEE Transactions on Evolutionary Computation 13(1),
    section IV-B).

    Args:
        objective: What to minimise; asked only within the bounds.
        start: Where to begin, shape (n,).
        sigma: Standard deviation in every direction at the beginning.
        lower: Least numbers, shape (n,).
        upper: Largest numbers, shape (n,).
        generations: How many.
        rng: Source of the points.
        population: Points of a generation; the tutorial's default without.
    """
    strategy = CmaEs(start, sigma, rng, population=population)
    best, least = np.clip(np.array(start, np.float64), lower, upper), math.inf
    for _ in range(generations):
        points = strategy.ask()
        inside = np.clip(points, lower, upper)
        values = np.asarray(objective(inside), np.float64)
        winner = int(np.argmin(values))
        if values[winner] < least:
            best, least = inside[winner], float(values[winner])
        distance = ((points - inside) ** 2).sum(1)
        spread = float(np.subtract(*np.percentile(values, [75, 25])))
        variance = strategy.sigma**2 * float(np.trace(strategy.covariance))
        penalised = values + 2 * spread * distance / variance
        strategy.tell(points, np.lexsort((distance, penalised)))
    return best, least
