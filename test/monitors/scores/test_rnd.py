"""A network that predicts another one where it was shown how."""

import numpy as np

from il_ros.monitors.scores.rnd import RandomNetworkDistillation
from il_ros.monitors.scores.score import ScoreInput
from il_ros.monitors.scores.score_networks import Networks


def test_the_error_by_hand():
    # The identity through three layers of ones, for the target; twice that for the prediction.
    # Both outputs see the sum of relu(2) = 2 and relu(-1) = 0, so that the error is 2.
    eye = np.eye(2)[None]
    target = Networks([eye, eye, np.ones((1, 2, 2))], [np.zeros((1, 2))] * 3, 'relu')
    twice = Networks([eye, eye, 2.0 * np.ones((1, 2, 2))], [np.zeros((1, 2))] * 3, 'relu')
    arrays = Networks.side_by_side(target, twice).arrays()
    score = RandomNetworkDistillation.from_arrays(
        {'mean': np.array([1.0, 1.0]), 'scale': np.array([1.0, 2.0]), **arrays}
    )
    assert score.score(ScoreInput(time=0.0, features=np.array([3.0, -1.0]))) == 2.0


def test_the_prediction_is_good_where_it_was_learned(fitted, fresh, reaching):
    score = fitted('rnd')
    seen = [score.score(score_input) for score_input in reaching.score_inputs()]
    new = [score.score(score_input) for score_input in fresh.score_inputs()]
    # In spreads of what it predicts: 1 would be no better than to predict the mean.
    assert np.mean(seen) < 0.2
    assert np.mean(new) < 0.2


def test_two_features_that_do_not_go_together_are_noticed(fitted, fresh):
    score = fitted('rnd')
    features = fresh.features.copy()
    features[:, 4] += 0.7  # each one of these values occurs, but not where the joints are
    usual = [score.score(score_input) for score_input in fresh.score_inputs()]
    broken = [score.score(score_input) for score_input in fresh.score_inputs(features)]
    assert np.mean(broken) > 5.0 * np.mean(usual)
