"""Who publishes a key: one, two by turns, one after the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.ros.message_origins import HOLD, MessageOrigins

A, B, C = b'A' * 16, b'B' * 16, b'C' * 16


class Heard:
    """Origins of `arm` and `gripper`, with a clock that is moved by hand [s]."""

    def __init__(self):
        self.now = 0.0
        self.origins = MessageOrigins(('arm', 'gripper'), lambda: self.now)

    def hear(self, *publishers, keys=('arm',), each=0.1):
        for publisher in publishers:
            self.now += each
            self.origins.hear(keys, publisher)


def test_one_publisher_of_each_key_is_none_too_many():
    heard = Heard()
    for _ in range(3):
        heard.hear(A)
        heard.hear(B, keys=('gripper',))
    assert heard.origins.contested == ()
    assert heard.origins.publishers(('arm', 'gripper')) == {A, B}


def test_the_first_message_of_a_second_publisher_is_enough():
    heard = Heard()
    heard.hear(A, A, B)
    assert heard.origins.contested == ('arm',)
    assert heard.origins.rivals('arm') == (A, B)


def test_where_nobody_says_who_sent_it_nothing_is_contested():
    heard = Heard()
    heard.hear(b'', A, b'', A)
    assert heard.origins.contested == ()


def test_keys_that_are_not_watched_may_come_from_anybody():
    heard = Heard()
    heard.hear(A, B, keys=('goal',))
    assert heard.origins.contested == ()
    heard.origins.watch('goal')
    heard.hear(A, B, keys=('goal',))
    assert heard.origins.contested == ('goal',)


def test_two_by_turns_are_never_believed_however_seldom_the_second_speaks():
    heard = Heard()
    heard.hear(A, B)
    for _ in range(20):
        heard.hear(*[A] * 50, B)  # B every 5 s
        heard.origins.settle('arm', {A, B})
        assert heard.origins.rivals('arm') == (A, B)


@pytest.mark.parametrize('present', [{B}, set()])  # nothing, if the graph has other identities
def test_a_driver_that_begins_again_is_believed_once_the_one_before_is_silent_and_gone(present):
    heard = Heard()
    heard.hear(A, A, A)
    heard.now += 30.0
    heard.hear(B)
    heard.origins.settle('arm', present)
    assert heard.origins.rivals('arm') == (A, B)
    heard.hear(*[B] * 9)
    heard.origins.settle('arm', present)
    assert heard.origins.contested == ('arm',)
    heard.hear(B, B)
    heard.origins.settle('arm', present)
    assert heard.origins.contested == ()
    heard.hear(B)
    assert heard.origins.publishers(('arm',)) == {B}


def test_a_driver_that_was_killed_counts_for_as_long_as_the_graph_has_it():
    heard = Heard()
    heard.hear(A, *[B] * 100)
    heard.origins.settle('arm', {A, B})
    assert heard.origins.contested == ('arm',)
    heard.origins.settle('arm', {B})
    assert heard.origins.contested == ()


def test_a_clock_that_goes_back_keeps_nobody_for_ever():
    heard = Heard()
    heard.now = 100.0
    heard.hear(A, B)
    heard.now = 5.0
    heard.hear(B)
    heard.origins.settle('arm', {B})
    assert heard.origins.contested == ()


def test_fresh_identities_take_no_more_memory():
    heard = Heard()
    heard.hear(*(bytes([i, k]) for i in range(100) for k in range(100)))
    assert len(heard.origins.rivals('arm')) == 16
    assert heard.origins.rivals('arm')[-1] == bytes([99, 99])


@given(
    st.lists(
        st.tuples(
            st.sampled_from((A, B, C)), st.floats(0.01, 0.5), st.sets(st.sampled_from((A, B)))
        ),
        max_size=30,
    )
)
def test_a_change_of_publishers_is_contested_for_a_second_and_then_only_by_those_present(history):
    heard, changed, before = Heard(), -10.0, b''
    for publisher, pause, present in history:
        heard.hear(publisher, each=pause)
        if before not in {b'', publisher}:
            changed = heard.now
        before = publisher
        if heard.origins.contested:
            heard.origins.settle('arm', present)
        if heard.now - changed <= HOLD:
            assert publisher in heard.origins.rivals('arm')
    if before:
        heard.hear(*[before] * 11)
        for key in heard.origins.contested:
            heard.origins.settle(key, {before})
        assert heard.origins.contested == ()
