"""Folders that are written as a whole or not at all, as `atomic_files` does for files."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from il_ros.core.atomic_files import sync
from il_ros.core.errors import IlRosError, unwritable


@contextmanager
def new_folder(
    path: Path,
    *,
    overwrite: bool = False,
    marker: str = '',
    inputs: Iterable[Path] = (),
    error: type[IlRosError] = IlRosError,
) -> Iterator[Path]:
    """Fill a hidden folder; when all went well, sync it to disk and rename it to `path`.

    After an error (Ctrl-C too) nothing of the attempt is left, and an old `path` is as it was.

    Args:
        path: The folder to make, or a link to it; missing parents are made.
        overwrite: Whether an existing `path` is replaced.
        marker: File by which a folder that may be replaced is known; see `require_free`.
        inputs: What the folder is made from; see `require_free`.
        error: Kind of error to raise.

    Raises:
        IlRosError: (as `error`) If `path` exists and may not be replaced, or cannot be written.
    """
    path = require_free(path, overwrite=overwrite, marker=marker, inputs=inputs, error=error)
    temporary = path.with_name(f'.{path.name}.{secrets.token_hex(4)}.tmp')
    try:
        temporary.mkdir(parents=True)
        yield temporary
        publish(temporary, path)
    except OSError as problem:
        raise unwritable(path, problem, error) from problem
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def require_free(
    path: Path,
    *,
    overwrite: bool = False,
    marker: str = '',
    inputs: Iterable[Path] = (),
    error: type[IlRosError] = IlRosError,
) -> Path:
    """Refuse a `path` that exists, before long work rather than after it.

    Args:
        path: A folder to be made, or a link to it.
        overwrite: Whether it may be replaced if it is there: an empty folder, or one that holds
            `marker`. Any other folder was not made by the caller, and stays.
        marker: Path of a file inside; without one, only an empty folder is replaced.
        inputs: What the folder is made from; it may not be one of these, nor hold or lie in one.
        error: Kind of error to raise.

    Returns:
        `path`, absolute, without links.

    Raises:
        IlRosError: (as `error`) If it exists and may not be replaced, or is not a folder.
    """
    real = resolved(path, error)
    for given in inputs:
        other = resolved(given, error)
        if real == other or real in other.parents or other in real.parents:
            raise error(
                f'would replace, or lie inside, what it is made from, {given}',
                where=str(path),
                fix='choose a folder next to it',
            )
    if os.path.lexists(real) and not (overwrite and real.is_dir()):
        # Who names no marker never replaces what is there.
        replace = ', or replace it (--overwrite)' if marker and real.is_dir() else ''
        raise error('exists already', where=str(path), fix=f'choose another name{replace}')
    if real.is_dir() and not (marker and (real / marker).is_file()) and any(real.iterdir()):
        raise error(
            f'not overwritten: no {marker} in it' if marker else 'not overwritten: not empty',
            where=str(path),
            fix='choose another name, or remove the folder yourself',
        )
    return real


def resolved(path: Path, error: type[IlRosError] = IlRosError) -> Path:
    """`path`, absolute, without links; of what is not there yet, too.

    Raises:
        IlRosError: (as `error`) If links lead in a circle, or the system refuses.
    """
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as problem:  # RuntimeError: a circle
        raise error(
            f'cannot be followed: {problem}', where=str(path), fix='correct the links'
        ) from None


def free_space(path: Path) -> int:
    """Room on the disk that `path` is on, or will be on [bytes].

    Raises:
        OSError: If the disk does not answer.
    """
    existing = next(p for p in (path, *path.absolute().parents) if p.exists())
    return shutil.disk_usage(existing).free


def publish(folder: Path, path: Path) -> None:
    """Sync all of `folder` to disk, then rename it to `path`, in the place of what was there."""
    for file in folder.rglob('*'):
        sync(file)
    sync(folder)
    # A folder cannot be renamed onto a full one: for an instant neither name is there, but both
    # contents are whole.
    old = path.with_name(f'.{path.name}.{secrets.token_hex(4)}.old')
    if path.exists():
        path.rename(old)
    folder.rename(path)
    sync(path.parent)
    shutil.rmtree(old, ignore_errors=True)
