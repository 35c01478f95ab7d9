"""Folders that are either whole or absent, as `files` does for single files."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from il_ros.core.errors import IlRosError


@contextmanager
def new_folder(
    path: Path, *, overwrite: bool = False, error: type[IlRosError] = IlRosError
) -> Iterator[Path]:
    """Fill a hidden folder; when all went well, sync it to disk and rename it to `path`.

    After an error (Ctrl-C too) nothing of the attempt is left, and an old `path` is as it was.

    Args:
        path: The folder to make; missing parents are made.
        overwrite: Whether an existing `path` is replaced.
        error: Kind of error to raise.

    Raises:
        IlRosError: (as `error`) If `path` exists and may not be replaced, or cannot be written.
    """
    require_free(path, overwrite=overwrite, error=error)
    temporary = path.with_name(f'.{path.name}.{secrets.token_hex(4)}.tmp')
    try:
        temporary.mkdir(parents=True)
        yield temporary
        publish(temporary, path)
    except OSError as problem:
        raise error(
            f'cannot be written: {problem.strerror or problem}',
            where=str(path),
            fix='choose a folder that you may write to, on a disk with room',
        ) from problem
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def require_free(
    path: Path, *, overwrite: bool = False, error: type[IlRosError] = IlRosError
) -> None:
    """Refuse a `path` that exists, so that long work does not end in this error.

    Raises:
        IlRosError: (as `error`) If it exists and may not be replaced, or is not a folder.
    """
    if path.exists() and not (overwrite and path.is_dir()):
        raise error(
            'exists already',
            where=str(path),
            fix='choose another name' + (', or ask to overwrite it' if path.is_dir() else ''),
        )


def publish(folder: Path, path: Path) -> None:
    """Sync all of `folder` to disk, then rename it to `path`, in the place of what was there."""
    for file in folder.rglob('*'):
        _sync(file)
    _sync(folder)
    # A folder cannot be renamed onto a full one: for an instant neither name is there, but both
    # contents are whole.
    old = path.with_name(f'.{path.name}.{secrets.token_hex(4)}.old')
    if path.exists():
        path.rename(old)
    folder.rename(path)
    _sync(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
