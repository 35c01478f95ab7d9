"""Behaviour cloning (Pomerleau 1989, Bain & Sammut 1995): do what the expert did.

A demonstration is a sequence of frames and of commands that were executed after them. The policy
predicts, from one frame, the next H commands (an action chunk, Zhao et al. 2023); the loss is a
masked Huber loss in normalised space. Training follows a moving average of the weights and stops
early on episodes that it never trains on. How frames become inputs and targets: `chunks.py`.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from il_ros.algorithms.bundles import make_bundle
from il_ros.algorithms.chunks import Batch, ChunkData, chunk_data
from il_ros.algorithms.torch_tools import tensorboard, torch_threads, warmup_cosine
from il_ros.core.errors import BundleError, IlRosError
from il_ros.core.folders import require_free
from il_ros.datasets.dataset import Dataset, load_dataset
from il_ros.policies.bundle import save_bundle
from il_ros.policies.mlp import MlpConfig, MlpPolicy, network_sizes
from il_ros.policies.networks import Mlp, choose_device


@dataclass(frozen=True, kw_only=True)
class BcConfig:
    """How a policy is trained by behaviour cloning.

    Attributes:
        policy: Shape of the policy.
        epochs: Passes over the training frames, at most.
        batch: Frames in a batch.
        learning_rate: Peak learning rate of AdamW (Loshchilov & Hutter 2019).
        weight_decay: Its decoupled weight decay.
        warmup: Share of all steps in which the rate rises to the peak; it then falls to zero on
            half a cosine (Loshchilov & Hutter 2017).
        noise: Standard deviation of Gaussian noise on the normalised inputs of a batch, which
            keeps the network smooth around the demonstrations.
        held_out: Share of the episodes kept for early stopping and calibration.
        patience: Epochs without a better held-out loss after which training stops.
        gradient_norm: Largest norm of a gradient.
        huber: Normalised error from which the loss grows linearly instead of quadratically
            (Huber 1964): millimetres near the object then count beside the long ways to it.
        average: Share of the averaged weights that a step keeps. The policy is this moving
            average (Polyak & Juditsky 1992), which rolls out better than the weights themselves.
        seed: Seed of the split, the weights, the batches and the noise. On the CPU one seed
            gives one policy, bit for bit.
        threads: Threads of torch; small networks gain nothing from more.
        device: Where to train; `auto` takes cuda where there is one.
    """

    policy: MlpConfig = field(default_factory=MlpConfig)
    epochs: int = 200
    batch: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup: float = 0.05
    noise: float = 0.05
    held_out: float = 0.15
    patience: int = 40
    gradient_norm: float = 1.0
    huber: float = 0.1
    average: float = 0.99
    seed: int = 0
    threads: int = 1
    device: Literal['auto', 'cpu', 'cuda'] = 'auto'


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where training stands after an epoch.

    Attributes:
        epoch: Epochs done.
        epochs: Epochs at most.
        training_loss: Mean loss of the epoch's batches (dimensionless).
        validation_loss: Loss on held-out episodes; NaN where none is held out.
        best_loss: Lowest loss so far, on held-out episodes where there are any.
        learning_rate: Rate of the last step.
        samples_per_s: Frames trained on per second.
    """

    epoch: int
    epochs: int
    training_loss: float
    validation_loss: float
    best_loss: float
    learning_rate: float
    samples_per_s: float


@dataclass(frozen=True, kw_only=True)
class BcResult:
    """A trained policy and how it came about.

    Attributes:
        policy: The policy, with the weights of the best epoch, on the CPU.
        config: What it was trained by.
        train_episodes: Indices of the dataset's episodes that were trained on.
        held_out_episodes: Indices of those that were not.
        metrics: Losses, epochs, frames, samples per second, seconds.
    """

    policy: MlpPolicy
    config: BcConfig
    train_episodes: tuple[int, ...]
    held_out_episodes: tuple[int, ...]
    metrics: dict[str, float]


