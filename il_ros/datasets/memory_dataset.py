"""Datasets in memory, of frames that were gathered in this process without a bag."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.frames import Frame, gaps
from il_ros.core.images import ImageDecoder
from il_ros.core.streams import ImageStream
from il_ros.datasets.dataset import EVENTS_FILE, Dataset, dump_events
from il_ros.datasets.dataset_arrays import hash_array
from il_ros.datasets.episode_arrays import SOURCES, EpisodeArrays
from il_ros.datasets.expert_labels import label_of
from il_ros.datasets.feature_statistics import statistics_of
from il_ros.datasets.image_store import EncodedImages
from il_ros.datasets.manifest import EpisodeEntry, LeftOut, hash_data, make_manifest

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class EpisodeFrames:
    """The usable frames of one episode.

    Attributes:
        entry: Where they came from; `start` does not count yet.
        frames: Frames whose required streams are valid and which an action followed.
        actions: The actions, shape (len(frames), N) [rad or m].
        sources: Who was in control at each, uint8 of shape (len(frames),), an index into
            `SOURCES`; none for an expert throughout.
        labels: The expert's answer at each frame, shape (len(frames), H, N) [rad or m]; NaN where
            the expert was not asked, none if it never was.
    """

    entry: EpisodeEntry
    frames: Sequence[Frame]
    actions: NDArray[np.float64]
    sources: NDArray[np.uint8] | None = None
    labels: NDArray[np.float64] | None = None


def usable_frames(
    contract: Contract,
    entry: EpisodeEntry,
    frames: Sequence[Frame],
    actions: Array,
    *,
    sources: Array | None = None,
    labels: Array | None = None,
) -> EpisodeFrames:
    """Leave out the frames that nothing can be learned from, and count them in the entry.

    Args:
        contract: Says which streams are required.
        entry: Where the frames came from.
        frames: Frames of one episode.
        actions: What was commanded after each, shape (F, N); NaN where nothing was.
        sources: As in `EpisodeFrames`, shape (F,).
        labels: As in `EpisodeFrames`, shape (F, H, N).
    """
    required = [key for key, stream in contract.observations.items() if stream.required]
    good = np.array(
        [
            frame.all_valid(required) and bool(np.isfinite(action).all())
            for frame, action in zip(frames, actions, strict=True)
        ],
        dtype=bool,
    )
    kept = [frame for frame, keep in zip(frames, good, strict=True) if keep]
    entry = replace(
        entry,
        length=len(kept),
        left_out=len(frames) - len(kept),
        gaps=gaps([frame.stamp for frame in kept], contract),
    )
    return EpisodeFrames(
        entry=entry,
        frames=kept,
        actions=actions[good],
        sources=None if sources is None else sources[good],
        labels=None if labels is None else labels[good],
    )


def assemble(
    contract: Contract, episodes: Sequence[EpisodeFrames], left_out: Iterable[LeftOut] = ()
) -> Dataset:
    """A dataset in memory, of episodes in this order; those without a frame are passed over.

    Raises:
        DatasetError: If there is not one frame.
    """
    arrays = [arrays_of(contract, episode) for episode in episodes if episode.frames]
    if not arrays:
        raise DatasetError('no usable frame', fix='record episodes in which a source is in control')
    return dataset_of(contract, arrays, left_out)


def arrays_of(contract: Contract, episode: EpisodeFrames) -> EpisodeArrays:
    """Frames and actions as arrays."""
    frames, actions = episode.frames, episode.actions.astype(np.float32)
    streams, sources, labels = contract.streams, episode.sources, episode.labels
    if sources is None:
        sources = np.full(len(frames), SOURCES.index('expert'), np.uint8)
    return EpisodeArrays(
        entry=replace(episode.entry, length=len(frames)),
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


def dataset_of(
    contract: Contract, episodes: Sequence[EpisodeArrays], left_out: Iterable[LeftOut] = ()
) -> Dataset:
    """A dataset in memory, of one episode or more, in this order."""

    def joined(parts: Iterable[Array]) -> Array:
        return np.concatenate(list(parts))

    values = {key: joined(e.values[key] for e in episodes) for key in contract.streams}
    entries = [episode.described_entry(contract) for episode in episodes]
    columns = {
        **values,
        'action': joined(e.action for e in episodes),
        'action_raw': joined(e.action_raw for e in episodes),
    }
    steps = max((e.label.shape[1] for e in episodes if e.label is not None), default=0)
    empty = make_manifest(contract, entries, {}, statistics=statistics_of(columns), labels=steps)
    dataset = Dataset(
        manifest=empty,
        contract=contract,
        values=values,
        valid={key: joined(e.valid[key] for e in episodes) for key in contract.inputs},
        stamp=joined(e.stamp for e in episodes),
        age=joined(np.stack([e.age[k] for k in contract.inputs], axis=1) for e in episodes),
        action=columns['action'],
        action_raw=columns['action_raw'],
        source=joined(e.source for e in episodes),
        images={
            key: _store(stream, key, [image for e in episodes for image in e.images[key]])
            for key, stream in contract.images.items()
        },
        events=tuple(e.events for e in episodes),
        label=joined(label_of(e, contract, steps) for e in episodes) if steps else None,
    )
    files = _hashes(dataset)
    manifest = replace(
        empty,
        left_out=tuple(left_out),
        files=files,
        data_hash=hash_data(files, empty.episodes, contract.hash),
    )
    return replace(dataset, manifest=manifest)


def _hashes(dataset: Dataset) -> dict[str, str]:
    """What `DatasetWriter` would say of the same data."""
    hashes = {name: hash_array(array) for name, array in dataset.arrays()}
    for key, store in dataset.images.items():
        if isinstance(store, EncodedImages):
            hashes[f'{key}.images'] = hashlib.sha256(store.blob.data).hexdigest()
            hashes[f'{key}.offsets'] = hash_array(store.offsets)
    lines = ''.join(dump_events(events) for events in dataset.events)
    hashes[EVENTS_FILE] = hashlib.sha256(lines.encode()).hexdigest()
    return hashes


def _encoded(stream: ImageStream, key: str, frames: Sequence[Frame]) -> tuple[bytes, ...]:
    decoder = ImageDecoder(stream)
    messages = [frame.images.get(key) for frame in frames]
    return tuple(b'' if m is None else decoder.encoded(m, stream.type) for m in messages)


def _store(stream: ImageStream, key: str, images: Sequence[bytes]) -> EncodedImages:
    offsets = np.concatenate([[0], np.cumsum([len(image) for image in images])])
    blob = np.frombuffer(b''.join(images), np.uint8)
    return EncodedImages(stream, blob, offsets.astype(np.int64), key)
