from dataclasses import replace

import numpy as np
import pytest
import torch

from il_ros.algorithms import augmented_chunks
from il_ros.algorithms.augmented_chunks import AugmentedChunks
from il_ros.algorithms.bc import BcConfig, train_bc, train_bundle
from il_ros.algorithms.chunk_dataset import chunk_data
from il_ros.cli import train_command as cli
from il_ros.core.errors import DatasetError
from il_ros.datasets.augmentation.augmentation import NO_AUGMENTATION, Augmentation
from il_ros.datasets.augmentation.image_steps import Crop
from il_ros.datasets.augmentation.observation_noise import Noise
from il_ros.datasets.augmentation.state_perturbation import StatePerturbation
from il_ros.datasets.augmentation.symmetry import Mirror, MirrorJoint
from il_ros.datasets.dataset_writer import save_dataset
from il_ros.policies.bundle import load_bundle
from il_ros.policies.mlp import MlpConfig

pytestmark = pytest.mark.usefixtures('quick_scores')

POLICY = MlpConfig(hidden_dims=(16,), horizon=4, absolute=('hand',))
CONFIG = BcConfig(policy=POLICY, epochs=3, batch_size=64, device='cpu')
NOISE = Augmentation(noise=Noise(std={'arm': {'position': 0.02}}))
PERTURBED = Augmentation(
    perturbation=StatePerturbation(probability=1.0, offset={'a': 0.05}, recovery=0.0, tool=())
)
CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def dataset(task):
    return task.dataset(range(10))


def source(dataset, augmentation, episodes=range(7), seed=0):
    return AugmentedChunks(dataset, POLICY, episodes, augmentation, seed=seed, device=CPU)


def arrays_of(result):
    return result.policy.arrays()


def test_each_epoch_draws_anew_and_each_seed_otherwise(dataset):
    one = source(dataset, NOISE)
    first, again, second = one.draw(1), one.draw(1), one.draw(2)
    assert torch.equal(first.x, again.x)
    assert not torch.equal(first.x, second.x)
    assert not torch.equal(first.x, source(dataset, NOISE, seed=1).draw(1).x)
    assert len(one) == len(first) == 7 * 30


def test_without_anything_to_do_the_samples_are_those_of_the_dataset(dataset):
    nothing = Augmentation(noise=Noise())
    plain = chunk_data(dataset, POLICY, range(7))
    same, batch = source(dataset, nothing), plain.batch(dataset.rows(range(7)), CPU)
    np.testing.assert_allclose(same.data.inputs.mean, plain.inputs.mean, atol=1e-12)
    drawn = same.draw(3)
    for name in ('x', 'y', 'mask'):
        torch.testing.assert_close(getattr(drawn, name), getattr(batch, name))


def test_large_sets_are_augmented_block_by_block(dataset, monkeypatch):
    whole = source(dataset, Augmentation(noise=Noise())).draw(1)
    monkeypatch.setattr(augmented_chunks, '_BLOCK', 32)
    blocks = source(dataset, Augmentation(noise=Noise()))
    assert len(blocks._blocks) == 7
    assert torch.equal(blocks.draw(1).x, whole.x)


def test_a_perturbed_state_has_the_demonstrated_target(dataset):
    """What the policy says is relative to where the arm is, so the correction is in it."""
    samples = source(dataset, PERTURBED)
    drawn, data = samples.draw(1), samples.data
    targets = data.outputs.restore(drawn.y.numpy().reshape(-1, 4, 2))[..., 0]
    features = samples._features.of_arrays(dataset.values)
    shown = data.inputs.restore(drawn.x.numpy().astype(float))
    arm = int(np.argmax(np.abs(shown - features[: len(shown)]).max(axis=0) > 1e-3))
    offset = shown[:, arm] - features[: len(shown), arm]
    assert 0.03 < np.abs(offset).max() <= 0.0501
    rows, known = dataset.rows(range(7)), drawn.mask.numpy().reshape(-1, 4, 2)[..., 0] > 0
    plain = data.outputs.restore(data.y[rows])[..., 0]
    np.testing.assert_allclose((targets + offset[:, None])[known], plain[known], atol=1e-5)