def train_bc(
    dataset: Dataset,
    config: BcConfig,
    *,
    on_epoch: Callable[[Progress], None] | None = None,
    log_dir: Path | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> BcResult:
    """Clone the behaviour in a dataset.

    Args:
        dataset: Frames and the commands that followed.
        config: How to train.
        on_epoch: Called after each epoch.
        log_dir: Where to write TensorBoard scalars.
        cancelled: Asked after each epoch whether to give up.

    Raises:
        IlRosError: If a setting makes no sense, the loss stops being finite, or it is cancelled.
    """
    _check(config)
    split = dataset.split(config.held_out, config.seed)
    device = choose_device(config.device)
    prepared = chunk_data(dataset, config.policy, split[0])
    train, held_out = (prepared.batch(dataset.rows(part), device) for part in split)
    with torch_threads(config.threads):
        network = _network(prepared, config).to(device)
        metrics = _fit(
            network,
            train,
            held_out,
            config,
            on_epoch=on_epoch,
            log_dir=log_dir,
            cancelled=cancelled,
        )
    weights = {name: w.cpu().numpy().copy() for name, w in network.state_dict().items()}
    return BcResult(
        policy=MlpPolicy(
            dataset.contract,
            config.policy,
            weights=weights,
            inputs=prepared.inputs,
            outputs=prepared.outputs,
        ),
        config=config,
        train_episodes=tuple(split[0]),
        held_out_episodes=tuple(split[1]),
        metrics=metrics,
    )


def train_bundle(
    dataset: Path,
    out: Path,
    config: BcConfig,
    *,
    overwrite: bool = False,
    on_epoch: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> float:
    """Clone the behaviour in the dataset's folder into a bundle's folder, with TensorBoard logs.

    Args:
        dataset: Folder of the dataset.
        out: Folder of the bundle; logs go to `tensorboard/<its name>` beside it.
        config: How to train.
        overwrite: Whether an existing bundle is replaced.
        on_epoch: Called after each epoch.
        cancelled: Asked after each epoch whether to give up; then nothing is written.

    Returns:
        The lowest loss on held-out episodes (dimensionless).

    Raises:
        IlRosError: As `train_bc`; and if the dataset cannot be read or the bundle not written.
    """
    require_free(out, overwrite=overwrite, error=BundleError)
    data, log_dir = load_dataset(dataset), out.parent / 'tensorboard' / out.name
    result = train_bc(data, config, on_epoch=on_epoch, log_dir=log_dir, cancelled=cancelled)
    bundle = make_bundle(
        result.policy,
        data,
        algorithm='bc',
        config=asdict(config),
        metrics=result.metrics,
        trained_on=result.train_episodes,
        held_out=result.held_out_episodes,
    )
    save_bundle(bundle, out, overwrite=overwrite)
    return result.metrics['best_loss']


def _network(prepared: ChunkData, config: BcConfig) -> Mlp:
    shape = (prepared.y.shape[1], prepared.y.shape[2])
    sizes = network_sizes(config.policy, prepared.x.shape[1], shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return Mlp(sizes, config.policy.activation, config.policy.layer_norm)


def _fit(
    network: Mlp,
    train: Batch,
    held_out: Batch,
    config: BcConfig,
    *,
    on_epoch: Callable[[Progress], None] | None,
    log_dir: Path | None,
    cancelled: Callable[[], bool] | None,
) -> dict[str, float]:
    """Train until the epochs or the patience end it; leave the best weights."""
    average = copy.deepcopy(network).requires_grad_(False)
    best, best_loss, best_epoch = _copy(network), math.inf, 0
    started, busy = time.perf_counter(), 0.0
    with tensorboard(log_dir) as log:
        for epoch in _epochs(network, average, train, held_out, config):
            loss = epoch.validation_loss if len(held_out) else epoch.training_loss
            if not math.isfinite(loss):
                raise IlRosError(
                    f'the loss is {loss} after {epoch.epoch} epochs',
                    where='training',
                    fix='lower the learning rate',
                )
            if loss < best_loss:
                best, best_loss, best_epoch = _copy(average), loss, epoch.epoch
            progress = replace(epoch, best_loss=best_loss)
            busy += len(train) / progress.samples_per_s
            log(progress.epoch, _scalars(progress))
            if on_epoch is not None:
                on_epoch(progress)
            if cancelled is not None and cancelled():
                raise IlRosError(f'cancelled after {progress.epoch} epochs', where='training')
            if progress.epoch - best_epoch >= config.patience:
                break
    network.load_state_dict(best)
    return {
        'best_loss': best_loss,
        'best_epoch': best_epoch,
        'epochs': progress.epoch,
        'training_loss': progress.training_loss,
        'validation_loss': progress.validation_loss,
        'training_frames': len(train),
        'held_out_frames': len(held_out),
        'samples_per_s': progress.epoch * len(train) / busy,
        'seconds': time.perf_counter() - started,
    }


def _epochs(
    network: Mlp, average: Mlp, train: Batch, held_out: Batch, config: BcConfig
) -> Iterator[Progress]:
    """Train epoch by epoch, and let the averaged network follow; say how each epoch went."""
    device = train.x.device
    random = torch.Generator(device).manual_seed(config.seed)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    batches = math.ceil(len(train) / config.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, warmup_cosine(config.warmup, config.epochs * batches)
    )
    weights: list[torch.Tensor] = list(network.parameters())
    averaged: list[torch.Tensor] = list(average.parameters())
    for epoch in range(1, config.epochs + 1):
        begun, total = time.perf_counter(), torch.zeros((), device=device)
        order = torch.randperm(len(train), generator=random, device=device)
        for rows in torch.split(order, config.batch):
            batch = train.at(rows)
            noise = torch.randn(batch.x.shape, generator=random, device=device)
            loss = _loss(network, batch.x + config.noise * noise, batch, config.huber)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(weights, config.gradient_norm)
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                torch._foreach_lerp_(averaged, weights, 1.0 - config.average)
                total += loss
        seconds = time.perf_counter() - begun
        yield Progress(
            epoch=epoch,
            epochs=config.epochs,
            training_loss=float(total) / batches,
            validation_loss=_validation(average, held_out, config),
            best_loss=math.nan,
            learning_rate=float(schedule.get_last_lr()[0]),
            samples_per_s=len(train) / seconds,
        )


def _validation(average: Mlp, held_out: Batch, config: BcConfig) -> float:
    if not len(held_out):
        return math.nan
    with torch.inference_mode():
        return float(_loss(average, held_out.x, held_out, config.huber))


def _loss(network: Mlp, x: torch.Tensor, batch: Batch, huber: float) -> torch.Tensor:
    """Mean Huber loss over the steps that are known (dimensionless)."""
    each = nn.functional.huber_loss(network(x), batch.y, delta=huber, reduction='none')
    return (each * batch.mask).sum() / (batch.mask.sum() * huber)


def _scalars(progress: Progress) -> dict[str, float]:
    return {k: v for k, v in vars(progress).items() if k not in ('epoch', 'epochs')}


def _copy(network: Mlp) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in network.state_dict().items()}


def _check(config: BcConfig) -> None:
    positive = ('epochs', 'batch', 'learning_rate', 'patience', 'gradient_norm', 'threads')
    for name in positive:
        if not getattr(config, name) > 0:
            raise IlRosError(
                f'got {getattr(config, name)}', where=f'config.{name}', allowed='more than 0'
            )
    for name in ('warmup', 'held_out'):
        if not 0 <= getattr(config, name) < 1:
            raise IlRosError(
                f'got {getattr(config, name)}', where=f'config.{name}', allowed='0 <= x < 1'
            )
    if config.policy.horizon < 1 or min(config.policy.hidden, default=1) < 1:
        raise IlRosError('not positive', where='config.policy', allowed='horizon, hidden > 0')
