"""One step of a flow takes training frames to nothing and others not."""

import numpy as np
import pytest

from il_ros.monitors.scores.flow import FlowDensity
from il_ros.monitors.scores.score import ScoreInput


def test_the_noise_by_hand():
    # No velocity at all but a bias of 1: noise is (3 - 1) / 2 + 1 = 2 and (0 - 0) / 1 + 1 = 1.
    nothing = {f'weight_{i}': np.zeros((1, 2, 2)) for i in range(3)}
    biases = {f'bias_{i}': np.zeros((1, 2)) for i in range(2)}
    score = FlowDensity.from_arrays(
        {
            'mean': np.array([1.0, 0.0]),
            'scale': np.array([2.0, 1.0]),
            **nothing,
            **biases,
            'bias_2': np.ones((1, 2)),
        }
    )
    assert score.score(ScoreInput(time=0.0, features=np.array([3.0, 0.0]))) == 5.0


def test_training_frames_go_to_nothing(fitted, reaching):
    score = fitted('flow')
    seen = [score.score(score_input) for score_input in reaching.score_inputs()]
    # The best one-step answer is 0 in each of 6 dimensions; a frame itself has 1 in each.
    assert np.mean(seen) < 0.6


def test_far_away_it_grows_with_the_square_of_the_distance(fitted, fresh):
    score = fitted('flow')
    near, far = (
        score.score(ScoreInput(time=0.0, features=fresh.features[0] + reach * np.ones(6)))
        for reach in (50.0, 100.0)
    )
    assert far / near == pytest.approx(4.0, rel=0.3)


def test_two_features_that_do_not_go_together_are_noticed(fitted, fresh):
    score = fitted('flow')
    features = fresh.features.copy()
    features[:, 4] += 0.7
    usual = [score.score(score_input) for score_input in fresh.score_inputs()]
    broken = [score.score(score_input) for score_input in fresh.score_inputs(features)]
    assert np.mean(broken) > 3.0 * np.mean(usual)
