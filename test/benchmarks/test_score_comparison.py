"""Scores compared on episodes that are worked out by hand."""

import numpy as np
import pytest

from benchmarks.score_comparison import Comparison
from il_ros.core.errors import IlRosError
from il_ros.monitors.conformal_thresholds import CalibrationError
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.rollouts.rollout_scores import ScoredRollout, by_perturbation, overdue, whole_monitor

CONFIG = MonitorConfig(trigger_count=1, trigger_window=1)
NAN = float('nan')


def scored(*columns, failed=False, perturbation='', gated=False, duration=None):
    """An episode of one column for each score, a tick a second."""
    values = np.array(columns, dtype=float).T
    return ScoredRollout(
        values=values,
        times=np.arange(len(values), dtype=float),
        failed=failed,
        perturbation=perturbation,
        duration=float(len(values)) if duration is None else duration,
        gated=gated,
    )


def calibration(count=39):
    """Score `a` reaches 1 .. count; score `b` always 10 times that of `a` at the other end."""
    return [scored([0, i, 0], [0, 10 * (count + 1 - i), 0]) for i in range(1, count + 1)]


def comparison(*test, **more):
    return Comparison(
        names=('a', 'b'),
        calibration=[*calibration(), scored([99, 99, 99], [0, 0, 0], failed=True)],
        test=test,
        alpha=0.05,
        config=CONFIG,
        **more,
    )


def test_a_single_score_is_calibrated_on_the_successful_rollouts_alone():
    # rank ceil(40 * 0.95) = 38 of the maxima 1 .. 39; the failed one with 99 does not count
    assert comparison().thresholds('a').at(0)[0] == pytest.approx(38.0)


def test_ratios_are_one_at_the_threshold():
    one = scored([0, 19, 38, 57], [0, 0, 0, 0])
    thresholds = comparison().thresholds('a')
    np.testing.assert_allclose(one.ratios(thresholds, [0])[:, 0], [0, 0.5, 1, 1.5])


def test_an_alarm_is_told_by_the_mean_of_several_scores():
    quiet, by_a, by_b = scored([0, 1], [0, 1]), scored([0, 900], [0, 1]), scored([0, 1], [0, 9e3])
    judge = comparison(quiet, by_a, by_b)
    assert [t.alarm() for t in judge.traces('a')] == [None, 1.0, None]
    assert [t.alarm() for t in judge.traces('b')] == [None, None, 1.0]
    assert [t.alarm() for t in judge.traces('a', 'b')] == [None, 1.0, 1.0]


def test_a_score_without_a_number_says_nothing():
    thresholds = comparison().thresholds('a', 'b')
    trace = (one := scored([NAN, 1], [NAN, NAN])).trace(one.ratios(thresholds, [0, 1]))
    assert np.isnan(trace.ratios[0])
    assert trace.alarm() is None


def test_what_hard_checks_stopped_is_listed_apart():
    good = scored([0, 1], [0, 1])
    bad = scored([0, 900], [0, 1], failed=True, perturbation='x')
    gone = scored([0, 1], [0, 1], failed=True, perturbation='y', gated=True, duration=1.5)
    judge = comparison(good, bad, gone)
    result = judge.result('a')
    assert (len(result.traces), result.true_positives.trials) == (2, 1)
    assert result.balanced_accuracy.value == 1.0
    whole = judge.whole('a', limit=10.0)
    assert [trace.alarm() for trace in whole] == [None, 1.0, 1.5]
    assert whole[2].duration == 10.0
    kinds = by_perturbation(judge.test, whole, CONFIG)
    assert list(kinds) == ['nominal', 'x', 'y']
    assert kinds['x'] == {
        'episodes': 1, 'failed': 1, 'stopped_by_checks': 0, 'detected': 1, 'false_alarms': 0,
        'detection_share': 0.5,
    }  # fmt: skip
    assert (kinds['y']['stopped_by_checks'], kinds['y']['detected']) == (1, 0)
    assert kinds['y']['detection_share'] == 0.15  # 1.5 s of the 10 s that it would have lasted


def test_the_whole_monitor_stops_what_is_overdue():
    # calibration episodes have 3 ticks: 1.25 * 3 = 3.75, so the fourth tick is too much
    slow = scored([0] * 6, [0] * 6, failed=True)
    np.testing.assert_allclose(overdue(slow, 4, MonitorConfig()), np.arange(1, 7) / 5)
    (trace,) = comparison(slow).whole('a', limit=10.0)
    assert trace.alarm() == 3.0
    (patient,) = [
        whole_monitor(slow, np.zeros((6, 1)), longest=3, limit=10.0,
                      config=MonitorConfig(overdue=0.0))
    ]  # fmt: skip
    assert patient.alarm() is None


def test_scores_that_are_not_there_are_named():
    with pytest.raises(IlRosError, match=r'comparison: no score c; allowed: .*a.*b'):
        comparison().thresholds('a', 'c')
    with pytest.raises(IlRosError, match='no score is named'):
        comparison().traces()
    with pytest.raises(CalibrationError, match='b: an episode has no score'):
        Comparison(
            names=('a', 'b'),
            calibration=[scored([1, 2], [NAN, NAN])] * 30,
            test=[],
            alpha=0.05,
        ).thresholds('b')
