"""A dataset: the frames and actions of many episodes, one array a key, opened memory-mapped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract, parse_contract, require_same
from il_ros.core.errors import ContractError
from il_ros.core.regular_files import open_regular
from il_ros.datasets.dataset_arrays import (
    array_specs,
    described_columns,
    hash_array,
    hash_file,
    open_array,
)
from il_ros.datasets.episode_arrays import FIXED, EpisodeArrays, Event, load_events
from il_ros.datasets.image_store import ImageStore, RawImages, open_images
from il_ros.datasets.manifest import (
    MANIFEST_FILE,
    EpisodeEntry,
    Manifest,
    damaged_dataset,
    hash_data,
    observation_sizes,
    read_manifest,
)

Array = NDArray[Any]

EVENTS_FILE = 'events.jsonl'

_EVENTS, _LINE = 1 << 30, 16 << 20  # bytes of the largest file of events, and of its lines


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Frames and actions of many episodes, F frames in all.

    Attributes:
        manifest: Where they came from and what they mean.
        contract: The contract they were made by.
        values: Observation per key, float32 of shape (F, size); NaN where invalid.
        valid: Validity per key, of streams and of images, bool of shape (F,).
        stamp: Time of each frame, int64 of shape (F,) [ns].
        age: Age of each sample, float32 of shape (F, K) [s], K keys in the order of `valid`:
            streams, then images; NaN if there had been none.
        action: What was commanded after each frame, float32 of shape (F, N) [rad or m]; filtered,
            where the preprocessing says so.
        action_raw: What was commanded, before any filter, shape and units of `action`.
        source: Who was in control, uint8 of shape (F,), an index into `SOURCES`.
        images: Images per key.
        events: What happened in each episode.
        label: The expert's answer at each frame, its action chunk, float32 of shape (F, H, N)
            [rad or m]; NaN where the expert was not asked, none if it never was.
    """

    manifest: Manifest
    contract: Contract
    values: Mapping[str, Array]
    valid: Mapping[str, Array]
    stamp: Array
    age: Array
    action: Array
    action_raw: Array
    source: Array
    images: Mapping[str, ImageStore] = field(default_factory=dict)
    events: Sequence[tuple[Event, ...]] = ()
    label: Array | None = None

    @property
    def frames(self) -> int:
        """Frames of all episodes."""
        return len(self.stamp)

    @property
    def episodes(self) -> tuple[EpisodeEntry, ...]:
        """Episodes in order."""
        return self.manifest.episodes

    def rows(self, episodes: Iterable[int]) -> NDArray[np.int64]:
        """Indices of the frames of the episodes with these indices, in order."""
        chosen = [self.episodes[i] for i in episodes]
        ranges = [np.arange(e.start, e.stop) for e in chosen]
        return np.concatenate(ranges).astype(np.int64) if ranges else np.empty(0, np.int64)

    def split(self, fraction: float, seed: int) -> tuple[list[int], list[int]]:
        """Whole episodes to train on and to hold out, by index, both in order.

        Args:
            fraction: Fraction of the recordings to hold out; at least one stays on each side when
                there are two or more, and none is held out of one.
            seed: Seed of the choice.
        """
        groups = self.by_bag()
        held = min(max(1, round(fraction * len(groups))), len(groups) - 1) if fraction > 0 else 0
        order = np.random.default_rng(seed).permutation(len(groups)).tolist()
        parts = (order[held:], order[:held])
        kept, out = (sorted(i for group in part for i in groups[group]) for part in parts)
        return kept, out

    def by_bag(self) -> list[list[int]]:
        """Episodes by index, those of one recording together: they are near to one another.

        One without a hash counts as a recording of its own.
        """
        bags: dict[str, list[int]] = {}
        for index, entry in enumerate(self.episodes):
            bags.setdefault(entry.sha256 or f'{index}', []).append(index)
        return list(bags.values())

    def episode_arrays(self, episode: int, *, images: bool = True) -> EpisodeArrays:
        """One episode in memory, by its index; without its images unless `images` is set."""
        entry = self.episodes[episode]
        return EpisodeArrays.of_columns(
            entry,
            self.contract,
            {n: np.array(array[entry.start : entry.stop]) for n, array in self.columns().items()},
            images={
                key: tuple(store.encoded(i) for i in range(entry.start, entry.stop))
                for key, store in (self.images.items() if images else ())
            },
            events=self.events[episode] if self.events else (),
        )

    def columns(self) -> dict[str, Array]:
        """All arrays but images, by the names that their files have."""
        columns = {**self.values, **{f'{key}.valid': array for key, array in self.valid.items()}}
        columns |= {name: getattr(self, name) for name in FIXED}
        return columns if self.label is None else {**columns, 'label': self.label}

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """All arrays but encoded images, with the names that their files have."""
        yield from self.columns().items()
        for key, store in self.images.items():
            if isinstance(store, RawImages):
                yield f'{key}.pixels', store.pixels


