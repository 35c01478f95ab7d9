import numpy as np
import pytest
from coaching import some_steps
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.errors import IlRosError
from il_ros.interactive.learner import CorrectionWeights, sampling_weights


def steps():
    """Three demonstrated, one corrected, four that the learner drove, two just before that."""
    expert = np.full((8, 1), np.nan, np.float32)
    expert[[0, 1, 2, 6]] = 0.5
    return some_steps(
        8,
        expert=expert,
        round=np.array([0, 0, 0, 1, 1, 1, 1, 1], np.int32),
        before_takeover=np.array([0, 0, 0, 0, 1, 1, 0, 0], bool),
    )


def test_labels_count_alike_and_nothing_else_does():
    np.testing.assert_array_equal(
        sampling_weights(steps(), CorrectionWeights()), [1, 1, 1, 0, 0, 0, 1, 0]
    )


def test_half_of_a_batch_can_be_corrections():
    weight = sampling_weights(steps(), CorrectionWeights(share=0.5))
    # 4 labels: the one correction weighs 2, the three demonstrations share the other 2
    np.testing.assert_allclose(weight, [2 / 3, 2 / 3, 2 / 3, 0, 0, 0, 2, 0])


def test_the_learner_s_own_steps_count_less_and_before_a_takeover_less_still():
    weight = sampling_weights(steps(), CorrectionWeights(own=0.5, before_takeover=0.1))
    np.testing.assert_allclose(weight, [1, 1, 1, 0.5, 0.05, 0.05, 1, 0.5])


def test_a_share_of_corrections_where_there_are_none_yet_changes_nothing():
    shown = steps().take(slice(0, 3))
    np.testing.assert_array_equal(sampling_weights(shown, CorrectionWeights(share=0.5)), [1, 1, 1])


@pytest.mark.parametrize(
    ('setting', 'text'),
    [
        ({'share': 1.5}, 'corrections.share: got 1.5; allowed: 0 to 1'),
        ({'own': -1.0}, 'corrections.own: got -1.0; allowed: 0 to inf'),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting, text):
    with pytest.raises(IlRosError) as caught:
        CorrectionWeights(**setting)
    assert str(caught.value) == text


rows = st.tuples(*[st.booleans()] * 3, st.integers(0, 2))


@given(
    st.lists(rows, min_size=1, max_size=20), st.none() | st.floats(0, 1), st.floats(0, 3),
    st.floats(0, 3),
)  # fmt: skip
def test_corrections_have_their_share_of_a_batch_whatever_else_is_there(
    rows_, share, own, before_takeover
):
    labelled, lost, before, round_ = map(np.array, zip(*rows_, strict=True))
    steps_ = some_steps(
        len(rows_),
        expert=np.where(labelled, 0.5, np.nan).astype(np.float32)[:, None],
        executed=np.where(lost, np.nan, 0.0).astype(np.float32)[:, None],
        before_takeover=before,
        round=round_.astype(np.int32),
    )
    config = CorrectionWeights(share=share, own=own, before_takeover=before_takeover)
    weight = sampling_weights(steps_, config)
    assert (weight >= 0).all()
    assert np.isfinite(weight).all()
    assert not weight[~labelled & lost].any()  # neither a label nor an action to learn
    plain = sampling_weights(steps_, CorrectionWeights(own=own, before_takeover=before_takeover))
    np.testing.assert_allclose(weight.sum(), plain.sum())  # a share only moves weight
    corrected = labelled & (round_ > 0)
    if share is not None and 0 < plain[corrected].sum() < plain.sum():
        assert weight[corrected].sum() == pytest.approx(share * weight.sum())
    else:
        np.testing.assert_array_equal(weight, plain)
