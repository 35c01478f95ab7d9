"""Which bags are among paths: a folder is one, or each of its files is, or it holds some."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from il_ros.bags.bag_metadata import METADATA_FILE
from il_ros.bags.bag_scan import scan_file
from il_ros.bags.bag_storage import bag_files, open_stored, plain_name, storage_suffix
from il_ros.bags.episode_info import EPISODE_FILE, KEPT, is_bag
from il_ros.core.errors import DatasetError

_SPLIT = re.compile(r'(.+)_(0|[1-9]\d*)')  # what rosbag2 calls the parts of a bag
_PAUSE = 1.0  # [s] from a part of a bag to the next one
_ANYWHERE = {
    '/clock',
    '/diagnostics',
    '/events/write_split',
    '/parameter_events',
    '/robot_description',
    '/rosout',
    '/tf',
    '/tf_static',
}
"""Topics that every recorder takes."""


@dataclass(frozen=True, kw_only=True)
class _Span:
    """Time and topics of one file.

    Attributes:
        path: The file.
        first: Earliest log time [ns].
        last: Latest log time [ns].
        topics: By name, without those that every recorder takes.
    """

    path: Path
    first: int
    last: int
    topics: frozenset[str]


def find_episodes(paths: Iterable[Path]) -> list[Path]:
    """The bags among `paths`; a folder of bags counts as its bags.

    A folder without `metadata.yaml` whose files are of several recordings counts as its files, each
    of which is a bag. Damaged episodes are included, so that their reader can report why it leaves
    them out. Unfinished ones (hidden folders) and what a recovery kept (`NAME.damaged`) are not.

    Raises:
        DatasetError: If a path does not exist or holds no episode.
    """
    found: list[Path] = []
    for path in paths:
        require_bags(path)
        if path.is_file():
            inside = [bag_of(path)]
        elif not (inside := _bags_of(path)):
            visible = sorted(entry for entry in path.iterdir() if not entry.name.startswith('.'))
            inside = [bag for entry in visible for bag in _bags_of(entry)]
        if not inside:
            raise DatasetError(
                'no episode in it', where=str(path), fix='record some, or check the path'
            )
        found += inside
    return list(dict.fromkeys(found))


def require_bags(
    path: Path,
    allowed: str = 'a bag (a folder, or an .mcap or .db3 file), or a folder of bags',
) -> None:
    """Refuse a path that is neither a folder nor a file of a bag; `allowed` is for the error.

    Raises:
        DatasetError: If it is neither.
    """
    if path.is_dir() or (path.is_file() and storage_suffix(path.name)):
        return
    there = 'not a bag' if path.is_file() else 'not a folder'
    raise DatasetError(
        there if path.exists() else 'no such folder', where=str(path), allowed=allowed
    )


def bag_of(file: Path) -> Path:
    """The bag that a file is: its folder, where that is described and holds no other."""
    folder = file.parent
    described = any((folder / name).exists() for name in (METADATA_FILE, EPISODE_FILE))
    return folder if described and bag_files(folder) == [file] else file


def loose_files(folder: Path) -> list[Path]:
    """The files of a folder that are a bag each; empty if the folder is one bag, or none.

    Raises:
        DatasetError: If a file leads out of the folder.
    """
    if any((folder / name).exists() for name in (METADATA_FILE, EPISODE_FILE)):
        return []
    files = bag_files(folder)
    return files if apart(files) else []


def apart(files: Sequence[Path]) -> str:
    """Why files are not of one recording; empty if they are.

    The parts of a split bag have rosbag2's names (`NAME_0`, `NAME_1`, ...) and follow each other
    without a pause; that in which a crash left no whole message is one of them by its name.
    Recorders side by side overlap in time and have other topics.
    """
    if len(files) < 2:
        return ''
    parts: dict[str, list[_Span]] = defaultdict(list)
    empty: dict[Path, str] = {}
    for file in files:
        stem = plain_name(file.name).rpartition('.')[0]
        match = _SPLIT.fullmatch(stem)
        name = match[1] if match else stem
        if (span := _span_of(file)) is not None:
            parts[name].append(span)
        else:
            empty[file] = name
    for file, name in empty.items():
        if name not in parts:
            return f'of {file.name} nothing can be read'
    for spans in parts.values():
        for before, after in itertools.pairwise(spans):
            pause = (after.first - before.last) * 1e-9
            if not 0 <= pause <= _PAUSE:
                when = f'{pause:.1f} s after the end of' if pause > 0 else 'before the end of'
                return f'{after.path.name} begins {when} {before.path.name}'
    for some, others in itertools.combinations(parts.values(), 2):
        one, other = _whole(some), _whole(others)
        if one.last < other.first or other.last < one.first:
            return f'{one.path.name} and {other.path.name} are of different times'
        if both := sorted(one.topics & other.topics):
            return f'{one.path.name} and {other.path.name} both have {both[0]}'
    return ''


def _bags_of(folder: Path) -> list[Path]:
    if not is_bag(folder) or folder.name.endswith(KEPT):
        return []
    return loose_files(folder) or [folder]


def _whole(spans: Sequence[_Span]) -> _Span:
    return _Span(
        path=spans[0].path,
        first=min(span.first for span in spans),
        last=max(span.last for span in spans),
        topics=frozenset[str]().union(*(span.topics for span in spans)),
    )


def _span_of(path: Path) -> _Span | None:
    """Time and topics of a file; none if there is no whole message in it."""
    try:
        with open_stored(path) as stored:
            names = {topic.name for topic in stored.topics.values()}
            first, last = stored.first, stored.last
    except Exception:  # damaged: the libraries have many errors; what is whole is looked at
        try:
            scan = scan_file(path)
        except DatasetError:
            return None
        names = {scan.topics[number].name for number in scan.counts if number in scan.topics}
        first, last = scan.count.first, scan.count.last
    if not last:
        return None
    return _Span(path=path, first=first, last=last, topics=frozenset(names - _ANYWHERE))
