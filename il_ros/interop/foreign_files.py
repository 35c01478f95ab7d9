"""What every format needs: optional libraries, readable errors, files that are whole or absent."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from il_ros.core.atomic_files import sync
from il_ros.core.atomic_folders import require_free
from il_ros.core.errors import DatasetError, IlRosError, unwritable


def library(name: str) -> Any:
    """Import a library of the extra `interop`.

    Raises:
        DatasetError: If it is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as problem:
        raise DatasetError(
            f'needs {problem.name}', fix="run pip install 'il_ros[interop]'"
        ) from None


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn what a library says of a damaged file into one error that names it.

    Raises:
        DatasetError: In the place of any other error.
    """
    try:
        yield
    except IlRosError:
        raise
    except Exception as problem:  # libraries raise whatever they like on damaged input
        text = ' '.join(str(problem).split()) or type(problem).__name__
        raise DatasetError(
            f'cannot be read: {text[:300]}', where=str(path), allowed=what, fix='get it again'
        ) from problem


@contextmanager
def new_file(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Fill a hidden file; when all went well, sync it to disk and rename it to `path`.

    Raises:
        DatasetError: If `path` exists and may not be replaced, or cannot be written.
    """
    if path.is_dir() or not overwrite:
        require_free(path, error=DatasetError)
    temporary = path.with_name(f'.{path.name}.{secrets.token_hex(4)}.tmp')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    except OSError as problem:
        raise unwritable(path, problem, DatasetError) from problem
    finally:
        with contextlib.suppress(OSError):  # a disk that refuses this, too
            temporary.unlink(missing_ok=True)
