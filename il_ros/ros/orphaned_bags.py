"""Episodes that nobody ended: their recorder crashed or lost its power."""

from __future__ import annotations

from pathlib import Path

from il_ros.bags.part_folder import command, is_locked


def orphans(root: Path) -> list[Path]:
    """Hidden folders of unfinished episodes that no process is recording to."""
    return [part for part in sorted(root.glob('.*.part')) if part.is_dir() and not is_locked(part)]


def warning_of_orphans(root: Path) -> str:
    """What to tell of them at the start; empty if there are none."""
    found = orphans(root)
    check = command('il_ros', 'bags', 'check', root)
    told = f'{len(found)} unfinished episodes of an earlier crash in {root}: see "{check}"'
    return told if found else ''
