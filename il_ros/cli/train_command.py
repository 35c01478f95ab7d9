"""``il_ros train``: trains a policy bundle on a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from il_ros.algorithms import training_settings
from il_ros.algorithms.bc import BcConfig, train_bundle
from il_ros.cli.printing import Console, say
from il_ros.datasets.augmentation.augmentation import load_augmentation
from il_ros.policies.bundle import load_bundle


def bc(
    dataset: Path,
    out: Path,
    config: Annotated[BcConfig, tyro.conf.arg(name='')] = BcConfig(),  # noqa: B008
    overwrite: bool = False,
    augmentation: tuple[Path, ...] = (),
) -> int:
    """Train a policy by behaviour cloning.

    Args:
        dataset: Folder of the dataset.
        out: Folder of the bundle.
        config: Training settings.
        overwrite: Replace an existing bundle.
        augmentation: YAML files of data augmentation; see config/augmentation.
    """
    console, augment = Console(), load_augmentation(*augmentation)
    columns = (
        TextColumn('epoch {task.completed:.0f}/{task.total:.0f}'),
        BarColumn(),
        TextColumn('{task.description}', markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task('', total=config.epochs)

        def on_epoch(now: training_settings.TrainingProgress) -> None:
            text = f'loss {now.training_loss:.4f}, held out {now.validation_loss:.4f}'
            bar.update(task, completed=now.epoch, description=text)

        train_bundle(
            dataset, out, config, augmentation=augment, overwrite=overwrite, on_epoch=on_epoch
        )
    _summary(console, out)
    return 0


def _summary(console: Console, out: Path) -> None:
    bundle = load_bundle(out)
    metrics = bundle.training.metrics
    table = Table('bundle', str(out))
    table.add_row('policy', f'{bundle.policy.kind} {bundle.policy_id}')
    table.add_row(
        'trained on',
        f'{len(bundle.training.episodes)} episodes, {metrics["training_frames"]:.0f} frames',
    )
    augmentation = bundle.training.config.get('augmentation')
    table.add_row('augmentation', ', '.join(augmentation['settings']) if augmentation else 'none')
    table.add_row(
        'held-out loss', f'{metrics["best_loss"]:.4f} after epoch {metrics["best_epoch"]:.0f}'
    )
    table.add_row('time', f'{metrics["seconds"]:.1f} s, {metrics["samples_per_s"]:.0f} samples/s')
    limit, names = bundle.threshold, bundle.scores.bank().names if bundle.scores else ()
    table.add_row('scores', ', '.join(names) or 'none')
    table.add_row(
        'calibrated',
        f'on {len(limit.episodes)} {limit.source} at alpha {limit.alpha:g}'
        if limit
        else 'no: run il_ros monitor calibrate'
        if names
        else 'no: nothing to calibrate',
    )
    console.print(table)
    say(f'bundle {bundle.identity}')
