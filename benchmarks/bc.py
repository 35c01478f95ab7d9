"""How many frames a second behaviour cloning trains on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.demonstrations import in_process
from benchmarks.rows import RUNS, Row
from il_ros.algorithms.bc import BcConfig, train_bc


@dataclass(frozen=True, kw_only=True)
class BcSizes:
    """How much is trained on: demonstrations, and passes over them."""

    demonstrations: int = 12
    epochs: int = 12


FULL = BcSizes()
SMOKE = BcSizes(demonstrations=2, epochs=2)


def run(sizes: BcSizes = FULL, runs: Path = RUNS) -> Iterator[Row]:
    """Samples a second of the default policy, the epoch's own overhead included."""
    dataset = in_process(seeds=range(sizes.demonstrations))
    config = replace(BcConfig(), epochs=sizes.epochs, patience=100, device='cpu')
    speeds: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        result = train_bc(
            dataset,
            config,
            log_dir=Path(folder),
            on_epoch=lambda now: speeds.append(now.samples_per_s),
        )
    hidden = 'x'.join(map(str, config.policy.hidden_dims))
    yield Row(
        name='bc_samples_per_s',
        value=median(speeds),
        unit='samples/s',
        target=50_000,
        better='more',
        how=f'{hidden} MLP, horizon {config.policy.horizon}, batch {config.batch_size}, '
        f'{config.threads} thread, CPU, TensorBoard on, '
        f'{result.metrics["training_frames"]:.0f} frames, median of {config.epochs} epochs',
    )
