"""What an export says of where it came from, and how an import checks it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from il_ros.core.config import parse
from il_ros.core.contract import Contract, parse_contract, require_same
from il_ros.core.documents import load_json
from il_ros.core.errors import DatasetError
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.episode_arrays import SOURCES, Event
from il_ros.datasets.manifest import EpisodeEntry, ImageFormat, LeftOut, with_fractions

T = TypeVar('T')


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportOrigin:
    """What an exported dataset says of where it came from.

    Attributes:
        format: Version of this record.
        contract: Text of the contract.
        contract_hash: Its hash (hex).
        data_hash: Hash of the dataset that was exported (hex).
        files: Hash of each of its arrays and files (hex), by name.
        records: Hash of the records of its episodes, one after another (hex).
        image_format: How it held images.
        sources: Names of the codes in `source`.
        left_out: Bags that the dataset did not take.
        preprocessing: Settings of its preprocessing.
        steps: What every step of the preprocessing did.
    """

    format: int = 1
    contract: str
    contract_hash: str = ''
    data_hash: str = ''
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    records: str = ''
    image_format: ImageFormat = 'jpeg'
    sources: tuple[str, ...] = SOURCES
    left_out: tuple[LeftOut, ...] = ()
    preprocessing: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    steps: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EpisodeRecord:
    """What an exported dataset says of one episode.

    Attributes:
        entry: Its entry in the manifest.
        events: What happened in it.
    """

    entry: EpisodeEntry
    events: tuple[Event, ...] = ()


def origin_of(dataset: Dataset) -> ExportOrigin:
    """What an export of `dataset` says of where it came from."""
    manifest = dataset.manifest
    return ExportOrigin(
        contract=dataset.contract.text,
        contract_hash=dataset.contract.hash,
        data_hash=manifest.data_hash,
        files=manifest.files,
        records=hash_texts(
            record_text(entry, dataset.events[i] if dataset.events else ())
            for i, entry in enumerate(dataset.episodes)
        ),
        image_format=manifest.image_format,
        left_out=manifest.left_out,
        preprocessing=manifest.preprocessing,
        steps=manifest.steps,
    )


def record_text(entry: EpisodeEntry, events: Iterable[Event]) -> str:
    """What an export says of one episode, as a line of JSON."""
    return to_json(EpisodeRecord(entry=entry, events=tuple(events)))


def hash_texts(texts: Iterable[str]) -> str:
    """SHA-256 of texts, one after another (hex)."""
    return hashlib.sha256(''.join(texts).encode()).hexdigest()


def own_records(
    texts: Sequence[str], origin: ExportOrigin, where: Path
) -> tuple[EpisodeRecord, ...]:
    """What the export wrote of each episode.

    Raises:
        DatasetError: If a text was changed, or is damaged.
    """
    if hash_texts(texts) != origin.records:
        raise changed_since_export('what is said of the episodes', where)
    return tuple(_parsed(EpisodeRecord, text, str(where)) for text in texts)


def own_contract(origin: ExportOrigin, given: Contract | None, where: Path) -> Contract:
    """The contract of an exported dataset, which has to be the given one.

    Raises:
        ContractError: If it is malformed, or another than the given one.
        DatasetError: If it was changed.
    """
    found = parse_contract(origin.contract, source=str(where))
    if given is not None:
        require_same(given, found, where=str(where))
    if found.hash != origin.contract_hash:
        raise changed_since_export('the contract', where)
    return found


def changed_since_export(what: str, where: Path) -> DatasetError:
    """The error for something that is not as it was exported."""
    return DatasetError(
        f'{what} was changed since it was exported',
        where=str(where),
        fix='export it again, or import it by a contract and a mapping, as a foreign one',
    )


def to_json(record: Any) -> str:
    """A dataclass as one line of JSON."""
    return json.dumps(dataclasses.asdict(record))


def read_origin(text: str, where: str) -> ExportOrigin:
    """What the export wrote of itself.

    Raises:
        DatasetError: If it is damaged or of another version.
    """
    return _parsed(ExportOrigin, text, where)


def _parsed(cls: type[T], text: str, where: str) -> T:
    try:
        data = load_json(text)
    except ValueError as problem:
        raise DatasetError(f'not JSON: {problem}', where=where, fix='export it again') from None
    if cls is ExportOrigin and isinstance(data, dict) and data.get('format') != 1:
        raise DatasetError(f'format {data.get("format")}', where=where, allowed='1')
    # Exports of datasets of version 2 have its names; their hashes are over the text.
    return parse(cls, with_fractions(data), where=where, error=DatasetError)


def recoded(source: NDArray[np.uint8], names: tuple[str, ...], where: str) -> NDArray[np.uint8]:
    """Codes of `source` by this version's `SOURCES`, from those by the names they came with.

    Raises:
        DatasetError: If a code or a name is not known.
    """
    unknown = sorted({int(code) for code in np.unique(source) if int(code) >= len(names)})
    unknown_names = [name for name in names if name not in SOURCES]
    if unknown or unknown_names:
        raise DatasetError(f'source {unknown or unknown_names}', where=where, allowed=SOURCES)
    table = np.array([SOURCES.index(name) for name in names], np.uint8)
    return table[source]
