import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from il_ros.algorithms.bc import BcConfig, train_bc, train_bundle
from il_ros.algorithms.training_loop import warmup_cosine
from il_ros.cli import monitor_command as monitor_cli
from il_ros.cli import train_command as cli
from il_ros.core.config import override
from il_ros.core.contract import parse_contract
from il_ros.core.errors import BundleError, ContractError, DatasetError, IlRosError
from il_ros.datasets.dataset_writer import save_dataset
from il_ros.datasets.memory_dataset import assemble
from il_ros.policies.bundle import load_bundle
from il_ros.policies.mlp import MlpConfig

pytestmark = pytest.mark.usefixtures('quick_scores')

SMALL = BcConfig(
    policy=MlpConfig(hidden_dims=(32,), horizon=4, absolute=('hand',)), epochs=40, batch_size=64,
    learning_rate=3e-3, device='cpu',
)  # fmt: skip


@pytest.fixture(scope='module')
def dataset(task):
    return task.dataset(range(20))


@pytest.fixture
def folder(dataset, tmp_path):
    save_dataset(dataset, tmp_path / 'dataset')
    return tmp_path / 'dataset'


def test_it_learns_to_do_what_the_expert_did(task, dataset):
    result = train_bc(dataset, SMALL)
    assert result.metrics['best_loss'] < 0.2
    assert len(result.held_out_episodes) == 3
    assert not set(result.train_episodes) & set(result.held_out_episodes)
    expert = task.episode(1000)
    errors = [
        result.policy.act(frame)[0] - action
        for frame, action in zip(expert.frames, expert.actions, strict=True)
    ]
    assert np.abs(errors).max(axis=0)[0] < 0.05  # of joint a, which moves up to 1 rad
    assert np.abs(errors).max(axis=0)[1] < 0.004


def test_one_seed_gives_one_policy_bit_for_bit(dataset):
    short = replace(SMALL, epochs=3)
    one, same = train_bc(dataset, short), train_bc(dataset, short)
    other = train_bc(dataset, replace(short, seed=1))
    for name, array in one.policy.arrays().items():
        np.testing.assert_array_equal(same.policy.arrays()[name], array)
    assert not np.array_equal(
        one.policy.arrays()['network.layers.0.weight'],
        other.policy.arrays()['network.layers.0.weight'],
    )


def test_the_global_random_state_and_threads_stay_as_they_were(dataset):
    torch.manual_seed(5)
    expected, threads = torch.rand(3), torch.get_num_threads()
    torch.manual_seed(5)
    train_bc(dataset, replace(SMALL, epochs=1))
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


def test_progress_is_reported_and_training_stops_when_it_no_longer_helps(dataset):
    seen = []
    noise = np.random.default_rng(0).random(dataset.action.shape, np.float32)
    pointless = replace(dataset, action=noise)
    result = train_bc(pointless, replace(SMALL, patience=3, epochs=60), on_epoch=seen.append)
    assert [p.epoch for p in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].best_loss == min(p.validation_loss for p in seen)
    assert result.metrics['best_loss'] == seen[-1].best_loss
    assert result.metrics['epochs'] == result.metrics['best_epoch'] + 3 < 60
    assert all(p.samples_per_s > 0 for p in seen)


def test_without_held_out_episodes_the_training_loss_decides(dataset):
    seen = []
    result = train_bc(dataset, replace(SMALL, val_fraction=0.0, epochs=4), on_epoch=seen.append)
    assert result.held_out_episodes == ()
    assert np.isnan(seen[-1].validation_loss)
    assert result.metrics['best_loss'] == min(p.training_loss for p in seen)


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        ({'epochs': 0}, 'config.epochs: got 0; allowed: more than 0'),
        ({'learning_rate': -1.0}, 'config.learning_rate: got -1.0; allowed: more than 0'),
        ({'val_fraction': 1.0}, 'config.val_fraction: got 1.0; allowed: 0 <= x < 1'),
        (
            {'policy': MlpConfig(horizon=0)},
            'config.policy: not positive; allowed: horizon, hidden_dims',
        ),
        ({'device': 'tpu'}, "device: got 'tpu'; allowed: auto, cpu, cuda"),
        ({'huber': 0.0}, 'config.huber: got 0.0; allowed: more than 0'),
        ({'noise': -1.0}, 'config.noise: got -1.0; allowed: 0 or more'),
        ({'ema_decay': 2.0}, 'config.ema_decay: got 2.0; allowed: 0 <= x < 1'),
        ({'score_channels': ('luck',)}, "unknown score 'luck'; allowed: clustered_"),
    ],
)
def test_settings_that_make_no_sense_are_refused(dataset, changes, text):
    with pytest.raises(IlRosError) as caught:
        train_bc(dataset, replace(SMALL, **changes))
    assert str(caught.value).startswith(text)


def test_a_loss_that_is_no_number_ends_training_with_advice(dataset):
    broken = {**dataset.values, 'object': np.full_like(dataset.values['object'], np.nan)}
    with pytest.raises(IlRosError, match='training: the loss is nan after 1 epochs; to fix: lower'):
        train_bc(replace(dataset, values=broken), SMALL)


