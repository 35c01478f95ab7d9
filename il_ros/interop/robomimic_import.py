"""A robomimic HDF5 file as a source of episodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.streams import ImageStream
from il_ros.datasets.episode_arrays import EpisodeArrays
from il_ros.interop import hdf5_files as hdf5
from il_ros.interop import robomimic_layout as layout
from il_ros.interop.dataset_import import ImportSource, even_stamps, foreign_episode
from il_ros.interop.export_origin import (
    EpisodeRecord,
    ExportOrigin,
    own_records,
    read_origin,
    recoded,
)
from il_ros.interop.feature_mapping import FeatureMapping, ForeignFeature
from il_ros.interop.foreign_files import library
from il_ros.interop.foreign_images import kept_image


@contextmanager
def open_robomimic(path: Path) -> Iterator[RobomimicImport]:
    """Open a robomimic file to import it.

    Raises:
        DatasetError: If it is damaged; also for what a library raises later on.
    """
    with hdf5.open_hdf5(path, 'a robomimic dataset') as file:
        yield RobomimicImport(file, path)


class RobomimicImport(ImportSource):
    """The episodes of a robomimic file."""

    action = layout.ACTIONS

    def __init__(self, file: Any, path: Path) -> None:
        self._file, self._path = file, path

    def origin(self) -> ExportOrigin | None:
        """What `export_robomimic` wrote of itself, if it made the file."""
        if layout.SIDE not in self._file:
            return None
        text = hdf5.text(self._file, f'{layout.SIDE}/{layout.ORIGIN}')
        return read_origin(text, str(self._path))

    def features(self) -> Mapping[str, ForeignFeature]:
        """Features of the first demonstration."""
        first = layout.demos(self._file)[0]
        return layout.features(self._demo(first))

    def exported(self, contract: Contract, origin: ExportOrigin) -> Iterator[EpisodeArrays]:
        """Each episode as it was exported."""
        names = layout.demos(self._file)
        places = [f'{layout.SIDE}/{name}/{layout.RECORD}' for name in names]
        texts = [hdf5.text(self._file, place) for place in places]
        for name, record in zip(names, own_records(texts, origin, self._path), strict=True):
            yield self._exported(contract, origin, name, record)

    def foreign(self, contract: Contract, mapping: FeatureMapping) -> Iterator[EpisodeArrays]:
        """Each episode by a mapping, with stamps made from the contract's rate."""
        features = self.features()
        for name in layout.demos(self._file):
            yield self._foreign(contract, mapping, name, features)

    def _demo(self, name: str) -> Any:
        return hdf5.member(self._file, f'data/{name}')

    def _exported(
        self, contract: Contract, origin: ExportOrigin, name: str, record: EpisodeRecord
    ) -> EpisodeArrays:
        demo = self._demo(name)
        side = hdf5.member(self._file, f'{layout.SIDE}/{name}')
        frames = layout.length(demo)

        def array(group: Any, name: str, dtype: type[np.generic]) -> NDArray[Any]:
            values = hdf5.numbers(group, name, frames)
            if values.dtype != dtype:
                problem = f'{name} of type {values.dtype}'
                raise hdf5.refused(group, problem, np.dtype(dtype).name)
            return values

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
            source=recoded(array(side, 'source', np.uint8), origin.sources, str(self._path)),
            images={
                key: self._blobs(contract.images[key], side, key, valid[key])
                for key in contract.images
            },
            events=record.events,
        )

    def _foreign(
        self,
        contract: Contract,
        mapping: FeatureMapping,
        name: str,
        features: Mapping[str, ForeignFeature],
    ) -> EpisodeArrays:
        demo = self._demo(name)
        frames = layout.length(demo)

        def numbers(feature: str) -> NDArray[Any]:
            place = feature if feature == layout.ACTIONS else f'obs/{feature}'
            values, shape = hdf5.numbers(demo, place, frames), features[feature].shape
            if values.shape[1:] != shape:
                problem = f'{name}/{place} of shape {values.shape}'
                raise hdf5.refused(demo, problem, str((frames, *shape)))
            return values

        return foreign_episode(
            contract,
            mapping,
            id=name,
            bag=self._path,
            numbers=numbers,
            images=lambda key, feature, swap: hdf5.pixel_images(
                contract.images[key], demo, f'obs/{feature}', frames, swap=swap
            ),
            stamp=even_stamps(frames, contract.rate),
        )

    def _blobs(
        self, stream: ImageStream, side: Any, key: str, valid: NDArray[np.bool_]
    ) -> tuple[bytes, ...]:
        stored = hdf5.array(side, f'images/{key}')
        if stored.shape != valid.shape or stored.dtype != library('h5py').vlen_dtype(np.uint8):
            problem = f'images/{key} of shape {stored.shape}'
            raise hdf5.refused(side, problem, f'bytes in {len(valid)} rows')
        return tuple(
            kept_image(stream, hdf5.row(stored, row).tobytes(), self._path) if there else b''
            for row, there in enumerate(valid)
        )
