"""The k-th nearest of a coreset."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from il_ros.monitors.scores.knn import NearestNeighbours, k_centres
from il_ros.monitors.scores.score import NominalData, ScoreInput


def fit(X):
    still = np.zeros((len(X), 1))
    nominal = NominalData(features=X, lengths=[len(X)], position=still, chunks=still[:, None])
    return NearestNeighbours().fit(nominal)


def at(x):
    return ScoreInput(time=0.0, features=np.array(x, dtype=float))


def test_the_third_nearest_by_hand():
    # Mean 3, spread sqrt(5): the third nearest of 0, 2, 4, 6 from 7 is 2, five away.
    score = fit(np.array([[0.0], [2.0], [4.0], [6.0]]))
    assert score.score(at([7.0])) == pytest.approx(5.0 / np.sqrt(5.0))


def test_it_finds_what_a_search_through_all_frames_finds():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((800, 12)) * np.linspace(0.1, 9.0, 12) + 4.0
    score = fit(X)
    assert len(score.arrays()['points']) == 800
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    for x in rng.standard_normal((50, 12)) * 7.0:
        z = (x - X.mean(axis=0)) / X.std(axis=0)
        third = np.sort(np.linalg.norm(Z - z, axis=1))[2]
        assert score.score(at(x)) == pytest.approx(third, rel=1e-6)


def test_two_odd_frames_vouch_for_nothing():
    X = np.concatenate([np.random.default_rng(0).normal(0, 1, (500, 2)), [[9.0, 9.0], [9.0, 9.1]]])
    score = fit(X)
    assert score.score(at([9.0, 9.0])) > 5.0 * score.score(at([0.0, 0.0]))


def test_fewer_frames_than_neighbours_are_enough():
    assert fit(np.array([[0.0], [2.0]])).score(at([2.0])) == pytest.approx(2.0)


def test_it_sees_a_gap_between_phases_that_a_single_gaussian_does_not(fitted):
    rng = np.random.default_rng(0)
    X = np.repeat([-1.0, 1.0], 400)[:, None] + 0.05 * rng.standard_normal((800, 3))
    score = fit(X)
    assert score.score(at([0.0, 0.0, 0.0])) > 3.0 * max(score.score(at(x)) for x in X[::10])


def test_a_large_training_set_is_thinned(monkeypatch):
    monkeypatch.setattr('il_ros.monitors.scores.knn._POINTS', 30)
    monkeypatch.setattr('il_ros.monitors.scores.knn._FRAMES', 100)
    X = np.random.default_rng(0).random((1000, 2))
    points = fit(X).arrays()['points']
    assert points.shape == (30, 2)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    distances = np.linalg.norm(Z[:, None] - points, axis=2).min(axis=1)
    assert distances.max() < 1.0  # the square is 3.5 spreads wide


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, (25, 2), elements=st.integers(-40, 40).map(float)), st.integers(1, 25))
def test_centres_cover_all_rows_at_least_half_as_well_as_they_lie_apart(X, count):
    chosen = k_centres(X, count)
    assert len(chosen) == len(set(chosen.tolist())) == count
    apart = np.linalg.norm(X[:, None] - X[chosen], axis=2)
    reach = apart.min(axis=1).max()
    between = apart[chosen] + np.where(np.eye(count, dtype=bool), np.inf, 0.0)
    # Gonzalez 1985: no two centres lie closer than the furthest row lies from its own.
    assert reach <= between.min() + 1e-2
