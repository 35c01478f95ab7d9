"""``il_ros bags``: inspects, checks, recovers and edits episode bags."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import tyro
from rich.table import Column, Table

from il_ros.bags.bag_check import (
    BagContent,
    BagFinding,
    assess_bag,
    find_bags,
    part_target,
    read_bag,
)
from il_ros.bags.bag_check import check as check_bags
from il_ros.bags.bag_paths import bag_of, loose_files, require_bags
from il_ros.bags.bag_recovery import recover as recover_bag
from il_ros.bags.episode_info import (
    FORMAT,
    EpisodeInfo,
    Outcome,
    is_bag,
    read_episode_info,
    write_episode_info,
)
from il_ros.bags.part_folder import whole_path
from il_ros.bags.recorded_bundles import recorded_bundles
from il_ros.cli.printing import Console, cell, say
from il_ros.core.errors import DatasetError, IlRosError

Folder = tyro.conf.Positional[Path]
Folders = tyro.conf.Positional[list[Path]]
Flag = tyro.conf.FlagCreatePairsOff[bool]

_COLOURS = {'ok': 'green', 'running': 'cyan'}


def check(paths: Folders, *, all: Flag = False) -> int:
    """Read every byte of bags and report what is damaged, hidden bags included.

    The exit code is 1 if a bag has a problem.

    Args:
        paths: Bags, or folders of bags.
        all: List intact bags too.
    """
    console = Console()
    findings = check_bags(_given(paths))
    listed = findings if all else [finding for finding in findings if finding.state != 'ok']
    if listed:
        console.print(_table(listed))
    for finding in listed:
        if finding.problem:
            say(f'{finding.path}: {finding.state}: {finding.problem}')
        if finding.fix:
            say(f'    {finding.fix}')
    wrong = sum(finding.wrong for finding in findings)
    console.print(f'{len(findings)} bags, {wrong} with problems')
    return 1 if wrong else 0


def recover(paths: Folders, *, keep: bool = True) -> int:
    """Replace damaged bags by whole ones of everything in them that is intact.

    The exit code is 1 if a bag could not be recovered.

    Args:
        paths: Damaged bags, hidden folders of episodes, or folders of them, in which those with a
            problem are recovered.
        keep: Keep the damaged bag as NAME.damaged where its files are written anew.
    """
    failed = 0
    for finding in check_bags(_given(paths)):
        if finding.state == 'running':
            say(f'{finding.path}: {finding.problem}: left alone')
        elif finding.state == 'leftover':
            say(': '.join(filter(None, (f'{finding.path}', finding.problem, finding.fix))))
        elif finding.wrong:
            try:
                recover_bag(finding.path, keep=keep, report=say)
            except IlRosError as problem:
                say(f'error: {problem}')
                failed += 1
    return 1 if failed else 0


def mark(
    bag: Folder,
    *,
    outcome: Outcome | None = None,
    reason: str | None = None,
    notes: str | None = None,
    flagged: Flag = False,
    no_flagged: Flag = False,
) -> int:
    """Change the outcome, notes or flag of an episode.

    Args:
        bag: The episode.
        outcome: Outcome of the episode.
        reason: Reason of the outcome.
        notes: Notes of the operator; they replace the old ones.
        flagged: Mark the episode for review.
        no_flagged: Remove that mark.
    """
    if flagged and no_flagged:
        raise DatasetError('--flagged and --no-flagged', allowed='one of them')
    bag = _one(bag)
    info = read_episode_info(bag)
    if info is None:
        raise DatasetError(
            'no episode.json in it', where=str(bag), allowed='an episode that il_ros recorded'
        )
    flag = flagged if flagged or no_flagged else None
    given = {'outcome': outcome, 'reason': reason, 'notes': notes, 'flagged': flag}
    changes = {name: value for name, value in given.items() if value is not None}
    for name, value in changes.items():
        if isinstance(value, str) and value.encode('utf-8', 'ignore').decode() != value:
            raise DatasetError(f'got {value}', where=f'--{name}', allowed='text in UTF-8')
    if not changes:
        raise DatasetError('nothing to change', where=str(bag), allowed=given)
    changed = replace(info, format=FORMAT, **changes)  # type: ignore[arg-type]
    write_episode_info(bag, changed)
    for name, value in changes.items():
        say(f'{bag}: {name} {getattr(info, name)!r} is now {value!r}')
    return 0


def info(bag: Folder) -> int:
    """Show what a bag contains: topics, rates, message loss, and who recorded it when.

    Args:
        bag: The bag.
    """
    console = Console()
    bag = _one(bag)
    finding = assess_bag(bag)
    if finding.state in ('running', 'unreadable', 'leftover'):
        raise DatasetError(f'{finding.state}: {finding.problem}', where=str(bag))
    content = read_bag(bag)
    if content.info is not None:
        console.print(_about(content.info, recorded_bundles(bag)))
    console.print(_topics(content))
    count = content.count
    console.print(
        f'{count.messages} messages, {count.seconds:.3f} s, '
        f'{finding.bytes / 1e6:.1f} MB in {len(content.scans)} files: {finding.state}'
    )
    if finding.wrong:
        say(f'{finding.problem}\n    {finding.fix}')
    return 0


def _given(paths: list[Path]) -> list[Path]:
    if not paths:
        raise DatasetError('no path given', allowed='bags, or folders of bags')
    return paths


def _one(path: Path) -> Path:
    """The path of one bag.

    Raises:
        DatasetError: If it is not a bag; for a folder of bags it names some.
    """
    path = whole_path(path)
    require_bags(path, 'a bag: a folder, or an .mcap or .db3 file')
    if path.is_file():
        return bag_of(path)
    if not os.access(path, os.R_OK | os.X_OK):
        raise DatasetError('cannot be read: Permission denied', where=str(path))
    if part_target(path) or (is_bag(path) and not loose_files(path)):
        return path
    inside = find_bags([path])
    raise DatasetError(
        f'holds {len(inside)} bags, is not one' if inside else 'not a bag',
        where=str(path),
        allowed=[*map(str, inside[:3]), *(['...'] if inside[3:] else [])] or 'the folder of a bag',
    )


def _table(findings: Iterable[BagFinding]) -> Table:
    table = Table('bag', 'state', 'topics', 'messages', 'seconds', 'MB')
    for finding in findings:
        table.add_row(
            cell(finding.path.name),
            f'[{_COLOURS.get(finding.state, "red")}]{finding.state}',
            str(len(finding.topics)),
            str(finding.messages),
            f'{finding.seconds:.1f}',
            f'{finding.bytes / 1e6:.1f}',
        )
    return table


def _about(info: EpisodeInfo, bundles: tuple[str, ...]) -> Table:
    table = Table('episode', Column(cell(info.episode_id)))
    rows: dict[str, object] = {
        'outcome': f'{info.outcome} {info.reason}'.strip(),
        'task': info.task,
        'seed': info.seed,
        'notes': info.notes,
        'flagged': 'yes' if info.flagged else '',
        'state': info.state,
        'recorded': f'{info.started} to {info.ended or "?"}',
        'host': info.host,
        'namespace': info.namespace,
        'contract': info.contract_hash[:16],
        'bundle': ', '.join(bundles),
        'versions': ', '.join(f'{name} {text}' for name, text in info.versions.items()),
        'dropped': '; '.join(info.recovery.dropped) if info.recovery else '',
    }
    for name, value in rows.items():
        if value not in ('', None):
            table.add_row(name, cell(value))
    return table


def _topics(content: BagContent) -> Table:
    table = Table('topic', 'type', 'messages', 'MB', 'Hz', 'expected', 'lost', 'in the queue')
    said = content.info.topics if content.info else {}
    types = {t.name: t.type for scan in content.scans for t in scan.topics.values()}
    for name, count in sorted(content.topics.items()):
        topic = said.get(name)
        known = (f'{topic.expected_rate:g}', str(topic.lost), str(topic.overflow)) if topic else ()
        table.add_row(
            cell(name),
            cell(types[name]),
            str(count.messages),
            f'{count.bytes / 1e6:.2f}',
            f'{count.rate:.1f}',
            *known,
        )
    return table
