import contextlib

import numpy as np
import pytest
from coaching import some_steps
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.algorithms.transitions import COLUMNS, EXPERT, join
from il_ros.core.errors import DatasetError
from il_ros.interactive.round_journal import load_steps, save_steps


def same(one, other):
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert getattr(one, name).dtype == getattr(other, name).dtype
    assert one.scores.keys() == other.scores.keys()
    for name, column in one.scores.items():
        np.testing.assert_array_equal(column, other.scores[name])


def test_steps_are_the_same_after_a_journey_to_the_disk(tmp_path):
    steps = some_steps(4, scores={'ensemble_variance': np.float32([0, 1, np.nan, 3])})
    save_steps(tmp_path / 'a.npz', steps)
    same(load_steps(tmp_path / 'a.npz'), steps)


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_file_is_refused_or_the_same(tmp_path_factory, data):
    path = tmp_path_factory.mktemp('steps') / 'a.npz'
    steps = some_steps(5)
    save_steps(path, steps)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[at:]
    else:
        content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with contextlib.suppress(DatasetError):
        same(load_steps(path), steps)


def test_joined_steps_lack_no_score():
    one = some_steps(2, scores={'ensemble_variance': np.float32([1, 2])})
    other = some_steps(1, scores={'risk': np.float32([3])})
    both = join([one, other])
    np.testing.assert_equal(both.scores['ensemble_variance'], np.float32([1, 2, np.nan]))
    np.testing.assert_equal(both.scores['risk'], np.float32([np.nan, np.nan, 3]))
    same(both.take(slice(0, 2)).take([1, 0]).take([1, 0]), both.take([0, 1]))


def test_a_takeover_is_within_an_episode():
    one = some_steps(2)
    other = some_steps(2, source=np.full(2, EXPERT, np.uint8), episode=np.ones(2, np.int32))
    assert not join([one, other]).takeovers.any()
    other.episode[:] = 0
    assert join([one, other]).takeovers.tolist() == [False, False, True, False]


def test_no_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(DatasetError, match=r'none\.npz: cannot be read: .*; to fix: remove it'):
        load_steps(tmp_path / 'none.npz')
