"""The loop against the same written out by hand, with every random draw in its place."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from il_ros.algorithms.bc import BcConfig, train_bc
from il_ros.algorithms.chunk_dataset import chunk_data
from il_ros.algorithms.flat_bc import FlatBcConfig
from il_ros.algorithms.training_loop import torch_threads, warmup_cosine
from il_ros.algorithms.training_settings import OptimiserConfig
from il_ros.core.errors import IlRosError
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
