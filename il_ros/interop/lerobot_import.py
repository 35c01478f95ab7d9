"""A LeRobot dataset, version 3.0, as a dataset of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.atomic_folders import require_free
from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.episode_arrays import EpisodeArrays
from il_ros.datasets.manifest import MANIFEST_FILE, EpisodeEntry
from il_ros.interop import lerobot_layout as layout
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
from il_ros.interop.foreign_files import SYNTHETIC, foreign_episode, reading
from il_ros.interop.foreign_images import encoded_as, kept_image, require_size
from il_ros.interop.lerobot_reader import WHAT, LerobotDataset, LerobotEpisode, text_of
from il_ros.interop.lerobot_rows import as_array, image_bytes
from il_ros.interop.mp4_files import frames_at
from il_ros.interop.plausible import plausible


def import_lerobot(
    path: Path,
    out: Path,
    *,
    contract: Contract | None = None,
    columns: FeatureMapping | None = None,
    overwrite: bool = False,
) -> Dataset:
    """Make a dataset of a LeRobot dataset, version 3.0, an episode at a time.

    One that `export_lerobot` made gives back what was exported. Any other is read by `contract`
    and `columns`: its stamps are made from `timestamp`, and the episodes' notes say so.

    Args:
        path: Folder of the LeRobot dataset.
        out: Folder of the dataset to make.
        contract: What the numbers mean; not needed for what we exported.
        columns: Which features are which keys; by default those that carry our names.
        overwrite: Whether a dataset at `out` is replaced.

    Raises:
        DatasetError: If it is damaged or does not fit the contract, or `out` cannot be written.
        ContractError: If it was exported by another contract than the given one.
    """
    require_free(out, overwrite=overwrite, marker=MANIFEST_FILE, inputs=[path], error=DatasetError)
    source = LerobotDataset(path)
    if columns is None and (path / layout.ORIGIN).exists():
        origin = read_origin(text_of(path, layout.ORIGIN), str(path / layout.ORIGIN))
        found = own_contract(origin, contract, path)
        names = {key: layout.column_of(found, key) for key in found.images}
        return write_dataset(
            out,
            found,
            _Own(source, found, origin).episodes(),
            origin=origin,
            where=path,
            lossy=[key for key, name in names.items() if source.is_video(name)],
            overwrite=overwrite,
        )
    if contract is None:
        raise DatasetError(
            'nothing in it says what its numbers mean', where=str(path), fix='give a contract'
        )
    foreign = _Foreign(source, contract, columns)
    episodes = plausible(foreign.episodes(), contract, path)
    return write_dataset(out, contract, episodes, where=path, overwrite=overwrite)


class _Images:
    """Encoded images of an episode, from its rows or its videos."""

    def __init__(self, source: LerobotDataset, contract: Contract) -> None:
        self._source, self._contract = source, contract

    def of(
        self, key: str, name: str, episode: LerobotEpisode, table: Any, valid: NDArray[np.bool_]
    ) -> tuple[bytes, ...]:
        """Those of one camera; what is marked invalid is a blank one and not taken."""
        stream = self._contract.images[key]
        if not self._source.is_video(name):
            return tuple(
                kept_image(stream, blob, episode.data) if there else b''
                for blob, there in zip(image_bytes(table[name], name), valid, strict=True)
            )
        path, start = episode.videos[name]
        frames = frames_at(path, start, episode.length, self._source.rate)
        return tuple(
            self._encoded(key, f, path) if v else b'' for f, v in zip(frames, valid, strict=True)
        )

    def _encoded(self, key: str, pixels: NDArray[np.uint8], path: Path) -> bytes:
        stream = self._contract.images[key]
        require_size(stream, pixels, path)
        if stream.encoding == '16UC1':
            raise DatasetError(
                'a video has 8 bits a pixel', where=str(path), allowed='images of 16 bits, as PNG'
            )
        if stream.encoding == 'mono8':
            pixels = pixels.mean(axis=2).round().astype(np.uint8)
        return encoded_as(stream, pixels)


class _Own:
    """The episodes of a dataset that `export_lerobot` made."""

    def __init__(self, source: LerobotDataset, contract: Contract, origin: ExportOrigin) -> None:
        self._source, self._contract, self._origin = source, contract, origin
        self._images = _Images(source, contract)

    def episodes(self) -> Iterator[EpisodeArrays]:
        """Each as it was exported."""
        where = self._source.path / layout.RECORDS
        lines = text_of(self._source.path, layout.RECORDS).splitlines()
        if len(lines) != len(self._source.episodes):
            raise DatasetError(f'{len(lines)} lines', where=str(where), allowed='one an episode')
        names = [layout.ACTION, layout.ACTION_RAW, layout.STAMP, layout.SOURCE]
        names += [layout.VALID, layout.AGE]
        names += [layout.column_of(self._contract, key) for key in self._contract.inputs]
        records = own_records(lines, self._origin, where)
        for record, (episode, table) in zip(records, self._source.tables(names), strict=True):
            with reading(episode.data, WHAT):
                arrays = self._episode(record, episode, table)
            yield arrays

    def _episode(self, record: EpisodeRecord, episode: LerobotEpisode, table: Any) -> EpisodeArrays:
        def array(name: str, size: int, dtype: type[np.generic]) -> NDArray[Any]:
            return as_array(table[name], name, size, dtype)

        contract = self._contract
        keys, joints = list(contract.inputs), len(contract.action.names)
        codes = array(layout.SOURCE, 1, np.uint8)[:, 0]
        age = array(layout.AGE, len(keys), np.float32)
        flags = array(layout.VALID, len(keys), np.bool_)
        valid = {key: flags[:, i] for i, key in enumerate(keys)}
        names = {key: layout.column_of(contract, key) for key in keys}
        return EpisodeArrays(
            entry=record.entry,
            values={k: array(names[k], s.size, np.float32) for k, s in contract.streams.items()},
            valid=valid,
            age={key: age[:, i] for i, key in enumerate(keys)},
            stamp=array(layout.STAMP, 1, np.int64)[:, 0],
            action=array(layout.ACTION, joints, np.float32),
            action_raw=array(layout.ACTION_RAW, joints, np.float32),
            source=recoded(codes, self._origin.sources, str(episode.data)),
            images={
                key: self._images.of(key, names[key], episode, table, valid[key])
                for key in contract.images
            },
            events=record.events,
        )


class _Foreign:
    """The episodes of any other dataset, by a contract and a choice of features."""

    def __init__(
        self, source: LerobotDataset, contract: Contract, columns: FeatureMapping | None
    ) -> None:
        self._source, self._contract = source, contract
        self._features = source.features()
        wanted = columns or mapping_by_name(
            contract, self._features, lambda key: layout.column_of(contract, key), layout.ACTION
        )
        self._columns = check_mapping(wanted, contract, self._features, str(source.path))
        self._images = _Images(source, contract)

    def episodes(self) -> Iterator[EpisodeArrays]:
        """Each with made-up stamps."""
        names = [column.feature for column in self._columns.streams.values()]
        names += [*self._columns.images.values(), self._columns.action.feature, 'timestamp']
        for episode, table in self._source.tables(names):
            with reading(episode.data, WHAT):
                arrays = self._episode(episode, table)
            yield arrays

    def _episode(self, episode: LerobotEpisode, table: Any) -> EpisodeArrays:
        def array(name: str) -> NDArray[Any]:
            return as_array(table[name], name, int(np.prod(self._features[name].shape)), None)

        every, columns = np.ones(episode.length, bool), self._columns
        return foreign_episode(
            self._contract,
            EpisodeEntry(
                id=f'episode_{episode.index:06d}',
                start=0,
                length=episode.length,
                outcome=columns.outcome,
                task=episode.task,
                bag=str(self._source.path),
                notes=SYNTHETIC,
            ),
            values={k: pick(c, array(c.feature)) for k, c in columns.streams.items()},
            images={
                key: self._images.of(key, name, episode, table, every)
                for key, name in columns.images.items()
            },
            action=pick(columns.action, array(columns.action.feature)),
            stamp=_stamps(as_array(table['timestamp'], 'timestamp', 1, None)[:, 0], episode),
        )


def _stamps(seconds: NDArray[Any], episode: LerobotEpisode) -> NDArray[np.int64]:
    # A float32 has no more than microseconds to give.
    stamps: NDArray[np.int64] = np.round(seconds.astype(np.float64) * 1e6).astype(np.int64) * 1000
    if not np.isfinite(seconds).all() or (np.diff(stamps) <= 0).any():
        raise DatasetError(
            f'timestamps of episode {episode.index} do not increase', where=str(episode.data)
        )
    return stamps
