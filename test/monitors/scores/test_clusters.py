"""The clustered distance follows a motion through its phases."""

import numpy as np
import pytest

from il_ros.core.errors import IlRosError
from il_ros.core.registry import lookup
from il_ros.monitors.scores.clusters import ClusteredMahalanobis, k_means
from il_ros.monitors.scores.mahalanobis import Mahalanobis
from il_ros.monitors.scores.score import SCORES, NominalData, ScoreInput


def two_phases(n=2000, seed=0):
    """A motion that is at -1 with the hand open, then at +1 with it closed, never between."""
    rng = np.random.default_rng(seed)
    phase = rng.choice([-1.0, 1.0], n)
    return np.stack([phase, phase, 0 * phase], axis=1) + 0.05 * rng.standard_normal((n, 3))


def nominal(X, seed=0):
    still = np.zeros((len(X), 1))
    return NominalData(
        features=X, lengths=[len(X)], position=still, chunks=still[:, None], seed=seed
    )


def fit(X, seed=0):
    return ClusteredMahalanobis().fit(nominal(X, seed))


def at(x):
    return ScoreInput(time=0.0, features=x)


def test_a_mixture_of_phases_is_novel_where_one_gaussian_sees_nothing():
    X = two_phases()
    between = np.array([0.0, 0.0, 0.0])
    known = fit(X)
    seen = max(known.score(at(x)) for x in X[:200])
    assert Mahalanobis().fit(nominal(X)).score(at(between)) < 2.0
    assert known.score(at(between)) > 2 * seen


def test_few_frames_give_one_gaussian():
    X = two_phases(n=90)
    x = np.array([0.3, -0.2, 0.1])
    expected = Mahalanobis().fit(nominal(X)).score(at(x))
    assert fit(X).score(at(x)) == pytest.approx(expected)


def test_saved_and_loaded_it_scores_the_same():
    known = fit(two_phases())
    again = lookup('score', 'clustered_mahalanobis', SCORES).from_arrays(known.arrays())
    x = np.array([0.4, 0.1, -0.3])
    assert again.score(at(x)) == known.score(at(x))


def test_fitting_is_repeatable():
    first, second = (fit(two_phases()) for _ in range(2))
    for name, array in first.arrays().items():
        np.testing.assert_array_equal(array, second.arrays()[name])


def test_the_nearest_of_all_clusters_counts():
    rng = np.random.default_rng(4)
    X = np.concatenate([rng.normal(c, 0.1, (300, 4)) for c in np.eye(4) * 3 + 5])
    known = fit(X)
    for x in rng.normal(6.0, 3.0, (200, 4)):
        offsets = (x - known.means)[:, :, None]
        distances = np.linalg.norm(known.whitenings @ offsets, axis=(1, 2))
        assert known.score(at(x)) == pytest.approx(distances.min(), rel=1e-4)


def test_a_seed_draws_other_clusters():
    assert not np.array_equal(fit(two_phases(), 1).means, fit(two_phases(), 2).means)


def test_k_means_finds_groups_that_lie_apart():
    X = np.concatenate([np.full((30, 2), 0.0), np.full((50, 2), 9.0)])
    X = X + 0.1 * np.random.default_rng(1).standard_normal(X.shape)
    members = k_means(X, 2)
    assert len(set(members[:30])) == len(set(members[30:])) == 1
    assert members[0] != members[-1]


def test_k_means_copes_with_fewer_different_rows_than_clusters():
    assert set(k_means(np.zeros((10, 3)), 4)) == {0}


@pytest.mark.parametrize(
    ('arrays', 'text'),
    [
        ({'means': np.zeros((2, 3))}, 'whitenings missing'),
        (
            {'means': np.zeros((2, 3)), 'whitenings': np.zeros((2, 3, 2))},
            r'means \(2, 3\) and whitenings \(2, 3, 2\) do not belong together',
        ),
    ],
)
def test_damaged_arrays_are_refused(arrays, text):
    with pytest.raises(IlRosError, match=text):
        ClusteredMahalanobis.from_arrays(arrays)


def test_features_of_another_size_are_refused():
    with pytest.raises(IlRosError, match=r'features have shape \(2,\); allowed: \(3,\)'):
        fit(two_phases()).score(at(np.zeros(2)))
