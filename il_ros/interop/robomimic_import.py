"""A robomimic HDF5 file as a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.atomic_folders import require_free
from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.frames import NS
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.episode_arrays import EpisodeArrays
from il_ros.datasets.manifest import MANIFEST_FILE, EpisodeEntry
from il_ros.interop import robomimic_layout as layout
from il_ros.interop.export_origin import (
    EpisodeRecord,
    ExportOrigin,
    own_contract,
    own_records,
    read_origin,
    recoded,
    write_dataset,
)
from il_ros.interop.feature_mapping import FeatureMapping, check_mapping, mapping_by_name, pick
from il_ros.interop.foreign_files import SYNTHETIC, foreign_episode, library, reading
from il_ros.interop.foreign_images import encoded_as, kept_image, require_size
from il_ros.interop.plausible import plausible

_WHAT = 'a robomimic dataset'


def import_robomimic(
    path: Path,
    out: Path,
    *,
    contract: Contract | None = None,
    columns: FeatureMapping | None = None,
    overwrite: bool = False,
) -> Dataset:
    """Make a dataset of a robomimic file, a demonstration at a time.

    One that `export_robomimic` made gives back what was exported. Any other is read by `contract`
    and `columns`: its stamps are made from the contract's rate, and the episodes' notes say so.

    Args:
        path: The HDF5 file.
        out: Folder of the dataset to make.
        contract: What the numbers mean; not needed for what we exported.
        columns: Which observations are which keys; by default those of the same name.
        overwrite: Whether a dataset at `out` is replaced.

    Raises:
        DatasetError: If it is damaged or does not fit the contract, or `out` cannot be written.
        ContractError: If it was exported by another contract than the given one.
    """
    require_free(out, overwrite=overwrite, marker=MANIFEST_FILE, inputs=[path], error=DatasetError)
    with reading(path, _WHAT), library('h5py').File(str(path), 'r') as file:
        if columns is None and layout.SIDE in file:
            text = layout.text(file, f'{layout.SIDE}/{layout.ORIGIN}', path)
            origin = read_origin(text, str(path))
            found = own_contract(origin, contract, path)
            own = _Own(file, path, found, origin).episodes()
            return write_dataset(out, found, own, origin=origin, where=path, overwrite=overwrite)
        if contract is None:
            raise DatasetError(
                'nothing in it says what its numbers mean', where=str(path), fix='give a contract'
            )
        foreign = _Foreign(file, path, contract, columns)
        episodes = plausible(foreign.episodes(), contract, path)
        return write_dataset(out, contract, episodes, where=path, overwrite=overwrite)


class _Own:
    """The episodes of a file that `export_robomimic` made."""

    def __init__(self, file: Any, path: Path, contract: Contract, origin: ExportOrigin) -> None:
        self._file, self._path = file, path
        self._contract, self._origin = contract, origin

    def episodes(self) -> Iterator[EpisodeArrays]:
        """Each as it was exported."""
        names = layout.demos(self._file, self._path)
        places = [f'{layout.SIDE}/{name}/{layout.RECORD}' for name in names]
        texts = [layout.text(self._file, place, self._path) for place in places]
        for name, record in zip(names, own_records(texts, self._origin, self._path), strict=True):
            yield self._episode(name, record)

    def _episode(self, name: str, record: EpisodeRecord) -> EpisodeArrays:
        path, contract = self._path, self._contract
        demo = layout.member(self._file, f'data/{name}', path)
        side = layout.member(self._file, f'{layout.SIDE}/{name}', path)
        frames = layout.length(demo, path)

        def array(group: Any, name: str, dtype: type[np.generic]) -> NDArray[Any]:
            return _typed(layout.numbers(group, name, frames, path), name, dtype, path)

        values = {key: array(demo, f'obs/{key}', np.float32) for key in contract.observations}
        for key in contract.privileged:
            values[key] = array(side, f'privileged/{key}', np.float32)
        valid = {key: array(side, f'valid/{key}', np.bool_) for key in contract.inputs}
        return EpisodeArrays(
            entry=record.entry,
            values=values,
            valid=valid,
            age={key: array(side, f'age/{key}', np.float32) for key in contract.inputs},
            stamp=array(side, 'stamp', np.int64),
            action=array(side, 'action', np.float32),
            action_raw=array(side, 'action_raw', np.float32),
            source=recoded(array(side, 'source', np.uint8), self._origin.sources, str(path)),
            images={key: self._blobs(side, key, valid[key]) for key in contract.images},
            events=record.events,
        )

    def _blobs(self, side: Any, key: str, valid: NDArray[np.bool_]) -> tuple[bytes, ...]:
        stored = layout.array(side, f'images/{key}', self._path)
        if stored.shape != valid.shape or stored.dtype != library('h5py').vlen_dtype(np.uint8):
            raise DatasetError(
                f'images/{key} of shape {stored.shape}',
                where=str(self._path),
                allowed=f'bytes in {len(valid)} rows',
            )
        stream = self._contract.images[key]
        return tuple(
            kept_image(stream, stored[row].tobytes(), self._path) if there else b''
            for row, there in enumerate(valid)
        )


class _Foreign:
    """The episodes of any other file, by a contract and a choice of observations."""

    def __init__(
        self, file: Any, path: Path, contract: Contract, columns: FeatureMapping | None
    ) -> None:
        self._file, self._path, self._contract = file, path, contract
        self._demos = layout.demos(file, path)
        first = layout.member(file, f'data/{self._demos[0]}', path)
        features = layout.features(first, path)
        wanted = columns or mapping_by_name(contract, features, str, layout.ACTIONS)
        self._columns = check_mapping(wanted, contract, features, str(path))

    def episodes(self) -> Iterator[EpisodeArrays]:
        """Each with made-up stamps."""
        for name in self._demos:
            yield self._episode(name)

    def _episode(self, name: str) -> EpisodeArrays:
        path, columns = self._path, self._columns
        demo = layout.member(self._file, f'data/{name}', path)
        frames = layout.length(demo, path)

        def array(feature: str) -> NDArray[Any]:
            place = feature if feature == layout.ACTIONS else f'obs/{feature}'
            return layout.numbers(demo, place, frames, path)

        return foreign_episode(
            self._contract,
            EpisodeEntry(
                id=name,
                start=0,
                length=frames,
                outcome=columns.outcome,
                bag=str(path),
                notes=SYNTHETIC,
            ),
            values={key: pick(c, array(c.feature)) for key, c in columns.streams.items()},
            images={
                key: self._images(demo, key, feature, frames)
                for key, feature in columns.images.items()
            },
            action=pick(columns.action, array(columns.action.feature)),
            stamp=np.round(np.arange(frames) * (NS / self._contract.rate)).astype(np.int64),
        )

    def _images(self, demo: Any, key: str, feature: str, frames: int) -> tuple[bytes, ...]:
        stored, stream = (
            layout.array(demo, f'obs/{feature}', self._path),
            self._contract.images[key],
        )
        wanted = (3,) if stream.encoding == 'rgb8' else (1,)
        dtype = np.uint16 if stream.encoding == '16UC1' else np.uint8
        if (
            stored.shape[0] != frames
            or stored.shape[3:] not in (wanted, () if wanted == (1,) else wanted)
            or stored.dtype != dtype
        ):
            raise DatasetError(
                f'{feature} of type {stored.dtype} and shape {stored.shape}',
                where=str(self._path),
                allowed=f'{np.dtype(dtype)} of shape ({frames}, height, width, {wanted[0]})',
            )
        found = []
        for row in range(frames):
            pixels = stored[row]
            require_size(stream, pixels, self._path)
            found.append(
                encoded_as(stream, pixels if wanted == (3,) else pixels.reshape(pixels.shape[:2]))
            )
        return tuple(found)


def _typed(values: NDArray[Any], name: str, dtype: type[np.generic], where: Path) -> NDArray[Any]:
    if values.dtype != dtype:
        raise DatasetError(
            f'{name} of type {values.dtype}', where=str(where), allowed=np.dtype(dtype).name
        )
    return values
