"""The HDF5 file of a robomimic dataset, and how to read one that may be damaged or hostile.

As robomimic 0.3 writes and reads it: `data` with the attributes `total` and `env_args`, in it one
group a demonstration with the attribute `num_samples` and `obs/KEY`, `next_obs/KEY`, `actions`,
`rewards`, `dones`, `states`; `mask/train` and `mask/valid` name demonstrations. Ours in addition:
the group `il_ros`, which robomimic never looks into.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import DatasetError
from il_ros.interop.feature_mapping import ForeignFeature
from il_ros.interop.foreign_files import library
from il_ros.interop.read_limits import step

ACTIONS = 'actions'
SIDE = 'il_ros'
ORIGIN = 'origin'
RECORD = 'record'
# No filter of HDF5 makes numbers smaller than this; a file of a kilobyte may claim a terabyte.
_EXPANDS = 1100
_DEMO = re.compile(r'demo_(\d{1,9})')


def refused(group: Any, problem: str, allowed: str = '', fix: str = '') -> DatasetError:
    """The error for what is wrong with the file of a group."""
    return DatasetError(problem, where=str(group.file.filename), allowed=allowed, fix=fix)


def demos(file: Any) -> list[str]:
    """Names of the demonstrations, by number.

    Raises:
        DatasetError: If there is none.
    """
    group = member(file, 'data')
    names = [name for name in group if _DEMO.fullmatch(name)]
    if not names:
        raise refused(group, 'no data/demo_0', 'a robomimic dataset')
    return sorted(names, key=lambda name: int(name[5:]))


def member(group: Any, path: str) -> Any:
    """A member of a group; a link into another file is refused.

    Raises:
        DatasetError: If it is missing or not in this very file.
    """
    h5py = library('h5py')
    step()
    for name in path.split('/'):
        link = group.get(name, getlink=True) if isinstance(group, h5py.Group) else None
        if link is None:
            raise refused(group, f'no {path} in it', 'a robomimic dataset')
        if not isinstance(link, h5py.HardLink):
            fix = 'copy it with h5repack or h5copy'
            raise refused(group, f'{path} is a link', 'everything in the one file', fix)
        group = group[name]
    return group


def array(group: Any, path: str) -> Any:
    """A dataset of a group, not read yet.

    Raises:
        DatasetError: If it is missing, no dataset, or has its numbers in another file.
    """
    found = member(group, path)
    if not isinstance(found, library('h5py').Dataset):
        raise refused(group, f'{path} is a group', 'an array')
    virtual = found.is_virtual and any(s.file_name != '.' for s in found.virtual_sources())
    if virtual or found.external:
        problem = f'{path} has its numbers in another file'
        raise refused(group, problem, 'everything in the one file')
    return found


def numbers(group: Any, path: str, frames: int) -> NDArray[Any]:
    """An array of numbers with one row a frame, in memory.

    Raises:
        DatasetError: If it has another length or does not hold numbers.
    """
    found = array(group, path)
    if not found.shape or found.shape[0] != frames or found.dtype.kind not in 'fiub':
        problem = f'{path} of type {found.dtype} and shape {found.shape}'
        raise refused(group, problem, f'numbers in {frames} rows')
    values: NDArray[Any] = _stored(group, path, found)
    return values


def _stored(group: Any, path: str, found: Any) -> Any:
    """All that an array holds, unless it claims more than the file can hold."""
    step()
    # A virtual one stores nothing itself: its numbers are anywhere in the file.
    whole = found.is_virtual
    stored = Path(group.file.filename).stat().st_size if whole else found.id.get_storage_size()
    if found.nbytes > _EXPANDS * max(stored, 1 << 16):
        raise refused(group, f'{path} claims {found.nbytes} bytes, {stored} are stored')
    return found[()]


def text(group: Any, path: str) -> str:
    """A text of a group.

    Raises:
        DatasetError: If it is missing or no text.
    """
    value = _stored(group, path, array(group, path))
    if not isinstance(value, bytes):
        raise refused(group, f'{path} is no text')
    return value.decode('utf-8')


def length(demo: Any) -> int:
    """How many frames a demonstration has, by `num_samples` or else by its actions.

    Raises:
        DatasetError: If the two disagree, or there are none.
    """
    rows = array(demo, ACTIONS).shape
    stated = int(demo.attrs.get('num_samples', rows[0] if rows else 0))
    if not rows or stated != rows[0] or stated < 1:
        raise DatasetError(
            f'num_samples {stated}, actions of shape {rows}',
            where=f'{demo.file.filename}{demo.name}',
        )
    return stated


def features(demo: Any) -> dict[str, ForeignFeature]:
    """Features of a demonstration: `actions`, and the observations by key."""
    frame = array(demo, ACTIONS).shape[1:]
    found = {ACTIONS: ForeignFeature(shape=tuple(frame))}
    observations = member(demo, 'obs')
    for key in observations:
        stored = array(observations, key)
        shape = tuple(stored.shape[1:])
        image = len(shape) in (2, 3) and stored.dtype in (np.uint8, np.uint16)
        found[key] = ForeignFeature(shape=shape, image=image)
    return found
