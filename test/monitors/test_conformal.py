"""The conformal threshold: its rank, its promise, its refusals."""

import numpy as np
import pytest

from il_ros.monitors.conformal import (
    CalibrationError,
    ScoreWindow,
    episode_maximum,
    episodes_needed,
    threshold,
)


def test_rank_by_hand():
    # n = 19, alpha = 0.05: rank ceil(20 * 0.95) = 19, the largest.
    assert threshold(range(1, 20), 0.05) == 19
    # n = 19, alpha = 0.1: rank ceil(20 * 0.9) = 18.
    assert threshold(range(19, 0, -1), 0.1) == 18
    # n = 9, alpha = 0.3: 10 * 0.7 rounds up past 7 in binary; the rank is 7 all the same.
    assert threshold(range(1, 10), 0.3) == 7


@pytest.mark.parametrize(('alpha', 'needed'), [(0.05, 19), (0.1, 9), (0.5, 1), (0.03, 33)])
def test_how_many_are_needed(alpha, needed):
    assert episodes_needed(alpha) == needed
    threshold(range(needed), alpha)
    if needed > 1:
        with pytest.raises(CalibrationError) as error:
            threshold(range(needed - 1), alpha)
        text = f'calibration: {needed - 1} episodes are too few for alpha {alpha:g}'
        assert str(error.value).startswith(f'{text}; allowed: {needed} or more; to fix: record')


def test_the_rate_of_false_alarms_is_what_was_promised():
    rng = np.random.default_rng(0)
    alarms = [
        rng.gamma(2.0) > threshold(rng.gamma(2.0, size=29), 0.1) for _ in range(4000)
    ]  # exact rate: 1 - rank/(n+1) = 1 - 27/30
    assert np.mean(alarms) == pytest.approx(0.1, abs=0.015)


def test_windowed_maximum():
    assert episode_maximum([1, 3, 8, 1, 0], window=1) == 8
    assert episode_maximum([1, 3, 8, 1, 0], window=2) == 5.5  # (3 + 8) / 2
    assert episode_maximum([9, 0, 0], window=3) == 9  # the window fills up from one
    window = ScoreWindow(2)
    assert [window.push(x) for x in (1, 3, 8)] == [1, 2, 5.5]
    window.reset()
    assert window.push(4) == 4


def test_bad_numbers_are_refused():
    with pytest.raises(CalibrationError, match='alpha is 0; allowed: 0 < alpha < 1'):
        threshold([1.0], 0)
    with pytest.raises(CalibrationError, match='a maximum is not finite'):
        threshold([1.0, np.nan], 0.5)
    with pytest.raises(CalibrationError, match='an episode has no score'):
        episode_maximum([], 3)
    with pytest.raises(CalibrationError, match='a score that is not finite'):
        episode_maximum([1.0, np.nan], 3)
