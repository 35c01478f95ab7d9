import numpy as np
import torch

from il_ros.algorithms.chunks import chunk_data, chunk_targets
from il_ros.datasets.assemble import assemble, usable
from il_ros.policies.mlp import MlpConfig

CONFIG = MlpConfig(horizon=3, absolute=('hand',))


def test_targets_are_the_next_commands_relative_to_where_the_arm_is(task):
    dataset = task.dataset([1, 2], length=5)
    targets, mask = chunk_targets(dataset, CONFIG)
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
    dataset = assemble(task.contract, [usable(task.contract, whole.entry, whole.frames, actions)])
    assert dataset.frames == 5
    _, mask = chunk_targets(dataset, CONFIG)
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
    data = chunk_data(task.dataset([1, 2]), MlpConfig(leave_out=()), [0, 1])
    assert data.inputs.scale[2:4].tolist() == [1.0, 1.0]  # the speeds, all zero
    assert np.abs(data.x).max() <= MlpConfig().clip
