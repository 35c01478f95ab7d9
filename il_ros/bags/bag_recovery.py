"""Recovers bags after a crash, a power cut or a full disk: keeps everything that is whole."""

from __future__ import annotations

import itertools
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mcap.records import Attachment, Metadata

from il_ros.bags.bag_check import (
    BagContent,
    faults,
    in_span,
    inner_folder,
    part_target,
    read_bag,
)
from il_ros.bags.bag_metadata import (
    METADATA_FILE,
    MessageCount,
    bag_information,
    write_metadata,
)
from il_ros.bags.bag_scan import FileScan, read_blocks
from il_ros.bags.bag_storage import is_being_written, plain_name, storage_suffix
from il_ros.bags.bag_writer import BagWriter
from il_ros.bags.episode_info import EPISODE_FILE, KEPT, is_bag
from il_ros.bags.mcap_file import Storage, is_full
from il_ros.bags.one_frame import ZSTD_MAGIC, is_whole
from il_ros.bags.part_folder import LOCK_FILE, lock, whole_path
from il_ros.bags.recovered_info import topics_of, write_info
from il_ros.core.atomic_files import sync
from il_ros.core.atomic_folders import publish, require_free
from il_ros.core.errors import DatasetError
from il_ros.core.regular_files import TEXT_LIMIT, read_regular

_TEMPORARY = re.compile(r'\..+\.tmp')

Report = Callable[[str], None]


def recover(bag: Path, *, keep: bool = True, report: Report = lambda _: None) -> Path:
    """Replace `bag` by a bag of everything that is whole in it.

    A bag whose files are in order only gets a new `metadata.yaml` (and `episode.json`). Otherwise
    the files are written anew next to it. Once they are on the disk, and reading them back gives
    the same messages, they replace it.

    Args:
        bag: Hidden folder of an episode (`.ID.part`), or a damaged bag, also one of `ros2 bag`, or
            the file that is one.
        keep: Whether the damaged one stays, as `NAME.damaged` (`NAME.2.damaged`, ...), where files
            were written anew.
        report: Called with what was kept and dropped.

    Returns:
        The folder of the bag, or its file.

    Raises:
        IlRosError: If it is being written, holds nothing whole, has a newer format, its files are
            not of one recording, or the disk refuses. The original is then unchanged.
    """
    bag = whole_path(bag)
    target = part_target(bag) or bag
    inner = inner_folder(bag)
    if not is_bag(inner) and not (inner.is_file() and storage_suffix(inner.name)):
        raise DatasetError(
            'not a bag',
            where=str(bag),
            allowed='an .mcap or .db3 file, a folder with some, or the hidden folder of an episode',
            fix='see "il_ros bags check" on the folder above it',
        )
    with _alone(bag):
        if target != bag:
            require_free(target, error=DatasetError)
        try:
            return _recover(bag, inner, target, keep=keep, report=report)
        except OSError as problem:
            raise DatasetError(
                f'cannot be recovered: {problem}',
                where=str(bag),
                fix='make room on the disk'
                if is_full(problem)
                else 'make it writable, or recover a copy of it on another disk',
            ) from None


def _recover(bag: Path, inner: Path, target: Path, *, keep: bool, report: Report) -> Path:
    content = read_bag(inner)
    for scan in content.scans:
        if is_being_written(scan.path):
            raise DatasetError('is being written', where=str(scan.path), fix='wait for its end')
    if not content.count.messages:
        raise DatasetError(
            'no whole message in it',
            where=str(bag),
            fix='there is nothing to recover; delete the folder yourself',
        )
    if problem := content.apart:
        raise DatasetError(
            f'its files are not of one recording: {problem}',
            where=str(bag),
            fix='put each into a folder of its own; or, if they are, "ros2 bag reindex" the folder',
        )
    state, _ = faults(content)
    if state == 'ok' and bag == target:
        report(f'{bag}: nothing to recover')
        return bag
    if content.sound:
        kept = _describe(content, target.name)
        if bag != target:
            publish(inner, target)
            shutil.rmtree(bag)
    else:
        kept = [_kept_name(inner, name) for name in sorted(_wrong_files(content))]
        target, copy = _write_anew(content, bag, target, keep=keep)
        kept += [copy] if copy else []
    for name in kept:
        report(f'{target}: what was damaged, or of another recording, is kept as {name}')
    report(f'{target}: {content.count.messages} messages')
    for text in content.dropped:
        report(f'{target}: dropped {text}')
    return target


