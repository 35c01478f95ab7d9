"""A dataset: the frames and actions of many episodes, one array a key, opened memory-mapped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract, parse_contract, require_same
from il_ros.core.errors import DatasetError
from il_ros.core.folders import new_folder
from il_ros.core.frames import Frame, gaps
from il_ros.datasets.manifest import (
    MANIFEST_FILE,
    EpisodeEntry,
    LeftOut,
    Manifest,
    dump_manifest,
    hash_arrays,
    read_manifest,
)

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Frames and actions of many episodes, F frames in all.

    Attributes:
        manifest: Where they came from and what they mean.
        contract: The contract they were made by.
        values: Observation per key, float32 of shape (F, size); NaN where invalid.
        valid: Validity per key, bool of shape (F,).
        stamp: Time of each frame, int64 of shape (F,) [ns].
        age: Age of each stream's sample, float32 of shape (F, K) [s], K keys in the order of
            `values`.
        action: What was commanded after each frame, float32 of shape (F, N) [rad or m].
    """

    manifest: Manifest
    contract: Contract
    values: Mapping[str, Array]
    valid: Mapping[str, Array]
    stamp: Array
    age: Array
    action: Array

    @property
    def frames(self) -> int:
        """Frames of all episodes."""
        return len(self.stamp)

    @property
    def episodes(self) -> tuple[EpisodeEntry, ...]:
        """Episodes in order."""
        return self.manifest.episodes

    def observation_matrix(self, keys: Iterable[str] | None = None) -> Array:
        """Observations of `keys` (all of the contract's) side by side, float32 (F, D)."""
        chosen = self.contract.observations if keys is None else keys
        return np.concatenate([self.values[key] for key in chosen], axis=1)

    def rows(self, episodes: Iterable[int]) -> NDArray[np.int64]:
        """Indices of the frames of the episodes with these indices, in order."""
        chosen = [self.episodes[i] for i in episodes]
        ranges = [np.arange(e.start, e.start + e.length) for e in chosen]
        return np.concatenate(ranges).astype(np.int64) if ranges else np.empty(0, np.int64)

    def split(self, fraction: float, seed: int) -> tuple[list[int], list[int]]:
        """Whole episodes to train on and to hold out, by index, both in order.

        Args:
            fraction: Share of the episodes to hold out; at least one episode stays on each side
                when there are two or more, and none is held out of one.
            seed: Seed of the choice.
        """
        count = len(self.episodes)
        held = min(max(1, round(fraction * count)), count - 1) if fraction > 0 else 0
        order = np.random.default_rng(seed).permutation(count).tolist()
        return sorted(order[held:]), sorted(order[:held])


@dataclass(frozen=True, kw_only=True)
class EpisodeData:
    """The usable frames of one episode.

    Attributes:
        entry: Where they came from; `start` does not count yet.
        frames: Frames whose required streams are valid and which an action followed.
        actions: The actions, shape (len(frames), N) [rad or m].
    """

    entry: EpisodeEntry
    frames: Sequence[Frame]
    actions: NDArray[np.float64]


def usable(
    contract: Contract, entry: EpisodeEntry, frames: Sequence[Frame], actions: Array
) -> EpisodeData:
    """Leave out the frames that nothing can be learned from, and count them in the entry.

    Args:
        contract: Says which streams are required.
        entry: Where the frames came from.
        frames: Frames of one episode.
        actions: What was commanded after each, shape (F, N); NaN where nothing was.
    """
    required = [key for key, stream in contract.observations.items() if stream.required]
    good = [
        frame.all_valid(required) and bool(np.isfinite(action).all())
        for frame, action in zip(frames, actions, strict=True)
    ]
    kept = [frame for frame, keep in zip(frames, good, strict=True) if keep]
    entry = replace(
        entry,
        length=len(kept),
        left_out=len(frames) - len(kept),
        gaps=gaps([frame.stamp for frame in kept], contract),
    )
    return EpisodeData(entry=entry, frames=kept, actions=actions[np.array(good, dtype=bool)])


