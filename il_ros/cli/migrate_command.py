"""``il_ros migrate``: converts what older versions of this package wrote."""

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import tyro

from il_ros.cli.printing import say
from il_ros.core.atomic_files import write_atomic
from il_ros.core.config import read_json, read_yaml, renamed_keys
from il_ros.core.errors import IlRosError
from il_ros.core.migration import Migration, rename_keys
from il_ros.core.registry import load
from il_ros.core.regular_files import read_text

_BACKUP = '.bak'


class FolderKind(NamedTuple):
    """A kind of folder that this package writes.

    Attributes:
        marker: The JSON file by which it is known; it says its `format`.
        formats: The format that this version reads, or a tuple of them, as 'module:attribute'.
        fix: What to do about an older one that cannot be converted.
        convert: Gives a `Migration` for the path of such a folder, as 'module:function'; empty
            where no older format can be converted.
    """

    marker: str
    formats: str
    fix: str
    convert: str = ''


FOLDERS = {
    'bag': FolderKind(
        'episode.json',
        'il_ros.bags.episode_info:FORMATS',
        'read it with the version that wrote it',
    ),
    'dataset': FolderKind(
        'manifest.json',
        'il_ros.datasets.manifest:FORMATS',
        'build it again from its bags, by "il_ros dataset build"',
    ),
    'bundle': FolderKind(
        'bundle.json',
        'il_ros.policies.bundle:FORMAT',
        'train the policy again, by "il_ros train bc"',
        'il_ros.algorithms.bundle_migration:convert_bundle',
    ),
    'journal of an evaluation': FolderKind(
        'evaluation.json', 'il_ros.evaluation.evaluation_journal:FORMAT', 'evaluate again'
    ),
    'journal of interactive training': FolderKind(
        'coaching.json',
        'il_ros.interactive.round_journal:FORMAT',
        'train again, or finish with the version that began',
    ),
}
FILES = {
    'contract': 'il_ros.core.contract:Contract',
    'preprocessing': 'il_ros.datasets.preprocessing.preprocess:Preprocessing',
    'augmentation': 'il_ros.datasets.augmentation.augmentation:Augmentation',
    'randomisation': 'il_ros.sim.randomisation:Randomisation',
    'adversarial search': 'il_ros.rollouts.adversarial.search_space:SearchBounds',
    'feature mapping': 'il_ros.interop.feature_mapping:FeatureMapping',
    'joy device': 'il_ros.experts.teleop.joy:JoyConfig',
    'twist device': 'il_ros.experts.teleop.twist:TwistConfig',
    'leader arm': 'il_ros.experts.teleop.leader:LeaderConfig',
    'keyboard': 'il_ros.experts.teleop.keyboard:KeyboardConfig',
}
"""Kinds of YAML files, and the dataclass that reads each."""


def migrate(
    paths: Annotated[tuple[Path, ...], tyro.conf.Positional],
    *,
    in_place: bool = False,
    out: Path | None = None,
    kind: str = '',
) -> int:
    """Convert files and folders that older versions of this package wrote.

    Without --in-place or --out nothing is written: each path is listed with its kind and with
    what would change, and the exit code is 1 if anything would.

    Args:
        paths: YAML files, bags, datasets, bundles, journals, or folders that hold them.
        in_place: Replace what is outdated by its converted copy; the original becomes NAME.bak.
        out: Copy each path into this folder and convert the copy; the original stays as it is.
        kind: Kind of the YAML files, where their keys do not tell it.
    """
    if in_place and out:
        raise IlRosError('got --in-place and --out', allowed='one of them')
    if kind and kind not in FILES:
        raise IlRosError(f'unknown kind {kind!r}', where='--kind', allowed=FILES)
    if missing := [path for path in paths if not path.exists()]:
        raise IlRosError('no such file or folder', where=str(missing[0]), fix='check the path')
    if out is not None:
        paths = tuple(_copied(path, out) for path in paths)
    write = in_place or out is not None
    units = [unit for path in paths for unit in _units(path, kind)]
    results = [_migrate_one(*unit, write=write, keep=in_place) for unit in units]
    if not units:
        say('nothing there that this package wrote')
    if 1 in results:
        say(f'{results.count(1)} to convert: run again with --in-place or --out FOLDER')
    return max(results, default=0)


def _migrate_one(unit: Path, kind: str, *, write: bool, keep: bool) -> int:
    """Convert one; gives 0 if it is up to date now, 1 if it is not, 2 if it cannot be."""
    try:
        kind = kind or _file_kind(unit)
        conversion = _conversion(unit, kind)
        if conversion.changes and write:
            _replace(unit, conversion, keep=keep)
    except IlRosError as problem:
        say(f'{unit}: {kind or "YAML file"}, not converted: {problem}')
        return 2
    if not conversion.changes:
        say(f'{unit}: {kind}, up to date')
        return 0
    say(f'{unit}: {kind}, {"converted" if write else "to convert"}:')
    say('\n'.join(f'  {change}' for change in conversion.changes))
    return int(not write)