def test_the_schedule_rises_and_falls():
    factor = warmup_cosine(0.1, 100)
    assert [factor(0), factor(4), factor(9)] == pytest.approx([0.1, 0.5, 1.0])
    assert factor(10) == 1.0
    assert factor(55) == pytest.approx(0.5, abs=0.02)
    assert 0.0 <= factor(99) < 0.01


def test_a_bundle_is_written_with_its_history_and_logs(folder, dataset, tmp_path):
    loss = train_bundle(folder, tmp_path / 'bundle', replace(SMALL, epochs=2))
    bundle = load_bundle(tmp_path / 'bundle', contract=dataset.contract)
    assert bundle.training.metrics['best_loss'] == loss
    assert bundle.training.data_hash == dataset.manifest.data_hash
    assert bundle.training.config['epochs'] == 2
    assert len(bundle.training.episodes) == len(bundle.training.seeds) == 17
    assert len(bundle.training.held_out) == 3
    assert bundle.scores is not None
    assert bundle.calibration is None  # three episodes are too few for a threshold
    assert any('events' in name for name in os.listdir(tmp_path / 'tensorboard' / 'bundle'))


def test_a_bundle_attests_only_data_that_are_what_their_hash_says(task, tmp_path):
    save_dataset(task.dataset(range(3)), tmp_path / 'data')
    array = np.load(tmp_path / 'data/action.npy', 'r+')
    array[-1, 0] = np.nextafter(array[-1, 0], np.float32(9))
    array.flush()
    with pytest.raises(DatasetError, match='data: action not as written'):
        train_bundle(tmp_path / 'data', tmp_path / 'out', SMALL, on_epoch=pytest.fail)
    assert not (tmp_path / 'out').exists()


def test_with_enough_held_out_episodes_the_bundle_is_calibrated(task, tmp_path):
    save_dataset(task.dataset(range(120)), tmp_path / 'dataset')
    train_bundle(tmp_path / 'dataset', tmp_path / 'out', replace(SMALL, epochs=1, val_fraction=0.5))
    limit = load_bundle(tmp_path / 'out').threshold
    assert (limit.source, len(limit.episodes)) == ('demonstrations', 60)
    assert len(limit.maxima) == 49  # the others bring the scores to one scale


def test_a_cancelled_training_writes_nothing(folder, tmp_path):
    with pytest.raises(IlRosError, match='training: cancelled after 1 epochs'):
        train_bundle(folder, tmp_path / 'bundle', SMALL, cancelled=lambda: True)
    assert sorted(os.listdir(tmp_path)) == ['dataset', 'tensorboard']


def test_an_existing_bundle_is_refused_before_the_work(folder, tmp_path):
    (tmp_path / 'bundle').mkdir()
    with pytest.raises(BundleError, match='bundle: exists already; to fix: '):
        train_bundle(folder, tmp_path / 'bundle', SMALL, on_epoch=pytest.fail)


def test_the_settings_choose_the_scores_of_the_bundle(folder, tmp_path):
    config = override(replace(SMALL, epochs=1), ['score_channels=[mahalanobis_embedding, tce]'])
    train_bundle(folder, tmp_path / 'bundle', config)
    bundle = load_bundle(tmp_path / 'bundle')
    assert bundle.scores.bank().names == ('mahalanobis_embedding', 'tce')


def test_the_verbs_train_and_calibrate(task, folder, tmp_path, capsys):
    bundle, rollouts = tmp_path / 'bundle', tmp_path / 'rollouts'
    assert cli.bc(folder, bundle, replace(SMALL, epochs=2)) == 0
    assert 'no: run il_ros monitor calibrate' in capsys.readouterr().out.replace('\n', ' ')
    save_dataset(task.dataset(range(100, 130)), rollouts)
    assert monitor_cli.calibrate(bundle, rollouts, alpha=0.1) == 0
    loaded = load_bundle(bundle)
    assert f'policy {loaded.policy_id}' in capsys.readouterr().out
    assert loaded.threshold.source == 'rollouts'
    before = (bundle / 'bundle.json').read_bytes()
    with pytest.raises(DatasetError) as caught:
        monitor_cli.calibrate(bundle, folder)
    assert 'the policy was trained on e' in str(caught.value)
    with pytest.raises(
        IlRosError, match=r'30 episodes are too few for alpha 0.01; allowed: 109 or'
    ):
        monitor_cli.calibrate(bundle, rollouts, alpha=0.01)
    assert (bundle / 'bundle.json').read_bytes() == before


def test_rollouts_under_another_contract_are_refused(task, folder, tmp_path):
    train_bundle(folder, tmp_path / 'bundle', replace(SMALL, epochs=1))
    slower = parse_contract(task.contract.text.replace('rate: 20.0', 'rate: 10.0'))
    save_dataset(assemble(slower, [task.episode(1)]), folder, overwrite=True)
    with pytest.raises(ContractError, match='they differ in'):
        monitor_cli.calibrate(tmp_path / 'bundle', folder)
