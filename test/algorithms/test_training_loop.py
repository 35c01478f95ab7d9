"""The loop against the same written out by hand, with every random draw in its place."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from il_ros.algorithms.bc import BcConfig, train_bc
from il_ros.algorithms.chunk_dataset import chunk_data
from il_ros.algorithms.flat_bc import FlatBcConfig, FlatData, train_flat
from il_ros.algorithms.training_loop import torch_threads, warmup_cosine
from il_ros.algorithms.training_settings import OptimiserConfig
from il_ros.core.errors import IlRosError
from il_ros.datasets.episode_arrays import SOURCES
from il_ros.policies.flat import FlatPolicy
from il_ros.policies.mlp import MlpConfig, network_sizes
from il_ros.policies.torch_networks import Mlp

CONFIG = BcConfig(
    policy=MlpConfig(hidden_dims=(16,), horizon=4, absolute=('hand',)), epochs=3, batch_size=64,
    val_fraction=0.0, device='cpu',
)  # fmt: skip


def by_hand(dataset, config):
    """Weights of the averaged network after the last epoch."""
    data = chunk_data(dataset, config.policy, range(len(dataset.episodes)))
    train = data.batch(np.arange(dataset.frames), torch.device('cpu'))
    sizes = network_sizes(config.policy, train.x.shape[1], (4, 2))
    torch.manual_seed(config.seed)
    network = Mlp(sizes, config.policy.activation, config.policy.layer_norm)
    average = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4, fused=True)
    random = torch.Generator().manual_seed(config.seed)
    steps = config.epochs * -(-len(train) // 64)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_cosine(0.05, steps))
    for _ in range(config.epochs):
        order = torch.randperm(len(train), generator=random)
        for rows in torch.split(order, 64):
            x = train.x[rows]
            x = x + 0.05 * torch.randn(x.shape, generator=random)
            each = nn.functional.huber_loss(network(x), train.y[rows], delta=0.1, reduction='none')
            mask = train.mask[rows]
            optimizer.zero_grad()
            ((each * mask).sum() / (mask.sum() * 0.1)).backward()
            nn.utils.clip_grad_norm_(list(network.parameters()), 1.0)
            optimizer.step()
            schedule.step()
            for name, weight in network.named_parameters():
                average[name].lerp_(weight.detach(), 1.0 - 0.99)
    return average


def test_it_is_what_one_would_write_by_hand_bit_for_bit(task):
    dataset = task.dataset(range(6))
    policy = train_bc(dataset, CONFIG).policy
    with torch.random.fork_rng(devices=[]), torch_threads(1):
        expected = by_hand(dataset, CONFIG)
    for name, weight in expected.items():
        np.testing.assert_array_equal(policy.arrays()[f'network.{name}'], weight.numpy())


@pytest.mark.parametrize('name', ['epochs', 'batch_size', 'learning_rate', 'patience', 'threads'])
def test_settings_that_make_no_sense_are_refused(name):
    config = replace(OptimiserConfig(), **{name: 0})
    with pytest.raises(IlRosError) as caught:
        config.check()
    assert str(caught.value) == f'config.{name}: got 0; allowed: more than 0'


@pytest.mark.parametrize('config', [OptimiserConfig(), FlatBcConfig(), CONFIG])
@pytest.mark.parametrize(
    ('name', 'value', 'allowed'),
    [
        ('ema_decay', 1.0, '0 <= x < 1'),  # the average would never leave the first weights
        ('ema_decay', -0.1, '0 <= x < 1'),
        ('warmup', 1.0, '0 <= x < 1'),
        ('val_fraction', 1.0, '0 <= x < 1'),
        ('weight_decay', -1e-4, '0 or more'),  # weights would grow
        ('learning_rate', float('nan'), 'more than 0'),
        ('learning_rate', float('inf'), 'more than 0'),
        ('max_grad_norm', float('nan'), 'more than 0'),
    ],
)
def test_settings_out_of_range_are_refused_by_every_algorithm(config, name, value, allowed):
    with pytest.raises(IlRosError) as caught:
        replace(config, **{name: value}).check()
    assert str(caught.value) == f'config.{name}: got {value}; allowed: {allowed}'


@pytest.mark.parametrize('seed', [-1, 2**63, 2**70])
def test_a_seed_that_no_generator_takes_is_refused(seed):
    with pytest.raises(IlRosError, match=rf'config\.seed: got {seed}; allowed: 0 <= x < '):
        replace(CONFIG, seed=seed).check()
    replace(CONFIG, seed=2**63 - 1025).check()  # the largest float below


@pytest.mark.parametrize('clip', [0.0, -1.0, float('nan')])
def test_inputs_that_would_all_be_clipped_to_nothing_are_refused(clip):
    with pytest.raises(IlRosError, match=r'config\.policy\.clip: got .*; allowed: more than 0'):
        replace(CONFIG, policy=replace(CONFIG.policy, clip=clip)).check()
    with pytest.raises(IlRosError, match=r'config\.clip: got .*; allowed: more than 0'):
        FlatBcConfig(clip=clip).check()


def test_a_policy_that_sees_nothing_is_refused(task):
    blind = replace(CONFIG.policy, exclude_keys=tuple(task.contract.observations))
    with pytest.raises(
        IlRosError, match=r'exclude_keys: got .*; allowed: at least one observation'
    ):
        train_bc(task.dataset(range(3)), replace(CONFIG, policy=blind))


def test_data_in_which_no_command_is_a_demonstration_is_refused(task):
    """All frames were driven by a policy, and no expert has answered one."""
    dataset = task.dataset(range(4), length=6)
    unanswered = np.full((dataset.frames, 4, 2), np.nan, np.float32)
    driven = np.full(dataset.frames, SOURCES.index('policy'), np.uint8)
    with pytest.raises(IlRosError) as caught:
        train_bc(replace(dataset, label=unanswered, source=driven), CONFIG)
    assert str(caught.value) == (
        'training: no frame with a known command; to fix: record more demonstrations'
    )


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('fraction', [0.0, 0.3])
def test_a_command_that_is_not_finite_ends_the_training_wherever_it_is(task, value, fraction):
    """In the training episodes as in those held out: no bundle comes of it."""
    for episode in range(4):
        dataset = task.dataset(range(4), length=6)
        dataset.action[6 * episode + 3] = value
        with pytest.raises(IlRosError, match=r'training: the loss is (nan|inf) after 1 epochs'):
            train_bc(dataset, replace(CONFIG, val_fraction=fraction))


@pytest.mark.parametrize(('episodes', 'length'), [(1, 1), (1, 2), (2, 1)])
def test_the_smallest_data_there_is_can_be_learned_from(task, episodes, length):
    result = train_bc(task.dataset(range(episodes), length=length), CONFIG)
    assert np.isfinite(result.policy.act(task.frame(0))).all()


@pytest.mark.parametrize('members', [1, 3])
def test_a_flat_policy_of_one_seed_is_the_same_bit_for_bit(members):
    rng = np.random.default_rng(0)
    data = FlatData(
        x=rng.random((50, 3)), y=rng.random((50, 2)), weight=rng.random(50),
        low=-np.ones(2), high=np.ones(2),
    )  # fmt: skip
    config = FlatBcConfig(epochs=3, members=members, batch_size=16, device='cpu')
    torch.manual_seed(1)
    first = train_flat(data, config)
    torch.manual_seed(2)  # what others have drawn before does not count
    assert train_flat(data, config).policy_id == first.policy_id
    assert train_flat(data, replace(config, seed=1)).policy_id != first.policy_id
    for name in first.arrays():
        rest = {key: array for key, array in first.arrays().items() if key != name}
        if name not in ('network.weight_2',):  # fewer layers are another network
            with pytest.raises(IlRosError, match=f"no array '{name}'; to fix: train again"):
                FlatPolicy.from_arrays(rest, 'tanh')