def dataset_of_columns(
    manifest: Manifest,
    contract: Contract,
    columns: Mapping[str, Array],
    *,
    images: Mapping[str, ImageStore],
    events: Sequence[tuple[Event, ...]],
) -> Dataset:
    """A dataset of what its `columns` are."""
    return Dataset(
        manifest=manifest,
        contract=contract,
        values={key: columns[key] for key in contract.streams},
        valid={key: columns[f'{key}.valid'] for key in contract.inputs},
        **{name: columns[name] for name in FIXED},
        images=images,
        events=events,
        label=columns.get('label'),
    )


def load_dataset(path: Path, contract: Contract | None = None, *, verify: bool = False) -> Dataset:
    """Open a dataset's folder; arrays stay on disk until they are read.

    Args:
        path: The folder.
        contract: The contract that it must have been made by; any by default.
        verify: Whether all of it is read and compared with the hashes in its manifest.

    Raises:
        DatasetError: If it is not a dataset, or an array or a file of images is missing or damaged.
        ContractError: If it was made by another contract than the given one.
    """
    manifest = read_manifest(path)
    made_by = _contract_of(manifest, path / MANIFEST_FILE)
    if contract is not None:
        require_same(contract, made_by, where=str(path))
    raw, frames = manifest.image_format == 'raw', manifest.frames
    opened = {
        name: open_array(path, name, column, frames)
        for name, column in array_specs(made_by, manifest.image_format, manifest.labels).items()
        if not name.endswith('.pixels')
    }
    dataset = dataset_of_columns(
        manifest,
        made_by,
        opened,
        images={
            key: open_images(path, key, stream, opened[f'{key}.valid'], raw=raw)
            for key, stream in made_by.images.items()
        },
        events=_read_events(path / EVENTS_FILE, len(manifest.episodes)),
    )
    for key, column in described_columns(dict(dataset.arrays()), made_by).items():
        stored = manifest.statistics.get(key)
        if stored is not None and len(stored.count) != column.shape[1]:
            raise damaged_dataset(
                f'statistics.{key} of {len(stored.count)} features',
                str(path / MANIFEST_FILE),
                allowed=f'{column.shape[1]}',
            )
    if verify:
        _verify(dataset, path)
    return dataset


def _verify(dataset: Dataset, path: Path) -> None:
    """Read all files of a dataset in `path`, and compare them with the hashes in its manifest.

    Raises:
        DatasetError: Naming the files that are not what they were when they were written.
    """
    found = {name: hash_array(array) for name, array in dataset.arrays()}
    if dataset.manifest.image_format != 'raw':
        for key in dataset.images:
            found[f'{key}.images'] = hash_file(path / f'{key}.images')
            found[f'{key}.offsets'] = hash_array(np.load(path / f'{key}.offsets.npy', 'r'))
    found[EVENTS_FILE] = hash_file(path / EVENTS_FILE)
    expected = dataset.manifest.files
    wrong = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    whole = hash_data(expected, dataset.episodes, dataset.contract.hash)
    if wrong or whole != dataset.manifest.data_hash:
        raise damaged_dataset(f'{", ".join(wrong) or MANIFEST_FILE} not as written', str(path))


def _read_events(path: Path, episodes: int) -> tuple[tuple[Event, ...], ...]:
    try:
        with open_regular(path, _EVENTS) as file:
            found = tuple(load_events(line) for line in _lines(file))
    except (OSError, ValueError, TypeError, OverflowError) as problem:
        raise damaged_dataset(f'cannot be read: {problem}', str(path)) from None
    if len(found) != episodes:
        raise damaged_dataset(
            f'{len(found)} lines', str(path), allowed=f'{episodes}, one an episode'
        )
    return found


def _lines(file: BufferedReader) -> Iterator[bytes]:
    while line := file.readline(_LINE + 1):
        if len(line) > _LINE:
            raise ValueError(f'a line of more than {_LINE} bytes')
        yield line


def _contract_of(manifest: Manifest, path: Path) -> Contract:
    """The contract in a manifest, if manifest and contract agree."""
    try:
        contract = parse_contract(manifest.contract, source=str(path))
    except ContractError as problem:
        raise damaged_dataset(f'its contract cannot be read: {problem}', str(path)) from None
    ordinary, privileged = observation_sizes(contract)
    stated = (
        manifest.contract_hash, manifest.observations, manifest.privileged, manifest.images,
        manifest.action_names,
    )  # fmt: skip
    meant = (contract.hash, ordinary, privileged, tuple(contract.images), contract.action.names)
    if stated != meant:
        raise damaged_dataset('does not fit the contract that is in it', str(path))
    return contract
