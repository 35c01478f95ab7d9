"""Two answers are compared where they speak of the same time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.monitors.scores.tce import Consecutive, overlap


def column(*values):
    return np.array(values, dtype=float)[:, None]


def test_a_shift_by_hand():
    # Steps of the old chunk are due at 1..4, of the new one at 2..5 (or 3.5.., in steps).
    old, new = column(1, 2, 3, 4), column(20, 30, 40, 50)
    before, after = overlap(old, new, 1.0)
    np.testing.assert_array_equal(before, column(2, 3, 4))
    np.testing.assert_array_equal(after, column(20, 30, 40))
    before, after = overlap(old, new, 2.5)
    np.testing.assert_array_equal(before, column(3.5))
    np.testing.assert_array_equal(after, column(20))


def test_stamps_that_are_rounded_shift_by_a_whole_step():
    old = column(1, 2, 3, 4)
    for shift in (1.0 - 1e-9, 1.0 + 1e-9):
        np.testing.assert_array_equal(overlap(old, old, shift)[0], column(2, 3, 4))


@pytest.mark.parametrize('shift', [-1.0, -0.5, 3.5, 4.0, 100.0])
def test_without_an_overlap_there_is_none(shift):
    assert overlap(column(1, 2, 3, 4), column(1, 2, 3, 4), shift) is None


@given(
    shift=st.floats(-3.0, 12.0),
    old=st.integers(1, 8),
    new=st.integers(1, 8),
    slope=st.floats(-5.0, 5.0),
)
def test_two_answers_along_one_line_agree(shift, old, new, slope):
    first = slope * np.arange(old)[None, :, None]
    second = slope * (np.arange(new)[None, :, None] + shift)
    both = overlap(np.repeat(first, 3, axis=0), second, shift)
    if both is None:
        assert shift < 0.0 or shift > old - 1
        return
    assert both[0].shape[-2:] == both[1].shape[-2:]
    np.testing.assert_allclose(both[0] - both[1], 0.0, atol=5.0 * 1.1e-3)
    # Every step of the newer one that the older one reaches to.
    assert both[1].shape[-2] in {
        min(new, int(old - 1 - s) + 1) for s in (shift - 1e-3, shift + 1e-3)
    }


def test_each_answer_is_paired_with_the_one_before_it():
    answers = Consecutive()
    chunk = column(1, 2, 3)
    assert answers.push(0.0, 0.1, chunk) is None
    assert answers.knows(0.0)
    assert not answers.knows(0.1)
    chunk[:] = -1.0  # a policy may use its memory again
    before, _ = answers.push(0.1, 0.1, column(2, 3, 4))
    np.testing.assert_array_equal(before, column(2, 3))
    before, _ = answers.push(0.3, 0.1, column(4, 5, 6))  # one was skipped
    np.testing.assert_array_equal(before, column(4))


def test_steps_that_are_not_alike_are_not_compared():
    answers = Consecutive()
    answers.push(0.0, 0.1, column(1, 2, 3))
    assert answers.push(0.1, 0.2, column(1, 2, 3)) is None
    assert answers.push(0.2, 0.0, column(1, 2, 3)) is None
    answers.push(0.3, 0.1, column(1, 2, 3))
    answers.reset()
    assert answers.push(0.4, 0.1, column(1, 2, 3)) is None
