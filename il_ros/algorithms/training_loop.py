"""The loop around a network and a loss: batches, AdamW, averaged weights, early stopping.

What is learned is in the algorithm's own file; here is how it is optimised. Training follows a
moving average of the weights and stops when that no longer gets better on what it never trains on.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from torch.optim.adamw import adamw

from il_ros.algorithms.chunk_dataset import Batch
from il_ros.algorithms.training_settings import OptimiserConfig, TrainingProgress
from il_ros.core.errors import BundleError, IlRosError, unwritable


class BatchSource(Protocol):
    """Training samples, as many in every epoch."""

    def __len__(self) -> int:
        """How many there are."""

    def draw(self, epoch: int) -> Batch:
        """Those of an epoch, counted from 1."""


Loss = Callable[[Any, Batch, torch.Generator | None], torch.Tensor]
"""Loss of a network on a batch (dimensionless); the generator is None on held-out episodes."""


def fit(
    network: nn.Module,
    source: BatchSource,
    held_out: Batch,
    *,
    loss: Loss,
    config: OptimiserConfig,
    log_dir: Path | None = None,
    on_epoch: Callable[[TrainingProgress], None] = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, float]:
    """Train until the epochs or the patience end it; leave the best averaged weights.

    Args:
        network: What is trained.
        source: Samples to train on.
        held_out: Samples that decide which weights are best; none where training loss decides.
        loss: What becomes small.
        config: How to train.
        log_dir: Where to write TensorBoard scalars; nowhere if None.
        on_epoch: Called after each epoch.
        cancelled: Asked after each epoch whether to give up.

    Returns:
        Losses, epochs, frames, samples per second, seconds.

    Raises:
        IlRosError: If there is nothing to train on, the loss stops being finite, or training is
            cancelled.
    """
    if not len(source):
        raise IlRosError(
            'no frame with a known command', where='training', fix='record more demonstrations'
        )
    average = copy.deepcopy(network).requires_grad_(False)
    best, best_loss, best_epoch = _copy(network), math.inf, 0
    started, busy = time.perf_counter(), 0.0
    with tensorboard(log_dir) as log:
        for now in _epochs(network, average, source, held_out, loss=loss, config=config):
            decides = now.validation_loss if len(held_out) else now.training_loss
            if not math.isfinite(decides + now.training_loss):
                raise IlRosError(
                    f'the loss is {decides + now.training_loss} after {now.epoch} epochs',
                    where='training',
                    fix='lower the learning rate',
                )
            if decides < best_loss:
                best, best_loss, best_epoch = _copy(average), decides, now.epoch
            progress = replace(now, best_loss=best_loss)
            busy += len(source) / progress.samples_per_s
            log(
                progress.epoch,
                {k: v for k, v in vars(progress).items() if k not in ('epoch', 'epochs')},
            )
            on_epoch(progress)
            if cancelled():
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
        'training_frames': len(source),
        'held_out_frames': len(held_out),
        'samples_per_s': progress.epoch * len(source) / busy,
        'seconds': time.perf_counter() - started,
    }


def _epochs(
    network: nn.Module,
    average: nn.Module,
    source: BatchSource,
    held_out: Batch,
    *,
    loss: Loss,
    config: OptimiserConfig,
) -> Iterator[TrainingProgress]:
    """Train epoch by epoch, and let the averaged network follow; say how each epoch went."""
    device = next(network.parameters()).device
    random = torch.Generator(device).manual_seed(config.seed)
    batches = math.ceil(len(source) / config.batch_size)
    step = _stepper(network, average, config, config.epochs * batches)
    for epoch in range(1, config.epochs + 1):
        begun, total = time.perf_counter(), torch.zeros((), device=device)
        samples = source.draw(epoch)
        samples = samples.at(torch.randperm(len(samples), generator=random, device=device))
        for batch in samples.split(config.batch_size):
            value = loss(network, batch, random)
            rate = step(value)
            total += value.detach()
        seconds = time.perf_counter() - begun
        yield TrainingProgress(
            epoch=epoch,
            epochs=config.epochs,
            training_loss=float(total) / batches,
            validation_loss=_validation(average, held_out, loss),
            best_loss=math.nan,
            learning_rate=rate,
            samples_per_s=len(samples) / seconds,
        )


def _stepper(
    network: nn.Module, average: nn.Module, config: OptimiserConfig, steps: int
) -> Callable[[torch.Tensor], float]:
    """A function of a loss that takes one step down it; gives the learning rate of the next.

    On a small network a step costs by the calls that it makes, not by their size. So the weights
    of each network lie in one row, and AdamW is called as the function that it is.
    `torch.optim.AdamW(fused=True)`, `clip_grad_norm_` and `swa_utils.AveragedModel` in their place
    train 66,800 samples for each second of the processor, and this 83,300 (the 256 x 256 network of
    `make bench GROUP=bc`, medians of six runs in turn, under a load of 11 on 2 cores).
    """
    row, averaged = _in_one_row(network), _in_one_row(average)
    weights = list(network.parameters())
    moment, square, count = torch.zeros_like(row), torch.zeros_like(row), row.new_zeros(())
    factor, taken = warmup_cosine(config.warmup, steps), 0

    def step(loss: torch.Tensor) -> float:
        nonlocal taken
        parts = torch.autograd.grad(loss, weights)
        gradient = torch.cat([part.reshape(-1) for part in parts])
        norm = torch.linalg.vector_norm(gradient)
        gradient *= (config.max_grad_norm / (norm + 1e-6)).clamp_(max=1.0)
        adamw(
            [row], [gradient], [moment], [square], [], [count], fused=True, amsgrad=False,
            beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=config.weight_decay,
            lr=config.learning_rate * factor(taken), maximize=False,
        )  # fmt: skip
        averaged.lerp_(row, 1.0 - config.ema_decay)
        taken += 1
        return config.learning_rate * factor(taken)

    return step


def _in_one_row(network: nn.Module) -> torch.Tensor:
    """The weights one after the other; from now on those of the network are views of it."""
    weights = list(network.parameters())
    row = torch.cat([weight.detach().reshape(-1) for weight in weights])
    parts = torch.split(row, [weight.numel() for weight in weights])
    for weight, part in zip(weights, parts, strict=True):
        weight.data = part.view_as(weight)
    return row


def _validation(average: nn.Module, held_out: Batch, loss: Loss) -> float:
    if not len(held_out):
        return math.nan
    with torch.inference_mode():
        return float(loss(average, held_out, None))


def _copy(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in network.state_dict().items()}


def warmup_cosine(warmup: float, steps: int) -> Callable[[int], float]:
    """Factor on the learning rate by step: a linear rise, then half a cosine down to zero.

    Loshchilov & Hutter 2017, SGDR, eq. 5, with one period.

    Args:
        warmup: Share of the steps in which the factor rises.
        steps: Steps in all.
    """
    rising = max(1, round(warmup * steps))

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - rising) / (steps - rising + 1))))

    return factor


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads inside, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def tensorboard(folder: Path | None) -> Iterator[Callable[[int, Mapping[str, float]], None]]:
    """A function of a step and named numbers that writes them to TensorBoard, or nowhere."""
    if folder is None:
        yield lambda step, scalars: None
        return
    from torch.utils.tensorboard import SummaryWriter

    try:
        with SummaryWriter(str(folder)) as writer:

            def write(step: int, scalars: Mapping[str, float]) -> None:
                for name, value in scalars.items():
                    if math.isfinite(value):
                        writer.add_scalar(name, value, step)

            yield write
    except OSError as problem:
        raise unwritable(folder, problem, BundleError) from None
