from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_steps import SMALL, made_steps

from il_ros.algorithms.query_rules import RoundContext, make_rule
from il_ros.algorithms.transitions import EXPERT, join
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.interactive.arm_episode_env import ArmEpisodeEnv
from il_ros.interactive.arm_scores import RoundScores, ScoredRule, ScoresConfig, went_well
from il_ros.interactive.chunk_learner import TRAINING, ChunkLearner
from il_ros.interactive.dagger_loop import DaggerLoop, DaggerLoopConfig
from il_ros.interactive.round_journal import RoundJournal
from il_ros.monitors.conformal_thresholds import CalibrationError
from il_ros.policies.mlp import MlpConfig

REACH = load_contract(Path('config/contracts/franka_reach.yaml'))


@pytest.fixture(scope='module')
def learner(task):
    return ChunkLearner(contract=task.contract, task='made', config=SMALL)


def begun(task, learner, steps, **config):
    now = RoundContext(number=1, actor=learner.fit(steps, seed=0), steps=steps, seed=5)
    return RoundScores(now, task.contract, 'made', ScoresConfig(**config))


def test_what_is_known_is_below_the_threshold_and_what_is_not_above(task, learner):
    steps = join([made_steps(task, n) for n in range(8)])
    scores = begun(task, learner, steps, channels=(('knn', 'knn', 'observation'),))
    known, far = task.frame(3, a=0.2, b=0.01, x=0.4), task.frame(3, a=-0.9, b=0.0, x=0.95, yaw=2.5)
    scores.begin()
    assert scores.ratios(known)['monitor'] < 1.0
    scores.begin()
    assert scores.ratios(far)['monitor'] > 1.0


def test_what_takes_too_long_is_anomalous(task, learner):
    scores = begun(task, learner, join([made_steps(task, n) for n in range(8)]), overdue=1.5)
    scores.begin()
    told = [scores.ratios(task.frame(i, a=0.2, b=0.01, x=0.4))['monitor'] for i in range(31)]
    # the longest good episode has 20 steps, and 1.5 times that is 30
    assert max(told[:29]) < 1.0
    assert told[29] == pytest.approx(1.0)
    assert told[30] == pytest.approx(31 / 30)
    scores.begin()
    assert scores.ratios(task.frame(0, a=0.2, b=0.01, x=0.4))['monitor'] < 1.0


def test_episodes_that_were_helped_or_failed_do_not_calibrate(task, learner):
    helped = made_steps(task, 9, by_expert=False, round_=1)
    helped.source[5:] = EXPERT
    lost = made_steps(task, 10, by_expert=False, ending='cut', round_=1)
    own = made_steps(task, 11, by_expert=False, round_=1)
    assert [went_well(one) for one in (helped, lost, own, made_steps(task, 1))] == [
        False, False, True, True,
    ]  # fmt: skip
    steps = join([*(made_steps(task, n) for n in range(3)), helped, lost])
    with pytest.raises(
        CalibrationError,
        match=r'round 1: 3 episodes went well without help.*4 or more for alpha 0.2.*more demons',
    ):
        begun(task, learner, steps, alpha=0.2).begin()


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(IlRosError, match=r'scores.alpha.*0 < x < 1'):
        ScoresConfig(alpha=1.0)
    with pytest.raises(IlRosError, match=r'scores.folds.*2 or more'):
        ScoresConfig(folds=1)


def test_an_actor_of_another_kind_is_refused(task):
    now = RoundContext(number=1, actor=object(), steps=made_steps(task, 1), seed=0)
    with pytest.raises(IlRosError, match=r'type object.*ChunkActor.*ChunkLearner'):
        RoundScores(now, task.contract, 'made', ScoresConfig())


def coached(folder, stop_after=None):
    """Rounds of monitor-gated DAgger on an arm; gives result, episodes of the rounds."""
    config = replace(
        TRAINING, policy=MlpConfig(hidden_dims=(48,), horizon=4), epochs=20, device='cpu'
    )
    env = ArmEpisodeEnv(REACH, 'reach', horizon=4)
    learner = ChunkLearner(contract=REACH, task='reach', config=config)

    def scorer(now):
        return RoundScores(now, REACH, 'reach', ScoresConfig())

    rule = ScoredRule(make_rule('monitor_gated'), env, scorer)
    rounds = DaggerLoopConfig(demonstrations=5, rounds=2, episodes=2, evaluations=1)
    with RoundJournal(folder, {'of': 'test'}) as journal:
        coach = DaggerLoop(env, learner, rule, journal, rounds)
        _, result = coach.run()
        return result, [journal.episodes(round_) for round_ in range(3)]


def test_the_monitor_calls_the_expert_on_an_arm(tmp_path):
    result, (demonstrations, *rounds) = coached(tmp_path)
    assert all(steps.labelled.all() for steps in demonstrations)
    assert all('monitor' not in steps.scores for steps in demonstrations)
    steps = join([episode for round_ in rounds for episode in round_])
    strange = steps.scores['monitor'] > 1.0
    assert np.isfinite(steps.scores['monitor']).all()
    assert 0 < strange.sum() < len(steps)
    assert steps.labelled[strange].all()
    assert result.spent.labels == steps.labelled.sum() < len(steps)
    np.testing.assert_array_equal(steps.source == EXPERT, steps.labelled)


def test_a_run_that_goes_on_is_the_same_run(tmp_path):
    whole, episodes = coached(tmp_path)
    for path in (tmp_path / 'round_002').iterdir():
        path.unlink()
    again, others = coached(tmp_path)
    assert again == whole
    for one, other in zip(episodes[2], others[2], strict=True):
        np.testing.assert_array_equal(one.executed, other.executed)
