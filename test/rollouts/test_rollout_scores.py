from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from il_ros.calibration.conformal_calibration import joint_thresholds
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.policies.bundle import load_bundle
from il_ros.rollouts.episode_cases import EpisodeCase, nominal_cases
from il_ros.rollouts.rollout_pool import EpisodeSetup, run_cases
from il_ros.rollouts.rollout_scores import (
    ScoredRollout,
    by_perturbation,
    overdue,
    result_of,
    score_inputs_of,
    score_rollouts,
    whole_monitor,
)
from il_ros.sim.perturbations import Perturbation

REACH = Path('config/contracts/franka_reach.yaml')


@pytest.fixture(scope='module')
def rollouts(reach_bundle):
    lost = Perturbation(kind='sensor_dropout', target='goal_position', start=0.4)
    setup = EpisodeSetup(contract=REACH, task='reach', bundle=reach_bundle, safety_filter='limits')
    cases = [*nominal_cases(2), EpisodeCase(seed=1, name='lost', perturbations=(lost,))]
    return list(run_cases(setup, cases))


def test_every_frame_has_the_newest_answer_at_that_time(reach_bundle, rollouts):
    score_inputs = list(score_inputs_of(load_bundle(reach_bundle).score_inputs, rollouts[2]))
    assert len(score_inputs) == len(rollouts[2].frames)
    silent = [i for i, chunk in enumerate(rollouts[2].chunks) if chunk is None]
    last = silent[0] - 1
    for i in (*range(silent[0]), silent[0]):
        np.testing.assert_array_equal(score_inputs[i].chunk, rollouts[2].chunks[min(i, last)])
        assert score_inputs[i].chunk_time == score_inputs[min(i, last)].time


def test_scores_offline_are_those_of_the_monitor(reach_bundle):
    setup = EpisodeSetup(contract=REACH, task='reach', bundle=reach_bundle, safety_filter='monitor')
    runner, bundle, live = setup.make_runner(), load_bundle(reach_bundle), []
    rollout = runner.run(
        nominal_cases(1)[0].seed,
        watch=lambda *_: live.append(runner.safety_filter.verdict.scores.values),
    )
    (offline,) = score_rollouts(bundle.calibration.bank, bundle.score_inputs, [rollout])
    # a frame is shown before the monitor has judged it: one later each
    assert len(offline.values) == len(rollout.frames)
    np.testing.assert_allclose(offline.values, np.array(live), rtol=1e-9, equal_nan=True)


def test_frames_after_a_stop_are_left_out(reach_bundle, rollouts):
    bundle = load_bundle(reach_bundle)
    (stopped,) = score_rollouts(bundle.calibration.bank, bundle.score_inputs, [rollouts[2]])
    assert stopped.gated
    assert stopped.failed
    assert stopped.times[-1] < rollouts[2].alarm == stopped.duration
    assert len(stopped.values) < len(rollouts[2].frames)


def test_thresholds_of_real_scores_let_calibration_rollouts_pass(reach_bundle, rollouts):
    bundle = load_bundle(reach_bundle)
    good = score_rollouts(bundle.calibration.bank, bundle.score_inputs, rollouts[:2])
    thresholds = joint_thresholds([one.values for one in good * 20], alpha=0.05)
    # The threshold is the very value of one of them: on which side it lies is a matter of rounding.
    thresholds = replace(thresholds, stop=thresholds.stop * (1 + 1e-9))
    assert all(
        one.trace(one.ratios(thresholds, range(len(bundle.calibration.bank.names)))).alarm() is None
        for one in good
    )


def scored(ticks=10, *, failed=False, name='', gated=False):
    """An episode of 0.1 s a tick, with two scores that the tests do not look at."""
    return ScoredRollout(
        values=np.zeros((ticks, 2)), times=np.arange(ticks) / 10, failed=failed,
        perturbation=name, duration=ticks / 10, gated=gated,
    )  # fmt: skip


CONFIG = MonitorConfig(overdue=2.0, trigger_count=2, trigger_window=3)


def test_an_episode_that_takes_too_long_is_stopped_whatever_its_scores_say():
    # The longest good one took 4 ticks, so twice as many are allowed: the ninth is one too many.
    one = scored(12)
    np.testing.assert_allclose(overdue(one, 4, CONFIG), np.arange(1, 13) / 8)
    trace = whole_monitor(one, np.full((12, 2), np.nan), longest=4, limit=5.0, config=CONFIG)
    assert trace.alarm(1, 1) == pytest.approx(0.8)
    assert trace.alarm(2, 3) == pytest.approx(0.9)  # two of the last three ticks
    ever = MonitorConfig(overdue=0.0)
    assert not overdue(one, 4, ever).any()
    trace = whole_monitor(one, np.full((12, 2), 0.5), longest=4, limit=5.0, config=ever)
    assert (trace.alarm(), trace.maximum) == (None, 0.5)


def test_a_hard_check_counts_as_an_alarm_of_the_whole_monitor_alone():
    stopped, calm = scored(5, failed=True, gated=True), np.full((5, 2), 0.1)
    trace = whole_monitor(stopped, calm, longest=20, limit=5.0, config=CONFIG)
    assert (trace.alarm(), trace.duration, trace.maximum) == (0.5, 5.0, np.inf)
    assert stopped.trace(calm).alarm() is None


def test_the_ratios_of_two_scores_are_averaged_as_far_as_they_are_known():
    ratios = np.array([[0.5, 1.5], [np.nan, 3.0], [np.nan, np.nan]])
    np.testing.assert_equal(scored(3).trace(ratios).ratios, [1.0, 3.0, np.nan])


def test_each_perturbation_has_a_row_of_its_own():
    loud, calm = np.full(10, 2.0), np.full(10, 0.5)
    cases = [
        (scored(), loud),  # a false alarm
        (scored(), calm),
        (scored(failed=True, name='push'), np.r_[np.zeros(4), np.full(6, 2.0)]),  # at 0.5 of 1.0 s
        (scored(failed=True, name='push'), calm),  # missed
        (scored(failed=True, name='push', gated=True), calm),
        (scored(name='lost'), calm),
    ]
    episodes = [one for one, _ in cases]
    traces = [one.trace(ratios[:, None]) for one, ratios in cases]
    rows = by_perturbation(episodes, traces, CONFIG)
    names = ('episodes', 'failed', 'stopped_by_checks', 'detected', 'false_alarms')
    assert {name: tuple(row[key] for key in names) for name, row in rows.items()} == {
        'nominal': (2, 0, 0, 0, 1), 'push': (3, 3, 1, 1, 0), 'lost': (1, 0, 0, 0, 0),
    }  # fmt: skip
    assert rows['push']['detection_share'] == pytest.approx(0.5)
    assert rows['lost']['detection_share'] is rows['nominal']['detection_share'] is None
    result = result_of(traces, CONFIG)
    assert (result.count, result.window, len(result.traces)) == (2, 3, 6)
