"""What every format needs: optional libraries, readable errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from il_ros.core.errors import DatasetError, IlRosError
from il_ros.core.regular_files import require_regular


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


def regular(path: Path) -> str:
    """The path of a file for a library that opens it by itself.

    Raises:
        OSError: If it is no regular file.
    """
    require_regular(path)
    return str(path)


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
