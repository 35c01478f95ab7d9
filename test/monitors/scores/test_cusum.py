"""Small errors that last add up."""

from dataclasses import replace

import numpy as np
import pytest

from il_ros.monitors.scores.cusum import InputDrift
from il_ros.monitors.scores.score import ScoreInput


def independent():
    """Two features, independent, with means 0 and 10 and spreads 1 and 2."""
    return InputDrift.from_arrays(
        {'means': np.array([[0.0, 10.0]]), 'whitenings': np.diag([1.0, 0.5])[None]}
    )


def run(score, score_inputs):
    score.reset()
    return np.array([score.score(score_input) for score_input in score_inputs])


def ticks(*features):
    return [ScoreInput(time=0.1 * i, features=np.array(x)) for i, x in enumerate(features)]


def test_the_sums_by_hand():
    # Feature 0, up:   0 + 2 - 0.5 = 1.5, 1.5 + 1 - 0.5 = 2, 2 - 3 - 0.5 -> 0.
    # Feature 1, down: (8 - 10) / 2 = -1 each time: 0.5, 1, 1.5; feature 0, down, last: 2.5.
    found = run(independent(), ticks([2.0, 8.0], [1.0, 8.0], [-3.0, 8.0]))
    np.testing.assert_allclose(found, [1.5, 2.0, 2.5])


def test_the_surprise_is_that_of_a_feature_given_the_others():
    # Spreads 1, correlation r = 0.6: x_0 given x_1 has mean r x_1 and variance 1 - r^2.
    covariance = np.array([[1.0, 0.6], [0.6, 1.0]])
    whitening = np.linalg.inv(np.linalg.cholesky(covariance))
    score = InputDrift.from_arrays({'means': np.zeros((1, 2)), 'whitenings': whitening[None]})
    u = score.surprise(ScoreInput(time=0.0, features=np.array([1.0, 2.0])))
    np.testing.assert_allclose(u, [(1.0 - 1.2) / 0.8, (2.0 - 0.6) / 0.8])


def test_the_same_tick_again_adds_nothing():
    score = independent()
    (score_input,) = ticks([2.0, 10.0])
    assert score.score(score_input) == score.score(score_input) == 1.5


def test_a_nan_leaves_the_sums_alone():
    found = run(independent(), ticks([2.0, 10.0], [np.nan, 10.0], [2.0, 10.0]))
    np.testing.assert_array_equal(found, [1.5, np.nan, 3.0])


def test_noise_alone_does_not_add_up_and_half_a_shift_does():
    random = np.random.default_rng(0)
    noise = np.array([0.0, 10.0]) + random.standard_normal((5000, 2)) * [1.0, 2.0]
    usual = run(independent(), ticks(*noise))
    shifted = run(independent(), ticks(*np.add(noise, [1.0, 0.0])))
    assert usual.max() < 15.0
    assert shifted[-1] == pytest.approx(2500.0, rel=0.05)  # b - slack = 0.5 a tick


@pytest.fixture
def others(reaching):
    """Ten clean episodes that no score was fitted to."""
    return [type(reaching)(1, seed) for seed in range(1, 11)]


@pytest.fixture
def usual(fitted, others):
    """The largest score of a clean episode."""
    return max(run(fitted('cusum'), other.score_inputs()).max() for other in others)


def test_a_bias_too_small_for_one_tick_is_noticed(fitted, fresh, others, usual):
    features = fresh.features.copy()
    features[20:, 0] += 0.05  # five times the noise of the sensor
    found = run(fitted('cusum'), fresh.score_inputs(features))
    assert found.max() > 1.5 * usual
    distance = fitted('clustered_mahalanobis')
    clean = max(run(distance, other.score_inputs()).max() for other in others)
    assert run(distance, fresh.score_inputs(features)).max() < clean


def test_a_frozen_sensor_is_noticed_once_the_others_move_on(fitted, fresh, usual):
    features = fresh.features.copy()
    features[20:, 0] = features[20, 0]
    found = run(fitted('cusum'), fresh.score_inputs(features))
    assert found[:21].max() <= usual
    assert found[40] > 2.0 * usual


def test_an_object_that_might_as_well_lie_elsewhere_is_not_noticed(fitted, fresh, usual):
    features = fresh.features.copy()
    features[:, 2:] += 0.03  # object, and the difference to it with it
    found = run(fitted('cusum'), fresh.score_inputs(features))
    assert found.max() < 2.0 * usual


def test_it_recovers_slowly_and_forgets_at_a_reset():
    score = independent()
    found = run(score, ticks([10.0, 10.0], [0.0, 10.0], [0.0, 10.0]))
    np.testing.assert_allclose(found, [9.5, 9.0, 8.5])
    score.reset()
    assert score.score(replace(ticks([0.0, 10.0])[0], time=9.0)) == 0.0
