"""What is normal, and what every score of the registry has in common."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from il_ros.core.errors import IlRosError
from il_ros.core.registry import lookup
from il_ros.monitors.scores.score import SCORES, NominalData, ScoreInput

SEEING = sorted(set(SCORES) - {'tce', 'deviation'})
LEARNED = ('knn', 'rnd', 'flow', 'ensemble', 'stac', 'cusum', 'clustered_mahalanobis')


def run(score, score_inputs):
    score.reset()
    return [score.score(score_input) for score_input in score_inputs]


def test_actions_are_changes_in_units_of_their_spread():
    # Changes of joint 0 are 1 and 3 (mean 2, spread 1); joint 1 never moves and has the least.
    nominal = NominalData(
        features=np.zeros((2, 1)),
        lengths=[2],
        position=np.array([[1.0, 5.0], [2.0, 5.0]]),
        chunks=np.array([[[2.0, 5.0]], [[5.0, 5.0]]]),
    )
    np.testing.assert_allclose(nominal.spread, [1.0, 1e-3])
    np.testing.assert_allclose(nominal.actions, [[[1.0, 0.0]], [[3.0, 0.0]]])


@pytest.mark.parametrize('name', SCORES)
def test_saved_and_loaded_it_scores_the_same(name, fitted, fresh, tmp_path):
    score = fitted(name)
    save_file(score.arrays(), tmp_path / 'score.safetensors')
    again = lookup('score', name, SCORES).from_arrays(load_file(tmp_path / 'score.safetensors'))
    expected = run(score, fresh.score_inputs())
    np.testing.assert_array_equal(run(again, fresh.score_inputs()), expected)
    assert np.isfinite(expected[1:]).all()
    for key, array in again.arrays().items():
        np.testing.assert_array_equal(array, score.arrays()[key])


@pytest.mark.parametrize('name', SCORES)
def test_after_a_reset_an_episode_scores_the_same(name, fitted, fresh):
    score = fitted(name)
    first = run(score, fresh.score_inputs())
    np.testing.assert_array_equal(run(score, fresh.score_inputs()), first)


@pytest.mark.parametrize('name', SCORES)
def test_what_is_not_there_cannot_be_told(name, fitted):
    assert np.isnan(fitted(name).score(ScoreInput(time=0.0)))


@pytest.mark.parametrize('name', SCORES)
def test_nothing_is_told_before_the_fit(name, fresh):
    score = lookup('score', name, SCORES)()
    with pytest.raises(IlRosError, match=r'score: (features have|chunk has) shape'):
        score.score(fresh.score_inputs()[0])


@pytest.mark.parametrize('name', SEEING)
def test_a_feature_that_is_nan_makes_the_score_nan_and_leaves_no_trace(name, fitted, fresh):
    score_inputs = fresh.score_inputs()[:6]
    features = score_inputs[3].features.copy()
    features[4] = np.nan
    broken = [*score_inputs[:3], replace(score_inputs[3], features=features), *score_inputs[4:]]
    found = run(fitted(name), broken)
    assert np.isnan(found[3])
    assert np.isfinite(found[4:]).all()


@pytest.mark.parametrize('name', SEEING)
def test_features_of_another_size_are_refused(name, fitted, fresh):
    score_input = replace(fresh.score_inputs()[0], features=np.zeros(5))
    with pytest.raises(IlRosError, match=r'score: features have shape \(5,\); allowed: \(6,\)'):
        fitted(name).score(score_input)


@pytest.mark.parametrize('name', SEEING)
def test_features_that_are_not_finite_cannot_be_fitted_to(name, reaching):
    features = reaching.features.copy()
    features[7, 0] = np.inf
    with pytest.raises(IlRosError, match=r'score features: cannot fit.*rows \(F, D\)'):
        lookup('score', name, SCORES)().fit(replace(reaching.nominal(), features=features))


@pytest.mark.parametrize('name', SCORES)
def test_a_missing_array_is_named(name, fitted):
    arrays = fitted(name).arrays()
    gone = sorted(arrays)[-1]
    arrays.pop(gone)
    with pytest.raises(IlRosError, match=f'score: {gone} missing; allowed: '):
        lookup('score', name, SCORES).from_arrays(arrays)


@pytest.mark.parametrize('name', SCORES)
def test_an_array_with_a_dimension_too_many_is_refused(name, fitted):
    arrays = fitted(name).arrays()
    arrays = {key: array[None] for key, array in arrays.items()}
    with pytest.raises(IlRosError, match=r'score: .* do not belong together; allowed: '):
        lookup('score', name, SCORES).from_arrays(arrays)


@pytest.mark.parametrize('name', LEARNED)
def test_a_seed_gives_the_same_score_and_another_one_another(name, reaching, monkeypatch):
    for module in ('rnd', 'flow', 'ensemble'):
        monkeypatch.setattr(f'il_ros.monitors.scores.{module}._STEPS', 20)
    monkeypatch.setattr('il_ros.monitors.scores.knn._POINTS', 50)
    one, same, other = (
        lookup('score', name, SCORES)().fit(reaching.nominal(seed)).arrays() for seed in (3, 3, 4)
    )
    for key, array in one.items():
        np.testing.assert_array_equal(array, same[key])
    assert any(not np.array_equal(array, other[key]) for key, array in one.items())


@pytest.mark.parametrize('name', sorted(set(SEEING) - {'stac', 'cusum'}))
def test_a_frame_far_from_all_others_is_stranger_than_any(name, fitted, fresh):
    usual = run(fitted(name), fresh.score_inputs())
    for direction in np.eye(6):
        away = ScoreInput(time=0.0, features=fresh.features[20] + 5.0 * direction)
        assert fitted(name).score(away) > 2.0 * max(usual)
