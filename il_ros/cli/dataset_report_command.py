"""``il_ros dataset report``: an HTML page on a dataset, suspicious episodes first."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import tyro

from il_ros.cli.printing import say
from il_ros.core.atomic_files import write_atomic
from il_ros.core.atomic_folders import resolved
from il_ros.datasets.dataset import load_dataset
from il_ros.datasets.summary.summarise_dataset import summarise
from il_ros.evaluation.dataset_report import dataset_json, render_dataset_report


def report(
    dataset: tyro.conf.Positional[Path],
    out: Path | None = None,
    json: Path | None = None,
    seed: int = 0,
    thumbnails: int = 6,
) -> int:
    """Write an HTML report on a dataset, in one self-contained file, and optionally JSON.

    Args:
        dataset: Folder of the dataset.
        out: HTML file; by default DATASET.html next to the folder.
        json: JSON file with the same content; none by default.
        seed: Seed of the samples that are drawn from large datasets.
        thumbnails: Number of episodes that are shown with images.
    """
    folder = resolved(dataset)
    summary = summarise(load_dataset(folder), folder.name, seed=seed, thumbnails=thumbnails)
    command = shlex.join(['il_ros', *sys.argv[1:]])
    if json is not None:
        say(f'{write_atomic(json, dataset_json(summary))}')
    page = write_atomic(
        out or folder.with_name(f'{folder.name}.html'),
        render_dataset_report(summary, command=command),
    )
    odd = sum(bool(episode.reasons) for episode in summary.episodes)
    say(f'{len(summary.episodes)} episodes, {odd} suspicious: {page}')
    return 0
