"""What became of one bag, as one file: a piece that a dataset is built of.

Its parts carry checksums (the CRC of a zip file), so a file that a power cut left half written is
noticed and made again, without the cost of syncing each to disk.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.config import parse
from il_ros.core.errors import DatasetError
from il_ros.datasets.episode_arrays import EpisodeArrays, Event
from il_ros.datasets.manifest import EpisodeEntry, LeftOut

_FIXED = ('stamp', 'action', 'action_raw', 'source')


@dataclass(frozen=True, kw_only=True)
class Shard:
    """What became of one bag.

    Attributes:
        bag: The bag's folder.
        sha256: Hash of its storage files (hex); empty if they could not be read.
        path: File of the shard; none if the bag could not be used at all.
        entries: Episodes in it.
        left_out: What is not in it, and why.
        effects: What every step of the preprocessing did, in numbers by name.
    """

    bag: str
    sha256: str = ''
    path: Path | None = None
    entries: tuple[EpisodeEntry, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    effects: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """Why nothing of the bag is in the dataset; empty if something is."""
        return '; '.join(entry.reason for entry in self.left_out) if not self.entries else ''


def without(bag: Path, reason: str) -> Shard:
    """The shard of a bag of which nothing can be used."""
    return Shard(bag=str(bag), left_out=(LeftOut(bag=str(bag), reason=reason),))


def write_shard(path: Path, shard: Shard, episodes: Sequence[EpisodeArrays]) -> None:
    """Write a shard and its episodes, whole or not at all.

    Raises:
        DatasetError: If the disk refuses.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for index, episode in enumerate(episodes):
        arrays |= {f'{index}.{name}': array for name, array in _pack(episode).items()}
    meta = dataclasses.asdict(replace(shard, path=None))
    arrays['meta'] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    temporary = path.with_suffix(f'.{secrets.token_hex(4)}.tmp')
    try:
        with temporary.open('xb') as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        os.replace(temporary, path)
    except OSError as problem:
        temporary.unlink(missing_ok=True)
        raise DatasetError(
            f'cannot be written: {problem.strerror or problem}',
            where=str(path.parent),
            fix='make room on the disk, then build again: it goes on where it stopped',
        ) from None


def read_shard(path: Path) -> Shard | None:
    """What a shard holds, if it is there and whole."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            meta = json.loads(file['meta'].tobytes())
            for name in file.files:  # checks the CRC of each
                file[name]
        return replace(parse(Shard, meta, error=DatasetError), path=path)
    except Exception:  # half written before a power cut: it is made again
        return None


def read_episode(shard: Shard, index: int) -> EpisodeArrays:
    """One episode of a shard.

    Raises:
        DatasetError: If the shard was damaged since it was written.
    """
    assert shard.path is not None, 'a bag that was left out has no episode'
    try:
        with np.load(shard.path, allow_pickle=False) as file:
            return _unpack(file, index, shard.entries[index])
    except Exception as problem:  # zip, numpy and JSON have errors of their own
        raise DatasetError(
            f'cannot be read: {problem}', where=str(shard.path), fix='build with --no-resume'
        ) from None


def _pack(episode: EpisodeArrays) -> dict[str, NDArray[Any]]:
    packed: dict[str, NDArray[Any]] = {name: getattr(episode, name) for name in _FIXED}
    if episode.label is not None:
        packed['label'] = episode.label
    for part in ('values', 'valid', 'age'):
        packed |= {f'{part}.{key}': array for key, array in getattr(episode, part).items()}
    for key, images in episode.images.items():
        packed[f'images.{key}'] = np.frombuffer(b''.join(images), np.uint8)
        packed[f'lengths.{key}'] = np.array([len(image) for image in images], np.int64)
    events = [[event.stamp, event.kind, event.text] for event in episode.events]
    packed['events'] = np.frombuffer(json.dumps(events).encode(), np.uint8)
    return packed


def _unpack(file: Mapping[str, Any], index: int, entry: EpisodeEntry) -> EpisodeArrays:
    def part(name: str) -> dict[str, NDArray[Any]]:
        prefix = f'{index}.{name}.'
        return {k.removeprefix(prefix): file[k] for k in file if k.startswith(prefix)}

    lengths = part('lengths')
    events = json.loads(file[f'{index}.events'].tobytes())
    return EpisodeArrays(
        entry=entry,
        values=part('values'),
        valid=part('valid'),
        age=part('age'),
        **{name: file[f'{index}.{name}'] for name in _FIXED},
        images={key: _cut(blob, lengths[key]) for key, blob in part('images').items()},
        events=tuple(Event(stamp=stamp, kind=kind, text=text) for stamp, kind, text in events),
        label=file.get(f'{index}.label'),
    )


def _cut(blob: NDArray[np.uint8], lengths: NDArray[np.int64]) -> tuple[bytes, ...]:
    ends = np.cumsum(lengths).tolist()
    whole = blob.data
    return tuple(
        bytes(whole[end - length : end]) for end, length in zip(ends, lengths.tolist(), strict=True)
    )