def test_held_out_episodes_stay_as_they_are_and_lend_nothing(dataset):
    mask = np.zeros(dataset.frames, bool)
    mask[dataset.rows(range(7, 10))] = True
    action = dataset.action.copy()
    action[mask] = 0.9
    values = {key: value.copy() for key, value in dataset.values.items()}
    values['arm'][mask] = -0.9
    other = replace(dataset, action=action, values=values)
    for augmentation in (NOISE, PERTURBED):
        one, two = source(dataset, augmentation), source(other, augmentation)
        np.testing.assert_array_equal(one.data.inputs.mean, two.data.inputs.mean)
        np.testing.assert_array_equal(one.data.outputs.scale, two.data.outputs.scale)
        assert torch.equal(one.draw(2).x, two.draw(2).x)
        assert torch.equal(one.draw(2).y, two.draw(2).y)
        features = one._features.of_arrays(dataset.values)
        held_out = one.data.batch(dataset.rows(range(7, 10)), CPU).x.numpy()
        expected = one.data.inputs.normalize(features[mask]).astype(np.float32)
        np.testing.assert_array_equal(held_out, expected)


def test_the_normalisers_know_what_augmentation_adds(task):
    dataset = task.dataset(range(10))
    dataset.values['object'][:, 1] += 0.3 * np.random.default_rng(0).random(dataset.frames)
    joints = {'a': MirrorJoint(sign=-1), 'b': MirrorJoint()}
    mirrored = source(dataset, Augmentation(mirror=Mirror(joints=joints)))
    plain = chunk_data(dataset, POLICY, range(7))
    # the position of joint a, which is on one side in most demonstrations
    assert mirrored.data.inputs.scale[0] > 2.0 * plain.inputs.scale[0]
    assert abs(mirrored.data.inputs.mean[0]) < 0.5 * abs(plain.inputs.mean[0])
    assert np.abs(mirrored.draw(1).x.numpy()).max() < POLICY.clip


def test_off_changes_no_bit_and_on_is_seeded(dataset):
    plain, off = train_bc(dataset, CONFIG), train_bc(dataset, CONFIG, augmentation=NO_AUGMENTATION)
    one, same = (train_bc(dataset, CONFIG, augmentation=PERTURBED) for _ in range(2))
    for name, array in arrays_of(plain).items():
        np.testing.assert_array_equal(arrays_of(off)[name], array)
    for name, array in arrays_of(one).items():
        np.testing.assert_array_equal(arrays_of(same)[name], array)
    weight = 'network.layers.0.weight'
    assert not np.array_equal(arrays_of(one)[weight], arrays_of(plain)[weight])
    assert one.metrics['training_frames'] == plain.metrics['training_frames']


def test_what_a_policy_does_not_see_is_not_augmented_silently(dataset):
    with pytest.raises(DatasetError, match='crop: the samples have no image for it; allowed: no'):
        train_bc(dataset, CONFIG, augmentation=Augmentation(crop=Crop()))


def test_the_bundle_says_how_its_training_was_augmented(dataset, tmp_path):
    save_dataset(dataset, tmp_path / 'data')
    train_bundle(tmp_path / 'data', tmp_path / 'plain', CONFIG)
    train_bundle(tmp_path / 'data', tmp_path / 'noisy', CONFIG, augmentation=NOISE)
    plain, noisy = (
        load_bundle(tmp_path / name).training.config['augmentation'] for name in ('plain', 'noisy')
    )
    assert plain is None
    assert noisy == {
        'sha256': NOISE.hash,
        'settings': {'noise': {'std': {'arm': {'position': 0.02}}}},
    }


def test_the_verb_takes_files(dataset, tmp_path, capsys):
    save_dataset(dataset, tmp_path / 'data')
    (tmp_path / 'noise.yaml').write_text('noise: {std: {arm: {position: 0.02}}}\n')
    files = (tmp_path / 'noise.yaml',)
    assert cli.bc(tmp_path / 'data', tmp_path / 'out', CONFIG, augmentation=files) == 0
    assert 'augmentation' in capsys.readouterr().out
    assert load_bundle(tmp_path / 'out').training.config['augmentation']['sha256'] == NOISE.hash
    with pytest.raises(DatasetError, match=r'none.yaml: no such file'):
        cli.bc(tmp_path / 'data', tmp_path / 'no', CONFIG, augmentation=(tmp_path / 'none.yaml',))
