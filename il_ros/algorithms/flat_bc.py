"""Behaviour cloning from flat observations to flat actions, M networks at once.

The plain regression inside every round of interactive imitation: normalise, fit M perceptrons side
by side (`training_loop.py`), give their mean. Networks that differ in nothing but their first
weights disagree where the data does not tell (Lakshminarayanan et al. 2017), which is what
EnsembleDAgger and ThriftyDAgger go by; their mean also errs less than one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from il_ros.algorithms.chunk_dataset import Batch
from il_ros.algorithms.training_loop import Loss, fit, torch_threads
from il_ros.algorithms.training_settings import OptimiserConfig
from il_ros.algorithms.warm_start import renormalised, require_same_shapes
from il_ros.core.config import require_ranges
from il_ros.core.errors import IlRosError, require
from il_ros.core.limits import Array
from il_ros.core.observation_features import VARIES, Normalizer
from il_ros.monitors.scores.score_networks import Activation, Networks
from il_ros.policies.flat import FlatPolicy
from il_ros.policies.torch_networks import SideBySide, choose_device


@dataclass(frozen=True, kw_only=True)
class FlatBcConfig(OptimiserConfig):
    """How a flat policy is trained. Nothing is held out: a loss would not say when to stop.

    Attributes:
        hidden_dims: Widths of the hidden layers.
        activation: What lies between them.
        members: Networks side by side, M.
        clip: Inputs are kept within this many standard deviations of the training frames.
    """

    renamed: ClassVar[dict[str, str]] = {'hidden': 'hidden_dims'}

    hidden_dims: tuple[int, ...] = (64, 64)
    activation: Activation = 'tanh'
    members: int = 1
    clip: float = 10.0
    epochs: int = 50
    val_fraction: float = 0.0
    weight_decay: float = 0.0

    def check(self) -> None:
        """See `OptimiserConfig.check`."""
        super().check()
        require_ranges(self, 'config', {'members': 'more than 0', 'clip': 'more than 0'})
        positive = min(self.hidden_dims, default=1) > 0
        require(positive, self.hidden_dims, 'config.hidden_dims', 'widths of more than 0')
        require(self.val_fraction == 0, self.val_fraction, 'config.val_fraction', '0')


@dataclass(frozen=True, kw_only=True)
class FlatData:
    """What a flat policy learns from, F steps.

    Attributes:
        x: Observations, shape (F, D).
        y: What to do there, shape (F, A).
        weight: How often each is drawn in relation to the others, shape (F,), not negative.
        low: Least action, shape (A,).
        high: Greatest action, shape (A,).
    """

    x: NDArray[np.floating]
    y: NDArray[np.floating]
    weight: Array
    low: Array
    high: Array


def train_flat(
    data: FlatData, config: FlatBcConfig, *, start: FlatPolicy | None = None
) -> FlatPolicy:
    """Clone the behaviour in `data`.

    Args:
        data: What to do where.
        config: How to train.
        start: Whose networks to go on from (a warm start); at random if None.

    Raises:
        IlRosError: If a setting makes no sense, there is nothing to learn from, the networks of
            `start` have another shape, or the loss stops being finite.
    """
    config.check()
    used = data.weight > 0
    if not used.any():
        raise IlRosError('no step has a label', where='training', fix='ask the expert more often')
    inputs = Normalizer.fit(data.x[used], varies=VARIES, clip=config.clip)
    outputs = Normalizer.fit(data.y[used], varies=VARIES, clip=np.inf)
    source = _Drawn(data, inputs, outputs, config)
    device = source.batch.x.device
    with torch_threads(config.threads):
        network = _network(source.batch, config, start, inputs, outputs).to(device)
        nothing = source.batch.at(torch.arange(0, device=device))
        fit(network, source, nothing, loss=_loss(config), config=config)
    return FlatPolicy(
        Networks(
            [weight.detach().cpu().numpy().transpose(0, 2, 1) for weight in network.weights],
            [bias.detach().cpu().numpy()[:, 0] for bias in network.biases],
            config.activation,
        ),
        inputs=inputs,
        outputs=outputs,
        low=data.low,
        high=data.high,
    )


class _Drawn:
    """Samples of each epoch: all of them once, or as many drawn by unequal weights."""

    def __init__(
        self, data: FlatData, inputs: Normalizer, outputs: Normalizer, config: FlatBcConfig
    ) -> None:
        device, used = choose_device(config.device), data.weight > 0
        x = inputs.normalize(data.x[used])
        y = outputs.normalize(_intervals(data)[used])
        self.batch = Batch(
            x=torch.from_numpy(x.astype(np.float32)).to(device),
            y=torch.from_numpy(y.astype(np.float32)).to(device),
            mask=torch.ones((len(x), 1), device=device),
        )
        self._weight = torch.from_numpy(data.weight[used].astype(np.float64)).to(device)
        self._unequal = bool((self._weight != self._weight[0]).any())
        self._random = torch.Generator(device).manual_seed(config.seed)

    def __len__(self) -> int:
        return len(self.batch)

    def draw(self, epoch: int) -> Batch:
        """See `training_loop.BatchSource`."""
        if not self._unequal:
            return self.batch
        rows = torch.multinomial(self._weight, len(self), replacement=True, generator=self._random)
        return self.batch.at(rows)


def _intervals(data: FlatData) -> Array:
    """What each answer may be, from and to, shape (F, 2, A).

    It is executed within the bounds. Where the label is a bound, whatever lies beyond is as good,
    and an answer that was never clipped is far easier to learn than one with corners.
    """
    y = np.asarray(data.y, np.float64)
    least = np.where(y <= data.low, -np.inf, y)
    return np.stack([least, np.where(y >= data.high, np.inf, y)], axis=1)


def _loss(config: FlatBcConfig) -> Loss:
    """Squared distance to what is allowed: mean over batch and action, sum over the networks."""

    def loss(network: SideBySide, batch: Batch, random: torch.Generator | None) -> torch.Tensor:
        y = network(batch.x)
        wanted = y.detach().clamp(*batch.y.unbind(1))
        return nn.functional.mse_loss(y, wanted) * config.members

    return loss


def _network(
    batch: Batch,
    config: FlatBcConfig,
    start: FlatPolicy | None,
    inputs: Normalizer,
    outputs: Normalizer,
) -> SideBySide:
    sizes = [batch.x.shape[1], *config.hidden_dims, batch.y.shape[2]]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = SideBySide(sizes, config.members, config.activation)
    if start is not None:
        weights, biases = renormalised(
            start.networks.weights,
            start.networks.biases,
            before=(start.inputs, start.outputs),
            now=(inputs, outputs),
        )
        _copy_into(network.weights, [weight.transpose(0, 2, 1) for weight in weights])
        _copy_into(network.biases, [bias[:, None] for bias in biases])
    return network


def _copy_into(parameters: nn.ParameterList, arrays: Sequence[Array]) -> None:
    require_same_shapes([array.shape for array in arrays], [tuple(p.shape) for p in parameters])
    with torch.no_grad():
        for parameter, array in zip(parameters, arrays, strict=True):
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(array)))
