"""One bag, converted and preprocessed, in a worker process.

A shard's name is a hash of all that it depends on, so a build that was interrupted takes what is
there.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from il_ros import __version__
from il_ros.bags.bag_reader import BagReadOptions, EpisodeReader
from il_ros.bags.episode_info import EPISODE_FILE
from il_ros.core.contract import Contract, parse_contract
from il_ros.core.errors import ContractError, DatasetError, IlRosError
from il_ros.core.frames import Frame, describe_invalid
from il_ros.datasets.bag_conversion import Conversion, convert
from il_ros.datasets.episode_arrays import EpisodeArrays
from il_ros.datasets.manifest import FORMAT, ImageFormat
from il_ros.datasets.preprocessing.preprocess import Preprocessing, preprocess
from il_ros.datasets.preprocessing.segmentation import usable_rows
from il_ros.datasets.shard_file import Shard, read_shard, without, write_shard

_STORAGE = ('*.mcap', '*.db3', '*.mcap.zstd', '*.db3.zstd')


@dataclass(frozen=True, kw_only=True)
class ShardJob:
    """One bag to convert; all of it travels to a worker process.

    Attributes:
        bag: The bag's folder.
        work: Folder of the shards.
        contract: Text of the contract to read it by.
        preprocessing: What is done to it.
        image_format: How the dataset will hold images.
        reading: How the bag is read.
        known: Episode ids by the hash of their bag, for bags that are not to be converted again.
    """

    bag: Path
    work: Path
    contract: str
    preprocessing: Preprocessing
    image_format: ImageFormat = 'jpeg'
    reading: BagReadOptions = field(default_factory=BagReadOptions)
    known: Mapping[str, str] = field(default_factory=dict)


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
            return without(job.bag, f'{job.bag.name}: is in it as {job.known[sha256]}')
        path = job.work / f'{_key(job, sha256)}.npz'
        if (found := read_shard(path)) is not None:
            return found
        shard, episodes = _convert(job, sha256)
    except ContractError:
        raise
    except IlRosError as problem:
        return without(job.bag, str(problem))
    except Exception as problem:  # a bag nobody foresaw must not end a day's build
        return without(job.bag, f'{job.bag.name}: {type(problem).__name__} {problem}')
    write_shard(path, shard, episodes)
    return replace(shard, path=path)


def bag_hash(folder: Path) -> str:
    """SHA-256 over the storage files of a bag (hex)."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _STORAGE for path in folder.glob(pattern)}):
        with path.open('rb') as file:
            digest.update(hashlib.file_digest(file, 'sha256').digest())
    return digest.hexdigest()


def _convert(job: ShardJob, sha256: str) -> tuple[Shard, Sequence[EpisodeArrays]]:
    contract = _contract(job.contract)
    with EpisodeReader(job.bag, contract, job.reading) as reader:
        # What becomes an array of pixels must not lose anything on the way.
        kind = 'jpeg' if job.image_format == 'jpeg' else 'png'
        conversion = convert(
            reader,
            image_format=kind,  # type: ignore[arg-type]
            labels=job.reading.labels,
        )
    arrays = conversion.arrays
    if not len(usable_rows(contract, arrays)):
        raise DatasetError(_why_nothing(contract, conversion), where=job.bag.name)
    arrays = replace(arrays, entry=replace(arrays.entry, sha256=sha256))
    done = preprocess(contract, arrays, job.preprocessing)
    shard = Shard(
        bag=str(job.bag),
        sha256=sha256,
        entries=tuple(episode.entry for episode in done.episodes),
        left_out=done.left_out,
        effects=done.effects,
    )
    return shard, done.episodes


def _why_nothing(contract: Contract, conversion: Conversion) -> str:
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
    return 'no usable frame: ' + (
        '; '.join(invalid)
        or f'no command of a source in control on {contract.action.executed} belongs to one'
    )


def _key(job: ShardJob, sha256: str) -> str:
    """Hash of all that a shard depends on (hex)."""
    info = job.bag / EPISODE_FILE
    told = info.read_text(encoding='utf-8', errors='replace') if info.exists() else ''
    settings = json.dumps(dataclasses.asdict(job.preprocessing), sort_keys=True, default=str)
    parts = (
        str(FORMAT), __version__, sha256, str(job.bag), told, _contract(job.contract).hash,
        settings, job.image_format, str(job.reading),
    )  # fmt: skip
    # The name of a folder need not be UTF-8; Python then has surrogates in it.
    return hashlib.sha256('\0'.join(parts).encode(errors='surrogatepass')).hexdigest()


@lru_cache(maxsize=4)
def _contract(text: str) -> Contract:
    return parse_contract(text)
