from pathlib import Path

import numpy as np
import pytest

from il_ros.core.errors import IlRosError
from il_ros.monitors.config import MonitorConfig
from il_ros.monitors.conformal import CalibrationError, joint_bands
from il_ros.policies.bundle import load_bundle
from il_ros.rollouts.cases import Case, nominal_cases
from il_ros.rollouts.comparison import Comparison
from il_ros.rollouts.pool import Setup, run_cases
from il_ros.rollouts.scoring import (
    Scored,
    by_perturbation,
    moments_of,
    overdue,
    score_rollouts,
    whole_monitor,
)
from il_ros.sim.perturbations import Perturbation

REACH = Path('config/contracts/franka_reach.yaml')
CONFIG = MonitorConfig(trigger_count=1, trigger_window=1)
NAN = float('nan')


def scored(*columns, failed=False, perturbation='', gated=False, duration=None):
    """An episode of one column for each score, a tick a second."""
    values = np.array(columns, dtype=float).T
    return Scored(
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
    assert comparison().bands('a').thresholds(0)[0] == pytest.approx(38.0)


def test_ratios_are_one_at_the_threshold():
    one = scored([0, 19, 38, 57], [0, 0, 0, 0])
    bands = comparison().bands('a')
    np.testing.assert_allclose(one.ratios(bands, [0])[:, 0], [0, 0.5, 1, 1.5])


def test_an_alarm_is_told_by_the_mean_of_several_scores():
    quiet, by_a, by_b = scored([0, 1], [0, 1]), scored([0, 900], [0, 1]), scored([0, 1], [0, 9e3])
    judge = comparison(quiet, by_a, by_b)
    assert [t.alarm() for t in judge.traces('a')] == [None, 1.0, None]
    assert [t.alarm() for t in judge.traces('b')] == [None, None, 1.0]
    assert [t.alarm() for t in judge.traces('a', 'b')] == [None, 1.0, 1.0]


def test_a_score_without_a_number_says_nothing():
    bands = comparison().bands('a', 'b')
    trace = (one := scored([NAN, 1], [NAN, NAN])).trace(one.ratios(bands, [0, 1]))
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
        comparison().bands('a', 'c')
    with pytest.raises(IlRosError, match='no score is named'):
        comparison().traces()
    with pytest.raises(CalibrationError, match='b: an episode has no score'):
        Comparison(
            names=('a', 'b'),
            calibration=[scored([1, 2], [NAN, NAN])] * 30,
            test=[],
            alpha=0.05,
        ).bands('b')


@pytest.fixture(scope='module')
def rollouts(reach_bundle):
    lost = Perturbation(kind='sensor_dropout', target='goal_position', start=0.4)
    setup = Setup(contract=REACH, task='reach', bundle=reach_bundle, guard='limits')
    return run_cases(setup, [*nominal_cases(2), Case(seed=1, name='lost', perturbations=(lost,))])


def test_every_frame_has_the_newest_answer_at_that_time(reach_bundle, rollouts):
    moments = list(moments_of(load_bundle(reach_bundle).moments, rollouts[2]))
    assert len(moments) == len(rollouts[2].frames)
    silent = [i for i, chunk in enumerate(rollouts[2].chunks) if chunk is None]
    last = silent[0] - 1
    for i in (*range(silent[0]), silent[0]):
        np.testing.assert_array_equal(moments[i].chunk, rollouts[2].chunks[min(i, last)])
        assert moments[i].chunk_time == moments[min(i, last)].time


def test_scores_offline_are_those_of_the_monitor(reach_bundle):
    setup = Setup(contract=REACH, task='reach', bundle=reach_bundle, guard='monitor')
    stage, bundle, live = setup.stage(), load_bundle(reach_bundle), []
    rollout = stage.run(
        nominal_cases(1)[0].seed, watch=lambda *_: live.append(stage.guard.verdict.scores.values)
    )
    (offline,) = score_rollouts(bundle.calibration.bank, bundle.moments, [rollout])
    # a frame is shown before the guard has judged it: one later each
    assert len(offline.values) == len(rollout.frames)
    np.testing.assert_allclose(offline.values, np.array(live), rtol=1e-9, equal_nan=True)


def test_what_comes_behind_a_stop_is_left_out(reach_bundle, rollouts):
    bundle = load_bundle(reach_bundle)
    (stopped,) = score_rollouts(bundle.calibration.bank, bundle.moments, [rollouts[2]])
    assert stopped.gated
    assert stopped.failed
    assert stopped.times[-1] < rollouts[2].alarm == stopped.duration
    assert len(stopped.values) < len(rollouts[2].frames)


def test_bands_of_real_scores_let_calibration_rollouts_pass(reach_bundle, rollouts):
    bundle = load_bundle(reach_bundle)
    good = score_rollouts(bundle.calibration.bank, bundle.moments, rollouts[:2])
    bands = joint_bands([one.values for one in good * 20], alpha=0.05)
    assert all(
        one.trace(one.ratios(bands, range(len(bundle.calibration.bank.names)))).alarm() is None
        for one in good
    )
