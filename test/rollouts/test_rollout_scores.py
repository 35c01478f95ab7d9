from pathlib import Path

import numpy as np
import pytest

from il_ros.calibration.conformal_calibration import joint_thresholds
from il_ros.policies.bundle import load_bundle
from il_ros.rollouts.episode_cases import EpisodeCase, nominal_cases
from il_ros.rollouts.rollout_pool import EpisodeSetup, run_cases
from il_ros.rollouts.rollout_scores import score_inputs_of, score_rollouts
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
    assert all(
        one.trace(one.ratios(thresholds, range(len(bundle.calibration.bank.names)))).alarm() is None
        for one in good
    )
