"""Temporal consistency of consecutive chunks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.errors import IlRosError
from il_ros.monitors.scores.score import ScoreInput
from il_ros.monitors.scores.tce import TemporalConsistency


def score():
    return TemporalConsistency.from_arrays({'spread': np.array([0.5, 2.0])})


def at(time, chunk):
    return ScoreInput(time=time, chunk=np.array(chunk, float), chunk_time=time, step_dt=0.1)


def test_the_error_by_hand():
    tce = score()
    assert np.isnan(tce.score(at(0.0, [[0, 0], [1, 4], [2, 8]])))
    # The last two steps against the first two: joint 0 off by 1 and 0, so 2 and 0 spreads;
    # joint 1 off by 0 and 4, so 0 and 2 spreads. Mean square (4 + 4) / 4.
    assert tce.score(at(0.1, [[2, 4], [2, 12], [9, 9]])) == pytest.approx(np.sqrt(2.0))


def test_the_same_chunk_again_is_not_a_new_one():
    tce = score()
    first, second = at(0.0, [[0, 0], [1, 1]]), at(0.1, [[2, 1], [3, 3]])
    tce.score(first)
    expected = tce.score(second)
    assert expected > 0.0
    assert tce.score(replace(second, time=0.15)) == expected
    assert tce.score(at(0.2, [[3, 3], [4, 4]])) == 0.0


def test_a_skipped_chunk_does_not_matter_and_a_late_one_cannot_be_told():
    tce = score()
    tce.score(at(0.0, [[0, 0], [1, 1], [2, 2], [3, 3]]))
    assert tce.score(at(0.2, [[2, 2], [3, 3], [4, 4], [5, 5]])) == 0.0
    assert np.isnan(tce.score(at(0.6, [[6, 6], [7, 7], [8, 8], [9, 9]])))
    assert tce.score(at(0.7, [[7, 7], [8, 8], [9, 9], [9, 9]])) == 0.0


def test_a_wrong_answer_that_is_kept_to_is_not_noticed():
    tce = score()
    tce.score(at(0.0, [[50, 50], [51, 51]]))
    assert tce.score(at(0.1, [[51, 51], [52, 52]])) == 0.0


@given(st.floats(0.01, 100.0), st.floats(-50.0, 50.0))
def test_it_grows_in_proportion_and_ignores_where_the_arm_is(factor, place):
    values = []
    for size, shift in ((1.0, 0.0), (factor, place)):
        tce = score()
        tce.score(at(0.0, np.array([[0, 0], [1, 4], [2, 8]]) * size + shift))
        values.append(tce.score(at(0.1, np.array([[2, 4], [2, 12], [9, 9]]) * size + shift)))
    assert values[1] == pytest.approx(factor * values[0])


def test_an_unsteady_policy_is_noticed(fitted, fresh):
    tce, random = fitted('tce'), np.random.default_rng(0)
    steady, unsteady = [], []
    for score_input in fresh.score_inputs():
        steady.append(tce.score(score_input))
    tce.reset()
    for score_input in fresh.score_inputs():
        chunk = score_input.chunk + 0.1 * random.standard_normal(2)
        unsteady.append(tce.score(replace(score_input, chunk=chunk)))
    # The expert repeats its last step at the end and is consistent but for rounding.
    assert np.nanmax(steady) < 1e-9
    assert np.nanmin(unsteady) > 0.01


def test_chunks_of_other_joints_are_refused():
    with pytest.raises(IlRosError, match=r'tce score: chunk has shape \(2, 3\); allowed: \(H, 2\)'):
        score().score(at(0.0, np.zeros((2, 3))))
