import contextlib
from pathlib import Path

import numpy as np
import pytest
from coaching import some_steps
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.algorithms.transitions import COLUMNS, EXPERT, join
from il_ros.core.errors import DatasetError
from il_ros.interactive.round_journal import RoundJournal, load_steps, save_steps


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


def test_no_damage_to_a_header_goes_unnamed(tmp_path):
    # Each byte of the first column's header in its turn, by what a parser stumbles over.
    path = tmp_path / 'a.npz'
    save_steps(path, steps := some_steps(3))
    content = path.read_bytes()
    begin = content.index(b'\x93NUMPY')
    for at in range(begin, begin + 80):
        for byte in b'({9':
            path.write_bytes(content[:at] + bytes([byte]) + content[at + 1 :])
            with contextlib.suppress(DatasetError):
                same(load_steps(path), steps)


def test_columns_of_different_lengths_are_no_steps(tmp_path):
    path = tmp_path / 'a.npz'
    for changes in ({'asked': np.zeros(2, bool)}, {'scores': {'risk': np.zeros(4, np.float32)}}):
        save_steps(path, some_steps(3, **changes))
        with pytest.raises(DatasetError, match=r'a\.npz: cannot be read: columns of different len'):
            load_steps(path)


@pytest.fixture
def journal(tmp_path):
    with RoundJournal(tmp_path, {}) as journal:
        yield journal


def test_the_bags_are_those_of_whole_episodes_in_their_order(journal):
    for number in (2, 10, 9):
        journal.add_episode(1, number, some_steps(2), bag=f'bags/{number}')
    journal.add_episode(0, 0, some_steps(2), bag='bags/0')
    journal.add_episode(0, 1, some_steps(2))
    (journal.folder / 'round_001/episode_00011.json').write_text('{"bag": "bags/11"}')
    assert journal.bags() == [Path(f'bags/{number}') for number in (0, 2, 9, 10)]


def test_an_episode_has_no_bag_of_the_one_that_was_broken_off_before_it(journal):
    # The process died between the two files of an episode; the next attempt records no bag.
    (journal.folder / 'round_001').mkdir()
    (journal.folder / 'round_001/episode_00000.json').write_text('{"bag": "bags/broken"}')
    journal.add_episode(1, 0, some_steps(2))
    assert journal.bags() == []


def test_labels_that_come_later_leave_an_episode_its_bag(journal):
    journal.add_episode(1, 0, some_steps(2, asked=np.ones(2, bool)), bag='bags/0')
    journal.add_episode(1, 0, some_steps(2, expert=np.ones((2, 1), np.float32)))
    assert journal.bags() == [Path('bags/0')]
    assert journal.episodes(1)[0].labelled.all()


@pytest.mark.parametrize('note', ['{', '[]', '{"bug": "bags/0"}', '{"bag": 3}'])
def test_a_damaged_note_of_a_bag_is_named(journal, note):
    journal.add_episode(1, 0, some_steps(2), bag='bags/0')
    (journal.folder / 'round_001/episode_00000.json').write_text(note)
    with pytest.raises(DatasetError, match=r'episode_00000\.json: .*; to fix: remove it'):
        journal.bags()


@pytest.mark.parametrize('result', ['[]', '3', 'null'])
def test_a_result_that_is_no_mapping_is_named(journal, result):
    journal.save_result(0, {})
    (journal.folder / 'round_000/result.json').write_text(result)
    with pytest.raises(DatasetError, match=r'result\.json: no mapping; to fix: remove it'):
        _ = journal.finished


def test_a_round_is_over_with_its_result_and_no_sooner(journal):
    for number in range(3):
        assert journal.finished == number
        journal.add_episode(number, number, some_steps(2))
        journal.save_policy(number, {'w': np.full(2, number)})
        assert journal.finished == number
        journal.save_result(number, {'round': number})
    assert journal.finished == 3
    assert journal.policy(3) is journal.result(3) is None
    np.testing.assert_array_equal(journal.policy(2)['w'], [2, 2])


def test_rounds_of_which_nobody_knows_what_they_are_of_are_refused(tmp_path):
    (tmp_path / 'round_000').mkdir()
    with pytest.raises(DatasetError, match=r'rounds without coaching\.json: it is not known'):
        RoundJournal(tmp_path, {})
    (tmp_path / 'round_000').rmdir()
    RoundJournal(tmp_path, {}).__exit__()  # the refused attempt left no lock behind
