"""One bag, converted and preprocessed in a worker process, and kept as one file: a shard.

A shard's name is a hash of everything that it depends on, so an interrupted build takes what is
there. Its parts carry checksums (the CRC of a zip file), so a file that a power cut left half
written is noticed and made again, without the cost of syncing each shard to disk.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros import __version__
from il_ros.bags.bag_reader import BagReadOptions, EpisodeReader
from il_ros.bags.bag_storage import BEGINS, bag_files
from il_ros.bags.episode_info import EPISODE_FILE
from il_ros.core.config import parse
from il_ros.core.contract import Contract, parse_contract
from il_ros.core.documents import load_json
from il_ros.core.errors import ContractError, DatasetError, IlRosError
from il_ros.core.frames import Frame, describe_invalid
from il_ros.core.npz_files import open_arrays
from il_ros.core.regular_files import open_regular, read_text
from il_ros.datasets.bag_conversion import ConvertedEpisode, convert
from il_ros.datasets.dataset import EVENTS_FILE
from il_ros.datasets.episode_arrays import EpisodeArrays, dump_events, load_events
from il_ros.datasets.limit_checks import LimitCheck
from il_ros.datasets.manifest import FORMAT, EpisodeEntry, ImageFormat, LeftOut
from il_ros.datasets.preprocessing.preprocess import Preprocessing, preprocess
from il_ros.datasets.preprocessing.segmentation import usable_rows
from il_ros.datasets.preprocessing.step_effects import Effects


@dataclass(frozen=True, kw_only=True)
class ShardJob:
    """One bag to convert; all of it travels to a worker process.

    Attributes:
        work: Folder of the shards.
        preprocessing: What is done to the bag.
        image_format: How the dataset will store images.
        reading: How the bag is read.
        known: Episode ids by the hash of their bag, for bags that are not converted again.
        bag: The bag's folder.
        contract: Text of the contract to read it by.
    """

    work: Path
    preprocessing: Preprocessing
    image_format: ImageFormat = 'jpeg'
    reading: BagReadOptions = field(default_factory=BagReadOptions)
    known: Mapping[str, str] = field(default_factory=dict)
    bag: Path = Path()
    contract: str = ''


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


def empty_shard(bag: Path, reason: str) -> Shard:
    """The shard of a bag of which nothing can be used."""
    return Shard(bag=str(bag), left_out=(LeftOut(bag=str(bag), reason=reason),))


def make_shard(job: ShardJob) -> Shard:
    """Convert and preprocess one bag, or take the shard that is there already.

    Whatever is wrong with the bag becomes the reason why it was left out.

    Raises:
        ContractError: If it was recorded under another contract.
        DatasetError: If the shard cannot be written.
    """
    try:
        sha256 = bag_hash(job.bag)
        if sha256 in job.known:
            return empty_shard(job.bag, f'{job.bag.name}: is in it as {job.known[sha256]}')
        path = job.work / f'{_key(job, sha256)}.npz'
        if (earlier := read_shard(path)) is not None:
            return earlier
        shard, episodes = _convert(job, sha256)
    except ContractError:
        raise
    except IlRosError as problem:
        return empty_shard(job.bag, str(problem))
    except Exception as problem:  # an unforeseen bag must not end a day's build
        return empty_shard(job.bag, f'{job.bag.name}: {type(problem).__name__} {problem}')
    write_shard(path, shard, episodes, _contract(job.contract))
    return replace(shard, path=path)


def bag_hash(folder: Path) -> str:
    """SHA-256 over the storage files of a bag (hex).

    Raises:
        DatasetError: If one is not what its name says: it is not read to its end.
        OSError: If one cannot be read.
    """
    digest = hashlib.sha256()
    for path in sorted(bag_files(folder)):
        with open_regular(path) as file:
            begin = BEGINS.get(path.suffix, b'')
            if file.read(len(begin)) != begin:
                raise DatasetError('does not begin as such a file does', where=str(path))
            file.seek(0)
            digest.update(hashlib.file_digest(file, 'sha256').digest())
    return digest.hexdigest()


def write_shard(
    path: Path, shard: Shard, episodes: Sequence[EpisodeArrays], contract: Contract
) -> None:
    """Write a shard and its episodes, whole or not at all.

    Raises:
        DatasetError: If the disk refuses.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for index, episode in enumerate(episodes):
        labels = 0 if episode.label is None else episode.label.shape[1]
        packed = episode.columns(contract, labels)
        for key, images in episode.images.items():
            packed[f'{key}.images'] = np.frombuffer(b''.join(images), np.uint8)
            packed[f'{key}.lengths'] = np.array([len(image) for image in images], np.int64)
        packed[EVENTS_FILE] = np.frombuffer(dump_events(episode.events).encode(), np.uint8)
        arrays |= {f'{index}.{name}': array for name, array in packed.items()}
    meta = json.dumps(dataclasses.asdict(replace(shard, path=None)))
    arrays['meta'] = np.frombuffer(meta.encode(), np.uint8)
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
        with open_arrays(path) as file:
            meta = load_json(file['meta'].tobytes())
            for name in file.files:  # checks the CRC of each
                file[name]
        return replace(parse(Shard, meta, error=DatasetError), path=path)
    except Exception:  # half written before a power cut: it is made again
        return None


