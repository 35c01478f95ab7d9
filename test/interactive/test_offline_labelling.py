import numpy as np
import pytest
from coaching import some_steps

from il_ros.core.errors import DatasetError
from il_ros.interactive.offline_labelling import label_waiting, relabel
from il_ros.interactive.round_journal import RoundJournal


def seen(count=3):
    x = np.arange(2.0 * count, dtype=np.float32).reshape(count, 2)
    return some_steps(count, observation=x)


def test_recorded_steps_get_labels_and_stay_as_they_were_done():
    steps = relabel(seen(), lambda x: x.sum(axis=1, keepdims=True))
    np.testing.assert_array_equal(steps.expert, [[1.0], [5.0], [9.0]])
    assert steps.asked.all()
    np.testing.assert_array_equal(steps.executed, seen().executed)


def test_only_some_steps_can_be_shown_to_him_and_he_may_pass():
    rows = np.array([True, False, True])
    steps = relabel(seen(), lambda x: np.array([[2.0], [np.nan]]), rows)
    np.testing.assert_array_equal(steps.expert, [[2.0], [np.nan], [np.nan]])
    assert steps.waiting.tolist() == [False, False, True]


def test_answers_that_do_not_fit_are_refused():
    with pytest.raises(DatasetError) as caught:
        relabel(seen(), lambda x: np.zeros((2, 1)))
    assert str(caught.value) == 'relabel: answers of shape (2, 1); allowed: (3, 1)'


def test_who_is_interrupted_goes_on_with_the_next_episode(tmp_path):
    shown = []

    def tired(x):
        shown.append(len(x))
        if len(shown) == 2:
            raise KeyboardInterrupt
        return np.ones((len(x), 1))

    with RoundJournal(tmp_path, {}) as journal:
        for number in (4, 5):
            asked = some_steps(2, asked=np.ones(2, bool), episode=np.full(2, number, np.int32))
            journal.add_episode(1, number, asked)
        with pytest.raises(KeyboardInterrupt):
            label_waiting(journal, 1, tired)
        assert [steps.waiting.any() for steps in journal.episodes(1)] == [False, True]
        assert label_waiting(journal, 1, tired) == 2
        assert not any(steps.waiting.any() for steps in journal.episodes(1))
        journal.save_policy(1, {'a': np.zeros(1)})
        with pytest.raises(DatasetError, match='round 1: was trained on already'):
            label_waiting(journal, 1, tired)
