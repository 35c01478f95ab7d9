"""How many frames a second behaviour cloning trains on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.demonstrations import in_process
from benchmarks.rows import Row
from il_ros.algorithms.bc import BcConfig, train_bc


def run() -> Iterator[Row]:
    """Samples a second of the default policy, the epoch's own overhead included."""
    dataset = in_process(seeds=range(12))
    config = replace(BcConfig(), epochs=12, patience=100, device='cpu')
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
