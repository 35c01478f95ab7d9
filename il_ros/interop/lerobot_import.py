"""A LeRobot dataset, version 3.0, as a source of episodes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.streams import ImageStream
from il_ros.datasets.episode_arrays import EpisodeArrays
from il_ros.interop import lerobot_layout as layout
from il_ros.interop.dataset_import import foreign_episode
from il_ros.interop.export_origin import (
    EpisodeRecord,
    ExportOrigin,
    own_records,
    read_origin,
    recoded,
)
from il_ros.interop.feature_mapping import FeatureMapping
from il_ros.interop.foreign_files import reading
from il_ros.interop.foreign_images import encoded_as, kept_image, require_size
from il_ros.interop.lerobot_reader import (
    WHAT,
    LerobotDataset,
    LerobotEpisode,
    as_array,
    image_bytes,
    text_of,
)
from il_ros.interop.mp4_files import frames_at
from il_ros.interop.read_limits import step


def open_lerobot(path: Path) -> AbstractContextManager[LerobotImport]:
    """Open a LeRobot folder to import it.

    Raises:
        DatasetError: If it is damaged, of another version, or names files outside its folder.
    """
    return nullcontext(LerobotImport(path))


class LerobotImport(LerobotDataset):
    """The episodes of a LeRobot dataset: an `ImportSource`."""

    action = layout.ACTION

    def origin(self) -> ExportOrigin | None:
        """What `export_lerobot` wrote of itself, if it made the dataset."""
        where = self.path / layout.ORIGIN
        text = text_of(self.path, layout.ORIGIN) if where.exists() else None
        return read_origin(text, str(where)) if text is not None else None

    def lossy(self, contract: Contract) -> list[str]:
        """Keys of images that are in videos."""
        return [key for key in contract.images if self.is_video(layout.column_of(contract, key))]

    def feature_of(self, contract: Contract, key: str) -> str:
        """The column of a key."""
        return layout.column_of(contract, key)

    def exported(self, contract: Contract, origin: ExportOrigin) -> Iterator[EpisodeArrays]:
        """Each episode as it was exported."""
        where = self.path / layout.RECORDS
        lines = text_of(self.path, layout.RECORDS).splitlines()
        if len(lines) != len(self.episodes):
            raise DatasetError(f'{len(lines)} lines', where=str(where), allowed='one an episode')
        columns = [layout.ACTION, layout.ACTION_RAW, layout.STAMP, layout.SOURCE]
        columns += [layout.VALID, layout.AGE]
        columns += [layout.column_of(contract, key) for key in contract.inputs]
        records = own_records(lines, origin, where)
        for record, (episode, table) in zip(records, self.tables(columns), strict=True):
            with reading(episode.data, WHAT):
                yield self._exported(contract, origin, record, episode, table)

    def foreign(self, contract: Contract, mapping: FeatureMapping) -> Iterator[EpisodeArrays]:
        """Each episode by a mapping, with stamps made from `timestamp`."""
        columns = [part.feature for part in mapping.streams.values()]
        columns += [*mapping.images.values(), mapping.action.feature, 'timestamp']
        for episode, table in self.tables(columns):
            with reading(episode.data, WHAT):
                yield self._foreign(contract, mapping, episode, table)

    def _exported(
        self,
        contract: Contract,
        origin: ExportOrigin,
        record: EpisodeRecord,
        episode: LerobotEpisode,
        table: Any,
    ) -> EpisodeArrays:
        def array(name: str, size: int, dtype: type[np.generic]) -> NDArray[Any]:
            return as_array(table[name], name, size, dtype)

        keys, joints = list(contract.inputs), len(contract.action.names)
        codes = array(layout.SOURCE, 1, np.uint8)[:, 0]
        valid = dict(zip(keys, array(layout.VALID, len(keys), np.bool_).T, strict=True))
        columns = {key: layout.column_of(contract, key) for key in keys}
        return EpisodeArrays(
            entry=record.entry,
            values={k: array(columns[k], s.size, np.float32) for k, s in contract.streams.items()},
            valid=valid,
            age=dict(zip(keys, array(layout.AGE, len(keys), np.float32).T, strict=True)),
            stamp=array(layout.STAMP, 1, np.int64)[:, 0],
            action=array(layout.ACTION, joints, np.float32),
            action_raw=array(layout.ACTION_RAW, joints, np.float32),
            source=recoded(codes, origin.sources, str(episode.data)),
            images={
                key: self._images(stream, columns[key], episode, table, valid[key])
                for key, stream in contract.images.items()
            },
            events=record.events,
        )

    def _foreign(
        self, contract: Contract, mapping: FeatureMapping, episode: LerobotEpisode, table: Any
    ) -> EpisodeArrays:
        features, every = self.features(), np.ones(episode.length, bool)

        def numbers(name: str) -> NDArray[Any]:
            return as_array(table[name], name, int(np.prod(features[name].shape)), None)

        return foreign_episode(
            contract,
            mapping,
            id=f'episode_{episode.index:06d}',
            bag=self.path,
            task=episode.task,
            numbers=numbers,
            images=lambda key, name, swap: self._images(
                contract.images[key], name, episode, table, every, swap=swap
            ),
            stamp=_stamps(as_array(table['timestamp'], 'timestamp', 1, None)[:, 0], episode),
        )

    def _images(
        self,
        stream: ImageStream,
        name: str,
        episode: LerobotEpisode,
        table: Any,
        valid: NDArray[np.bool_],
        *,
        swap: bool = False,
    ) -> tuple[bytes, ...]:
        """Those of one camera; what is marked invalid is a blank one and not taken."""
        if not self.is_video(name):
            kept = []
            for blob, there in zip(image_bytes(table[name], name), valid, strict=True):
                step()
                kept.append(kept_image(stream, blob, episode.data, swap=swap) if there else b'')
            return tuple(kept)
        path, start = episode.videos[name]
        frames = frames_at(path, start, episode.length, self.rate)
        return tuple(
            _encoded(stream, f, path, swap=swap) if v else b''
            for f, v in zip(frames, valid, strict=True)
        )


def _encoded(stream: ImageStream, pixels: NDArray[np.uint8], path: Path, *, swap: bool) -> bytes:
    require_size(stream, pixels.shape[:2], path)
    if stream.encoding == '16UC1':
        raise DatasetError(
            'a video has 8 bits a pixel', where=str(path), allowed='images of 16 bits, as PNG'
        )
    if stream.encoding == 'mono8':
        pixels = pixels.mean(axis=2).round().astype(np.uint8)
    return encoded_as(stream, pixels, swap=swap)


def _stamps(seconds: NDArray[Any], episode: LerobotEpisode) -> NDArray[np.int64]:
    # Nanoseconds of 63 bits end there. A float32 has no more than microseconds to give.
    known = np.asarray(np.abs(seconds) < 9.2e9)
    exact = np.where(known, seconds, 0).astype(np.float64)
    stamps: NDArray[np.int64] = np.round(exact * 1e6).astype(np.int64) * 1000
    if not known.all() or (np.diff(stamps) <= 0).any():
        raise DatasetError(
            f'timestamps of episode {episode.index} do not increase', where=str(episode.data)
        )
    return stamps
