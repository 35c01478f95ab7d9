"""Datasets onto disk, an episode at a time, whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from il_ros.bags.bag_reader import BagReadOptions
from il_ros.core.atomic_folders import new_folder
from il_ros.core.contract import Contract, require_same
from il_ros.core.errors import DatasetError
from il_ros.datasets.dataset import EVENTS_FILE, Dataset, load_dataset
from il_ros.datasets.dataset_arrays import (
    ArrayFile,
    BlobFile,
    array_specs,
    described_columns,
    open_array,
)
from il_ros.datasets.episode_arrays import EpisodeArrays, dump_events
from il_ros.datasets.feature_statistics import statistics_of
from il_ros.datasets.image_store import RawImages, pixel_blocks
from il_ros.datasets.limit_checks import dataset_findings
from il_ros.datasets.manifest import (
    MANIFEST_FILE,
    EpisodeEntry,
    ImageFormat,
    LeftOut,
    make_manifest,
)


class DatasetWriter:
    """Writes a dataset; use it as a context manager, `add` episodes, and `finish`.

    Nothing but the episode that is added is in memory. The folder appears when `finish` is called;
    if the block is left in any other way, nothing of it stays.

    Args:
        out: Folder of the dataset.
        contract: What the arrays mean.
        overwrite: Whether a dataset that is there already is replaced.
        inputs: Folders that it is made from, which `out` may neither hold nor lie in.
        image_format: `raw` decodes images into an array of pixels; else they stay as they come.
        labels: Steps of the expert's labels; 0 for a dataset without any.

    Raises:
        DatasetError: If `out` exists and may not be replaced, or cannot be written.
    """

    def __init__(
        self,
        out: Path,
        contract: Contract,
        *,
        overwrite: bool = False,
        inputs: Iterable[Path] = (),
        image_format: ImageFormat = 'jpeg',
        labels: int = 0,
    ) -> None:
        self.path, self.contract, self.image_format = out, contract, image_format
        self.labels = labels
        self._columns = array_specs(contract, image_format, labels)
        self._new_folder = new_folder(
            out, overwrite=overwrite, marker=MANIFEST_FILE, inputs=inputs, error=DatasetError
        )
        self._entries: list[EpisodeEntry] = []
        self._rendered: EpisodeEntry | None = None
        self._events: list[str] = []
        self._finished = False

    @classmethod
    def like(
        cls, dataset: Dataset, out: Path, *, overwrite: bool, labels: int | None = None
    ) -> DatasetWriter:
        """A writer of a dataset as another one; `labels` are its own by default."""
        return cls(
            out,
            dataset.contract,
            overwrite=overwrite,
            image_format=dataset.manifest.image_format,
            labels=dataset.manifest.labels if labels is None else labels,
        )

    def __enter__(self) -> DatasetWriter:
        keys = () if self.image_format == 'raw' else tuple(self.contract.images)
        with ExitStack() as stack:
            folder = self._folder = stack.enter_context(self._new_folder)
            self._files = {
                name: stack.enter_context(ArrayFile(folder / f'{name}.npy', column))
                for name, column in self._columns.items()
            }
            self._blobs = {
                key: stack.enter_context(
                    BlobFile(folder / f'{key}.images', folder / f'{key}.offsets.npy')
                )
                for key in keys
            }
            self._stack = stack.pop_all()
        return self

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        if not self._finished:
            dropped = error or DatasetError('not finished', where=str(self.path))
            self._stack.__exit__(type(dropped), dropped, dropped.__traceback__)

    def add(self, episode: EpisodeArrays) -> None:
        """Append an episode.

        Raises:
            DatasetError: If its arrays do not fit the contract or each other, or its images are
                of another renderer than those that are there.
        """
        self._add_columns(episode)
        for key, stream in self.contract.images.items():
            images, where = episode.images.get(key, ()), f'{episode.entry.id}.{key}'
            there = np.array([bool(image) for image in images], bool)
            if not np.array_equal(there, episode.valid[key]):
                raise DatasetError(
                    'an image is missing where it is marked valid, or the other way round',
                    where=where,
                    allowed='bytes where valid, none elsewhere',
                )
            if key in self._blobs:
                self._blobs[key].append(images)
            else:
                for block in pixel_blocks(stream, images, where):
                    self._files[f'{key}.pixels'].append(block)

    def copy(self, dataset: Dataset, episode: int, *, name: str = '') -> None:
        """Append an episode of another dataset, by its index.

        Args:
            dataset: The other dataset.
            episode: Index in it.
            name: Id that it gets here; the one that it has there by default.

        Raises:
            ContractError: If the dataset was made by another contract.
            DatasetError: If its arrays do not fit the contract or each other, or its images are
                of another renderer than those that are there.
        """
        require_same(self.contract, dataset.contract, where=str(self.path))
        raw = {k: s for k, s in dataset.images.items() if isinstance(s, RawImages)}
        pixels = self.image_format == 'raw' and len(raw) == len(dataset.images)
        arrays, entry = (
            dataset.episode_arrays(episode, images=not pixels),
            dataset.episodes[episode],
        )
        arrays = replace(arrays, entry=replace(entry, id=name or entry.id))
        if not pixels:
            self.add(arrays)
            return
        self._add_columns(arrays)
        for key, store in raw.items():
            self._files[f'{key}.pixels'].append(store.pixels[entry.start : entry.stop])

    def finish(
        self,
        *,
        left_out: Iterable[LeftOut] = (),
        preprocessing: Mapping[str, Any] | None = None,
        steps: Mapping[str, Mapping[str, float]] | None = None,
        reading: BagReadOptions | None = None,
    ) -> Dataset:
        """Write the manifest, give the folder its name, and open it.

        Args:
            left_out: Bags and episodes that are not in it, and why.
            preprocessing: Settings of the preprocessing.
            steps: What every step of the preprocessing did to these episodes.
            reading: How its bags were read, where all were read alike.

        Raises:
            DatasetError: If there is no episode, or the disk refuses.
        """
        if not self._entries:
            raise DatasetError(
                'no usable frame',
                where=str(self.path),
                fix='record episodes in which a source is in control',
            )
        hashes = self._close_files()
        frames = sum(entry.length for entry in self._entries)
        specs = described_columns(self._columns, self.contract)
        columns = {n: open_array(self._folder, n, spec, frames) for n, spec in specs.items()}
        statistics = statistics_of(columns)
        manifest = make_manifest(
            self.contract,
            self._entries,
            hashes,
            image_format=self.image_format,
            labels=self.labels,
            statistics=statistics,
        )
        manifest = replace(
            manifest,
            left_out=tuple(left_out),
            findings=dataset_findings(self.contract, self._entries, statistics),
            preprocessing=preprocessing or {},
            steps=steps or {},
            reading=reading,
        )
        # In ASCII: a bag's notes may hold what UTF-8 has no code for.
        text = json.dumps(asdict(manifest), indent=1) + '\n'
        (self._folder / MANIFEST_FILE).write_text(text, encoding='utf-8')
        self._finished = True
        self._stack.close()
        return load_dataset(self.path)

    def _add_columns(self, episode: EpisodeArrays) -> None:
        self._require_one_renderer(episode.entry)
        columns = episode.columns(self.contract, self.labels)
        lengths = {name: len(array) for name, array in columns.items()}
        if not episode.frames or set(lengths.values()) != {episode.frames}:
            raise DatasetError(
                f'{episode.frames} frames, and arrays of lengths {lengths}',
                where=episode.entry.id,
                allowed='one frame or more, a row in each array',
            )
        for name, array in columns.items():
            self._files[name].append(array)
        self._entries.append(episode.described_entry(self.contract))
        self._events.append(dump_events(episode.events))

    def _require_one_renderer(self, entry: EpisodeEntry) -> None:
        """A policy could learn to tell the renderers apart instead of the scene."""
        if not entry.renderer:
            return
        first = self._rendered = self._rendered or entry
        if entry.renderer != first.renderer:
            raise DatasetError(
                f'images rendered by {first.renderer} in episode {first.id}, '
                f'by {entry.renderer} in episode {entry.id}',
                where=str(self.path),
                allowed='one renderer in a dataset',
                fix='make a dataset of each, or record one of them again by the other renderer',
            )

    def _close_files(self) -> dict[str, str]:
        """Close all; give the hash of each, by name."""
        hashes = {name: file.close() for name, file in self._files.items()}
        for key, blobs in self._blobs.items():
            hashes[f'{key}.images'], hashes[f'{key}.offsets'] = blobs.close()
        events = ''.join(self._events).encode()
        (self._folder / EVENTS_FILE).write_bytes(events)
        hashes[EVENTS_FILE] = hashlib.sha256(events).hexdigest()
        return hashes


def save_dataset(dataset: Dataset, path: Path, *, overwrite: bool = False) -> Dataset:
    """Write a dataset to another folder, whole or not at all, and open it there.

    Raises:
        DatasetError: If `path` exists and may not be replaced, or cannot be written.
    """
    manifest = dataset.manifest
    with DatasetWriter.like(dataset, path, overwrite=overwrite) as writer:
        for episode in range(len(dataset.episodes)):
            writer.copy(dataset, episode)
        return writer.finish(
            left_out=manifest.left_out,
            preprocessing=manifest.preprocessing,
            steps=manifest.steps,
            reading=manifest.reading,
        )
