"""What every algorithm in torch needs around its loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from il_ros.core.errors import BundleError, unwritable


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
