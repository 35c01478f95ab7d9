"""CMA-ES: the tutorial's constants, known minima, bounds, and one result for one seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.errors import IlRosError
from il_ros.rollouts.adversarial.cma_es import CmaEs, constants, default_population, minimise


def sphere(points):
    return (points**2).sum(1)


def rosenbrock(points):
    a, b = points[:, :-1], points[:, 1:]
    return (100 * (b - a**2) ** 2 + (1 - a) ** 2).sum(1)


def run(function, start, *, seed=0, low=-10.0, high=10.0, generations=400, sigma=0.5):
    n = len(start)
    return minimise(
        function,
        np.array(start, float),
        sigma,
        lower=np.full(n, low),
        upper=np.full(n, high),
        generations=generations,
        rng=np.random.default_rng(seed),
    )


def test_constants_written_out_for_two_dimensions():
    # n = 2: lambda = 4 + floor(3 ln 2) = 6, w' = ln 3.5 - ln i
    assert default_population(2) == 6
    k = constants(2, 6)
    raw = np.log(3.5) - np.log([1, 2, 3])
    np.testing.assert_allclose(k.weights[:3], raw / raw.sum())
    mu_eff = raw.sum() ** 2 / (raw**2).sum()
    assert k.mu_eff == pytest.approx(mu_eff)
    assert k.c_sigma == pytest.approx((mu_eff + 2) / (2 + mu_eff + 5))
    assert k.c_1 == pytest.approx(2 / (3.3**2 + mu_eff))
    assert k.chi == pytest.approx(np.sqrt(2) * (1 - 1 / 8 + 1 / 84))


@given(st.integers(1, 40), st.integers(0, 60))
def test_constants_keep_the_covariance_positive(n, more):
    population = 4 + more
    k = constants(n, population)
    assert k.weights[: k.mu].sum() == pytest.approx(1.0)
    assert (np.diff(k.weights) <= 1e-12).all()
    assert (k.weights[k.mu :] <= 1e-12).all()
    assert 0 < k.c_1 + k.c_mu <= 1
    # What the rank-mu update takes away is never more than is there (equation 53).
    assert k.c_mu * n * np.abs(k.weights[k.mu :]).sum() <= 1 - k.c_1 - k.c_mu + 1e-9


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 8), st.integers(0, 2**31), st.floats(0.05, 2.0))
def test_the_sphere_is_solved_from_anywhere(n, seed, sigma):
    start = np.random.default_rng(seed).uniform(-5, 5, n)
    best, value = run(sphere, start, seed=seed, sigma=sigma, generations=300)
    assert value < 1e-8
    assert value == pytest.approx(sphere(best[None])[0])


@pytest.mark.parametrize('seed', range(3))
def test_rosenbrocks_valley_is_followed_to_its_end(seed):
    best, value = run(rosenbrock, [-1.0, 1.0, -0.5, 0.5], seed=seed, generations=600)
    # There is a second minimum near (-1, 1, 1, 1); both are known.
    assert value < 1e-8 or value == pytest.approx(3.7014, abs=1e-3)
    if value < 1:
        np.testing.assert_allclose(best, 1.0, atol=1e-3)


def test_an_ill_scaled_ellipsoid_shows_that_the_covariance_is_learnt():
    scales = 10.0 ** np.linspace(0, 6, 5)
    best, value = run(lambda x: (scales * x**2).sum(1), np.ones(5), generations=600)
    assert value < 1e-8
    np.testing.assert_allclose(best, 0.0, atol=1e-3)


@settings(max_examples=5, deadline=None)
@given(st.integers(2, 6), st.integers(0, 2**31))
def test_a_minimum_outside_is_found_on_the_edge_and_nothing_outside_is_tried(n, seed):
    def shifted(points):
        assert points.min() >= 0.0
        assert points.max() <= 1.0
        return ((points - target) ** 2).sum(1)

    target = np.random.default_rng(seed).uniform(-0.5, 1.5, n)
    best, _ = run(shifted, np.full(n, 0.5), seed=seed, low=0.0, high=1.0, sigma=0.2)
    np.testing.assert_allclose(best, np.clip(target, 0, 1), atol=1e-3)


def test_a_plateau_is_left_in_peace():
    best, value = run(lambda x: np.zeros(len(x)), np.full(3, 0.5), low=0.0, high=1.0)
    assert value == 0.0
    assert ((best >= 0) & (best <= 1)).all()


def test_one_seed_gives_one_result():
    first, second = (run(rosenbrock, [0.0, 0.0], seed=7, generations=50) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1] == second[1]
    assert run(rosenbrock, [0.0, 0.0], seed=8, generations=50)[1] != first[1]


@pytest.mark.parametrize(('sigma', 'population'), [(0.0, 8), (float('nan'), 8), (0.5, 3)])
def test_senseless_settings_are_refused(sigma, population):
    with pytest.raises(IlRosError, match=r'CMA-ES: step size .* allowed: step size > 0'):
        CmaEs(np.zeros(2), sigma, np.random.default_rng(0), population=population)
