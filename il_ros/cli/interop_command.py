"""``il_ros dataset export`` and ``il_ros dataset import``: LeRobot v3.0 and robomimic HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rich.console import Console

from il_ros.core.contract import load_contract
from il_ros.core.errors import DatasetError
from il_ros.datasets.dataset import Dataset, load_dataset
from il_ros.interop.dataset_import import import_dataset
from il_ros.interop.feature_mapping import load_mapping
from il_ros.interop.lerobot_export import Images, export_lerobot
from il_ros.interop.robomimic_export import export_robomimic

Format = Literal['lerobot', 'robomimic']


def export_(
    dataset: Path,
    out: Path,
    *,
    format: Format = 'lerobot',
    images: Images = 'image',
    scale_actions: bool = True,
    held_out: float = 0.1,
    seed: int = 0,
    overwrite: bool = False,
) -> int:
    """Write a dataset in another format.

    Args:
        dataset: Folder of the dataset.
        out: Folder (lerobot) or file (robomimic) to make.
        format: LeRobot dataset v3.0, or robomimic HDF5.
        images: Encoded images as they are, or MP4, which loses detail; lerobot only.
        scale_actions: Actions from -1 to 1 between the position limits; robomimic only.
        held_out: Share of the episodes in mask/valid; robomimic only.
        seed: Seed of that choice; robomimic only.
        overwrite: Replace what is there already.
    """
    opened = load_dataset(dataset, verify=True)
    if format == 'lerobot':
        export_lerobot(opened, out, images=images, overwrite=overwrite)
    elif images == 'video':
        raise DatasetError('robomimic has no videos', where='--images', allowed='image')
    else:
        export_robomimic(
            opened,
            out,
            scale_actions=scale_actions,
            held_out=held_out,
            seed=seed,
            overwrite=overwrite,
        )
    _say(opened, out)
    return 0


def import_(
    source: Path,
    out: Path,
    *,
    format: Format = 'lerobot',
    contract: Path | None = None,
    mapping: Path | None = None,
    overwrite: bool = False,
) -> int:
    """Make a dataset of one in another format.

    Args:
        source: Folder (lerobot) or file (robomimic).
        out: Folder of the dataset to make.
        format: LeRobot dataset v3.0, or robomimic HDF5.
        contract: What its numbers mean; not needed for what il_ros exported.
        mapping: Which of its features are which keys of the contract; by default those of our
            names.
        overwrite: Replace a dataset that is there already.
    """
    made = import_dataset(
        source,
        out,
        format,
        contract=load_contract(contract) if contract else None,
        mapping=load_mapping(mapping) if mapping else None,
        overwrite=overwrite,
    )
    _say(made, out)
    return 0


def _say(dataset: Dataset, out: Path) -> None:
    Console().print(
        f'{out}: {len(dataset.episodes)} episodes, {dataset.frames} frames',
        soft_wrap=True,
        markup=False,
    )
