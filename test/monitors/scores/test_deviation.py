"""The policy's answer against a heuristic's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.errors import IlRosError
from il_ros.monitors.scores.deviation import HeuristicDeviation
from il_ros.monitors.scores.score import ScoreInput


def score():
    return HeuristicDeviation.from_arrays({'spread': np.array([0.5, 2.0])})


def at(chunk, reference):
    return ScoreInput(
        time=0.0, chunk=np.array(chunk, float), reference=np.array(reference, float), step_dt=0.1
    )


def test_the_difference_by_hand():
    # Joint 0 off by 1, two spreads; joint 1 off by 2, one spread: mean square (4 + 1) / 2.
    assert score().score(at([[1, 0]], [[0, 2]])) == pytest.approx(np.sqrt(2.5))


def test_only_steps_of_both_count():
    assert score().score(at([[1, 1], [9, 9]], [[1, 1]])) == 0.0
    assert score().score(at([[1, 1]], [[1, 1], [9, 9], [9, 9]])) == 0.0


@given(st.lists(st.floats(-9, 9), min_size=4, max_size=4), st.floats(-5, 5))
def test_it_is_a_distance_whoever_comes_first_and_wherever_the_arm_is(values, place):
    chunk = np.array(values).reshape(2, 2)
    one, other = score().score(at(chunk, [[0, 0]] * 2)), score().score(at([[0, 0]] * 2, chunk))
    assert one == other >= 0.0
    moved = score().score(at(chunk + place, np.full((2, 2), place)))
    assert moved == pytest.approx(one, abs=1e-9)


def test_without_a_heuristic_nothing_is_told():
    assert np.isnan(score().score(ScoreInput(time=0.0, chunk=np.zeros((2, 2)))))


def test_a_sure_and_steady_policy_that_goes_elsewhere_is_noticed(fitted, fresh):
    deviation = fitted('deviation')
    usual = [deviation.score(score_input) for score_input in fresh.score_inputs()]
    away = [
        deviation.score(at(np.add(score_input.chunk, [0.3, 0.0]), score_input.chunk))
        for score_input in fresh.score_inputs()
    ]
    assert min(away) > max(usual) + 1.0


@pytest.mark.parametrize(
    ('chunk', 'reference', 'text'),
    [
        ([[1, 2, 3]], [[1, 2]], r'chunk has shape \(1, 3\); allowed: \(H, 2\)'),
        ([[1, 2]], [1, 2], r'deviation score: reference has shape \(2,\)'),
        (np.zeros((0, 2)), [[1, 2]], r'chunk has shape \(0, 2\)'),
    ],
)
def test_answers_of_other_joints_are_refused(chunk, reference, text):
    with pytest.raises(IlRosError, match=text):
        score().score(at(chunk, reference))
