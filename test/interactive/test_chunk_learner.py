from dataclasses import replace

import numpy as np
import pytest
from made_steps import SMALL, made_steps

from il_ros.algorithms.transitions import join
from il_ros.calibration import fit_scores
from il_ros.core.errors import IlRosError
from il_ros.interactive.arm_transitions import dataset_of_steps, observed
from il_ros.interactive.chunk_learner import ChunkLearner
from il_ros.policies.bundle import load_bundle
from il_ros.policies.bundle_writer import save_bundle


@pytest.fixture(scope='module')
def steps(task):
    few = np.arange(20) % 4 == 0
    return join([
        *(made_steps(task, number) for number in range(6)),
        *(made_steps(task, n, by_expert=False, asked=few, round_=1) for n in range(6, 9)),
    ])  # fmt: skip


@pytest.fixture(scope='module')
def learner(task):
    return ChunkLearner(contract=task.contract, task='made', config=SMALL, members=2)


@pytest.fixture(scope='module')
def actor(learner, steps):
    return learner.fit(steps, seed=3)


def test_it_learns_what_the_expert_answered(actor, task):
    fresh = made_steps(task, 50)
    said = actor.decide(actor.members(fresh.observation))
    error = np.abs(said - fresh.expert)
    assert error[:, 0::2].max() < 0.05  # where the nonsense is -0.9
    assert error[:, 1::2].max() < 0.01


def test_the_first_network_decides_and_is_the_policy(actor, task):
    frame = task.frame(5, a=0.2, b=0.01, x=0.4, yaw=0.2)
    seen = observed(task.contract, frame)
    members = actor.members(seen)
    assert members.shape == (2, 4)
    np.testing.assert_allclose(members[0], actor.policy.act(frame).reshape(-1), atol=1e-6)
    np.testing.assert_array_equal(actor.decide(members), members[0])
    assert not np.array_equal(members[0], members[1])


def test_many_observations_are_answered_as_each_of_them(actor, steps):
    rows = steps.observation[:7]
    many = actor.members(rows)
    assert many.shape == (2, 7, 4)
    for row, answers in zip(rows, many.transpose(1, 0, 2), strict=True):
        np.testing.assert_allclose(actor.members(row), answers, atol=1e-9)
    assert actor.features(rows).shape == (7, actor.policy.features.size)
    assert actor.features(rows[:0]).shape == (0, actor.policy.features.size)
    assert actor.members(rows[:0]).shape == (2, 0, 4)
    assert actor.action_std.shape == (4,)


def test_one_seed_gives_one_policy_and_arrays_bring_it_back(learner, steps, actor):
    again = learner.fit(steps, seed=3)
    assert again.policy_id == actor.policy_id != learner.fit(steps, seed=4).policy_id
    back = learner.load(learner.arrays(actor))
    assert back.policy_id == actor.policy_id
    np.testing.assert_array_equal(back.members(steps.observation), actor.members(steps.observation))


def test_a_warm_start_begins_at_the_policy_that_there_was(learner, task, steps, actor):
    still = replace(learner, config=replace(SMALL, learning_rate=1e-9, epochs=1))
    grown = join([steps, made_steps(task, 30, length=60, round_=2)])
    before = actor.members(steps.observation)
    after = still.fit(grown, seed=8, start=actor).members(steps.observation)
    cold = still.fit(grown, seed=8).members(steps.observation)
    np.testing.assert_allclose(after, before, atol=2e-3)  # but for inputs that were clipped
    assert np.abs(cold - before).max() > 0.02


def test_a_warm_start_of_another_shape_is_refused(learner, steps, actor):
    other = replace(SMALL, policy=replace(SMALL.policy, hidden_dims=(8,)))
    with pytest.raises(IlRosError, match=r'warm start.*start from scratch'):
        replace(learner, config=other).fit(steps, seed=0, start=actor)


def test_effort_is_a_share_of_the_epochs(learner, steps):
    whole = replace(learner, members=1).fit(steps, seed=3, train_fraction=0.05)
    three = replace(learner, members=1, config=replace(SMALL, epochs=3)).fit(steps, seed=3)
    assert whole.policy_id == three.policy_id


def test_the_policy_is_a_bundle_like_every_other(learner, steps, actor, tmp_path, monkeypatch):
    one = fit_scores.DEFAULT_CHANNELS[:1]  # the others take long to fit
    monkeypatch.setattr(fit_scores, 'DEFAULT_CHANNELS', one)
    save_bundle(learner.bundle(actor, steps, algorithm='dagger'), tmp_path / 'bundle')
    bundle = load_bundle(tmp_path / 'bundle')
    assert bundle.policy_id == actor.policy_id
    assert bundle.training.algorithm == 'dagger'
    assert bundle.training.episodes[:2] == ('made_0_0', 'made_0_1')
    assert bundle.training.metrics['labels'] == 6 * 20 + 3 * 5
    assert bundle.scores.specs == one
    assert bundle.threshold is None


def test_a_learner_without_a_network_is_refused(task):
    with pytest.raises(IlRosError, match=r'learner.members.*1 or more'):
        ChunkLearner(contract=task.contract, task='made', members=0)


def test_to_the_scores_what_the_expert_answered_is_normal(learner, task, actor):
    steps = join([made_steps(task, n, by_expert=False, round_=1) for n in range(6)])
    data, _ = dataset_of_steps(task.contract, 'made', steps, labelled=True)
    channels = (('tce', 'tce', 'observation'),)
    scores = fit_scores.fit_bank(actor.policy, data, range(6), channels)
    here = steps.observation[:, :2]
    far = steps.expert.reshape(-1, 2, 2) - here[:, None]
    expected = np.maximum(far.std(axis=(0, 1)), 1e-3)
    np.testing.assert_allclose(scores.arrays()['score.tce.spread'], expected, rtol=1e-5)
