"""The conformal thresholds: their rank, their promise, their refusals."""

from math import inf, nan

import numpy as np
import pytest

from il_ros.calibration.conformal_calibration import (
    episodes_needed,
    joint_thresholds,
    levels,
    threshold,
)
from il_ros.monitors.conformal_thresholds import CalibrationError, mean_ratio


def one_tick(*rows):
    """Episodes of one tick, of one score each row."""
    return [np.array([[float(value) for value in values]]) for values in zip(*rows, strict=True)]


def ratio(thresholds, values, tick, **more):
    return mean_ratio(thresholds.ratios(values, tick, **more))


# One score --------------------------------------------------------------------------------------


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


def test_bad_numbers_are_refused():
    with pytest.raises(CalibrationError, match='alpha is 0; allowed: 0 < alpha < 1'):
        threshold([1.0], 0)
    with pytest.raises(CalibrationError, match='a maximum is not finite'):
        threshold([1.0, nan], 0.5)


def test_one_score_keeps_its_unit_and_spends_no_episode():
    traces = [np.array([[1.0], [value], [0.5]]) for value in range(1, 20)]
    thresholds = joint_thresholds(traces, alpha=0.05, warn_alpha=0.5)
    assert len(thresholds.maxima) == 19
    assert thresholds.stop == 19.0
    assert thresholds.at(7).tolist() == [19.0]
    assert ratio(thresholds, np.array([19.0]), 0) == 1.0
    assert ratio(thresholds, np.array([38.0]), 0) == 2.0
    # rank ceil(20 * 0.5) = 10
    assert thresholds.warn == pytest.approx(10 / 19)
    assert thresholds.at(0, thresholds.warn)[0] == pytest.approx(10.0)


# Several scores ---------------------------------------------------------------------------------


def test_scales_and_threshold_by_hand():
    # 24 episodes at alpha 0.05: 5 for the scales, 19 for the threshold.
    first = one_tick([1, 3, 1, 3, 2], [100, 300, 100, 300, 200])
    # Over whole episodes of one tick: loc 2 and 200; the maxima lie on average at 0 above it, so
    # give each of these episodes a second tick that is one (and a hundred) higher.
    first = [np.vstack([e, [[4.0, 400.0]]]) for e in first]
    # loc = (10 + 20) / 10 = 3, scale = 4 - 3 = 1; a hundred times that for the other one.
    rest = one_tick(range(3, 22), [300 + 50 * i for i in range(19)])
    thresholds = joint_thresholds([*first, *rest], alpha=0.05)
    np.testing.assert_allclose(thresholds.loc[:, 0], [3, 300])
    np.testing.assert_allclose(thresholds.scale[:, 0], [1, 100])
    # z of the i-th of the rest: the mean of i and 0.5 i; rank 19 of 19.
    np.testing.assert_allclose(thresholds.maxima, 0.75 * np.arange(19))
    assert thresholds.stop == 13.5
    np.testing.assert_allclose(thresholds.at(0), [16.5, 1650])
    # Heights of 18 and 9 above the usual: 13.5 on average.
    assert ratio(thresholds, np.array([21.0, 1200.0]), 0) == pytest.approx(1.0)
    np.testing.assert_allclose(thresholds.ratios(np.array([9.75, 300.0]), 5), [0.5, 0.0])


def episodes(rng, count, ticks=40):
    """Three scores that have nothing in common but their episode: units, tails, memory."""
    start = rng.normal(size=(count, 1))
    walk = np.cumsum(rng.normal(size=(count, ticks)), axis=1)
    return [
        np.stack(
            [
                rng.gamma(2.0, size=ticks),
                1000 * rng.normal(size=ticks) + 500 * start[i],
                np.abs(walk[i]) * (1 + np.arange(ticks) / ticks),
            ],
            axis=1,
        )
        for i in range(count)
    ]


