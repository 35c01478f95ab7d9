import csv
import io
from math import sqrt

import numpy as np
import pytest

from il_ros.core.smoothness import log_dimensionless_jerk
from il_ros.evaluation.episode_measures import action_error, jerk, latency, measures
from il_ros.evaluation.episode_table import episodes_csv
from il_ros.evaluation.evaluation_report import render
from il_ros.evaluation.evaluation_summary import summarise
from il_ros.evaluation.intervals import Rate

NAN = float('nan')


def test_a_suite_by_hand(episode, stopped):
    found = [
        episode(seed=1, violations={'force': 3}, takeovers=2),
        episode(seed=2),
        stopped('nominal', seed=3),
        episode(seed=4, takeovers=1),
    ]
    got = measures(found)
    assert (got['violation_rate'], got['fallback_rate']) == (0.25, 0.25)
    assert (got['violation_wilson_low'], got['violation_wilson_high']) == (
        Rate(1, 4).low,
        Rate(1, 4).high,
    )
    assert got['takeovers_per_episode'] == 0.75
    assert got['smoothness'] is got['latency'] is got['action_error'] is None


def test_nothing_run_is_null():
    assert set(measures([]).values()) == {None}


def test_latency_is_of_all_ticks_with_an_answer(traced):
    two = [
        traced(seed=1, ticks=4, latencies=np.array([0.001, NAN, 0.002, 0.003])),
        traced(seed=2, ticks=4, latencies=np.array([0.002, 0.002, NAN, 0.011])),
    ]
    assert latency([*two, traced(seed=3)]) == {
        'chunks': 6,
        'p50_ms': pytest.approx(2.0),
        'p99_ms': pytest.approx(10.6),  # 0.95 of the way from 3 to 11 ms
        'max_ms': pytest.approx(11.0),
    }
    assert latency([traced(seed=3)]) is None


def test_action_error_weighs_episodes_alike(traced):
    # Three joints: KL = 3/2 error^2.
    long = traced(seed=1, ticks=4, action_errors=np.array([1.0, 1.0, 1.0, 3.0]))
    short = traced(seed=2, ticks=4, action_errors=np.array([NAN, 0.5, NAN, NAN]))
    none = traced(seed=3, ticks=4, action_errors=np.full(4, NAN))
    got = action_error([long, short, none])
    assert got['episodes'] == 2
    assert got['mean'] == pytest.approx((1.5 + 0.5) / 2)
    assert got['kl_nats'] == pytest.approx(1.5 * ((3 * 1 + 9) / 4 + 0.25) / 2)
    assert got['low'] == 0.5
    assert got['high'] == 1.5
    assert action_error([long])['low'] is None
    assert action_error([none, traced(seed=4)]) is None


def test_jerk_is_that_of_the_known_commands_at_even_times(traced):
    whole = traced()
    assert jerk(whole) == pytest.approx(log_dimensionless_jerk(whole.joints, 0.1))
    ends = whole.joints.copy()
    ends[-3:] = NAN
    assert jerk(traced(joints=ends)) == pytest.approx(
        log_dimensionless_jerk(whole.joints[:-3], 0.1)
    )
    assert jerk(traced(joints=np.full((40, 3), NAN))) is None
    assert jerk(traced(joints=np.zeros((0, 0)))) is None


def test_time_to_completion_against_the_expert_has_an_interval(episode):
    found = [episode('expert', 300_000 + i) for i in range(9)]
    found += [episode('nominal', 300_000 + i, duration=4.0 + i) for i in range(9)]
    time = summarise(found, versions={})['comparison']['completion_time']
    # ratios 1, 1.25, ..., 3
    assert time['ratio_median'] == 2.0
    assert 1.0 <= time['ratio_low'] < 2.0 < time['ratio_high'] <= 3.0


def test_perturbations_have_rates_with_and_without_the_monitor(episode, stopped):
    found = []
    for i in range(4):
        seed, some = 400_000 + i, {'perturbations': ('push',)}
        found.append(stopped('ood', seed, **some))
        hurt = {'violations': {'force': 9}} if i else {}
        found.append(episode('ood_unwatched', seed, success=i == 0, **hurt, **some))
    (row,) = summarise(found, versions={})['perturbations']
    assert (row['success_rate_unwatched'], row['success_rate_watched']) == (0.25, 0.0)
    assert (row['violation_rate_unwatched'], row['violation_rate_watched']) == (0.75, 0.0)
    assert row['violation_wilson_unwatched_high'] == Rate(3, 4).high


def test_the_table_has_one_row_an_episode(traced, stopped):
    found = [
        traced(
            perturbations=('push',),
            action_errors=np.full(40, 0.25),
            latencies=np.full(40, 0.0015),
        ),
        stopped(seed=7, time=1.5, reason='=cmd()'),
    ]
    rows = list(csv.DictReader(io.StringIO(episodes_csv(found))))
    assert [row['seed'] for row in rows] == ['300000', '7']
    assert rows[0]['perturbations'] == 'push'
    assert (rows[0]['latency_p50_ms'], rows[0]['action_error']) == ('1.5000', '0.2500')
    assert float(rows[0]['log_dimensionless_jerk']) == pytest.approx(jerk(found[0]), abs=1e-4)
    assert (rows[1]['fallback'], rows[1]['fallback_time_s']) == ('1', '1.5000')
    assert (rows[1]['success'], rows[1]['latency_p50_ms']) == ('0', '')
    assert rows[1]['reason'] == "'=cmd()"


def test_the_held_out_loss_is_shown_and_said_to_be_no_measure_of_success(evaluation):
    found = evaluation(2)
    facts = {'policy': 'mlp ab', 'algorithm': 'bc', 'episodes': 90, 'held_out_episodes': 10}
    summary = summarise(found, versions={}, training={**facts, 'held_out_loss': 0.01234567})
    page = render(summary, tuple(found))
    assert 'loss 0.01235 on 10 held-out episodes' in page
    assert 'This is no measure of success' in page
    none = summarise(found, versions={}, training={**facts, 'held_out_loss': None})
    assert 'no episode was held out' in render(none, tuple(found))
    assert 'What training said' not in render(summarise(found, versions={}), tuple(found))


def test_new_measures_are_on_the_page(traced):
    found = [traced(latencies=np.full(40, 0.0015), action_errors=np.full(40, 0.25))]
    page = render(summarise(found, versions={}), tuple(found))
    assert '1.50 / 1.50' in page
    assert '<td class="n">0.25</td>' in page
    # 3 joints: 3 / 2 * 0.25^2
    assert f'<td class="n">{3 / 2 / 16:.2f}</td>' in page
    assert sqrt(2 / 3 * 3 / 2 / 16) == 0.25
