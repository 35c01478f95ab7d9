"""The watch over one policy: novelty, and getting nowhere."""

import numpy as np
import pytest

from il_ros.monitors.config import MonitorConfig
from il_ros.monitors.watch import NoveltyWatch


class Distance:
    def score(self, x):
        return float(np.linalg.norm(x))


def watch(**changes):
    longest = changes.pop('longest', None)
    return NoveltyWatch(Distance(), 2.0, MonitorConfig(score_window=1, **changes), longest)


def texts(watch, scores):
    return [watch.stop_text(watch.look(np.array([score]))) for score in scores]


def test_three_of_five_strange_ticks_stop_with_score_and_threshold():
    found = texts(watch(trigger_count=3, trigger_window=5), [3, 0, 3, 0, 3])
    assert found[:4] == [''] * 4
    assert found[4] == 'novelty 3 above threshold 2, 3 of the last 5 ticks were'


def test_a_policy_that_gets_nowhere_is_overdue_though_every_tick_looks_normal():
    found = texts(watch(longest=8, overdue=1.25), [0] * 12)
    assert found[:10] == [''] * 10
    assert found[10] == 'overdue: 11 ticks, 1.25 times the longest good episode'


@pytest.mark.parametrize('changes', [{'longest': None}, {'longest': 8, 'overdue': 0.0},
                                     {'longest': 8, 'novelty': False}])  # fmt: skip
def test_nothing_is_overdue_where_nobody_asked(changes):
    assert set(texts(watch(**changes), [0] * 50)) == {''}


def test_a_new_mode_begins_the_count_again():
    watched = watch(longest=8)
    texts(watched, [0] * 10)
    watched.reset()
    assert set(texts(watched, [0] * 10)) == {''}


def test_a_score_that_is_no_number_is_strange():
    watched = watch(trigger_count=1, trigger_window=1)
    assert watched.look(np.array([np.nan])).exceeded
