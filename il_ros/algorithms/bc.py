"""Behaviour cloning (Pomerleau 1989, Bain & Sammut 1995): do what the expert did.

A demonstration is a sequence of frames and of commands that were executed after them. The policy
predicts, from one frame, the next H commands (an action chunk, Zhao et al. 2023); the loss is a
masked Huber loss in normalised space. How frames become inputs and targets: `chunk_dataset.py`; how
they are augmented: `augmented_chunks.py`; the optimiser's loop: `training_loop.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from il_ros.algorithms.augmented_chunks import AugmentedChunks
from il_ros.algorithms.chunk_dataset import Batch, ChunkData, chunk_data
from il_ros.algorithms.export import make_bundle
from il_ros.algorithms.training_loop import BatchSource, Loss, fit, torch_threads
from il_ros.algorithms.training_settings import OptimiserConfig, TrainingProgress
from il_ros.algorithms.warm_start import renormalised, require_same_shapes
from il_ros.calibration.fit_scores import channels_named
from il_ros.core.atomic_folders import require_free
from il_ros.core.config import require_ranges
from il_ros.core.errors import BundleError, IlRosError
from il_ros.datasets.augmentation.augmentation import NO_AUGMENTATION, Augmentation, describe
from il_ros.datasets.dataset import Dataset, load_dataset
from il_ros.policies.bundle import INFO_FILE
from il_ros.policies.bundle_writer import save_bundle
from il_ros.policies.mlp import MlpConfig, MlpPolicy, network_sizes
from il_ros.policies.torch_networks import Mlp, choose_device


@dataclass(frozen=True, kw_only=True)
class BcConfig(OptimiserConfig):
    """How a policy is trained by behaviour cloning.

    Attributes:
        policy: Shape of the policy.
        noise: Standard deviation of Gaussian noise on the normalised inputs of a batch, which
            keeps the network smooth around the demonstrations.
        huber: Normalised error from which the loss grows linearly instead of quadratically
            (Huber 1964): millimetres near the object then count next to the long ways to it.
        score_channels: Scores of the bundle: kinds such as flow, or knn_embedding for one that
            reads the policy's embedding; none named means the default ones.
    """

    policy: MlpConfig = field(default_factory=MlpConfig)
    noise: float = 0.05
    huber: float = 0.1
    score_channels: tuple[str, ...] = ()

    def check(self) -> None:
        """See `OptimiserConfig.check`."""
        super().check()
        ranges = {'huber': 'more than 0', 'noise': '0 or more'}
        require_ranges(self, 'config', ranges, finite=True)
        require_ranges(self.policy, 'config.policy', {'clip': 'more than 0'})
        channels_named(self.score_channels, 'config.score_channels')
        if self.policy.horizon < 1 or min(self.policy.hidden_dims, default=1) < 1:
            raise IlRosError(
                'not positive', where='config.policy', allowed='horizon, hidden_dims > 0'
            )


@dataclass(frozen=True, kw_only=True)
class BcResult:
    """A trained policy and how it came about.

    Attributes:
        policy: The policy, with the weights of the best epoch, on the CPU.
        train_episodes: Indices of the dataset's episodes that were trained on.
        held_out_episodes: Indices of those that were not.
        metrics: Losses, epochs, frames, samples per second, seconds.
    """

    policy: MlpPolicy
    train_episodes: tuple[int, ...]
    held_out_episodes: tuple[int, ...]
    metrics: dict[str, float]


def train_bc(
    dataset: Dataset,
    config: BcConfig,
    *,
    augmentation: Augmentation = NO_AUGMENTATION,
    start: MlpPolicy | None = None,
    on_epoch: Callable[[TrainingProgress], None] = lambda progress: None,
    log_dir: Path | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> BcResult:
    """Clone the behaviour in a dataset.

    Args:
        dataset: Frames and the commands that followed.
        config: How to train.
        augmentation: What is done to the training samples, anew in each epoch; held-out episodes
            stay as they are.
        start: Policy of the same shape whose weights training goes on from (a warm start); at
            random if None.
        on_epoch: Called after each epoch.
        log_dir: Where to write TensorBoard scalars.
        cancelled: Asked after each epoch whether to give up.

    Raises:
        IlRosError: If a setting makes no sense or does not fit the dataset's contract, the loss
            stops being finite, or it is cancelled.
    """
    config.check()
    split = dataset.split(config.val_fraction, config.seed)
    device = choose_device(config.device)
    prepared, train = _samples(dataset, config, split[0], augmentation, device)
    held_out = prepared.batch(dataset.rows(split[1]), device)
    with torch_threads(config.threads):
        network = _network(prepared, config, start).to(device)
        metrics = fit(
            network,
            train,
            held_out,
            loss=_loss(config),
            config=config,
            log_dir=log_dir,
            on_epoch=on_epoch,
            cancelled=cancelled,
        )
    return BcResult(
        policy=MlpPolicy(
            dataset.contract,
            config.policy,
            weights={name: w.cpu().numpy().copy() for name, w in network.state_dict().items()},
            inputs=prepared.inputs,
            outputs=prepared.outputs,
        ),
        train_episodes=tuple(split[0]),
        held_out_episodes=tuple(split[1]),
        metrics=metrics,
    )


def train_bundle(
    dataset: Path,
    out: Path,
    config: BcConfig,
    *,
    augmentation: Augmentation = NO_AUGMENTATION,
    overwrite: bool = False,
    on_epoch: Callable[[TrainingProgress], None] = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> float:
    """Clone the behaviour in the dataset's folder into a bundle's folder, with TensorBoard logs.

    Args:
        dataset: Folder of the dataset.
        out: Folder of the bundle; logs go to `tensorboard/<its name>` next to it.
        config: How to train.
        augmentation: What is done to the training samples; the bundle says so.
        overwrite: Whether an existing bundle is replaced.
        on_epoch: Called after each epoch.
        cancelled: Asked after each epoch whether to give up; then nothing is written.

    Returns:
        The lowest loss on held-out episodes (dimensionless).

    Raises:
        IlRosError: As `train_bc`; and if the dataset cannot be read or the bundle not written.
    """
    require_free(out, overwrite=overwrite, marker=INFO_FILE, error=BundleError)
    data, log_dir = load_dataset(dataset, verify=True), out.parent / 'tensorboard' / out.name
    result = train_bc(
        data,
        config,
        augmentation=augmentation,
        on_epoch=on_epoch,
        log_dir=log_dir,
        cancelled=cancelled,
    )
    bundle = make_bundle(
        result.policy,
        data,
        algorithm='bc',
        config={**asdict(config), 'augmentation': describe(augmentation)},
        metrics=result.metrics,
        trained_on=result.train_episodes,
        held_out=result.held_out_episodes,
        score_channels=config.score_channels,
    )
    save_bundle(bundle, out, overwrite=overwrite)
    return result.metrics['best_loss']


def _samples(
    dataset: Dataset,
    config: BcConfig,
    episodes: list[int],
    augmentation: Augmentation,
    device: torch.device,
) -> tuple[ChunkData, BatchSource]:
    """All frames as they are, and what is trained on."""
    if augmentation.active:
        source = AugmentedChunks(
            dataset, config.policy, episodes, augmentation, seed=config.seed, device=device
        )
        return source.data, source
    prepared = chunk_data(dataset, config.policy, episodes)
    rows = dataset.rows(episodes)
    return prepared, prepared.batch(rows[prepared.mask[rows].any(axis=1)], device)


def _network(prepared: ChunkData, config: BcConfig, start: MlpPolicy | None) -> Mlp:
    shape = (prepared.y.shape[1], prepared.y.shape[2])
    sizes = network_sizes(config.policy, prepared.x.shape[1], shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = Mlp(sizes, config.policy.activation, config.policy.layer_norm)
    if start is not None:
        _resume(network, start, prepared)
    return network


def _resume(network: Mlp, start: MlpPolicy, prepared: ChunkData) -> None:
    """Begin with the weights of `start`; see `warm_start`."""
    prefix, layers = 'network.', range(len(network.layers))
    arrays = {
        name.removeprefix(prefix): np.asarray(array)
        for name, array in start.arrays().items()
        if name.startswith(prefix)
    }
    require_same_shapes(
        {name: array.shape for name, array in arrays.items()},
        {name: tuple(each.shape) for name, each in network.state_dict().items()},
    )
    weights, biases = renormalised(
        [arrays[f'layers.{i}.weight'] for i in layers],
        [arrays[f'layers.{i}.bias'] for i in layers],
        before=(start.inputs, start.outputs),
        now=(prepared.inputs, prepared.outputs),
    )
    arrays |= {f'layers.{i}.weight': weights[i] for i in layers}
    arrays |= {f'layers.{i}.bias': biases[i] for i in layers}
    network.load_state_dict(
        {name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()}
    )


def _loss(config: BcConfig) -> Loss:
    """Mean Huber loss over the steps that are known, with noise on the inputs in training."""

    def loss(network: Mlp, batch: Batch, random: torch.Generator | None) -> torch.Tensor:
        x = batch.x
        if random is not None:
            x = x + config.noise * torch.randn(x.shape, generator=random, device=x.device)
        each = nn.functional.huber_loss(network(x), batch.y, delta=config.huber, reduction='none')
        return (each * batch.mask).sum() / (batch.mask.sum() * config.huber)

    return loss
