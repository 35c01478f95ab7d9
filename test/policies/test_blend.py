import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.policies.blend import ChunkBlend

MS = 1_000_000


def chunk(*rows):
    return np.array(rows, dtype=float)[:, None]


def test_every_moment_is_the_weighted_mean_of_what_was_said_about_it():
    blend = ChunkBlend(3, 0.5, 50 * MS)
    assert blend.add(0, chunk(1, 2, 3))[:, 0].tolist() == [1, 2, 3]
    # the older chunk's steps 2, 3 speak of the new one's first two moments
    found = blend.add(50 * MS, chunk(4, 4, 4))[:, 0]
    np.testing.assert_allclose(found, [(4 + 0.5 * 2) / 1.5, (4 + 0.5 * 3) / 1.5, 4])


def test_a_tick_that_was_missed_is_counted():
    blend = ChunkBlend(3, 0.5, 50 * MS)
    blend.add(0, chunk(1, 2, 3))
    found = blend.add(101 * MS, chunk(4, 4, 4))[:, 0]
    np.testing.assert_allclose(found, [(4 + 0.25 * 3) / 1.25, 4, 4])


def test_old_chunks_and_a_new_beginning_say_nothing():
    blend = ChunkBlend(3, 0.5, 50 * MS)
    for forget in (lambda: None, blend.reset):
        blend.add(10**9, chunk(1, 2, 3))
        forget()
        assert blend.add(2 * 10**9, chunk(4, 4, 4))[:, 0].tolist() == [4, 4, 4]
    assert blend.add(50 * MS, chunk(7, 7, 7))[:, 0].tolist() == [7, 7, 7]  # time went back


def test_weight_zero_takes_the_newest_alone():
    blend = ChunkBlend(2, 0.0, 50 * MS)
    blend.add(0, chunk(1, 2))
    assert blend.add(50 * MS, chunk(5, 6))[:, 0].tolist() == [5, 6]


@given(
    st.lists(st.tuples(st.integers(10, 120), st.floats(-1, 1)), min_size=1, max_size=20),
    st.floats(0, 1),
)
def test_the_mean_stays_among_what_was_said(steps, weight):
    blend, stamp, said = ChunkBlend(4, weight, 50 * MS), 0, []
    for wait, value in steps:
        stamp += wait * MS
        said.append(value)
        found = blend.add(stamp, np.full((4, 2), value))
        assert found.shape == (4, 2)
        assert min(said) - 1e-9 <= found.min() <= found.max() <= max(said) + 1e-9


def test_nan_of_one_chunk_does_not_hide():
    blend = ChunkBlend(2, 0.5, 50 * MS)
    assert np.isnan(blend.add(0, np.full((2, 1), np.nan))).all()
    assert pytest.approx(4.0) == blend.add(10**9, chunk(4, 4))[0, 0]
