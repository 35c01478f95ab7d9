"""Datasets of other formats as ours: the one path that every format is imported by."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from il_ros.core.atomic_folders import new_folder, require_free
from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.frames import NS
from il_ros.core.geometry import nearest_turn, unwrapped
from il_ros.core.registry import lookup
from il_ros.core.streams import endless_numbers
from il_ros.datasets.dataset import Dataset, load_dataset
from il_ros.datasets.dataset_writer import DatasetWriter
from il_ros.datasets.episode_arrays import SOURCES, EpisodeArrays
from il_ros.datasets.limit_checks import LimitCheck
from il_ros.datasets.manifest import MANIFEST_FILE, EpisodeEntry
from il_ros.datasets.preprocessing.joint_motion import measured_positions
from il_ros.interop.export_origin import ExportOrigin, changed_since_export, own_contract
from il_ros.interop.feature_mapping import (
    FeatureMapping,
    ForeignFeature,
    check_mapping,
    mapping_by_name,
    pick,
    required_keys,
)
from il_ros.interop.read_limits import rest

FORMATS = {
    'lerobot': 'il_ros.interop.lerobot_import:open_lerobot',
    'robomimic': 'il_ros.interop.robomimic_import:open_robomimic',
    'aloha': 'il_ros.interop.aloha_import:open_aloha',
    'zarr': 'il_ros.interop.replay_buffer_import:open_replay_buffer',
}
"""Formats to import: by name, what opens a dataset of it as an `ImportSource`."""

SYNTHETIC = 'stamps are synthetic, made from the frame times of the imported dataset'


class ImportSource(Protocol):
    """An open dataset of another format.

    Attributes:
        action: Its feature for the action.
    """

    action: str

    def origin(self) -> ExportOrigin | None:
        """What our export wrote of itself; none for a dataset that is not from us."""
        return None

    def exported(self, contract: Contract, origin: ExportOrigin) -> Iterator[EpisodeArrays]:
        """The episodes as they were exported; none of a format that is imported only."""
        return iter(())

    def lossy(self, contract: Contract) -> list[str]:
        """Keys of images that cannot come out the same."""
        return []

    def feature_of(self, contract: Contract, key: str) -> str:
        """The feature that holds a key, if it carries our name."""
        return key

    def features(self) -> Mapping[str, ForeignFeature]:
        """Its features by name."""
        ...

    def foreign(self, contract: Contract, mapping: FeatureMapping) -> Iterator[EpisodeArrays]:
        """The episodes by a contract and a mapping that fits it, with made-up stamps."""
        ...


def import_dataset(
    path: Path,
    out: Path,
    format: str,
    *,
    contract: Contract | None = None,
    mapping: FeatureMapping | None = None,
    beyond_limits: bool = False,
    overwrite: bool = False,
) -> Dataset:
    """Make a dataset of one of another format, an episode at a time, in this process.

    For a file that is not trusted, or that may be damaged, there is `import_bounded`.

    One that our export made gives back what was exported. Any other is read by `contract` and
    `mapping`: its stamps are made up, and the notes of its episodes say so.

    Args:
        path: The folder or file.
        out: Folder of the dataset to make.
        format: One of `FORMATS`.
        contract: What the numbers mean; not needed for what we exported.
        mapping: Which features are which keys; by default those that carry our names.
        beyond_limits: Take actions that cannot be what the contract says, too.
        overwrite: Whether a dataset at `out` is replaced.

    Raises:
        DatasetError: If it is damaged or does not fit the contract, or `out` cannot be written.
        ContractError: If it was exported by another contract than the given one.
    """
    require_free(out, overwrite=overwrite, marker=MANIFEST_FILE, inputs=[path], error=DatasetError)
    opener: Callable[[Path], AbstractContextManager[ImportSource]]
    opener = lookup('import_format', format, FORMATS)
    with opener(path) as source:
        origin = source.origin() if mapping is None else None
        if origin is not None:
            contract = own_contract(origin, contract, path)
            episodes = source.exported(contract, origin)
        else:
            contract, episodes = _foreign_episodes(source, contract, mapping, path)
            episodes = _plausible(episodes, contract, path, beyond_limits=beyond_limits)
        with new_folder(
            out, overwrite=overwrite, marker=MANIFEST_FILE, error=DatasetError
        ) as folder:
            made = _write(
                folder, contract, episodes, origin or ExportOrigin(contract=contract.text)
            )
            if origin is not None:
                _require_unchanged(made, origin, path, source.lossy(contract))
    return load_dataset(out)


def _foreign_episodes(
    source: ImportSource, contract: Contract | None, mapping: FeatureMapping | None, path: Path
) -> tuple[Contract, Iterator[EpisodeArrays]]:
    if contract is None:
        raise DatasetError(
            'nothing in it says what its numbers mean', where=str(path), fix='give a contract'
        )
    features = source.features()
    mapping = mapping or mapping_by_name(
        contract, features, partial(source.feature_of, contract), source.action
    )
    mapping = check_mapping(mapping, contract, features, str(path))
    return contract, source.foreign(contract, mapping)


def _plausible(
    episodes: Iterable[EpisodeArrays], contract: Contract, where: Path, *, beyond_limits: bool
) -> Iterator[EpisodeArrays]:
    """The episodes with what is odd about each; after the last, an error if they make no sense.

    Raises:
        DatasetError: If actions cannot be what the contract says, or if a stream that it requires
            is valid nowhere.
    """
    every, needed = LimitCheck(contract), required_keys(contract)
    for episode in episodes:
        every.add(episode)
        one = LimitCheck(contract)
        one.add(episode)
        needed -= {key for key in needed if episode.valid[key].any()}
        yield replace(episode, entry=replace(episode.entry, findings=one.findings()))
    if not beyond_limits:
        every.require(str(where), "give the scale and offset to the contract's units")
    if needed:
        raise DatasetError(
            f'{", ".join(sorted(needed))} is finite at no frame, and the contract requires it',
            where=str(where),
            fix='check feature, index, scale and offset, or set required: false in the contract',
        )


def foreign_episode(
    contract: Contract,
    mapping: FeatureMapping,
    *,
    id: str,
    bag: Path,
    task: str = '',
    numbers: Callable[[str], NDArray[Any]],
    images: Callable[[str, str, bool], tuple[bytes, ...]],
    stamp: NDArray[np.int64],
) -> EpisodeArrays:
    """An episode of a dataset without validity, ages and sources of control.

    A number that is not finite makes its stream invalid; ages are 0 where it is valid; the source
    is `demonstrator`; a key that the mapping lacks is invalid throughout.

    Args:
        contract: What the episode holds.
        mapping: A mapping that fits it.
        id: The episode's id.
        bag: Where it comes from.
        task: What was to be done.
        numbers: The values of a feature, shape (F, ...).
        images: The encoded images of a key, from a feature, with red and blue swapped or not, F of
            them.
        stamp: When each frame was, shape (F,) [ns].
    """
    frames = len(stamp)
    values = {key: pick(part, numbers(part.feature)) for key, part in mapping.streams.items()}
    pictures = {
        key: images(key, feature, key in mapping.swap_colours)
        for key, feature in mapping.images.items()
    }
    full = {
        key: values.get(key, np.full((frames, stream.size), np.nan, np.float32))
        for key, stream in contract.streams.items()
    }
    valid: dict[str, NDArray[np.bool_]] = {
        key: np.asarray(np.isfinite(array).all(axis=1)) for key, array in full.items()
    }
    valid |= {key: np.full(frames, key in pictures) for key in contract.images}
    action = pick(mapping.action, numbers(mapping.action.feature))
    if contract.continuous:
        full, action = _the_short_way(contract, full, action)
    return EpisodeArrays(
        entry=EpisodeEntry(
            id=id, start=0, length=frames, outcome=mapping.outcome, task=task, bag=str(bag),
            notes=SYNTHETIC,
        ),
        values={k: np.where(valid[k][:, None], v, np.float32('nan')) for k, v in full.items()},
        valid=valid,
        age={k: np.where(v, 0.0, np.nan).astype(np.float32) for k, v in valid.items()},
        stamp=stamp,
        action=action,
        action_raw=action,
        source=np.full(frames, SOURCES.index('demonstrator'), np.uint8),
        images={key: pictures.get(key, (b'',) * frames) for key in contract.images},
    )  # fmt: skip


def _the_short_way(
    contract: Contract, values: Mapping[str, NDArray[Any]], action: NDArray[Any]
) -> tuple[dict[str, NDArray[Any]], NDArray[Any]]:
    """Numbers of joints that turn without end as frames have them: on beyond pi, without a jump."""
    followed = dict(values)
    for key, stream in contract.streams.items():
        mask, known = endless_numbers(stream, contract.continuous), np.isfinite(values[key])
        rows = known.all(axis=1)
        if mask.any() and rows.any():
            followed[key] = values[key].copy()
            path = values[key][rows].astype(np.float64)
            followed[key][rows] = unwrapped(path, path[0], mask)
    measured = measured_positions(contract, followed)
    near = nearest_turn(action.astype(np.float64), measured, contract.endless)
    return followed, near.astype(action.dtype)


def even_stamps(frames: int, rate: float) -> NDArray[np.int64]:
    """Stamps [ns] of frames at a rate [Hz], from 0 on."""
    return np.round(np.arange(frames) * (NS / rate)).astype(np.int64)


def _write(
    folder: Path, contract: Contract, episodes: Iterable[EpisodeArrays], origin: ExportOrigin
) -> Dataset:
    with DatasetWriter(
        folder, contract, overwrite=True, image_format=origin.image_format
    ) as writer:
        for episode in episodes:
            rest()
            writer.add(episode)
        rest()
        return writer.finish(
            left_out=origin.left_out, preprocessing=origin.preprocessing, steps=origin.steps
        )


def _require_unchanged(
    made: Dataset, origin: ExportOrigin, where: Path, lossy: Collection[str]
) -> None:
    kinds = ('images', 'offsets', 'pixels')
    free = {f'{key}.{kind}' for key in lossy for kind in kinds}
    for name in (*origin.files, *made.manifest.files):
        if name not in free and origin.files.get(name) != made.manifest.files.get(name):
            raise changed_since_export(name, where)
    if not lossy and made.manifest.data_hash != origin.data_hash:
        raise changed_since_export('an episode', where)
