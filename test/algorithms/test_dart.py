import numpy as np
import pytest
from coaching import Linear, a_step, some_steps

from il_ros.algorithms.dart import noise_covariance
from il_ros.algorithms.query_rules import RoundContext, make_rule
from il_ros.core.errors import IlRosError


def test_the_noise_has_the_shape_of_the_errors_and_the_size_that_is_expected():
    errors = np.array([[2.0, 0.0], [0.0, 1.0], [-2.0, 0.0], [0.0, -1.0]])
    # moment: diag(8 / 4, 2 / 4) = diag(2, 0.5), trace 2.5; scaled to a trace of 0.1
    np.testing.assert_allclose(noise_covariance(errors, 0.1), [[0.08, 0], [0, 0.02]])


def test_a_learner_without_error_gets_noise_all_round():
    np.testing.assert_allclose(noise_covariance(np.zeros((5, 2)), 0.1), [[0.05, 0], [0, 0.05]])


def test_the_expert_drives_and_is_disturbed():
    rule = make_rule('dart', ['error=0.5'])
    expert = np.array([[1.0, 0.0], [-1.0, 0.0]], np.float32)
    steps = some_steps(2, action=2, expert=expert, asked=np.ones(2, bool))
    rule.begin_round(RoundContext(number=2, actor=Linear(np.zeros((2, 3))), steps=steps, seed=0))
    rule.begin_episode(np.random.default_rng(0))
    decisions = [rule.decide(a_step(action=(0.0, 0.0))) for _ in range(3000)]
    assert {(d.driver, d.ask) for d in decisions} == {('expert', True)}
    noise = np.array([d.noise for d in decisions])
    np.testing.assert_allclose(noise.var(axis=0), [0.5, 0.0], atol=0.05)  # all error is in joint 0


def test_before_the_first_round_the_learners_errors_on_the_demonstrations_count():
    rule = make_rule('dart', ['error=0.5'])
    steps = some_steps(
        2, expert=np.ones((2, 1), np.float32), policy=np.full((2, 1), np.nan, np.float32),
        round=np.zeros(2, np.int32),
    )  # fmt: skip
    rule.begin_round(RoundContext(number=1, actor=Linear(np.zeros((1, 3))), steps=steps, seed=0))
    np.testing.assert_allclose(rule.covariance, [[0.5]])


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(IlRosError) as caught:
        make_rule('dart', ['error=0'])
    assert str(caught.value) == 'dart.error: got 0.0; allowed: more than 0'
