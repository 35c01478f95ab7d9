import math
from dataclasses import replace

import numpy as np
import pytest

from il_ros.core.errors import EvaluationError
from il_ros.evaluation.intervals import Rate
from il_ros.evaluation.score_quality import ScoreResult, ScoreTrace, table

NAN = float('nan')


def trace(*ratios, failed=False, perturbed=False, duration=None):
    times = np.arange(len(ratios), dtype=float)
    return ScoreTrace(
        times=times,
        ratios=np.array(ratios, dtype=float),
        failed=failed,
        perturbed=perturbed,
        duration=float(len(ratios)) if duration is None else duration,
    )


def bad(*ratios, **more):
    return trace(*ratios, failed=True, perturbed=True, **more)


def area(failing, good):
    """Area under the curve of episodes with these maxima."""
    return ScoreResult(traces=[*map(bad, failing), *map(trace, good)]).auroc


def test_the_area_under_the_curve_counts_pairs():
    # 3 > 1, 3 > 2, 1 = 1, 1 < 2: 1 + 1 + 0.5 + 0 of 4 pairs
    assert area([3.0, 1.0], [1.0, 2.0]).value == 2.5 / 4


def test_the_area_is_one_for_perfect_and_a_half_for_constant_scores():
    assert area([5.0, 6.0], [1.0, 2.0]).value == 1.0
    assert area(np.ones(3), np.ones(4)).value == 0.5


def test_the_area_needs_both_kinds():
    assert area([], [0.0]) is area([0.0], []) is None


def test_the_alarm_is_at_the_first_tick_above_one():
    assert trace(0.5, 1.0, 1.1, 0.2, 3.0).alarm() == 2.0  # 1.0 itself is not above


def test_the_alarm_of_n_of_m_waits_for_the_nth():
    # above: 0 1 0 1 1; of the last 3: 0 1 1 2 2
    assert trace(0, 2, 0, 2, 2).alarm(count=2, window=3) == 3.0
    assert trace(0, 2, 0, 0, 2).alarm(count=2, window=3) is None


def test_ticks_that_cannot_be_told_raise_no_alarm():
    assert trace(NAN, NAN, 2.0).alarm() == 2.0
    assert trace(NAN, NAN).alarm() is None
    assert trace(NAN, NAN).maximum == -math.inf
    assert trace(NAN, 0.3).maximum == 0.3


def test_an_alarm_at_the_end_is_none():
    assert trace(0.0, 0.0, 2.0, duration=2.0).alarm() is None
    assert trace(0.0, 0.0, 2.0, duration=2.5).alarm() == 2.0


def test_a_stop_by_something_else_is_an_alarm_too():
    traces = [bad(0, 0, 2, 0), bad(0, 0, 0, 0)]
    assert [replace(one, stopped=1.5).alarm() for one in traces] == [1.5, 1.5]
    assert [replace(one, stopped=3.5).alarm() for one in traces] == [2.0, 3.5]
    assert replace(traces[1], stopped=3.5).maximum == math.inf


def test_rates_and_accuracies_by_hand():
    result = ScoreResult(
        traces=[
            bad(0, 2, 0, 0),  # alarm at 1 of 4 s: counts 1, or 0.75 by time
            bad(0, 0, 2, 0),  # alarm at 2 of 4 s: counts 1, or 0.5 by time
            bad(0, 0, 0, 0),  # missed
            bad(0, 0, 0, 0.5),  # missed
            trace(0, 0, 0),  # quiet
            trace(0, 2, 0),  # false alarm, nothing disturbed
            trace(0, 0, 0.9, perturbed=True),  # quiet
            trace(0, 0, 1.5, perturbed=True),  # false alarm, disturbed
            trace(0, 0, 0, perturbed=True),  # quiet
        ]
    )
    assert result.true_positives == Rate(2, 4)
    assert result.true_negatives == Rate(3, 5)
    assert result.nominal_false_alarms == Rate(1, 2)
    assert result.perturbed_false_alarms == Rate(1, 3)
    assert result.balanced_accuracy.value == pytest.approx((2 / 4 + 3 / 5) / 2)
    # (0.75 + 0.5 + 0 + 0) / 4 of the failing ones
    assert result.time_weighted_accuracy.value == pytest.approx((1.25 / 4 + 3 / 5) / 2)
    assert result.detection_share.value == (1 / 4 + 2 / 4) / 2  # median of two
    # maxima 2 2 0 0.5 against 0 2 0.9 1.5 0: wins of 2: 1 .5 1 1 1 = 4.5, of 0: .5 0 0 0 .5 = 1,
    # of 0.5: 1 0 0 0 1 = 2
    assert result.auroc.value == pytest.approx((4.5 + 4.5 + 1 + 2) / 20)


def test_intervals_hold_the_figure_and_shrink_with_more_episodes():
    few = [bad(0, 2, 0), bad(0, 0, 0), bad(0, 2, 0), trace(0, 0), trace(2, 0), trace(0, 0)]
    small, large = ScoreResult(traces=few), ScoreResult(traces=few * 20)
    for name in ('auroc', 'balanced_accuracy', 'time_weighted_accuracy'):
        a, b = getattr(small, name), getattr(large, name)
        assert a.low <= a.value <= a.high
        assert b.value == pytest.approx(a.value)
        assert b.high - b.low < 0.5 * (a.high - a.low)


def test_the_bootstrap_agrees_with_the_binomial_spread():
    # 50 of 100 detected, no false alarm: half the spread of a rate of 0.5, 0.5 * 1.96 * 0.05
    traces = [bad(2, 0)] * 50 + [bad(0, 0)] * 50 + [trace(0, 0)] * 100
    figure = ScoreResult(traces=traces).balanced_accuracy
    assert figure.high - figure.value == pytest.approx(0.5 * 1.96 * 0.05, rel=0.1)


def test_intervals_reproduce():
    traces = [bad(0, 2), bad(0, 0), bad(0, 0.5), trace(0, 1), trace(2, 0), trace(0, 0.1)]
    assert ScoreResult(traces=traces).row() == ScoreResult(traces=traces).row()


def test_what_was_not_measured_is_not_a_number():
    row = ScoreResult(traces=[trace(0, 0), trace(0, 2)]).row()
    assert row['auroc'] is None
    assert row['balanced_accuracy'] is None
    assert row['detection_share'] is None
    assert row['true_positive_rate'] is None
    assert row['false_alarms_nominal'] == 0.5
    assert row['false_alarms_perturbed'] is None
    assert (row['episodes'], row['failed']) == (2, 0)


def test_the_table_has_a_line_for_each_score():
    result = ScoreResult(traces=[bad(0, 2), trace(0, 0)])
    lines = table({'knn': result, 'nothing': ScoreResult(traces=[trace(0, 0)])}).splitlines()
    assert lines[0].startswith('| score | AUROC |')
    assert lines[2].startswith('| knn | 1.000 (1.00 to 1.00) | 1/1 (0.21 to 1.00) |')
    assert lines[3].startswith('| nothing | - | - |')
    assert {line.count('|') for line in lines} == {10}


def test_traces_have_to_fit():
    with pytest.raises(EvaluationError, match=r'trace: times \(2,\) and ratios \(3,\)'):
        ScoreTrace(
            times=np.zeros(2), ratios=np.zeros(3), failed=False, perturbed=False, duration=1.0
        )
    with pytest.raises(EvaluationError, match=r'a duration of 0.0 s'):
        trace(0.0, duration=0.0)
