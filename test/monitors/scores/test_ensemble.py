"""Members that learned the same task, each from its own draw of the episodes."""

from dataclasses import replace

import numpy as np
import pytest

from il_ros.core.errors import IlRosError
from il_ros.monitors.scores.ensemble import EnsembleDisagreement, _bootstrap
from il_ros.monitors.scores.score import ScoreInput


def members(*outputs):
    """An ensemble on two features whose members answer these constants, for one joint."""
    answers = np.array(outputs, dtype=float)
    count, size = answers.shape
    return {
        'mean': np.zeros(2),
        'scale': np.ones(2),
        'spread': np.array([0.5]),
        'weight_0': np.zeros((count, 2, 2)),
        'weight_1': np.zeros((count, 2, 2)),
        'weight_2': np.zeros((count, size, 2)),
        'bias_0': np.zeros((count, 2)),
        'bias_1': np.zeros((count, 2)),
        'bias_2': answers,
    }


def test_disagreement_by_hand():
    # Step 0: 1 and 3, variance 1; step 1: 0 and 0; step 2: -2 and 2, variance 4. sqrt(5 / 3).
    score = EnsembleDisagreement.from_arrays(members([1, 0, -2], [3, 0, 2]))
    score_input = ScoreInput(time=0.0, features=np.zeros(2))
    assert score.score(score_input) == pytest.approx(np.sqrt(5.0 / 3.0))
    samples = score.samples(np.zeros(2))
    np.testing.assert_array_equal(samples[..., 0], [[1, 0, -2], [3, 0, 2]])


def test_members_learn_what_the_expert_does(fitted, fresh):
    score = fitted('ensemble')
    expected = (fresh.chunks - fresh.position[:, None]) / score.spread
    samples = np.stack([score.samples(features) for features in fresh.features])
    assert samples.shape == (81, 5, 4, 2)
    errors = np.abs(samples - expected[:, None]).mean(axis=(0, 2, 3))
    assert errors.max() < 0.25 * np.abs(expected).mean()


def test_no_two_members_are_the_same(fitted, fresh):
    samples = fitted('ensemble').samples(fresh.features[30])
    for i in range(5):
        for j in range(i):
            assert np.abs(samples[i] - samples[j]).max() > 1e-4


def test_what_the_policy_answers_plays_no_part(fitted, fresh):
    score_input = fresh.score_inputs()[10]
    wrong = replace(score_input, chunk=score_input.chunk + 3.0)
    assert fitted('ensemble').score(wrong) == fitted('ensemble').score(score_input)


def test_a_bootstrap_draws_whole_episodes():
    rows = _bootstrap([2, 3, 4], np.random.default_rng(0))
    wholes = {0: [0, 1], 2: [2, 3, 4], 5: [5, 6, 7, 8]}
    i = drawn = 0
    while i < len(rows):
        whole = wholes[int(rows[i])]
        assert rows[i : i + len(whole)].tolist() == whole
        i, drawn = i + len(whole), drawn + 1
    assert drawn == 3


def test_a_chunk_for_each_frame(reaching):
    nominal = reaching.nominal()
    fewer = replace(nominal, chunks=nominal.chunks[:-1], position=nominal.position[:-1])
    text = f'{len(nominal.features)} features and {len(nominal.features) - 1} chunks; allowed: one'
    with pytest.raises(IlRosError, match=text):
        EnsembleDisagreement().fit(fewer)


def test_outputs_that_are_no_whole_chunks_are_refused():
    arrays = {**members([1, 2, 3]), 'spread': np.ones(2)}
    with pytest.raises(IlRosError, match='3 outputs for 2 joints; allowed: a multiple'):
        EnsembleDisagreement.from_arrays(arrays)
