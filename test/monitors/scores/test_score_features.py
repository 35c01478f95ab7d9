"""Features on one scale, and training data that fits together."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from il_ros.core.errors import IlRosError
from il_ros.monitors.scores.score import NominalData, ScoreInput
from il_ros.monitors.scores.score_features import (
    StandardisedScore,
    scales_of,
    training_features,
    training_spread,
)

NORMAL = NominalData(
    features=np.arange(6.0).reshape(3, 2),
    lengths=[1, 2],
    position=np.zeros((3, 2)),
    chunks=np.ones((3, 4, 2)),
)


class Spy(StandardisedScore):
    """Keeps the standardised features that it is fitted to and asked about."""

    _where = 'x score'
    _shapes: ClassVar = {'mean': 'D', 'scale': 'D'}

    def __init__(self):
        super().__init__()
        self.seen = []

    def _fitted(self, Z, nominal):
        self.seen.append(Z)
        return []

    def _of(self, z):
        self.seen.append(z)
        return 0.0


def test_training_data_that_fits_together_is_taken():
    np.testing.assert_array_equal(training_features(NORMAL), NORMAL.features)
    assert training_spread(NORMAL).shape == (2,)


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        ({'features': np.zeros((1, 2))}, r'array of shape \(1, 2\); allowed: at least two rows'),
        ({'features': np.zeros(3)}, r'array of shape \(3,\)'),
        ({'features': np.full((3, 2), np.nan)}, 'finite numbers'),
        ({'lengths': [1, 1]}, '3 frames, but the episodes have 2; allowed: as many frames'),
    ],
)
def test_features_that_do_not_fit_are_refused(change, text):
    with pytest.raises(IlRosError, match=text):
        training_features(replace(NORMAL, **change))


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        ({'position': np.zeros((3, 1))}, r'chunks \(3, 4, 2\) and position \(3, 1\); allowed: fi'),
        ({'position': np.zeros((2, 2))}, r'position \(2, 2\)'),
        ({'chunks': np.zeros((3, 2))}, r'chunks \(3, 2\)'),
        ({'chunks': np.zeros((3, 0, 2))}, r'chunks \(3, 0, 2\)'),
        ({'chunks': np.full((3, 4, 2), np.nan)}, r'finite numbers of shapes \(F, H, N\)'),
        ({'position': np.full((3, 2), np.nan)}, r'finite numbers of shapes \(F, H, N\)'),
    ],
)
def test_actions_that_do_not_fit_are_refused(change, text):
    with pytest.raises(IlRosError, match=text):
        training_spread(replace(NORMAL, **change))


def test_standardised_by_hand():
    # Feature 0 has mean 2 and spread 2; feature 1 never varies: a thousandth of its size, 10.
    features = np.array([[0.0, 10.0], [4.0, 10.0], [0.0, 10.0], [4.0, 10.0]])
    nominal = replace(NORMAL, features=features, lengths=[4])
    spy = Spy().fit(nominal)
    spy.score(ScoreInput(time=0.0, features=np.array([5.0, 10.02])))
    np.testing.assert_allclose(spy.seen[1], [1.5, 2.0])
    np.testing.assert_allclose(spy.seen[0], [[-1.0, 0.0], [1.0, 0.0]] * 2)


def test_rounding_noise_is_no_spread():
    X = np.array([[0.3], [0.3 + 1e-12]])
    np.testing.assert_allclose(scales_of(X), [1e-3])


def test_no_features_are_not_known_and_others_are_refused():
    spy = Spy.from_arrays({'mean': np.zeros(2), 'scale': np.ones(2)})
    assert np.isnan(spy.score(ScoreInput(time=0.0)))
    assert not spy.seen
    with pytest.raises(IlRosError, match=r'^x score: features have shape \(3,\); allowed: \(2,\)$'):
        spy.score(ScoreInput(time=0.0, features=np.zeros(3)))
