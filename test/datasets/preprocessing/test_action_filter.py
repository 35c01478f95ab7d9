import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_episodes import CONTRACT, FINGER, made

from il_ros.core.errors import DatasetError
from il_ros.datasets.preprocessing.action_filter import ActionFilter, filter_actions

RATE = 20.0
TIMES = np.arange(200) / RATE


def run(episode, grippers=FINGER, **options):
    return filter_actions(CONTRACT, episode, ActionFilter(**options), grippers)


def wave(frequency, phase=0.0):
    return 0.5 * np.sin(2 * np.pi * frequency * TIMES + phase)


def gain(signal, frequency):
    """Amplitude of a frequency in the middle of a signal, a whole number of its periods."""
    inside = slice(50, 150)
    turning = np.exp(-2j * np.pi * frequency * TIMES[inside])
    return 2 * abs((signal[inside] * turning).mean()) / 0.5


def test_off_leaves_everything_alone():
    episode = made(wave(1))
    found, effect = run(episode)
    assert found is episode
    assert effect == {}


@pytest.mark.parametrize('order', [1, 2, 4])
def test_at_the_cutoff_both_runs_together_leave_one_over_root_two(order):
    found, _ = run(made(wave(2)), cutoff=2.0, order=order)
    assert gain(found.action[:, 0], 2) == pytest.approx(1 / math.sqrt(2), abs=2e-3)


def test_tremor_goes_and_motion_stays():
    found, effect = run(made(0.8 * wave(0.6) + 0.1 * wave(8)), cutoff=3.0)
    assert gain(found.action[:, 0], 0.6) == pytest.approx(0.8, abs=0.002)
    assert gain(found.action[:, 0], 8) < 0.001
    # Of 0.4^2 / 2 + 0.05^2 / 2, the tremor's share is 0.0025 / 0.1625 = 1.54 %.
    assert effect['removed_fraction.a'] == pytest.approx(0.0154, abs=0.001)
    # Root mean square of a sine of amplitude 0.05: 0.05 / sqrt(2) = 0.0354.
    assert effect['rms_change.a'] == pytest.approx(0.0354, abs=0.001)
    assert 0.05 <= effect['max_change.a'] < 0.08


@pytest.mark.parametrize('frequency', [0.3, 1.0, 2.5])
def test_nothing_is_shifted_in_time(frequency):
    rng = np.random.default_rng(0)
    raw = wave(frequency, 0.3) + 0.02 * rng.normal(size=200)
    found, _ = run(made(raw), cutoff=3.0)
    a, b = raw - raw.mean(), found.action[:, 0] - found.action[:, 0].mean()
    correlation = np.correlate(b, a, 'full')
    assert int(np.argmax(correlation)) - (len(a) - 1) == 0


def test_backwards_in_time_it_does_the_same():
    rng = np.random.default_rng(1)
    raw = np.cumsum(rng.normal(size=200)) * 0.02
    forth, _ = run(made(raw), cutoff=2.0)
    back, _ = run(made(raw[::-1]), cutoff=2.0)
    np.testing.assert_allclose(back.action[::-1, 0], forth.action[:, 0], atol=1e-4)


def test_a_straight_line_comes_through_to_its_ends():
    raw = np.linspace(-0.9, 0.9, 100)
    found, _ = run(made(raw), cutoff=2.0)
    np.testing.assert_allclose(found.action[:, 0], raw, atol=1e-4)


@given(st.integers(0, 10_000), st.floats(0.5, 8.0))
@settings(max_examples=30, deadline=None)
def test_the_ends_stay_where_they_were(seed, cutoff):
    # Continued point-mirrored about its end, a signal is odd there, and an even filter leaves the
    # middle of what is odd alone; what remains is how far the filter sees beyond the mirror image.
    raw = np.random.default_rng(seed).uniform(-0.5, 0.5, 120)
    found, _ = run(made(raw), cutoff=cutoff)
    assert abs(found.action[0, 0] - raw[0]) < 0.01
    assert abs(found.action[-1, 0] - raw[-1]) < 0.01


