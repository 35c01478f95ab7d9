"""Several scores side by side: averages, gaps, old chunks, saving."""

from math import inf, nan

import numpy as np
import pytest

from il_ros.core.errors import IlRosError
from il_ros.monitors.score_bank import Channel, ScoreBank
from il_ros.monitors.scores.score import SCORES, ScoreInput


class Size:
    """The size of the features, weighed."""

    needs = ('features',)

    def __init__(self, weight=1.0):
        self.weight = weight

    def fit(self, normal):
        return self

    def score(self, score_input):
        return self.weight * float(np.linalg.norm(score_input.features))

    def reset(self):
        pass

    def arrays(self):
        return {'weight': np.array([self.weight])}

    @classmethod
    def from_arrays(cls, arrays):
        return cls(float(arrays['weight'][0]))


class Change:
    """By how much the chunk differs from the one before; NaN at the first."""

    needs = ('chunk',)

    def __init__(self):
        self.before = None

    def score(self, score_input):
        before, self.before = self.before, score_input.chunk
        return nan if before is None else float(np.abs(score_input.chunk - before).max())

    def reset(self):
        self.before = None

    def arrays(self):
        return {}


def channel(name, score, on='observation'):
    return Channel(name=name, kind=name, on=on, score=score)


def score_input(x=0.0, chunk=None, time=0.0, **parts):
    chunk = None if chunk is None else np.full((2, 1), float(chunk))
    return ScoreInput(time=time, features=np.array([x]), chunk=chunk, chunk_time=time, **parts)


def bank(window=2):
    return ScoreBank([channel('size', Size()), channel('change', Change())], window)


def test_scores_are_averaged_over_the_window_each_by_itself():
    found = bank().trace(
        [score_input(x, c, t) for t, (x, c) in enumerate([(1, 0), (3, 1), (8, 4)])]
    )
    np.testing.assert_array_equal(found, [[1, nan], [2, 1], [5.5, 2]])


def test_a_trace_begins_anew_and_so_does_a_reset():
    both = bank()
    score_inputs = [score_input(1, 0, 0), score_input(3, 1, 1)]
    first = both.trace(score_inputs)
    np.testing.assert_array_equal(both.trace(score_inputs), first)
    both.reset()
    np.testing.assert_array_equal(both.read(score_inputs[1]), [3, nan])


@pytest.mark.parametrize('gap', [nan, inf])
def test_what_is_no_number_shows_at_its_own_tick_and_spoils_no_other(gap):
    found = bank(3).trace([score_input(x, t, t) for t, x in enumerate([2, gap, 4, 6])])
    np.testing.assert_array_equal(found[:, 0], [2, gap, 3, 5])


def test_without_what_it_needs_a_score_is_not_asked():
    found = bank(1).trace([score_input(1, 0, 0), ScoreInput(time=1.0), score_input(1, 2, 2)])
    np.testing.assert_array_equal(found, [[1, nan], [nan, nan], [1, 2]])


def test_a_chunk_that_was_judged_before_tells_nothing_new():
    """A policy that answers every third tick is judged at every third tick."""
    score_inputs = [score_input(t, (0, 5, 5)[t // 3], 3 * (t // 3)) for t in range(9)]
    found = bank(2).trace(score_inputs)
    np.testing.assert_array_equal(found[:, 1], [nan] * 3 + [5] * 3 + [2.5] * 3)
    np.testing.assert_array_equal(found[:, 0], [0] + [t - 0.5 for t in range(1, 9)])


def test_a_score_of_the_embedding_gets_it_as_its_features():
    on = ScoreBank([channel('a', Size()), channel('b', Size(), 'embedding')], 1)
    assert on.needs == {'features', 'embedding'}
    assert not on.uses_policy_output
    np.testing.assert_array_equal(on.read(score_input(2, embedding=np.array([3.0, 4.0]))), [2, 5])
    np.testing.assert_array_equal(on.read(score_input(2)), [2, nan])


def test_it_is_made_again_from_its_arrays(monkeypatch):
    monkeypatch.setitem(SCORES, 'size', f'{__name__}:Size')
    one = ScoreBank([channel('a', Size(2.0)), channel('b', Size(3.0), 'embedding')], 1)
    specs = [('a', 'size', 'observation'), ('b', 'size', 'embedding')]
    arrays = {name: a for made in one.channels for name, a in made.arrays().items()}
    again = ScoreBank([Channel.from_arrays(spec, arrays) for spec in specs], 1)
    seen = score_input(1.5, embedding=np.array([1.0]))
    np.testing.assert_array_equal(again.read(seen), one.read(seen))
    assert [channel.spec for channel in again.channels] == specs


def test_what_makes_no_bank_is_refused():
    with pytest.raises(IlRosError, match=r'score bank: channels are \[\]; allowed: one or more'):
        ScoreBank([], 5)
    with pytest.raises(IlRosError, match=r"channels are \['a', 'a'\]; allowed: one or more diff"):
        ScoreBank([channel('a', Size()), channel('a', Size())], 5)
    with pytest.raises(IlRosError, match=r"channels: got \['a', 'knn', 'taste'\]; allowed: name, "):
        Channel.from_arrays(('a', 'knn', 'taste'), {})
