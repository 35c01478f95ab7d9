"""What a dataset's folder says about itself: `manifest.json`, next to the arrays."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from il_ros.core.config import parse
from il_ros.core.errors import DatasetError

FORMAT = 1
MANIFEST_FILE = 'manifest.json'


@dataclass(frozen=True, kw_only=True)
class EpisodeEntry:
    """One episode of a dataset.

    Attributes:
        id: The episode's id.
        start: Its first frame's index.
        length: How many frames it has.
        outcome: How it ended.
        task: Task's name.
        seed: Seed of the simulated world; none on a robot.
        bag: Folder that it came from.
        sha256: Hash of that bag's storage files (hex).
        left_out: Frames left out, for want of an action or of a valid required stream.
        gaps: Places where more than one and a half periods lie between two frames.
    """

    id: str
    start: int
    length: int
    outcome: str = 'success'
    task: str = ''
    seed: int | None = None
    bag: str = ''
    sha256: str = ''
    left_out: int = 0
    gaps: int = 0


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A bag that is not in the dataset, and why.

    Attributes:
        bag: Its folder.
        reason: Why it was left out.
    """

    bag: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a dataset holds.

    Attributes:
        format: Version of this file.
        contract: Text of the contract.
        contract_hash: Its hash (hex).
        observations: How many numbers each observation has, in the contract's order.
        privileged: The same for privileged observations.
        action_names: Commanded joints.
        rate: Frames per second [Hz].
        frames: Frames of all episodes.
        episodes: Episodes in order.
        left_out: Bags that were left out.
        data_hash: SHA-256 over all arrays and the contract's hash (hex).
    """

    format: int = FORMAT
    contract: str
    contract_hash: str
    observations: Mapping[str, int]
    privileged: Mapping[str, int]
    action_names: tuple[str, ...]
    rate: float
    frames: int
    episodes: tuple[EpisodeEntry, ...]
    left_out: tuple[LeftOut, ...] = ()
    data_hash: str


def dump_manifest(manifest: Manifest) -> str:
    """A manifest as JSON."""
    return json.dumps(dataclasses.asdict(manifest), indent=1, ensure_ascii=False) + '\n'


def read_manifest(folder: Path) -> Manifest:
    """What the dataset in `folder` holds.

    Raises:
        DatasetError: If it is not a dataset, is damaged, or of another format.
    """
    path = folder / MANIFEST_FILE
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise DatasetError(
            f'no {MANIFEST_FILE} in it',
            where=str(folder),
            allowed='a dataset',
            fix='make one by "il_ros dataset build"',
        ) from None
    except (OSError, ValueError) as problem:
        raise DatasetError(f'not JSON: {problem}', where=str(path), fix='build it again') from None
    found = data.get('format') if isinstance(data, dict) else None
    if found != FORMAT:
        raise DatasetError(f'format {found}', where=str(path), allowed=str(FORMAT))
    return parse(Manifest, data, where=str(path), error=DatasetError)


def hash_arrays(arrays: Iterable[tuple[str, NDArray[np.generic]]], *texts: str) -> str:
    """SHA-256 over names, types, shapes and contents of arrays, and over `texts` (hex)."""
    digest = hashlib.sha256()
    for name, array in arrays:
        digest.update(f'{name} {array.dtype.str} {array.shape}\n'.encode())
        digest.update(np.ascontiguousarray(array).data)
    for text in texts:
        digest.update(text.encode())
    return digest.hexdigest()