def test_a_step_overshoots_by_less_than_a_tenth_and_never_the_limits():
    low = np.where(np.arange(120) < 60, 0.0, 0.5)
    found, _ = run(made(low), cutoff=2.0)
    assert -0.05 < found.action[:, 0].min() < 0
    assert 0.5 < found.action[:, 0].max() < 0.55
    found, _ = run(made(low * 2), cutoff=2.0)
    assert found.action[:, 0].max() == 1.0


def test_a_gripper_is_left_alone_unless_it_is_named():
    action = np.zeros((100, 3))
    action[50:, :] = [0.5, 0.5, 0.04]
    episode = made(action)
    found, effect = run(episode, cutoff=2.0)
    np.testing.assert_array_equal(found.action[:, 2], episode.action[:, 2])
    assert 'rms_change.b' in effect
    assert 'rms_change.finger' not in effect
    named, effect = run(episode, cutoff=2.0, joints=('finger',))
    np.testing.assert_array_equal(named.action[:, :2], episode.action[:, :2])
    assert 0 < named.action[49, 2] < 0.04
    assert effect['max_change.finger'] > 0.01


def test_the_raw_action_stays_and_running_twice_is_running_once():
    episode = made(wave(1) + 0.1 * wave(7))
    once, effect = run(episode, cutoff=3.0)
    twice, again = run(once, cutoff=3.0)
    np.testing.assert_array_equal(once.action_raw, episode.action_raw)
    np.testing.assert_array_equal(twice.action, once.action)
    assert again == effect


def test_a_piece_knows_nothing_of_the_one_behind_the_gap():
    raw = np.concatenate([wave(1)[:100], np.full(100, 0.9)])
    steps = np.concatenate([np.arange(100), np.arange(102, 202)])
    found, effect = run(made(raw, steps=steps), cutoff=3.0)
    alone, _ = run(made(raw[:100]), cutoff=3.0)
    np.testing.assert_array_equal(found.action[:100], alone.action)
    np.testing.assert_allclose(found.action[100:, 0], 0.9, atol=1e-6)
    assert effect['pieces'] == 2


def test_a_missing_action_ends_a_piece_and_stays_missing():
    raw = wave(1)
    raw[100] = np.nan
    found, effect = run(made(raw), cutoff=3.0)
    assert np.flatnonzero(np.isnan(found.action[:, 0])).tolist() == [100]
    assert effect['pieces'] == 2
    alone, _ = run(made(raw[101:]), cutoff=3.0)
    np.testing.assert_allclose(found.action[101:, 0], alone.action[:, 0], atol=1e-6)


def test_a_piece_too_short_is_left_and_counted():
    # Cut-off 2 Hz at 20 Hz: the filter wants 1.5 / 2 Hz * 20 Hz = 15 frames and one more.
    raw = wave(7)
    for frames, short in ((15, 1), (16, 0)):
        found, effect = run(made(raw[:frames]), cutoff=2.0)
        assert (effect['short_pieces'], effect['short_frames']) == (short, short * frames)
        same = np.array_equal(found.action, found.action_raw)
        assert same == bool(short)


def test_no_frames_no_effect():
    found, effect = run(made(0), cutoff=2.0)
    assert found.frames == 0
    assert effect['pieces'] == 0


def test_refuses_what_the_rate_does_not_allow():
    with pytest.raises(DatasetError) as error:
        run(made(wave(1)), cutoff=10.0)
    assert str(error.value) == (
        "filter.cutoff: got 10 Hz; allowed: less than 10 Hz, half the contract's rate"
    )


def test_refuses_a_joint_that_is_not_there():
    with pytest.raises(DatasetError, match=r'filter.joints: got .elbow.; allowed: a, b, finger'):
        run(made(wave(1)), joints=('elbow',))


@pytest.mark.parametrize('change', [{'cutoff': -1.0}, {'cutoff': math.nan}, {'order': 0}])
def test_refuses_settings_that_mean_nothing(change):
    with pytest.raises(ValueError, match='allowed'):
        replace(ActionFilter(), **change)
