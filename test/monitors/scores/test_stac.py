"""Consecutive distributions of chunks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.errors import IlRosError
from il_ros.monitors.scores.score import ScoreInput
from il_ros.monitors.scores.stac import energy_distance

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5), st.integers(0, 999))


def drawn(score_input, samples):
    return replace(score_input, samples=samples)


def test_the_energy_distance_by_hand():
    # {0, 2} and {1, 5}: E|a-b| = (1 + 5 + 1 + 3) / 4 = 2.5, E|a-a'| = 2 * 2 / 4 = 1,
    # E|b-b'| = 2 * 4 / 4 = 2. Twice 2.5, less 1, less 2.
    assert energy_distance(np.array([[0.0], [2.0]]), np.array([[1.0], [5.0]])) == pytest.approx(2.0)


@settings(deadline=None)
@given(SHAPES)
def test_it_is_what_its_definition_says_and_a_distance(shape):
    n, m, D, seed = shape
    rng = np.random.default_rng(seed)
    A, B = rng.standard_normal((n, D)), rng.standard_normal((m, D)) * 2.0 + 1.0

    def mean(P, Q):
        return np.linalg.norm(P[:, None] - Q, axis=2).mean()

    expected = (2.0 * mean(A, B) - mean(A, A) - mean(B, B)) / np.sqrt(D)
    assert energy_distance(A, B) == pytest.approx(expected, abs=1e-6)
    assert energy_distance(B, A) == pytest.approx(energy_distance(A, B), abs=1e-9)
    assert energy_distance(A, A[::-1]) == pytest.approx(0.0, abs=1e-6)
    assert energy_distance(A + 100.0, B + 100.0) == pytest.approx(expected, abs=1e-5)


def two_ways(random, score_input, share=0.5):
    """Samples of a policy that goes left or right of the expert's chunk."""
    sides = np.where(random.random(40) < share, -0.5, 0.5)[:, None, None]
    return score_input.chunk + sides + 0.01 * random.standard_normal((40, 1, 1))


def test_two_ways_that_stay_are_no_surprise_and_a_change_of_mind_is(fitted, fresh):
    stac, random = fitted('stac'), np.random.default_rng(0)
    score_inputs = fresh.score_inputs()[20:30]
    same = [stac.score(drawn(m, two_ways(random, m))) for m in score_inputs]
    assert np.isnan(same[0])
    stac.reset()
    changed = [
        stac.score(drawn(m, two_ways(random, m, share=i % 2))) for i, m in enumerate(score_inputs)
    ]
    assert np.nanmin(changed) > 5.0 * np.nanmax(same)


def test_the_same_answer_again_gives_the_same_value(fitted, fresh):
    stac, random = fitted('stac'), np.random.default_rng(0)
    first, second = (drawn(m, two_ways(random, m)) for m in fresh.score_inputs()[20:22])
    stac.score(first)
    value = stac.score(second)
    assert stac.score(replace(second, time=second.time + 0.02)) == value > 0.0


def test_without_samples_the_ensemble_tells_a_jump_of_the_object(fitted, fresh):
    stac = fitted('stac')
    usual = [stac.score(score_input) for score_input in fresh.score_inputs()]
    features = fresh.features.copy()
    features[30:, 2:] += 0.4  # object, and the difference to it
    stac.reset()
    jumped = [stac.score(score_input) for score_input in fresh.score_inputs(features)]
    assert jumped[:30] == pytest.approx(usual[:30], nan_ok=True)
    assert jumped[30] > 5.0 * usual[30]
    assert jumped[30] > np.nanmax(usual)


def test_samples_after_the_ensemble_begin_anew(fitted, fresh):
    stac = fitted('stac')
    one, two, three = fresh.score_inputs()[:3]
    stac.score(one)
    assert np.isnan(stac.score(drawn(two, two.chunk[None])))
    assert stac.score(drawn(three, three.chunk[None])) == pytest.approx(0.0, abs=1e-6)
    assert np.isnan(stac.score(fresh.score_inputs()[3]))


def test_no_position_no_ensemble(fitted, fresh):
    score_input = fresh.score_inputs()[0]
    assert np.isnan(fitted('stac').score(replace(score_input, position=None)))


def test_samples_of_other_joints_are_refused(fitted):
    score_input = ScoreInput(time=0.0, samples=np.zeros((3, 4, 1)), step_dt=0.1)
    with pytest.raises(
        IlRosError, match=r'stac score: samples have shape \(3, 4, 1\); allowed: \(S, H, 2\)'
    ):
        fitted('stac').score(score_input)
