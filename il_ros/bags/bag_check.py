"""Finds every bag below a folder, and reports what is wrong with it."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from il_ros.bags.bag_metadata import (
    METADATA_FILE,
    BagMetadata,
    MessageCount,
    RefusedError,
    read_metadata,
    total,
)
from il_ros.bags.bag_paths import apart, bag_of, loose_files, require_bags
from il_ros.bags.bag_scan import FileScan, scan_file
from il_ros.bags.bag_storage import bag_files, is_being_written
from il_ros.bags.episode_info import (
    EPISODE_FILE,
    KEPT,
    EpisodeInfo,
    is_bag,
    read_episode_info,
)
from il_ros.bags.part_folder import command, is_locked, whole_path
from il_ros.core.errors import DatasetError

State = Literal[
    'ok', 'running', 'orphan', 'damaged', 'incomplete', 'unreadable', 'mismatch', 'leftover'
]
_PART = re.compile(r'\.(.+)\.part')
_LEFTOVER = re.compile(r'\.(.+)\.[0-9a-f]{8}\.(tmp|old)')


@dataclass(frozen=True, kw_only=True)
class BagFinding:
    """One bag, and what is wrong with it.

    Attributes:
        path: Its folder, or the file that it is.
        state: `running` if it is being written; `orphan` if the process that recorded it is gone;
            `damaged` if a file has parts that are not whole; `incomplete` if a file or
            `metadata.yaml` is missing; `unreadable` if nothing in it can be read, or it may
            not be read; `mismatch` if what it says of itself is not what is in it; `leftover` of
            an interrupted recovery.
        problem: What is wrong, in words.
        topics: Messages by topic, as counted in the files.
        seconds: From the first message to the last [s].
        bytes: Of its files.
        fix: Command that repairs it, quoted for a shell; empty where there is none.
    """

    path: Path
    state: State
    problem: str = ''
    topics: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    bytes: int = 0
    fix: str = ''

    @property
    def messages(self) -> int:
        """Messages of all topics."""
        return sum(self.topics.values())

    @property
    def wrong(self) -> bool:
        """Whether something has to be done."""
        return self.state not in ('ok', 'running')


@dataclass(frozen=True, kw_only=True)
class BagContent:
    """What a bag says of itself, and what is in its files.

    Attributes:
        folder: The bag's folder, or the file that it is.
        metadata: Of `metadata.yaml`; none if it is missing or damaged.
        info: Of `episode.json`; none if it is missing or damaged.
        scans: Of its files, in order.
        broken: What could not be read, by the name of the file.
    """

    folder: Path
    metadata: BagMetadata | None
    info: EpisodeInfo | None
    scans: tuple[FileScan, ...]
    broken: Mapping[str, DatasetError]

    @property
    def single(self) -> bool:
        """Whether the bag is a file by itself."""
        return self.folder.is_file()

    @property
    def apart(self) -> str:
        """Why files of it that nothing names are not of one recording; empty if they are."""
        if self.metadata is not None:
            described = {scan.path.name for scan in self.scans} <= set(self.metadata.files)
        else:
            described = self.info is not None or EPISODE_FILE in self.broken
        return '' if described else apart([scan.path for scan in self.scans])

    @property
    def topics(self) -> dict[str, MessageCount]:
        """Messages by topic, as counted."""
        counts: dict[str, list[MessageCount]] = defaultdict(list)
        for scan in self.scans:
            for channel, topic in scan.topics.items():
                counts[topic.name].append(scan.counts.get(channel, MessageCount()))
        return {name: total(each) for name, each in counts.items()}

    @property
    def count(self) -> MessageCount:
        """All messages, as counted."""
        return total(scan.count for scan in self.scans)

    @property
    def storage(self) -> str:
        """The files' format, in rosbag2's word."""
        return 'sqlite3' if any(scan.suffix == '.db3' for scan in self.scans) else 'mcap'

    @property
    def compression_mode(self) -> str:
        """`file` or `message`, by which the files are compressed; empty if they are not."""
        if any(scan.zipped for scan in self.scans):
            return 'file'
        return 'message' if any(scan.packed for scan in self.scans) else ''

    @property
    def dropped(self) -> list[str]:
        """What is not whole, in words."""
        return [text for scan in self.scans for text in scan.dropped]

    @property
    def sound(self) -> bool:
        """Whether the files themselves are in order."""
        return not self.dropped and not any(scan.faults for scan in self.scans)


def read_bag(folder: Path) -> BagContent:
    """Read everything in a bag.

    Raises:
        DatasetError: If a path leads out of the folder, a file is of a newer format, or one cannot
            be read at all.
    """
    broken: dict[str, DatasetError] = {}
    described: dict[str, Any] = {}
    readers = {METADATA_FILE: read_metadata, EPISODE_FILE: read_episode_info}
    for name, read in readers.items():
        try:
            described[name] = read(folder)
        except RefusedError:
            raise
        except DatasetError as problem:
            broken[name] = problem
    metadata: BagMetadata | None = described.get(METADATA_FILE)
    files = bag_files(folder, metadata.files if metadata else ())
    scans = tuple(scan_file(path) for path in files)
    return BagContent(
        folder=folder,
        metadata=metadata,
        info=described.get(EPISODE_FILE),
        scans=scans,
        broken=broken,
    )


def check(paths: Iterable[Path]) -> list[BagFinding]:
    """Check every bag among and below `paths`, hidden ones included; links are not followed.

    Raises:
        DatasetError: If a path is neither a folder nor a file of a bag.
    """
    return [assess_bag(folder) for folder in find_bags(paths)]


def find_bags(paths: Iterable[Path]) -> list[Path]:
    """Every bag among and below `paths`, hidden ones included; links are not followed.

    Raises:
        DatasetError: If a path is neither a folder nor a file of a bag.
    """
    bags: dict[Path, None] = {}
    for path in map(whole_path, paths):
        require_bags(path)
        try:
            bags |= dict.fromkeys([bag_of(path)] if path.is_file() else _below(path))
        except OSError as problem:  # a folder that is skipped would count as sound
            raise DatasetError(
                f'cannot be read: {problem.strerror}', where=str(problem.filename)
            ) from None
    return list(bags)


def assess_bag(folder: Path) -> BagFinding:
    """Report what is wrong with one bag."""
    folder = whole_path(folder)
    part = part_target(folder)
    try:
        if part is not None and is_locked(folder):
            return BagFinding(path=folder, state='running', problem='is being recorded')
        inner = inner_folder(folder)
        if part is not None and not is_bag(inner):
            return _empty_part(folder, part)
        return _assess_files(folder, inner)
    except (DatasetError, OSError) as problem:
        return BagFinding(path=folder, state='unreadable', problem=str(problem))


def _assess_files(folder: Path, inner: Path) -> BagFinding:
    if any(is_being_written(path) for path in bag_files(inner)):
        return BagFinding(path=folder, state='running', problem='is being written')
    if _LEFTOVER.fullmatch(folder.name):
        return _leftover(folder)
    return _assessed(folder, read_bag(inner), orphan=inner != folder)


def part_target(folder: Path) -> Path | None:
    """The episode that a hidden folder would have become; none if it is not such a folder."""
    match = _PART.fullmatch(folder.name)
    return folder.with_name(match[1]) if match else None


def inner_folder(folder: Path) -> Path:
    """The bag's own folder: of a hidden one that inside it, else itself.

    Raises:
        DatasetError: If it leads somewhere else.
    """
    target = part_target(folder)
    if target is None:
        return folder
    inner = folder / target.name
    if inner.is_symlink():
        raise DatasetError('is a link', where=str(inner), allowed='a folder', fix='remove it')
    return inner


def faults(content: BagContent) -> tuple[State, str]:
    """The worst thing about a bag, and everything that is wrong, in words."""
    texts = [f'{s.path.name}: {fault}' for s in content.scans for fault in s.faults]
    if not content.count.messages:
        return 'unreadable', '; '.join(['no whole message in it', *texts])
    if not content.sound:
        return 'damaged', '; '.join(texts + content.dropped)
    if content.broken:
        return 'damaged', '; '.join(
            f'{name}: {problem.problem}' for name, problem in content.broken.items()
        )
    missing = _missing(content)
    if missing:
        return 'incomplete', missing
    wrong = '; '.join(_mismatches(content))
    return ('mismatch', wrong) if wrong else ('ok', '')


def in_span(info: EpisodeInfo, content: BagContent) -> bool:
    """Whether the messages lie in the time span that `episode.json` states.

    An episode that was not closed, or that lost parts, may hold only what came before its start.
    """
    count = content.count
    if info.state != 'complete' or not info.start_ns or count.messages < 2 or content.dropped:
        return True
    return info.start_ns <= count.last and (not info.stop_ns or count.first <= info.stop_ns)


def _assessed(folder: Path, content: BagContent, *, orphan: bool) -> BagFinding:
    state, problem = faults(content)
    if orphan and state != 'unreadable':
        state, problem = 'orphan', f'the process that recorded it is gone; {problem}'.rstrip('; ')
    return BagFinding(
        path=folder,
        state=state,
        problem=problem,
        topics={name: count.messages for name, count in content.topics.items()},
        seconds=content.count.seconds,
        bytes=sum(scan.size for scan in content.scans),
        # Nothing is deleted for the user.
        fix='' if state in ('ok', 'unreadable') else command('il_ros', 'bags', 'recover', folder),
    )


def _missing(content: BagContent) -> str:
    if content.metadata is None:
        return '' if content.single else 'no metadata.yaml'
    there = {scan.path.name for scan in content.scans}
    missing = [name for name in content.metadata.files if name not in there]
    return f'no {", ".join(missing)}' if missing else ''


def _mismatches(content: BagContent) -> Iterator[str]:
    metadata, info, count = content.metadata, content.info, content.count
    counted = _full({name: topic.messages for name, topic in content.topics.items()})
    span = count.last - count.first
    if metadata is not None:
        if _full(metadata.topics) != counted or metadata.messages != count.messages:
            yield f'metadata.yaml says {metadata.messages} messages, {count.messages} are there'
        elif metadata.compression_mode != content.compression_mode:
            said, found = metadata.compression_mode or 'none', content.compression_mode or 'none'
            yield f'metadata.yaml says compression {said}, the files have {found}'
        elif abs(metadata.duration - span) > 1000:  # C++ writers round
            yield f'metadata.yaml says {metadata.duration} ns, the messages span {span} ns'
        if extra := sorted({s.path.name for s in content.scans} - set(metadata.files)):
            yield f'metadata.yaml does not name {", ".join(extra)}'
        if metadata.storage != content.storage:
            yield f'metadata.yaml says storage {metadata.storage!r}, it is {content.storage!r}'
    if info is None:
        return
    if info.state == 'recording':
        yield 'episode.json says that it is still being recorded'
    elif _full({name: topic.messages for name, topic in info.topics.items()}) != counted:
        yield f'episode.json says {info.messages} messages, {count.messages} are there'
    if not in_span(info, content):
        yield (
            f'episode.json says {info.start_ns} to {info.stop_ns} ns, the messages are of '
            f'{count.first} to {count.last} ns: it is of another recording'
        )


def _full(topics: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in topics.items() if count}


def _leftover(folder: Path) -> BagFinding:
    match = _LEFTOVER.fullmatch(folder.name)
    assert match is not None
    target = folder.with_name(match[1])
    replaced = match[2] == 'old' and not target.exists()
    return BagFinding(
        path=folder,
        state='leftover',
        problem=f'{target.name} as it was before a replacement that did not end'
        if replaced
        else 'half of a folder whose writing was interrupted; holds nothing that is needed, '
        'delete it yourself',
        fix=command('mv', folder, target) if replaced else '',
    )


def _empty_part(folder: Path, target: Path) -> BagFinding:
    reason = (
        f'{target.name} is whole, this is what is left of its recording'
        if target.is_dir()
        else 'a recording that ended before it had a message'
    )
    problem = f'{reason}; holds nothing whole, delete it yourself'
    return BagFinding(path=folder, state='leftover', problem=problem)


def _below(path: Path) -> Iterator[Path]:
    for root, folders, _ in os.walk(path, onerror=_raise):
        here = Path(root)
        if _is_one(here):
            if loose := loose_files(here):
                yield from loose
            else:
                folders.clear()
                yield here
                continue
        folders[:] = sorted(
            name
            for name in folders
            if not name.endswith(KEPT) and (not name.startswith('.') or _is_one(here / name))
        )


def _raise(problem: OSError) -> None:
    raise problem


def _is_one(folder: Path) -> bool:
    if folder.is_symlink() or folder.name.endswith(KEPT):
        return False
    return bool(_PART.fullmatch(folder.name)) or is_bag(folder)
