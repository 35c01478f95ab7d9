from dataclasses import replace

import numpy as np
import pytest
import torch

from il_ros.algorithms.bc import BcConfig, train_bc
from il_ros.algorithms.chunk_dataset import chunk_data, chunk_samples, relative_targets
from il_ros.core.errors import DatasetError
from il_ros.datasets.episode_arrays import SOURCES
from il_ros.datasets.memory_dataset import assemble
from il_ros.policies.mlp import MlpConfig

CONFIG = MlpConfig(horizon=3, absolute=('hand',))


def test_targets_are_the_next_commands_relative_to_where_the_arm_is(task):
    dataset = task.dataset([1, 2], length=5)
    samples = chunk_samples(dataset, CONFIG.horizon)
    targets, mask = relative_targets(task.contract, CONFIG, samples), samples.mask
    assert targets.shape == (10, 3, 2)
    arm = dataset.values['arm'][:, 0]
    np.testing.assert_allclose(targets[1, :, 0], dataset.action[1:4, 0] - arm[1], atol=1e-6)
    np.testing.assert_allclose(targets[1, :, 1], dataset.action[1:4, 1], atol=1e-6)
    # beyond the end of an episode nothing is known, least of all the next episode
    assert mask.sum(axis=1).tolist() == [3, 3, 3, 2, 1, 3, 3, 3, 2, 1]


def test_steps_beyond_a_gap_are_not_known(task):
    whole = task.episode(1, length=6)
    actions = whole.actions.copy()
    actions[3] = np.nan
    dataset = assemble(task.contract, [replace(whole, actions=actions)])
    assert dataset.frames == 5
    mask = chunk_samples(dataset, CONFIG.horizon).mask
    assert mask.tolist() == [
        [True, True, True],
        [True, True, False],
        [True, False, False],
        [True, True, False],
        [True, False, False],
    ]


def test_normalisers_are_of_the_training_episodes_alone(task):
    dataset = task.dataset([1, 2, 3])
    data = chunk_data(dataset, CONFIG, [0, 1])
    alone = chunk_data(task.dataset([1, 2]), CONFIG, [0, 1])
    np.testing.assert_array_equal(data.inputs.mean, alone.inputs.mean)
    np.testing.assert_array_equal(data.outputs.scale, alone.outputs.scale)
    batch = data.batch(dataset.rows([2]), torch.device('cpu'))
    assert len(batch) == 30
    assert batch.y.shape == batch.mask.shape == (30, 6)
    assert batch.mask[-1].tolist() == [1, 1, 0, 0, 0, 0]
    assert batch.x.dtype == torch.float32


def test_what_does_not_vary_stays_at_scale_one(task):
    data = chunk_data(task.dataset([1, 2]), MlpConfig(exclude_keys=()), [0, 1])
    assert data.inputs.scale[2:4].tolist() == [1.0, 1.0]  # the speeds, all zero
    assert np.abs(data.x).max() <= MlpConfig().clip


@pytest.fixture
def corrected(task):
    """One episode: a policy drives, is asked about twice, and an expert drives the end of it."""
    whole = task.episode(1, length=6)
    labels = np.full((6, 3, 2), np.nan)
    labels[1], labels[2, :2] = 1.0, 2.0
    sources = np.array(4 * [SOURCES.index('policy')] + 2 * [SOURCES.index('expert')], np.uint8)
    episode = replace(whole, sources=sources, labels=labels)
    return assemble(task.contract, [episode])


def test_an_answer_counts_in_the_place_of_what_was_commanded(corrected):
    samples = chunk_samples(corrected, 3)
    assert (samples.chunk[1] == 1.0).all()
    assert (samples.chunk[2, :2] == 2.0).all()
    np.testing.assert_array_equal(samples.chunk[4, :2], corrected.action[4:6])


def test_what_a_policy_commanded_is_no_demonstration(corrected):
    assert chunk_samples(corrected, 3).mask.tolist() == [
        [False, False, False],  # the policy drove and nobody was asked
        [True, True, True],  # asked
        [True, True, False],  # asked for two steps
        [False, False, False],
        [True, True, False],  # the expert drove to the end
        [True, False, False],
    ]


def test_a_demonstration_ends_where_the_policy_drives_on(task):
    whole = task.episode(1, length=4)
    sources = np.array([SOURCES.index(s) for s in ('expert', 'expert', 'policy', 'expert')])
    labels = np.full((4, 3, 2), np.nan)
    episode = replace(whole, sources=sources, labels=labels)
    mask = chunk_samples(assemble(task.contract, [episode]), 3).mask
    assert mask.sum(axis=1).tolist() == [2, 1, 0, 1]


def test_beyond_a_short_answer_counts_what_the_expert_did(task):
    whole = task.episode(1, length=4)
    labels = np.full((4, 3, 2), np.nan)
    labels[:, :1] = 1.0
    sources = np.array([SOURCES.index(s) for s in ('expert', 'expert', 'policy', 'expert')])
    episode = replace(whole, sources=sources, labels=labels)
    dataset = assemble(task.contract, [episode])
    samples = chunk_samples(dataset, 3)
    assert samples.mask.sum(axis=1).tolist() == [2, 1, 1, 1]
    assert (samples.chunk[:, 0] == 1.0).all()
    np.testing.assert_array_equal(samples.chunk[0, 1], dataset.action[1])


def test_frames_of_which_nothing_is_known_are_not_trained_on(corrected):
    config = BcConfig(policy=MlpConfig(horizon=3, hidden_dims=(8,)), epochs=1, val_fraction=0.0)
    assert train_bc(corrected, config).metrics['training_frames'] == 4


def test_a_policy_longer_than_the_labels_is_refused(corrected):
    with pytest.raises(DatasetError, match='labels of 3 steps for a policy of 4'):
        chunk_samples(corrected, 4)
