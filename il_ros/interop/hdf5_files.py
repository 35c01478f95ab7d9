"""Reading HDF5 files that may be damaged or hostile: everything is in the one file, and bounded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import DatasetError
from il_ros.core.streams import ImageStream
from il_ros.interop.feature_mapping import ForeignFeature
from il_ros.interop.foreign_files import library, reading, regular
from il_ros.interop.foreign_images import encoded_as, require_size
from il_ros.interop.read_limits import step

# No filter of HDF5 makes numbers smaller than this; a file of a kilobyte may claim a terabyte.
_EXPANDS = 1100


@contextmanager
def open_hdf5(path: Path, what: str) -> Iterator[Any]:
    """Open a file (h5py.File) for reading; `what` it has to be, for errors.

    Raises:
        DatasetError: If it is damaged; also for what the library raises later on.
    """
    h5py = library('h5py')
    step()
    with reading(path, what), h5py.File(regular(path), 'r') as file:
        yield file


def refused(group: Any, problem: str, allowed: str = '', fix: str = '') -> DatasetError:
    """The error for what is wrong with the file of a group."""
    return DatasetError(problem, where=str(group.file.filename), allowed=allowed, fix=fix)


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
            raise refused(group, f'no {path} in it', fix='check --format')
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


def row(stored: Any, number: int) -> NDArray[Any]:
    """One row of a dataset."""
    step()
    values: NDArray[Any] = stored[number]
    return values


def feature(stored: Any) -> ForeignFeature:
    """What a dataset with a row a frame holds: pixels, or numbers."""
    shape = tuple(stored.shape[1:])
    image = len(shape) in (2, 3) and stored.dtype in (np.uint8, np.uint16)
    return ForeignFeature(shape=shape, image=image)


def pixel_images(
    stream: ImageStream, group: Any, path: str, frames: int, *, swap: bool
) -> tuple[bytes, ...]:
    """Encoded images of an array of pixels, one a frame; `swap` red and blue.

    Raises:
        DatasetError: If they are not of the contract's kind and size.
    """
    stored = array(group, path)
    wanted = (3,) if stream.encoding == 'rgb8' else (1,)
    dtype = np.uint16 if stream.encoding == '16UC1' else np.uint8
    if (
        stored.shape[:1] != (frames,)
        or stored.shape[3:] not in (wanted, () if wanted == (1,) else wanted)
        or stored.dtype != dtype
    ):
        raise refused(
            group,
            f'{path} of type {stored.dtype} and shape {stored.shape}',
            f'{np.dtype(dtype)} of shape ({frames}, height, width, {wanted[0]})',
        )
    # Before anything is read: a row of pixels that nobody stored may be of any size.
    require_size(stream, stored.shape[1:3], Path(group.file.filename))
    return tuple(encoded_as(stream, row(stored, i), swap=swap) for i in range(frames))
