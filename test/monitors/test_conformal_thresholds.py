"""Conformal thresholds as the monitor reads them: ratios, thresholds anywhere, refusals."""

from math import inf

import numpy as np
import pytest

from il_ros.monitors.conformal_thresholds import (
    CalibrationError,
    ConformalThresholds,
    ScoreWindow,
    mean_ratio,
)


def ratio(thresholds, values, tick, **more):
    return mean_ratio(thresholds.ratios(values, tick, **more))


def test_the_window_fills_up_from_one_and_steps_over_what_is_no_number():
    window = ScoreWindow(2)
    assert [window.push(x) for x in (1, 3, 8)] == [1, 2, 5.5]
    window.reset()
    assert window.push(4) == 4
    assert window.push(inf) == inf
    assert window.push(6) == 6  # of the last two, the only number
    assert window.push(8) == 7


@pytest.mark.parametrize('stop', [-3.0, 0.0, 1e-12, 4.0])
def test_a_ratio_is_one_at_the_threshold_and_grows_whatever_the_sign(stop):
    thresholds = ConformalThresholds(
        loc=np.array([[2.0]]), scale=np.array([[0.5]]), begin=(0,), stop=stop, warn=1.0
    )
    at = thresholds.at(0)
    assert ratio(thresholds, at, 0) == pytest.approx(1.0, abs=1e-9)
    found = [ratio(thresholds, at + d, 0) for d in (-5.0, -0.1, 0.1, 5.0)]
    assert found == sorted(found)
    assert found[1] < 1 < found[2]
    for level in (-0.5, 0.5, 2.0):
        assert ratio(thresholds, thresholds.at(0, level), 0) == pytest.approx(level)


def test_thresholds_that_hold_anywhere_are_the_largest_of_all():
    thresholds = ConformalThresholds(
        loc=np.array([[1.0, 5.0, 2.0]]),
        scale=np.array([[1.0, 0.5, 4.0]]),
        begin=(0,),
        stop=2.0,
        warn=0.5,
    )
    # 1 + 2, 5 + 1, 2 + 8
    assert [thresholds.at(t)[0] for t in range(3)] == [3.0, 6.0, 10.0]
    anywhere = thresholds.anywhere()
    assert [anywhere.at(t)[0] for t in (0, 1, 99)] == [10.0, 10.0, 10.0]
    assert ratio(anywhere, np.array([10.0]), 0) == 1.0
    # Warnings, at half of the height above loc: 1 + 1, 5 + 0.5, 2 + 4
    assert [thresholds.at(t, 0.5)[0] for t in range(3)] == [2.0, 5.5, 6.0]
    assert anywhere.at(0, 0.5)[0] == 6.0


def test_a_warning_anywhere_is_no_sooner_than_at_its_own_tick():
    thresholds = ConformalThresholds(
        loc=np.array([[10.0, 0.0]]), scale=np.array([[0.1, 5.0]]), begin=(0,), stop=2.0, warn=0.5
    )
    assert thresholds.anywhere().at(0)[0] == pytest.approx(10.2)
    assert thresholds.anywhere().at(0, 0.5)[0] == pytest.approx(10.1)


@pytest.mark.parametrize(
    'change',
    [
        {'stop': float('nan')}, {'stop': float('inf')}, {'warn': float('nan')}, {'warn': 1.5},
        {'scale': np.array([[-1.0]])}, {'scale': np.array([[0.0]])},
        {'loc': np.array([[np.nan]])},
    ],
)  # fmt: skip
def test_a_threshold_that_nothing_would_exceed_is_refused(change):
    good = {'loc': np.zeros((1, 1)), 'scale': np.ones((1, 1)), 'stop': 1.0, 'warn': 0.5}
    with pytest.raises(CalibrationError, match=r'thresholds: stop .*calibrate the policy again'):
        ConformalThresholds(begin=(0,), **{**good, **change})


def test_a_score_of_the_answer_is_awaited_by_chunks_not_by_ticks():
    thresholds = ConformalThresholds(
        loc=np.zeros((2, 1)), scale=np.ones((2, 1)), begin=(0, 1), stop=1.0, warn=0.5
    )
    values = np.array([0.5, np.nan])
    assert ratio(thresholds, values, 5, counts=np.array([5, 0])) == 0.5
    assert ratio(thresholds, values, 5, counts=np.array([5, 1])) == np.inf
