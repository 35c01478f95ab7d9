"""Datasets in memory, of frames that were gathered in this process without a bag."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.frames import Frame
from il_ros.core.images import ImageDecoder
from il_ros.core.streams import ImageStream
from il_ros.datasets.dataset import EVENTS_FILE, Dataset, dataset_of_columns
from il_ros.datasets.dataset_arrays import described_columns, hash_array
from il_ros.datasets.episode_arrays import SOURCES, EpisodeArrays, dump_events
from il_ros.datasets.feature_statistics import statistics_of
from il_ros.datasets.image_store import EncodedImages
from il_ros.datasets.manifest import EpisodeEntry, hash_data, make_manifest


@dataclass(frozen=True, kw_only=True)
class EpisodeFrames:
    """The frames of one episode, F of them, and what was commanded after each.

    Attributes:
        entry: Where they came from; `start` and `length` do not count yet.
        frames: The frames.
        actions: The actions, shape (F, N) [rad or m]; NaN where nothing was commanded.
        sources: Who was in control at each, uint8 of shape (F,), an index into `SOURCES`; none for
            an expert throughout.
        labels: The expert's answer at each frame, shape (F, H, N) [rad or m]; NaN where the expert
            was not asked, none if it never was.
    """

    entry: EpisodeEntry
    frames: Sequence[Frame]
    actions: NDArray[np.float64]
    sources: NDArray[np.uint8] | None = None
    labels: NDArray[np.float64] | None = None


def assemble(contract: Contract, episodes: Iterable[EpisodeFrames]) -> Dataset:
    """A dataset in memory, of episodes in this order; those without a usable frame are left out.

    Raises:
        DatasetError: If there is not one frame.
    """
    arrays = [usable_arrays(contract, episode) for episode in episodes if episode.frames]
    arrays = [episode for episode in arrays if episode.frames]
    if not arrays:
        raise DatasetError('no usable frame', fix='record episodes in which a source is in control')
    return dataset_of(contract, arrays)


def usable_arrays(contract: Contract, episode: EpisodeFrames) -> EpisodeArrays:
    """Frames whose required observations are valid and which an action followed, as arrays.

    The entry says how many are left out.
    """
    frames, actions = episode.frames, episode.actions.astype(np.float32)
    streams, sources, labels = contract.streams, episode.sources, episode.labels
    if sources is None:
        sources = np.full(len(frames), SOURCES.index('expert'), np.uint8)
    required = [key for key, stream in contract.observations.items() if stream.required]
    valid = np.array([frame.all_valid(required) for frame in frames], bool)
    rows = np.flatnonzero(valid & np.isfinite(actions).all(axis=1))
    arrays = EpisodeArrays(
        entry=replace(episode.entry, left_out=len(frames) - len(rows)),
        values={k: np.array([f.values[k] for f in frames], np.float32) for k in streams},
        valid={k: np.array([f.valid[k] for f in frames], bool) for k in contract.inputs},
        age={k: np.array([f.age[k] for f in frames], np.float32) for k in contract.inputs},
        stamp=np.array([frame.stamp for frame in frames], np.int64),
        action=actions,
        action_raw=actions,
        source=sources,
        label=None if labels is None else labels.astype(np.float32),
        images={k: _encoded(stream, k, frames) for k, stream in contract.images.items()},
    )
    return arrays.take(rows)


def dataset_of(contract: Contract, episodes: Sequence[EpisodeArrays]) -> Dataset:
    """A dataset in memory, of one episode or more, in this order."""
    steps = max((e.label.shape[1] for e in episodes if e.label is not None), default=0)
    parts = [episode.columns(contract, steps) for episode in episodes]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    manifest = make_manifest(
        contract,
        [episode.described_entry(contract) for episode in episodes],
        {},
        statistics=statistics_of(described_columns(columns, contract)),
        labels=steps,
    )
    images = {
        key: EncodedImages.of(stream, [image for e in episodes for image in e.images[key]], key)
        for key, stream in contract.images.items()
    }
    events = tuple(e.events for e in episodes)
    files = {name: hash_array(array) for name, array in columns.items()}
    for key, store in images.items():
        files[f'{key}.images'] = hashlib.sha256(store.blob.data).hexdigest()
        files[f'{key}.offsets'] = hash_array(store.offsets)
    lines = ''.join(map(dump_events, events))
    files[EVENTS_FILE] = hashlib.sha256(lines.encode()).hexdigest()
    data_hash = hash_data(files, manifest.episodes, contract.hash)
    manifest = replace(manifest, files=files, data_hash=data_hash)
    return dataset_of_columns(manifest, contract, columns, images=images, events=events)


def _encoded(stream: ImageStream, key: str, frames: Sequence[Frame]) -> tuple[bytes, ...]:
    decoder = ImageDecoder(stream)
    messages = [frame.images.get(key) for frame in frames]
    return tuple(b'' if m is None else decoder.encoded(m, stream.type) for m in messages)
