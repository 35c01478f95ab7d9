"""What a dataset's folder says about itself: `manifest.json`, next to the arrays."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from il_ros import __version__
from il_ros.bags.bag_metadata import newer
from il_ros.bags.bag_reader import BagReadOptions
from il_ros.core.config import parse
from il_ros.core.contract import Contract
from il_ros.core.documents import VALUES, load_json
from il_ros.core.errors import DatasetError, reason
from il_ros.core.frames import NS
from il_ros.core.regular_files import read_text
from il_ros.datasets.feature_statistics import FeatureStatistics

FORMAT = 3
FORMATS = (2, 3)
"""Versions that are read; version 2 calls fractions `..._share`, which reading renames."""

MANIFEST_FILE = 'manifest.json'

ImageFormat = Literal['jpeg', 'png', 'raw']
"""How a dataset holds images: encoded, each for itself, or as one array of pixels."""


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
        measures: Quality of the episode in numbers, by name (`preprocessing/quality_measures.py`).
        flagged: Whether the operator flagged it.
        notes: What the operator wrote.
        begin: Stamp of the first frame [ns].
        end: Stamp of the last frame [ns].
        sources: Fraction of the frames (0 to 1) in which each source was in control.
        renderer: Who made its images, if they are simulated; empty for those of cameras.
        findings: What is odd about its messages and numbers, in words, by kind.
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
    measures: Mapping[str, float] = field(default_factory=dict)
    flagged: bool = False
    notes: str = ''
    begin: int = 0
    end: int = 0
    sources: Mapping[str, float] = field(default_factory=dict)
    renderer: str = ''
    findings: Mapping[str, str] = field(default_factory=dict)

    @property
    def stop(self) -> int:
        """Index of the frame after its last."""
        return self.start + self.length

    @property
    def duration(self) -> float:
        """Time from its first frame to its last [s]."""
        return (self.end - self.begin) / NS


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A bag, or an episode of one, that is not in the dataset, and why.

    Attributes:
        bag: Its folder.
        reason: Why it was left out.
        id: The episode's id, where it is known.
    """

    bag: str
    reason: str
    id: str = ''


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a dataset holds.

    Attributes:
        format: Version of this file.
        contract: Text of the contract.
        contract_hash: Its hash (hex).
        observations: How many numbers each observation has, in the contract's order.
        privileged: The same for privileged observations.
        images: Keys of the images, in the contract's order.
        image_format: How images are held.
        action_names: Commanded joints.
        labels: Steps of the expert's labels; 0 where there are none.
        rate: Frames per second [Hz].
        frames: Frames of all episodes.
        episodes: Episodes in order.
        left_out: Bags and episodes that were left out.
        statistics: Per observation, `action` and `action_raw`: mean, std, min, max and quantiles,
            one number a feature, in the feature's unit (datasets/feature_statistics.py).
        findings: What is odd about its messages and numbers, in words, by kind: the first of each
            kind among the episodes, and numbers that never change.
        preprocessing: Settings of the preprocessing, as its file says them.
        steps: What every step of the preprocessing did, in numbers by name; nothing where that is
            not known of just these episodes: in a part of a dataset, or in a merged one whose
            sources have episodes in common.
        reading: How its bags were read; none where that is not known, or not alike of all.
        files: SHA-256 of the contents of each array and of each file of images (hex), by name.
        versions: Who made it: `il_ros`, `numpy`, `python`.
        data_hash: SHA-256 over `files`, the episodes' borders and the contract's hash (hex).
    """

    format: int = FORMAT
    contract: str
    contract_hash: str
    observations: Mapping[str, int]
    privileged: Mapping[str, int]
    images: tuple[str, ...] = ()
    image_format: ImageFormat = 'jpeg'
    action_names: tuple[str, ...]
    labels: int = 0
    rate: float
    frames: int
    episodes: tuple[EpisodeEntry, ...]
    left_out: tuple[LeftOut, ...] = ()
    statistics: Mapping[str, FeatureStatistics] = field(default_factory=dict)
    findings: Mapping[str, str] = field(default_factory=dict)
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    reading: BagReadOptions | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    data_hash: str


def make_manifest(
    contract: Contract,
    entries: Iterable[EpisodeEntry],
    files: Mapping[str, str],
    *,
    statistics: Mapping[str, FeatureStatistics],
    image_format: ImageFormat = 'jpeg',
    labels: int = 0,
) -> Manifest:
    """A manifest of episodes that follow one another; `files` are hashes by name."""
    placed, (ordinary, privileged) = _renumbered(entries), observation_sizes(contract)
    return Manifest(
        contract=contract.text,
        contract_hash=contract.hash,
        observations=ordinary,
        privileged=privileged,
        images=tuple(contract.images),
        image_format=image_format,
        action_names=contract.action.names,
        labels=labels,
        rate=contract.rate,
        frames=placed[-1].stop,
        episodes=placed,
        statistics=statistics,
        files=files,
        versions={
            'il_ros': __version__,
            'numpy': np.__version__,
            'python': platform.python_version(),
        },
        data_hash=hash_data(files, placed, contract.hash),
    )


def _renumbered(entries: Iterable[EpisodeEntry]) -> tuple[EpisodeEntry, ...]:
    """Entries one after another: `start` is where the one before ends."""
    placed: list[EpisodeEntry] = []
    for entry in entries:
        placed.append(replace(entry, start=placed[-1].stop if placed else 0))
    return tuple(placed)


def observation_sizes(contract: Contract) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """How many numbers each ordinary and each privileged observation has, by key."""
    return (
        {key: stream.size for key, stream in contract.observations.items()},
        {key: stream.size for key, stream in contract.privileged.items()},
    )


def damaged_dataset(
    problem: str, where: str, *, allowed: str | Iterable[object] = ''
) -> DatasetError:
    """The error for a dataset that is not as it was written."""
    return DatasetError(problem, where=where, allowed=allowed, fix='build the dataset again')


def read_manifest(folder: Path) -> Manifest:
    """What the dataset in `folder` holds.

    Raises:
        DatasetError: If it is not a dataset, is damaged, or of another format.
    """
    path = folder / MANIFEST_FILE
    if folder.exists() and not folder.is_dir():
        raise DatasetError('not a folder', where=str(folder), allowed='the folder of a dataset')
    try:
        data = load_json(read_text(path), values=4 * VALUES)  # of a hundred thousand episodes
    except FileNotFoundError:
        raise DatasetError(
            f'no {MANIFEST_FILE} in it',
            where=str(folder),
            allowed='a dataset',
            fix='make one by "il_ros dataset build"',
        ) from None
    except OSError as problem:
        raise DatasetError(f'cannot be read: {reason(problem)}', where=str(path)) from None
    except ValueError as problem:
        raise damaged_dataset(f'not JSON: {problem}', str(path)) from None
    version = data.get('format') if isinstance(data, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise newer(f'format {version}', str(path), FORMATS)
    if version not in FORMATS or isinstance(version, bool):
        raise damaged_dataset(f'format {version}', str(path), allowed=FORMATS)
    if version < FORMAT:
        data = with_fractions(data) | {'format': FORMAT}
    manifest = parse(Manifest, data, where=str(path), error=DatasetError)
    _check_borders(manifest, path)
    return manifest


def fraction_name(name: str) -> str:
    """Today's name of a measure or an effect: version 2 says `idle_share`, not `idle_fraction`."""
    kind, dot, part = name.partition('.')
    return f'{kind.removesuffix("_share")}_fraction{dot}{part}' if kind.endswith('_share') else name


