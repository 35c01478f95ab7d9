"""When ticks come, for drivers of many rates: slower, faster, uneven, with samples lost."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.tick_schedule import TickSchedule

NS = 10**9
MS = NS // 1000
START = 10**18
RATE, PERIOD = 20.0, NS // 20
DRIVERS = (20, 20.02, 20.1, 21, 22, 25, 27, 30, 39, 40.03, 50, 60, 62.5, 100, 125, 250, 500, 1000)


def samples(hz, seconds, *, jitter=0.0, lost=0.0, seed=0):
    """Stamps [ns] of a driver; each is late by up to `jitter` [s], those out of order are left."""
    random = np.random.default_rng(seed)
    times = np.arange(int(hz * seconds)) / hz
    times = (times + random.uniform(0.0, jitter, len(times)))[random.random(len(times)) >= lost]
    stamps = np.maximum.accumulate(np.round(times * NS).astype(np.int64))
    return (START + np.unique(stamps)).tolist()


def ticks(stamps, rate=RATE, schedule=None):
    schedule = schedule or TickSchedule(rate)
    return [stamp for stamp in stamps if schedule.take(stamp)]


def error(stamps, rate=RATE):
    """How far the mean rate of these ticks is from `rate` [fraction]."""
    return abs((len(stamps) - 1) * NS / (stamps[-1] - stamps[0]) / rate - 1.0)


@pytest.mark.parametrize('jitter', [0.0, 0.005])
@pytest.mark.parametrize('hz', DRIVERS)
def test_ticks_come_at_the_contracts_rate_whatever_the_drivers(hz, jitter):
    assert error(ticks(samples(hz, 60, jitter=jitter))) <= 0.005
    if hz >= 1.1 * RATE:
        assert error(ticks(samples(hz, 60, jitter=jitter, lost=0.02))) <= 0.005


@pytest.mark.parametrize('hz', DRIVERS)
def test_how_far_apart_ticks_are_is_bounded_by_the_drivers_spacing(hz):
    apart = np.diff(ticks(samples(hz, 30))) / PERIOD
    spacing = RATE / hz
    assert apart.max() <= 1.0 + spacing + 1e-3 < 2.01
    assert apart.min() >= max(0.45, 1.0 - 1.25 * spacing)


def test_a_driver_of_the_contracts_rate_paces_every_tick_also_where_its_clock_is_a_little_off():
    """One that is not followed would lose a tick, and a dataset a frame, every 50 seconds."""
    for hz in (19.95, 19.98, 20.0, 20.02, 20.05):
        stamps = samples(hz, 120, jitter=0.005)
        assert ticks(stamps) == stamps


@pytest.mark.parametrize('bursts', [25, 60, 250])
def test_samples_that_come_in_bursts_count_as_often_as_the_bursts_do(bursts):
    """As over a network, or of two publishers that speak one right after the other."""
    stamps = [s + i * 10_000 for s in samples(bursts, 60, jitter=0.002) for i in range(4)]
    found = ticks(np.unique(stamps).tolist())
    assert error(found) <= 0.005
    assert np.diff(found).max() <= PERIOD * (1.01 + RATE / bursts) + 4 * MS


def test_a_lost_sample_puts_no_later_tick_off():
    stamps = samples(100, 2)
    del stamps[50]  # 0.5 s, when a tick was due
    found = ticks(stamps)
    assert {stamp - START for stamp in found} == {i * PERIOD for i in range(40) if i != 10} | {
        10 * PERIOD + 10 * MS
    }


def test_a_pause_of_the_driver_begins_the_schedule_anew():
    before, after = samples(100, 1), [stamp + NS + 717 * MS for stamp in samples(100, 1)]
    found = ticks([*before, *after])
    assert [stamp for stamp in found if stamp >= after[0]] == after[::5]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 120 * MS), min_size=2, max_size=200),
    st.sampled_from([10.0, 20.0, 30.0, 100.0]),
)
def test_whatever_comes_no_two_ticks_crowd_and_no_sample_is_left_out_for_long(spacings, rate):
    stamps = np.cumsum([START, *spacings]).tolist()
    found, period = ticks(stamps, rate), NS / rate
    assert all(after - before >= 0.45 * period - 1 for before, after in pairwise(found))
    for before, after in pairwise([*found, stamps[-1] + 1]):
        left_out = [stamp - before for stamp in stamps if before < stamp < after]
        assert all(since < 1.6 * period for since in left_out)


def test_the_rate_is_told_once_it_is_known():
    schedule = TickSchedule(RATE)
    stamps = samples(20, 3)
    ticks(stamps[:30], schedule=schedule)
    assert math.isnan(schedule.rate)
    ticks(stamps[30:], schedule=schedule)
    assert schedule.rate == pytest.approx(20.0)
    assert schedule.problem == ''


@pytest.mark.parametrize(
    ('hz', 'refused'), [(3, True), (10, True), (18.9, True), (19.1, False), (20, False)]
)
def test_a_driver_that_is_too_slow_is_a_problem(hz, refused):
    schedule = TickSchedule(RATE)
    ticks(samples(hz, 15, jitter=0.005), schedule=schedule)
    assert bool(schedule.problem) == refused
    if refused:
        assert schedule.problem.startswith('ticks come at ')
        assert schedule.rate == pytest.approx(hz, rel=0.01)
        ticks([s + 16 * NS for s in samples(20, 10)], schedule=schedule)
        assert schedule.problem == ''  # the driver was restarted as it has to be


def test_simulations_that_are_reset_again_and_again_are_not_slow():
    schedule, now = TickSchedule(RATE), START
    for steps in 10 * [1, 30, 5, 2, 100]:
        now += 250 * MS
        for _ in range(steps):
            now += PERIOD
            schedule.take(now)
            assert schedule.problem == ''


@pytest.mark.parametrize('hz', [20, 21, 25, 30, 100, 1000])
def test_no_driver_that_is_quick_enough_is_ever_a_problem(hz):
    """Not at the start, not with jitter and loss, not at a pause short or long, nor after it."""
    for seed in range(5):
        schedule = TickSchedule(RATE)
        stamps = samples(hz, 20, jitter=0.005, lost=0.02, seed=seed)
        pauses = {len(stamps) // 5: 150 * MS, len(stamps) // 2: 400 * MS, 9: 0}
        pauses[4 * len(stamps) // 5] = 60 * NS
        shift = 0
        for i, stamp in enumerate(stamps):
            shift += pauses.get(i, 0)
            schedule.take(stamp + shift)
            assert schedule.problem == ''
