import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.smoothness import log_dimensionless_jerk, spectral_arc_length


def reach(duration=2.0, step=0.05, joints=2):
    """Straight minimum-jerk motion: 10 u^3 - 15 u^4 + 6 u^5."""
    times = np.arange(0, duration + step / 2, step)
    u = times / duration
    path = 10 * u**3 - 15 * u**4 + 6 * u**5
    return times, path[:, None] * np.arange(1, joints + 1)


def test_constant_speed_is_the_arc_of_a_box_by_hand():
    # Four equal speeds: |spectrum| is |cos(pi f dt) cos(2 pi f dt)|. With dt = 0.05 s it falls
    # from 1 to 0 at 5 Hz, rises to 0.2722 at about 7.3 Hz and falls to 0 at 10 Hz; cut at the last
    # frequency with at least 0.05. Along the ups and downs: 0.95 + 0.05 + 0.2722 + 0.2222, and
    # never less than that, nor more than that plus the width (at most 1).
    times = np.arange(5) * 0.05
    length = spectral_arc_length(times, times[:, None] * 3)
    rises = 1 + 0.2722 + 0.2222
    assert rises < -length < rises + 1


def test_minimum_jerk_is_smooth_and_tremor_is_rough():
    times, joints = reach()
    smooth = spectral_arc_length(times, joints)
    tremor = spectral_arc_length(times, joints + 0.02 * np.sin(2 * np.pi * 4 * times)[:, None])
    assert -1.5 < smooth < -1.3
    assert tremor < smooth - 0.5


@given(st.floats(0.01, 100))
def test_distance_does_not_matter(scale):
    times, joints = reach()
    assert spectral_arc_length(times, joints * scale) == pytest.approx(
        spectral_arc_length(times, joints), rel=1e-6
    )


@given(st.floats(1.0, 20.0))
def test_duration_does_not_matter(duration):
    slow = spectral_arc_length(*reach(duration, step=duration / 100))
    assert slow == pytest.approx(spectral_arc_length(*reach(2.0, step=0.02)), rel=0.02)


def test_two_movements_with_a_stop_are_rougher_than_one():
    times, joints = reach()
    twice = np.concatenate([joints, joints[-1] + joints[1:]])
    long = np.concatenate([times, times[-1] + times[1:]])
    assert spectral_arc_length(long, twice) < spectral_arc_length(times, joints) - 0.2


def test_commands_that_are_missing_or_repeated_are_left_out():
    times, joints = reach()
    holes = np.vstack([np.full(2, np.nan), joints[:1], joints])
    shifted = np.concatenate([[-0.05, 0.0], times])
    assert spectral_arc_length(shifted, holes) == spectral_arc_length(times, joints)


@pytest.mark.parametrize(
    ('times', 'joints'),
    [
        (np.arange(9.0), np.ones((9, 2))),
        (np.arange(3.0), np.arange(6.0).reshape(3, 2)),
        (np.zeros(9), np.arange(18.0).reshape(9, 2)),
        (np.arange(9.0), np.full((9, 2), np.nan)),
        (np.zeros(0), np.zeros((0, 2))),
    ],
)
def test_undefined_without_motion(times, joints):
    assert spectral_arc_length(times, joints) is None


@pytest.mark.parametrize('duration', [0.5, 2.0, 30.0])
@pytest.mark.parametrize('scale', [0.01, 1.0, 50.0])
def test_log_dimensionless_jerk_of_minimum_jerk_by_hand(duration, scale):
    # For a path of length d in T the integral of squared jerk is 720 d^2 / T^5 and the peak speed
    # 15/8 d / T, so that T^3 / v^2 * integral = 720 * 64 / 225 = 204.8, whatever d and T.
    _, joints = reach(duration, step=duration / 2000)
    found = log_dimensionless_jerk(joints * scale, duration / 2000)
    assert found == pytest.approx(-math.log(204.8), abs=0.01)


def test_log_dimensionless_jerk_is_lower_with_tremor():
    times, joints = reach()
    tremor = 0.02 * np.sin(2 * np.pi * 4 * times)[:, None]
    smooth, rough = (log_dimensionless_jerk(j, 0.05) for j in (joints, joints + tremor))
    assert rough < smooth - 1


@pytest.mark.parametrize('joints', [np.ones((9, 2)), np.zeros((3, 2)), np.zeros((0, 2))])
def test_log_dimensionless_jerk_is_undefined_without_motion(joints):
    assert log_dimensionless_jerk(joints, 0.05) is None


def test_log_dimensionless_jerk_is_undefined_without_jerk():
    assert log_dimensionless_jerk(np.arange(20.0)[:, None], 0.05) is None
