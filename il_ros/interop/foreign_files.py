"""What both formats need: optional libraries, readable errors, episodes as JSON, made-up stamps."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.atomic_files import sync
from il_ros.core.atomic_folders import require_free
from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError, IlRosError
from il_ros.datasets.episode_arrays import SOURCES, EpisodeArrays
from il_ros.datasets.manifest import EpisodeEntry

SYNTHETIC = 'stamps are synthetic, made from the frame times of the imported dataset'


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
        raise DatasetError(
            f'cannot be written: {problem.strerror or problem}',
            where=str(path),
            fix='choose a folder that you may write to, on a disk with room',
        ) from problem
    finally:
        with contextlib.suppress(OSError):  # a disk that refuses this, too
            temporary.unlink(missing_ok=True)


def foreign_episode(
    contract: Contract,
    entry: EpisodeEntry,
    *,
    values: Mapping[str, NDArray[np.float32]],
    images: Mapping[str, tuple[bytes, ...]],
    action: NDArray[np.float32],
    stamp: NDArray[np.int64],
) -> EpisodeArrays:
    """An episode of a dataset that knows nothing of validity, ages and who was in control.

    A number that is not finite makes its stream invalid; ages are 0 where it is valid; the source
    is `demonstrator`; a key that nothing stands for is invalid throughout.
    """
    frames = len(stamp)
    full = {
        key: values.get(key, np.full((frames, stream.size), np.nan, np.float32))
        for key, stream in contract.streams.items()
    }
    valid: dict[str, NDArray[np.bool_]] = {
        key: np.asarray(np.isfinite(array).all(axis=1)) for key, array in full.items()
    }
    for key in contract.images:
        valid[key] = np.full(frames, key in images)
    return EpisodeArrays(
        entry=entry,
        values={k: np.where(valid[k][:, None], v, np.float32('nan')) for k, v in full.items()},
        valid=valid,
        age={k: np.where(v, 0.0, np.nan).astype(np.float32) for k, v in valid.items()},
        stamp=stamp,
        action=action,
        action_raw=action,
        source=np.full(frames, SOURCES.index('demonstrator'), np.uint8),
        images={key: images.get(key, (b'',) * frames) for key in contract.images},
    )
