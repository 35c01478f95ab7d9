"""Mahalanobis distance and the Ledoit-Wolf covariance under it."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from il_ros.core.errors import IlRosError
from il_ros.core.registry import lookup
from il_ros.monitors.scores.mahalanobis import Mahalanobis, ledoit_wolf
from il_ros.monitors.scores.score import SCORES, NominalData, ScoreInput


def sample(n, D, seed=0):
    rng = np.random.default_rng(seed)
    scales = np.linspace(0.5, 3.0, D)
    truth = np.diag(scales**2)
    return rng.normal(size=(n, D)) * scales, truth


def fit(X):
    still = np.zeros((len(X), 1))
    return Mahalanobis().fit(
        NominalData(features=X, lengths=[len(X)], position=still, chunks=still[:, None])
    )


def at(x):
    return ScoreInput(time=0.0, features=x)


def frobenius(M):
    return float(np.sum(M * M)) / len(M)  # the paper's norm: per dimension


def test_two_points_by_hand():
    # x = (1, 0) and (-1, 0): S = diag(1, 0), m = 1/2, d^2 = (1/4 + 1/4)/2 = 1/4. Both x x' equal
    # S, so b^2 = 0 and nothing is shrunk.
    covariance, shrinkage = ledoit_wolf(np.array([[1.0, 0.0], [-1.0, 0.0]]))
    assert shrinkage == 0.0
    np.testing.assert_allclose(covariance, np.diag([1.0, 0.0]))


def test_spread_is_the_mean_over_samples():
    X, _ = sample(30, 4)
    X = X - X.mean(axis=0)
    S = X.T @ X / 30
    # Lemma 3.4 written out: b^2 is the mean of ||x x' - S||^2 over n, divided by n.
    b2 = np.mean([frobenius(np.outer(x, x) - S) for x in X]) / 30
    d2 = frobenius(S - np.trace(S) / 4 * np.eye(4))
    assert ledoit_wolf(X)[1] == pytest.approx(min(b2, d2) / d2)


def test_it_keeps_the_trace_and_is_better_than_the_sample_covariance():
    shrunk_loss = sample_loss = 0.0
    for seed in range(20):
        X, truth = sample(30, 20, seed)
        covariance, shrinkage = ledoit_wolf(X)
        S = np.cov(X.T, bias=True)
        assert 0 < shrinkage < 1
        assert np.trace(covariance) == pytest.approx(np.trace(S))
        assert np.linalg.cond(covariance) < np.linalg.cond(S)
        shrunk_loss += frobenius(covariance - truth)
        sample_loss += frobenius(S - truth)
    assert shrunk_loss < sample_loss  # theorem 3.2, here in the mean


def test_it_is_invertible_with_fewer_samples_than_dimensions():
    X, _ = sample(10, 40)
    assert np.linalg.eigvalsh(ledoit_wolf(X)[0]).min() > 1e-3


def test_shrinkage_vanishes_with_many_samples_and_rotates_along():
    assert ledoit_wolf(sample(20_000, 5)[0])[1] < 0.01
    X, _ = sample(25, 6)
    Q, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(6, 6)))
    rotated, shrinkage = ledoit_wolf(X @ Q)
    covariance, same = ledoit_wolf(X)
    assert shrinkage == pytest.approx(same)
    np.testing.assert_allclose(rotated, Q.T @ covariance @ Q, atol=1e-10)


def test_scores_grow_with_the_distance_and_have_the_right_scale():
    X, _ = sample(5000, 40)
    score = fit(X)
    assert score.score(at(X.mean(axis=0))) == pytest.approx(0.0)
    squares = [score.score(at(x)) ** 2 for x in X]
    assert np.mean(squares) == pytest.approx(40.0, rel=0.05)  # chi-squared with 40 degrees
    assert score.score(at(X[0] + 30)) > score.score(at(X[0] + 10)) > max(squares) ** 0.5


def test_units_do_not_matter():
    X, _ = sample(200, 5)
    units = np.array([1.0, 1e3, 1e-3, 5.0, 1e-2])
    a, b = fit(X), fit(X * units + 3)
    assert a.score(at(X[7])) == pytest.approx(b.score(at(X[7] * units + 3)))


def test_a_constant_feature_that_changes_is_strange():
    X, _ = sample(200, 3)
    X = np.column_stack([X, np.full(200, 0.3)])
    score = fit(X)
    moved = X[0].copy()
    assert np.isfinite(score.score(at(moved)))
    moved[3] += 1e-6
    assert score.score(at(moved)) == pytest.approx(score.score(at(X[0])), rel=1e-3)
    moved[3] += 0.05
    assert score.score(at(moved)) > 30 * score.score(at(X[0]))


def test_saved_and_loaded_it_scores_the_same(tmp_path):
    X, _ = sample(50, 7)
    score = fit(X)
    save_file(score.arrays(), tmp_path / 'score.safetensors')
    again = Mahalanobis.from_arrays(load_file(tmp_path / 'score.safetensors'))
    assert again.score(at(X[3])) == score.score(at(X[3]))
    assert lookup('score', 'mahalanobis', SCORES) is Mahalanobis


def test_errors_say_what_is_wrong():
    with pytest.raises(IlRosError, match=r'array of shape \(1, 3\).*at least two rows'):
        fit(np.zeros((1, 3)))
    with pytest.raises(IlRosError, match='finite numbers'):
        fit(np.full((3, 3), np.nan))
    with pytest.raises(IlRosError, match='mahalanobis score: whitening missing'):
        Mahalanobis.from_arrays({'mean': np.zeros(3)})
    with pytest.raises(IlRosError, match='do not belong together'):
        Mahalanobis.from_arrays({'mean': np.zeros(3), 'whitening': np.eye(2)})
    with pytest.raises(IlRosError, match=r'features have shape \(1,\); allowed: \(3,\)'):
        fit(np.eye(3)).score(at(np.zeros(1)))