@pytest.mark.parametrize(('varying', 'spent'), [(False, 7), (True, 10)])
def test_the_chance_of_an_alarm_is_what_was_promised(varying, spent):
    """An upper bound for any scores, and no looser than one rank, as Bonferroni's would be."""
    rng, alarms, trials, tests = np.random.default_rng(1), 0, 300, 10
    for _ in range(trials):
        thresholds = joint_thresholds(episodes(rng, 39), alpha=0.1, varying=varying)
        for trace in episodes(rng, tests):
            alarms += any(ratio(thresholds, v, t) > 1 for t, v in enumerate(trace))
    n = 39 - spent
    assert len(thresholds.maxima) == n
    exact = 1 - np.ceil((n + 1) * 0.9) / (n + 1)
    assert alarms / (trials * tests) == pytest.approx(exact, abs=0.018)  # three standard errors


def test_a_varying_band_follows_the_course_of_an_episode():
    rng = np.random.default_rng(0)
    course = 10 * np.sin(np.linspace(0, np.pi, 100))[:, None]
    traces = [course + rng.normal(size=(100, 1)) for _ in range(30)]
    fixed = joint_thresholds(traces, alpha=0.1)
    varying = joint_thresholds(traces, alpha=0.1, varying=True)
    assert varying.loc.shape == (1, 100)
    assert len(varying.maxima) == 30 - 10
    assert fixed.at(0) == fixed.at(50)
    assert varying.at(0)[0] < 0.6 * fixed.at(0)[0]
    assert varying.at(50)[0] == pytest.approx(fixed.at(50)[0], rel=0.15)
    # A score that would be normal in the middle is strange at the beginning, and not before.
    assert ratio(varying, np.array([10.0]), 0) > 1 > ratio(varying, np.array([10.0]), 50)
    assert varying.at(500) == varying.at(99)


def test_where_few_episodes_go_on_the_band_stays_as_it_was():
    traces = [np.arange(n, dtype=float)[:, None] for n in (3, 5, 50)]
    loc, scale = levels(traces, varying=True)
    assert loc.shape == scale.shape == (1, 5)


def test_a_score_has_to_be_there_from_its_first_tick_on():
    traces = [np.array([[1.0, nan], [1.0, 2.0], [2.0, float(i)]]) for i in range(24)]
    thresholds = joint_thresholds(traces, alpha=0.05)
    assert thresholds.begin == (0, 1)
    assert ratio(thresholds, np.array([1.0, nan]), 0) < 1
    assert ratio(thresholds, np.array([1.0, nan]), 1) == inf
    assert ratio(thresholds, np.array([nan, nan]), 0) == inf
    assert np.isnan(ratio(thresholds, np.array([nan, nan]), 0, missing=nan))
    assert ratio(thresholds, np.array([inf, 1.0]), 5) == inf
    assert ratio(thresholds, np.array([-inf, 1.0]), 5) == inf


def refused(traces, **options):
    with pytest.raises(CalibrationError) as error:
        joint_thresholds(traces, **{'alpha': 0.05, 'names': ('a', 'b')} | options)
    return str(error.value)


def test_what_no_threshold_can_be_made_of_is_refused():
    good = one_tick(range(23), range(23))
    text = '23 episodes are too few for alpha 0.05; allowed: 24 or more: 5 for the scale of the '
    assert text + 'scores, 19 for the threshold; to fix: record' in refused(good)
    assert 'allowed: 29 or more: 10 for the scale' in refused(good, varying=True)
    assert '0 episodes are too few' in refused([])
    assert 'warn alpha is 0.01; allowed: 0.05 or more' in refused(good, warn_alpha=0.01)
    assert 'alpha is 1.5; allowed: 0 < alpha < 1' in refused(good, alpha=1.5)
    hole = np.array([[1.0, 1.0], [1.0, nan], [1.0, 1.0]])
    assert 'b: an episode has a score that is not finite; to fix:' in refused([*good, hole])
    nothing = np.array([[nan, 1.0], [nan, 1.0]])
    assert 'a: an episode has no score; to fix: leave that' in refused([*good, nothing])
    assert 'a: an episode has no score' in refused([*good, np.zeros((0, 2))])
    still = one_tick(range(30), [3] * 30)
    assert 'never varies: it has no scale; to fix: leave that score out' in refused(still)