@contextmanager
def _alone(bag: Path) -> Iterator[None]:
    """Lock out other processes: by the recorder's lock in a hidden folder, else on the folder."""
    try:
        folder = bag.parent if bag.is_file() else bag
        descriptor = lock(bag / LOCK_FILE if part_target(bag) else folder)
    except BlockingIOError:
        raise DatasetError(
            'is being recorded, or recovered', where=str(bag), fix='wait for its end'
        ) from None
    except OSError as problem:
        raise DatasetError(f'cannot be locked: {problem.strerror}', where=str(bag)) from None
    try:
        yield
    finally:
        os.close(descriptor)


def _describe(content: BagContent, name: str) -> list[str]:
    """Write what is missing or wrong next to sound files; gives the names of what was kept."""
    kept = _keep(content)
    counts = dict.fromkeys(topics_of(content), 0)
    for scan in content.scans:
        for channel, topic in scan.topics.items():
            counts[topic] += scan.counts.get(channel, MessageCount()).messages
    information = bag_information(
        {scan.path.name: scan.count for scan in content.scans},
        counts.items(),
        storage=content.storage,
        compression_mode=content.compression_mode,
    )
    write_metadata(content.folder, information)
    if not write_info(content, content.folder, name) and EPISODE_FILE in content.broken:
        (content.folder / EPISODE_FILE).unlink()  # it is kept, and nothing in it is of use
    return kept


def _wrong_files(content: BagContent) -> set[str]:
    """Files other than the messages with faults that only a person can correct."""
    other = content.info is not None and not in_span(content.info, content)
    return {*content.broken, *([EPISODE_FILE] if other else [])}


def _keep(content: BagContent) -> list[str]:
    """Copy each wrong file, so that nothing that a person wrote is lost."""
    kept = []
    for name in sorted(_wrong_files(content)):
        new = _kept_name(content.folder, name)
        _copy(content.folder / name, content.folder / new)
        kept.append(new)
    sync(content.folder)
    return kept