def with_fractions(data: Any) -> Any:
    """What JSON says of a dataset, or of one of its episodes, with the names of version 3.

    Args:
        data: As `json.loads` gave it; damaged data stays as it is, for the parser to refuse.
    """

    def renamed(part: Any) -> Any:
        if isinstance(part, list):
            return [fraction_name(name) if isinstance(name, str) else name for name in part]
        return {fraction_name(k): v for k, v in part.items()} if isinstance(part, dict) else part

    def changed(part: Any, changes: Mapping[str, Callable[[Any], Any]]) -> Any:
        if not isinstance(part, dict):
            return part
        return {key: changes[key](v) if key in changes else v for key, v in part.items()}

    def each(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda part: [change(v) for v in part] if isinstance(part, list) else part

    def steps(part: Any) -> Any:
        return {k: renamed(v) for k, v in part.items()} if isinstance(part, dict) else part

    outliers = {'outliers': lambda part: changed(part, {'measures': renamed})}
    quality = {'quality': lambda part: changed(part, {'bounds': renamed, **outliers})}
    entry = {'measures': renamed}
    return changed(data, {
        'entry': lambda part: changed(part, entry),
        'episodes': each(lambda part: changed(part, entry)),
        'preprocessing': lambda part: changed(part, quality),
        'steps': steps,
    })  # fmt: skip


def hash_data(
    files: Mapping[str, str], episodes: Iterable[EpisodeEntry], contract_hash: str
) -> str:
    """SHA-256 over the hashes of a dataset's files, its episodes' borders, its contract (hex)."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f'{name} {files[name]}\n'.encode())
    for entry in episodes:
        digest.update(f'{entry.start} {entry.length}\n'.encode())
    digest.update(contract_hash.encode())
    return digest.hexdigest()


def _check_borders(manifest: Manifest, path: Path) -> None:
    """An episode begins where the one before it ends, and the last one ends with the frames."""
    start = 0
    for number, entry in enumerate(manifest.episodes):
        if entry.start != start or entry.length < 1:
            raise damaged_dataset(
                f'starts at {entry.start} with {entry.length} frames',
                f'{path}.episodes[{number}]',
                allowed=f'starts at {start}, with one frame or more',
            )
        start = entry.stop
    if start != manifest.frames:
        raise damaged_dataset(f'{manifest.frames} frames, but {start} in the episodes', str(path))