def assemble(
    contract: Contract, episodes: Sequence[EpisodeData], left_out: Iterable[LeftOut] = ()
) -> Dataset:
    """A dataset in memory, of episodes in this order.

    Raises:
        DatasetError: If there is not one frame.
    """
    frames = [frame for episode in episodes for frame in episode.frames]
    if not frames:
        raise DatasetError('no usable frame', fix='record episodes in which a source is in control')
    keys = list(contract.streams)
    values = {k: np.array([f.values[k] for f in frames], dtype=np.float32) for k in keys}
    valid = {k: np.array([f.valid[k] for f in frames], dtype=bool) for k in keys}
    stamp = np.array([frame.stamp for frame in frames], dtype=np.int64)
    age = np.array([[f.age[k] for k in keys] for f in frames], dtype=np.float32)
    action = np.concatenate([episode.actions for episode in episodes]).astype(np.float32)
    entries, start = [], 0
    for episode in episodes:
        entries.append(replace(episode.entry, start=start, length=len(episode.frames)))
        start += len(episode.frames)
    manifest = Manifest(
        contract=contract.text,
        contract_hash=contract.hash,
        observations={key: stream.size for key, stream in contract.observations.items()},
        privileged={key: stream.size for key, stream in contract.privileged.items()},
        action_names=contract.action.names,
        rate=contract.rate,
        frames=len(frames),
        episodes=tuple(entries),
        left_out=tuple(left_out),
        data_hash=hash_arrays(_named(values, valid, stamp, age, action), contract.hash),
    )
    return Dataset(
        manifest=manifest,
        contract=contract,
        values=values,
        valid=valid,
        stamp=stamp,
        age=age,
        action=action,
    )


def save_dataset(dataset: Dataset, path: Path, *, overwrite: bool = False) -> None:
    """Write a dataset's folder, whole or not at all.

    Raises:
        DatasetError: If `path` exists and may not be replaced, or cannot be written.
    """
    d = dataset
    with new_folder(path, overwrite=overwrite, error=DatasetError) as folder:
        for name, array in _named(d.values, d.valid, d.stamp, d.age, d.action):
            np.save(folder / f'{name}.npy', array, allow_pickle=False)
        (folder / MANIFEST_FILE).write_text(dump_manifest(d.manifest), encoding='utf-8')


def load_dataset(path: Path, contract: Contract | None = None) -> Dataset:
    """Open a dataset's folder; arrays stay on disk until they are read.

    Raises:
        DatasetError: If it is not a dataset, or an array is missing or damaged.
        ContractError: If it was made by another contract than the given one.
    """
    manifest = read_manifest(path)
    made_by = parse_contract(manifest.contract, source=str(path / MANIFEST_FILE))
    if contract is not None:
        require_same(contract, made_by, where=str(path))
    sizes, frames = {**manifest.observations, **manifest.privileged}, manifest.frames
    dof = len(manifest.action_names)
    return Dataset(
        manifest=manifest,
        contract=made_by,
        values={k: _open(path, k, (frames, n), np.float32) for k, n in sizes.items()},
        valid={k: _open(path, f'{k}.valid', (frames,), np.bool_) for k in sizes},
        stamp=_open(path, 'stamp', (frames,), np.int64),
        age=_open(path, 'age', (frames, len(sizes)), np.float32),
        action=_open(path, 'action', (frames, dof), np.float32),
    )


def _named(
    values: Mapping[str, Array], valid: Mapping[str, Array], stamp: Array, age: Array, action: Array
) -> Iterator[tuple[str, Array]]:
    yield from values.items()
    yield from ((f'{key}.valid', array) for key, array in valid.items())
    yield from (('stamp', stamp), ('age', age), ('action', action))


def _open(folder: Path, name: str, shape: tuple[int, ...], dtype: type[np.generic]) -> Array:
    path = folder / f'{name}.npy'
    try:
        array: Array = np.load(path, mmap_mode='r', allow_pickle=False)
    except (OSError, ValueError, EOFError) as problem:
        raise DatasetError(
            f'cannot be opened: {problem}', where=str(path), fix='build the dataset again'
        ) from None
    if array.shape != shape or array.dtype != dtype:
        raise DatasetError(
            f'{array.dtype} of shape {array.shape}',
            where=str(path),
            allowed=f'{np.dtype(dtype)} of shape {shape}',
            fix='build the dataset again',
        )
    return array