def _copy(path: Path, new: Path) -> None:
    data = read_regular(path, TEXT_LIMIT)
    try:
        with new.open('xb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        new.unlink(missing_ok=True)
        raise


def _kept_name(folder: Path, name: str) -> str:
    """A free name: `episode.json.damaged`, `episode.json.2.damaged`, ..."""
    numbers = itertools.count(2)
    new = f'{name}{KEPT}'
    while os.path.lexists(folder / new):
        new = f'{name}.{next(numbers)}{KEPT}'
    return new


def _write_anew(content: BagContent, bag: Path, target: Path, *, keep: bool) -> tuple[Path, str]:
    """Write everything whole into new files; gives the new bag, and the name of the old one."""
    if databases := [scan for scan in content.scans if scan.suffix == '.db3']:
        damaged = any(scan.gaps or scan.faults or scan.dropped for scan in databases)
        raise DatasetError(
            f'{faults(content)[1]}; a database is not written anew',
            where=str(bag),
            fix='try "sqlite3 FILE .recover"'
            if damaged
            else 'run "il_ros bags recover" on each of the damaged .mcap files',
        )
    new = target.with_name(f'.{target.name}.{secrets.token_hex(4)}.tmp')
    try:
        new.mkdir()
        _copy_messages(content, new)
        if content.single:
            _verify(content, new)
            return _take_the_place_of_file(new, bag, keep=keep)
        _copy_others(content, new)
        write_info(content, new, target.name)
        _verify(content, new)
        return target, _take_the_place(new, bag, target, keep=keep)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _take_the_place(new: Path, bag: Path, target: Path, *, keep: bool) -> str:
    kept = target.with_name(_kept_name(target.parent, target.name))
    if keep:
        bag.rename(kept)
    try:
        publish(new, target)
    except OSError:
        if keep and not target.exists():
            kept.rename(bag)
        raise
    if bag != target and not keep:
        shutil.rmtree(bag)
    return kept.name if keep else ''


def _take_the_place_of_file(new: Path, bag: Path, *, keep: bool) -> tuple[Path, str]:
    """Put the one file in a new folder where the damaged one is; at no time there is none."""
    target = bag.with_name(plain_name(bag.name))
    if target != bag:
        require_free(target, error=DatasetError)
    kept = _kept_name(bag.parent, bag.name)
    if keep:
        os.link(bag, bag.with_name(kept))
    os.replace(new / target.name, target)
    if target != bag:
        bag.unlink()
    sync(bag.parent)
    return target, kept if keep else ''


def _copy_messages(content: BagContent, folder: Path) -> None:
    scans = [scan for scan in content.scans if scan.messages]
    names = [plain_name(scan.path.name) for scan in scans]
    compression = any(scan.compression for scan in scans)
    storage = Storage(compression='zstd' if compression else 'none', reserve=0)
    writer = BagWriter(folder, storage, lambda number: names[number])
    writer.compression_mode = 'message' if any(scan.packed for scan in scans) else ''
    try:
        topics = {topic: writer.add(topic) for topic in topics_of(content)}
        for number, scan in enumerate(scans):
            if number:
                writer.next_file()
            handles = {channel: topics[topic] for channel, topic in scan.topics.items()}
            _copy_file(scan, handles, writer)
        writer.close()
    finally:
        writer.discard()


def _copy_file(scan: FileScan, handles: dict[int, int], writer: BagWriter) -> None:
    for piece in read_blocks(scan.path):
        for channel, sequence, log, publish_time, data in piece.messages:
            if channel in handles and (data[:4] != ZSTD_MAGIC or is_whole(data)):
                writer.write(handles[channel], log, data, publish_time, sequence)
        if piece.compression is not None:
            writer.end_chunk()
        if isinstance(piece.other, Attachment) or (
            isinstance(piece.other, Metadata) and piece.other.name != 'rosbag2'
        ):
            writer.add_record(piece.other)


def _copy_others(content: BagContent, folder: Path) -> None:
    """Copy everything else in the folder: notes, calibrations, damaged descriptions."""
    wrong = _wrong_files(content)
    made = {METADATA_FILE, *(scan.path.name for scan in content.scans)} - wrong
    for entry in content.folder.iterdir():
        if entry.name in made or _TEMPORARY.fullmatch(entry.name):
            continue
        clash = entry.name in wrong or os.path.lexists(folder / entry.name)
        name = _kept_name(content.folder, entry.name) if clash else entry.name
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, folder / name, symlinks=True)
        else:
            shutil.copy2(entry, folder / name, follow_symlinks=False)


def _verify(content: BagContent, folder: Path) -> None:
    """Read the new bag back, and check the old files' sizes, before anything is replaced."""
    found = read_bag(folder)
    before = [
        (plain_name(s.path.name), s.messages, s.checksum) for s in content.scans if s.messages
    ]
    after = [(s.path.name, s.messages, s.checksum) for s in found.scans]
    if any(scan.strays for scan in content.scans):  # the checksum is over these too
        before, after = [b[:2] for b in before], [a[:2] for a in after]  # type: ignore[misc]
    state, problem = faults(found)
    if before != after or state != 'ok':
        raise DatasetError(
            f'what was recovered is not what is there: {problem or "other messages"}',
            where=str(content.folder),
            fix='check the disk; the original is untouched',
        )
    for scan in content.scans:
        if scan.path.stat().st_size != scan.size:
            raise DatasetError('is being written', where=str(scan.path), fix='wait for its end')
