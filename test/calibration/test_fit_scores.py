"""The score inputs of whole episodes of a dataset."""

import numpy as np
import pytest
from follower import Follower

from il_ros.calibration.fit_scores import episode_inputs, frames_of_episode
from il_ros.monitors.calibrated_scores import NoveltyFeatures
from il_ros.policies.score_inputs import ScoreInputs


@pytest.fixture(scope='module')
def dataset(task):
    return task.dataset(range(3), length=6)


@pytest.fixture(scope='module')
def features(dataset):
    return NoveltyFeatures.fit(dataset.contract, dataset.values)


@pytest.fixture
def make(task, features, follower):
    def made(*needs):
        policy = follower(task.contract)
        return policy, ScoreInputs(policy, features, needs, 3)

    return made


def test_an_episode_is_answered_frame_by_frame_if_a_score_wants_that(make, dataset):
    policy, inputs = make('features', 'chunk')
    policy.acted = 99
    found = episode_inputs(inputs, policy, dataset, 1)
    assert policy.acted == 6  # its memory was cleared before the first of six
    frames = list(frames_of_episode(dataset, 1))
    for frame, score_input in zip(frames, found, strict=True):
        np.testing.assert_array_equal(score_input.chunk, policy.act(frame))
        assert score_input.chunk_time == score_input.time
    assert [m.time for m in found] == pytest.approx([0.05 * i for i in range(6)])
    policy, inputs = make('features')
    assert episode_inputs(inputs, policy, dataset, 1)[0].chunk is None
    assert policy.acted == 0


def test_features_of_frames_and_of_a_dataset_are_the_same(make, dataset):
    policy, inputs = make('features')
    of_rows = inputs.features.of_arrays(
        {key: array[dataset.rows([2])] for key, array in dataset.values.items()}
    )
    of_frames = [score_input.features for score_input in episode_inputs(inputs, policy, dataset, 2)]
    np.testing.assert_allclose(np.array(of_frames), of_rows, atol=1e-12)


class Drawing(Follower):
    """Draws two answers for every frame."""

    def act(self, frame):
        self.drawn = np.stack([super().act(frame), super().act(frame) + 0.1])
        return self.drawn[0]

    def samples(self):
        return self.drawn


def test_a_policy_that_draws_its_answers_gives_the_scores_its_samples(task, features, dataset):
    policy = Drawing(task.contract)
    inputs = ScoreInputs(policy, features, ('chunk',), 3)
    for one in episode_inputs(inputs, policy, dataset, 1):
        assert one.samples.shape == (2, 3, 2)
        np.testing.assert_array_equal(one.samples[0], one.chunk)
