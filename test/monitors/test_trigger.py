"""The N-of-M trigger."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.monitors.score_watch import Trigger


def test_two_of_three():
    trigger = Trigger(2, 3)
    pushed = [True, False, False, True, True, False, False]
    assert [trigger.push(x) for x in pushed] == [False, False, False, False, True, True, False]


def test_reset_forgets():
    trigger = Trigger(2, 3)
    trigger.push(True)
    trigger.reset()
    assert not trigger.push(True)


@given(st.integers(1, 6), st.integers(0, 6), st.lists(st.booleans()))
def test_it_counts_the_last_ticks(count, more, pushed):
    trigger = Trigger(count, count + more)
    for i, exceeded in enumerate(pushed):
        recent = pushed[max(0, i + 1 - count - more) : i + 1]
        assert trigger.push(exceeded) == (sum(recent) >= count)


@pytest.mark.parametrize(('count', 'window'), [(0, 3), (4, 3)])
def test_counts_that_do_not_fit(count, window):
    with pytest.raises(ValueError, match=rf'count {count} must be in 1..{window}'):
        Trigger(count, window)
