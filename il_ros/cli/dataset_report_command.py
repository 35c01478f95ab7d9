"""``il_ros dataset report``: a page that says what is in a dataset and where to look first."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import tyro
from rich.console import Console

from il_ros.cli.dataset_command import shown
from il_ros.core.atomic_folders import resolved
from il_ros.datasets.dataset import load_dataset
from il_ros.datasets.summary.summarise_dataset import SummarySettings, summarise
from il_ros.evaluation.dataset_report import write_dataset_json, write_dataset_report


def report(
    dataset: tyro.conf.Positional[Path],
    out: Path | None = None,
    json: Path | None = None,
    seed: int = 0,
    thumbnails: int = 6,
) -> int:
    """Say what is in a dataset: one HTML page that needs nothing else, and the same as JSON.

    Args:
        dataset: Folder of the dataset.
        out: The page; DATASET.html beside the folder by default.
        json: Where the same goes as JSON; nowhere by default.
        seed: Of what is chosen where not all is looked at.
        thumbnails: Episodes that images are shown of.
    """
    settings = SummarySettings(seed=seed, thumbnails=thumbnails)
    folder = resolved(dataset)
    summary = summarise(load_dataset(folder), folder.name, settings)
    command = shlex.join(['il_ros', *sys.argv[1:]])
    page = write_dataset_report(
        out or folder.with_name(f'{folder.name}.html'), summary, command=command
    )
    console = Console()
    odd = sum(bool(episode.reasons) for episode in summary.episodes)
    told = f'{len(summary.episodes)} episodes, {odd} suspicious: {page}'
    console.print(shown(told), soft_wrap=True)
    if json is not None:
        console.print(shown(str(write_dataset_json(json, summary))), soft_wrap=True)
    return 0
