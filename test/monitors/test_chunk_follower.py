"""Following a chunk through time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.monitors.chunk_follower import ChunkFollower, ChunkIntake
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import Chunk


def chunk(positions, stamp=10.0):
    return Chunk(
        stamp=stamp,
        step_dt=0.1,
        names=('a',),
        positions=np.array(positions, dtype=float)[:, None],
        contract_hash='',
        policy_id='',
        source='policy',
    )


def follow(positions):
    follower = ChunkFollower()
    assert follower.offer(chunk(positions))
    return follower


@pytest.mark.parametrize(
    ('t', 'position', 'velocity'),
    [
        (10.0, 0.0, 10.0),  # before the first step is due: that step, with the first slope
        (10.1, 0.0, 10.0),  # step 0
        (10.15, 0.5, 15.0),  # half way; the slope at step 1 is (4 - 0) / 0.2 = 20
        (10.2, 1.0, 20.0),
        (10.3, 4.0, 0.0),  # the last step: nothing is known behind it
        (11.0, 4.0, 0.0),
    ],
)
def test_interpolation(t, position, velocity):
    p, v = follow([0, 1, 4]).target(t)
    assert p[0] == pytest.approx(position)
    assert v[0] == pytest.approx(velocity)


def test_one_step_is_a_rest():
    p, v = follow([2]).target(10.05)
    assert (p[0], v[0]) == (2, 0)


def test_exhausted_after_the_last_step_is_due():
    follower = ChunkFollower()
    assert follower.exhausted(0.0)
    follower.offer(chunk([0, 1, 4]))
    assert not follower.exhausted(10.3)
    assert follower.exhausted(10.31)
    follower.reset()
    assert follower.exhausted(10.0)
    with pytest.raises(LookupError, match='no chunk'):
        follower.target(10.0)


def test_a_newer_one_replaces_an_older_one_is_refused():
    follower = follow([0, 0])
    assert not follower.offer(chunk([1, 1], stamp=9.9))
    assert not follower.offer(chunk([1, 1], stamp=10.0))
    assert follower.offer(chunk([2, 2], stamp=10.1))
    assert follower.target(10.2)[0][0] == 2
    assert follower.chunk.stamp == 10.1


def test_the_sender_cannot_change_it_afterwards():
    sent = chunk([1, 1])
    follower = ChunkFollower()
    follower.offer(sent)
    sent.positions[:] = 99
    assert follower.target(10.1)[0][0] == 1


def blended(blend, *chunks):
    follower = ChunkFollower(blend)
    for each in chunks:
        assert follower.offer(each)
    return follower


def test_overlapping_chunks_are_averaged_with_the_newest_weighing_most():
    follower = blended(0.5, chunk([0, 0, 0]), chunk([3, 3, 3], stamp=10.1))
    assert follower.target(10.2)[0][0] == pytest.approx((3 + 0.5 * 0) / 1.5)
    assert follower.target(10.25)[0][0] == 3  # the older one has nothing to say any more


@given(
    st.lists(st.tuples(st.floats(0.01, 0.5), st.floats(-1, 1)), min_size=1, max_size=20),
    st.floats(0, 0.99),
    st.floats(0, 0.6),
)
def test_the_mean_stays_among_what_the_chunks_say(steps, blend, ahead):
    follower, stamp, said = ChunkFollower(blend), 10.0, []
    for wait, value in steps:
        stamp += wait
        said.append(value)
        follower.offer(chunk([value] * 4, stamp=stamp))
        position, velocity = follower.target(stamp + ahead)
        assert min(said) - 1e-9 <= position[0] <= max(said) + 1e-9
        assert velocity[0] == 0


@pytest.mark.parametrize('lead', [0.1, 0.125, 0.15, 0.2])
def test_what_is_followed_does_not_depend_on_the_last_digit_of_a_time(lead):
    """A tick asks about instants at which a chunk begins or ceases to have a say."""
    wanted = []
    for begin in (0.0, 0.1 + 0.2, 1796034188.077192983, 123.45):
        follower = ChunkFollower(0.75)
        for tick, value in enumerate((0, 5, -3, 8, 1)):
            follower.offer(chunk(value + np.arange(4.0) ** 2, stamp=begin + 0.1 * tick))
        wanted.append(np.ravel(follower.target(begin + 0.4 + lead)))
    np.testing.assert_allclose(wanted, [wanted[0]] * 4, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize('between', [(), (10.1,), (10.02, 10.04, 10.18)])
def test_an_older_chunk_weighs_by_its_age_however_many_are_in_between(between):
    """Zero in all but the oldest: what is left of it shows its weight."""
    zeros = [chunk([0] * 6, stamp=stamp) for stamp in (*between, 10.2)]
    follower = blended(0.5, chunk([1] * 6), *zeros)
    weights = [0.5 ** ((10.2 - stamp) / 0.1) for stamp in (10.0, *between, 10.2)]
    assert follower.target(10.3)[0][0] == pytest.approx(weights[0] / sum(weights))


def test_the_rest_at_the_end_of_an_older_chunk_does_not_slow_the_motion():
    follower, step = ChunkFollower(0.75), np.arange(1, 9)
    for tick in range(20):  # every chunk goes on with the same motion, one unit a step
        follower.offer(chunk(tick + step, stamp=10 + 0.1 * tick))
        position, velocity = follower.target(10 + 0.1 * (tick + 1))
        assert position[0] == pytest.approx(tick + 1)
        assert velocity[0] == pytest.approx(10.0)


def test_without_blending_the_newest_alone_is_followed():
    follower = blended(0.0, chunk([0, 0, 0]), chunk([3, 3, 3], stamp=10.1))
    assert follower.target(10.2)[0][0] == 3


def test_a_reset_keeps_the_newest_alone_where_it_is_new_enough():
    follower = blended(0.5, chunk([0, 0, 0]), chunk([3, 3, 3], stamp=10.1))
    follower.reset(not_before=9.0)
    assert follower.target(10.25)[0][0] == 3
    follower.reset(not_before=10.15)
    assert follower.chunk is None


def test_who_takes_the_arm_goes_on_from_the_newest_chunk_alone():
    intake = ChunkIntake('policy', lambda _: None, MonitorConfig())
    for sent in (chunk([0] * 8), chunk([3] * 8, stamp=10.1)):
        intake.offer(sent, now=10.1, forgive=False)
    assert intake.pull(10.1, 0.1, 10.1)[0][0] == pytest.approx(3 / 1.75)
    intake.begin(10.1)
    assert intake.pull(10.1, 0.1, 10.1)[0][0] == 3
    intake.begin(10.2)
    assert intake.pull(10.2, 0.1, 10.2) is None  # nothing yet
