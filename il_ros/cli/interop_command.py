"""``il_ros dataset export`` and ``il_ros dataset import``: formats of other packages."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from il_ros.cli.printing import say
from il_ros.core.contract import load_contract
from il_ros.core.errors import DatasetError
from il_ros.datasets.dataset import Dataset, load_dataset
from il_ros.interop.feature_mapping import load_mapping
from il_ros.interop.import_process import import_bounded
from il_ros.interop.lerobot_export import Images, export_lerobot
from il_ros.interop.robomimic_export import export_robomimic

Format = Literal['lerobot', 'robomimic']
ImportFormat = Literal['lerobot', 'robomimic', 'aloha', 'zarr']


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
    """Export a dataset to LeRobot or robomimic.

    Args:
        dataset: Folder of the dataset.
        out: Output folder (lerobot) or file (robomimic).
        format: LeRobot dataset v3.0, or robomimic HDF5.
        images: Keep the encoded images, or make MP4 videos, which lose detail; lerobot only.
        scale_actions: Scale actions from the position limits to [-1, 1]; robomimic only.
        held_out: Fraction of the episodes in mask/valid; robomimic only.
        seed: Seed of the split into mask/train and mask/valid; robomimic only.
        overwrite: Replace existing output.
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
    _report(opened, out)
    return 0


def import_(
    source: Path,
    out: Path,
    *,
    format: ImportFormat = 'lerobot',
    contract: Path | None = None,
    mapping: Path | None = None,
    beyond_limits: bool = False,
    overwrite: bool = False,
) -> int:
    """Import a dataset from LeRobot, robomimic, ALOHA or a zarr replay buffer.

    Args:
        source: Folder (lerobot, aloha, zarr) or file (robomimic, aloha).
        out: Folder of the new dataset.
        format: LeRobot dataset v3.0, robomimic HDF5, ALOHA's episode_N.hdf5, or Diffusion Policy's
            replay buffer in zarr.
        contract: Contract file; not needed for datasets that il_ros exported.
        mapping: YAML file that maps features to keys of the contract; by default by equal names.
        beyond_limits: Take actions beyond the contract's limits, or in degrees, too.
        overwrite: Replace an existing dataset.
    """
    made = import_bounded(
        source,
        out,
        format,
        contract=load_contract(contract) if contract else None,
        mapping=load_mapping(mapping) if mapping else None,
        beyond_limits=beyond_limits,
        overwrite=overwrite,
    )
    _report(made, out)
    return 0


def _report(dataset: Dataset, out: Path) -> None:
    say(f'{out}: {len(dataset.episodes)} episodes, {dataset.frames} frames')
    for text in dataset.manifest.findings.values():
        say(text)