def _copied(path: Path, out: Path) -> Path:
    """Copy a file or a folder into the folder `out`."""
    target = out / path.resolve().name
    if os.path.lexists(target):
        raise IlRosError('exists already', where=str(target), fix='choose another --out')
    out.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, target, symlinks=True)
    else:
        shutil.copy2(path, target)
    return target


def _units(path: Path, kind: str) -> Iterator[tuple[Path, str]]:
    """Everything of a known kind at or below `path`, with its kind; deepest first.

    A file's kind is left empty where it may be several, which `_file_kind` refuses.
    """
    if path.is_file():
        yield path, kind or _file_kind(path)
        return
    kinds = [name for name, one in FOLDERS.items() if (path / one.marker).is_file()]
    if all(name.startswith('journal') for name in kinds):  # else what is inside belongs to it
        for inner in sorted(path.iterdir()):
            hidden = inner.name.startswith('.') or inner.name.endswith(_BACKUP)
            if inner.is_dir() and not inner.is_symlink() and not hidden:
                yield from _units(inner, kind)
            elif inner.suffix in ('.yaml', '.yml') and not hidden and (kind or _is_ours(inner)):
                yield inner, kind
    yield from ((path, name) for name in kinds)


def _is_ours(path: Path) -> bool:
    """Whether a YAML file has the keys of some kind of file; not one that cannot be read."""
    try:
        return bool(_kinds_by_keys(path))
    except IlRosError:
        return False


def _kinds_by_keys(path: Path) -> list[str]:
    data = read_yaml(path)
    keys = set(data) - {'extends'} if isinstance(data, Mapping) else set()
    return [name for name in FILES if keys and keys <= _known_keys(name)]


def _file_kind(path: Path) -> str:
    """The kind of a YAML file, known by its keys; none may be renamed in two ways."""
    kinds = _kinds_by_keys(path)
    if not kinds:
        raise IlRosError(
            'no kind of file has these keys',
            where=str(path),
            allowed=FILES,
            fix='name the kind with --kind',
        )
    if len({_converted_text(path, name) for name in kinds}) > 1:
        raise IlRosError(
            f'may be a file of any of these kinds: {", ".join(kinds)}',
            where=str(path),
            fix='name the kind with --kind',
        )
    return kinds[0]


def _converted_text(path: Path, kind: str) -> tuple[str, tuple[str, ...]]:
    return rename_keys(read_text(path), _reader(kind), where=path.name)


@functools.cache
def _reader(kind: str) -> type[Any]:
    cls: type[Any] = load(FILES[kind])
    return cls


def _known_keys(kind: str) -> set[str]:
    """Keys at the top of a kind of YAML file, old ones too; none without the libraries it needs."""
    try:
        cls = _reader(kind)
    except ModuleNotFoundError:
        return set()
    return {*(field.name for field in dataclasses.fields(cls) if field.init), *renamed_keys(cls)}


def _conversion(unit: Path, kind: str) -> Migration:
    """How a file or a folder becomes up to date."""
    if kind in FILES:
        text, changes = _converted_text(unit, kind)
        return Migration(changes=changes, write=lambda target: write_atomic(target, text))
    folder = FOLDERS[kind]
    if folder.convert:
        conversion: Migration = load(folder.convert)(unit)
        return conversion
    data, known = read_json(unit / folder.marker), load(folder.formats)
    found = data.get('format') if isinstance(data, dict) else None
    known = known if isinstance(known, tuple) else (known,)
    if found not in known:
        raise IlRosError(f'format {found}', where=str(unit), allowed=known, fix=folder.fix)
    return Migration(changes=(), write=lambda target: None)


def _replace(unit: Path, conversion: Migration, *, keep: bool) -> None:
    """Write the converted copy whole, then put it in the place of the original.

    With `keep` the original stays, under a name of its own.
    """
    backup = unit.with_name(unit.name + _BACKUP)
    if os.path.lexists(backup):
        raise IlRosError('exists already', where=str(backup), fix='move it away')
    copy = unit.with_name(f'.{unit.name}.migrating')
    try:
        conversion.write(copy)
        unit.rename(backup)
        copy.rename(unit)
    except BaseException:  # an interruption, too, puts the original back
        if os.path.lexists(backup) and not os.path.lexists(unit):
            backup.rename(unit)
        raise
    finally:
        _remove(copy)
    if not keep:
        _remove(backup)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