def read_shard_episode(shard: Shard, index: int, contract: Contract) -> EpisodeArrays:
    """One episode of a shard, which was made by `contract`.

    Raises:
        DatasetError: If the shard was damaged since it was written.
    """
    assert shard.path is not None, 'a bag that was left out has no episode'
    try:
        with open_arrays(shard.path) as file:
            prefix = f'{index}.'
            columns = {k.removeprefix(prefix): file[k] for k in file if k.startswith(prefix)}
        return EpisodeArrays.of_columns(
            shard.entries[index],
            contract,
            columns,
            images={
                key: _cut(columns[f'{key}.images'], columns[f'{key}.lengths'])
                for key in contract.images
            },
            events=load_events(columns[EVENTS_FILE].tobytes()),
        )
    except Exception as problem:  # zip, numpy and JSON have errors of their own
        raise DatasetError(
            f'cannot be read: {problem}', where=str(shard.path), fix='build with --no-resume'
        ) from None


def _convert(job: ShardJob, sha256: str) -> tuple[Shard, Sequence[EpisodeArrays]]:
    contract = _contract(job.contract)
    with EpisodeReader(job.bag, contract, job.reading) as reader:
        # What becomes an array of pixels must not lose anything on the way.
        encoding = 'jpeg' if job.image_format == 'jpeg' else 'png'
        conversion = convert(
            reader,
            image_format=encoding,  # type: ignore[arg-type]
            labels=job.reading.labels,
        )
    arrays = conversion.arrays
    if not len(usable_rows(contract, arrays)):
        raise DatasetError(_why_unusable(contract, conversion), where=job.bag.name)
    arrays = replace(arrays, entry=replace(arrays.entry, sha256=sha256))
    done = preprocess(contract, arrays, job.preprocessing)
    episodes, left_out = [], list(done.left_out)
    for episode in done.episodes:
        try:
            episodes.append(_checked(contract, episode, job.reading))
        except DatasetError as problem:
            entry = episode.entry
            left_out.append(LeftOut(bag=entry.bag, id=entry.id, reason=str(problem)))
    shard = Shard(
        bag=str(job.bag),
        sha256=sha256,
        entries=tuple(episode.entry for episode in episodes),
        left_out=tuple(left_out),
        effects=_without(done.effects, done.episodes, episodes),
    )
    return shard, episodes


def _without(
    effects: Effects, before: Sequence[EpisodeArrays], kept: Sequence[EpisodeArrays]
) -> Effects:
    """The effects, with what was refused afterwards as left out."""
    frames = sum(e.frames for e in before) - sum(e.frames for e in kept)
    changes = {
        'left_out_parts': len(before) - len(kept),
        'left_out_frames': frames,
        'kept_frames': -frames,
    }
    quality = {name: n + changes.get(name, 0) for name, n in effects['quality'].items()}
    return {**effects, 'quality': quality}


def _checked(contract: Contract, episode: EpisodeArrays, reading: BagReadOptions) -> EpisodeArrays:
    """The episode with what is odd about its numbers, unless they cannot be."""
    check = LimitCheck(contract)
    check.add(episode)
    if not reading.beyond_limits:
        check.require(episode.entry.id, "have its driver publish the contract's units")
    entry = episode.entry
    return replace(episode, entry=replace(entry, findings={**entry.findings, **check.findings()}))


def _why_unusable(contract: Contract, conversion: ConvertedEpisode) -> str:
    arrays, rejected = conversion.arrays, conversion.rejected
    if not arrays.frames:
        clock = contract.clock
        why = rejected.get(clock, 'none of its messages was taken')
        return f'no frame: {clock} ({contract.observations[clock].topic}) paces them, and {why}'
    last = Frame(
        stamp=int(arrays.stamp[-1]),
        values={},
        valid={key: bool(array[-1]) for key, array in arrays.valid.items()},
        age={key: float(array[-1]) for key, array in arrays.age.items()},
    )
    invalid = describe_invalid(contract, last, rejected)
    if any(text.endswith(': not finite') for text in invalid):
        invalid.append(
            'to fix: a driver sends NaN for what it does not measure; leave that out of the '
            'contract (its names, or the key), or say required: false'
        )
    return 'no usable frame: ' + ('; '.join(invalid) or conversion.uncommanded)


def _key(job: ShardJob, sha256: str) -> str:
    """Hash of everything that a shard depends on (hex)."""
    path = job.bag / EPISODE_FILE
    info = read_text(path, errors='replace') if path.exists() else ''
    settings = json.dumps(dataclasses.asdict(job.preprocessing), sort_keys=True, default=str)
    parts = (
        str(FORMAT), __version__, sha256, str(job.bag), info, _contract(job.contract).hash,
        settings, job.image_format, str(job.reading),
    )  # fmt: skip
    # The name of a folder need not be UTF-8; Python then has surrogates in it.
    return hashlib.sha256('\0'.join(parts).encode(errors='surrogatepass')).hexdigest()


@lru_cache(maxsize=4)
def _contract(text: str) -> Contract:
    return parse_contract(text)


def _cut(blob: NDArray[np.uint8], lengths: NDArray[np.int64]) -> tuple[bytes, ...]:
    return tuple(part.tobytes() for part in np.split(blob, np.cumsum(lengths)[:-1]))
