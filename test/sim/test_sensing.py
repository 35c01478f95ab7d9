"""What the sensors say of a scene, by hand: bias, freeze and dropout in their windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.errors import IlRosError
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.sensing import Sensing

TICKS = np.arange(0.0, 2.0, 0.1)


def readings(*perturbations, seed=0, key='wrench'):
    """What is read at each tick of a value that is the tick's number."""
    truth = [{'wrench': np.full(2, float(i)), 'tcp_pose': np.eye(7)[3]} for i in range(len(TICKS))]
    sensing = Sensing(perturbations, truth[0], np.random.default_rng(seed))
    return [sensing.observe(scene, time)[key] for scene, time in zip(truth, TICKS, strict=True)]


def first(*perturbations):
    """The first number of each reading; -1 for none."""
    return [-1.0 if value is None else value[0] for value in readings(*perturbations)]


def freeze(start, duration):
    return Perturbation(kind='sensor_freeze', target='wrench', start=start, duration=duration)


def bias(value, start=0.0, duration=9.0):
    return Perturbation(
        kind='sensor_bias', target='wrench', value=(value,), start=start, duration=duration
    )


def dropout(start, duration):
    return Perturbation(kind='sensor_dropout', target='wrench', start=start, duration=duration)


def test_a_sensor_that_freezes_twice_stays_each_time():
    expected = [0, 1, *[1] * 3, 5, 6, 7, *[7] * 4, *range(12, 20)]
    assert first(freeze(0.15, 0.3), freeze(0.75, 0.4)) == expected
    assert first(freeze(0.75, 0.4), freeze(0.15, 0.3)) == expected


def test_a_biased_sensor_freezes_at_what_it_said_last():
    # It said 1 + 100 before it froze; when it moves on, the bias is still there.
    assert first(bias(100.0), freeze(0.15, 0.3))[:6] == [100, 101, 101, 101, 101, 105]
    # The bias comes after what froze, and so is added to it.
    assert first(freeze(0.15, 0.3), bias(100.0, 0.35))[:6] == [0, 1, 1, 1, 101, 105]


def test_a_sensor_frozen_from_the_start_says_what_it_said_first():
    assert first(freeze(0.0, 0.25))[:4] == [0, 0, 0, 3]
    assert first(bias(5.0), freeze(0.0, 0.25))[:4] == [5, 5, 5, 8]


def test_what_is_lost_while_it_is_frozen_comes_back_frozen():
    assert first(freeze(0.15, 0.5), dropout(0.25, 0.2))[:8] == [0, 1, 1, -1, -1, 1, 1, 7]
    # Lost before it could freeze: the last reading that there was.
    assert first(dropout(0.15, 0.2), freeze(0.25, 0.3))[:7] == [0, 1, -1, -1, 1, 1, 6]


windows = st.tuples(st.integers(0, 15), st.integers(1, 8)).map(
    lambda ticks: (ticks[0] / 10 - 0.05 if ticks[0] else 0.0, ticks[1] / 10)
)


@settings(max_examples=40)
@given(st.lists(windows.map(lambda w: freeze(*w)) | windows.map(lambda w: dropout(*w)), max_size=5))
def test_outside_of_every_window_the_truth_is_read_and_within_none_of_the_future(perturbations):
    values = first(*perturbations)
    for tick, (time, value) in enumerate(zip(TICKS, values, strict=True)):
        active = {p.kind for p in perturbations if p.active(time)}
        assert (value == -1) == ('sensor_dropout' in active)
        if not active:
            assert value == tick
        elif value != -1:
            assert value <= tick


@settings(max_examples=30)
@given(windows, windows)
def test_a_disturbed_sensor_disturbs_no_other_one(one, other):
    lost = [freeze(*one), dropout(*other), bias(3.0, *one)]
    poses = readings(*lost, key='tcp_pose')
    np.testing.assert_array_equal(poses, np.tile(np.eye(7)[3], (len(TICKS), 1)))


def test_a_noisy_orientation_stays_one():
    noise = Perturbation(kind='sensor_noise', target='tcp_pose', value=(0.3,))
    poses = np.array(readings(noise, key='tcp_pose'))
    np.testing.assert_allclose(np.linalg.norm(poses[:, 3:], axis=1), 1.0)
    assert np.ptp(poses, axis=0).min() > 0
    np.testing.assert_array_equal(poses, readings(noise, key='tcp_pose'))
    assert not np.array_equal(poses, readings(noise, key='tcp_pose', seed=1))


def test_a_reader_that_changes_what_it_got_changes_no_frozen_reading():
    scene = {'wrench': np.zeros(2)}
    sensing = Sensing([freeze(0.0, 9.0)], scene, np.random.default_rng(0))
    sensing.observe(scene, 0.0)['wrench'][:] = 7.0
    np.testing.assert_array_equal(sensing.observe({'wrench': np.ones(2)}, 0.1)['wrench'], 0.0)


@pytest.mark.parametrize('count', [0, 1, 2, 3])
def test_numbers_that_do_not_fit_the_reading_are_refused(count):
    noise = Perturbation(kind='sensor_noise', target='wrench', value=(0.1,) * count)
    if count in (1, 2):
        assert len(readings(noise)) == len(TICKS)
    else:
        with pytest.raises(IlRosError, match=f'{count} numbers for wrench; allowed: 1 or 2'):
            readings(noise)
