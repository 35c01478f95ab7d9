"""The replay buffer of Diffusion Policy, a zarr folder, as a source of episodes.

As its code writes it: `data/KEY`, an array with a row a frame of all episodes, and
`meta/episode_ends`, the row after the last one of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.streams import ImageStream
from il_ros.datasets.episode_arrays import EpisodeArrays
from il_ros.interop.dataset_import import ImportSource, even_stamps, foreign_episode
from il_ros.interop.feature_mapping import FeatureMapping, ForeignFeature
from il_ros.interop.foreign_files import reading
from il_ros.interop.foreign_images import encoded_as, require_size
from il_ros.interop.zarr_arrays import ARRAY_FILE, ZarrArray

WHAT = 'a zarr replay buffer (data, meta/episode_ends)'
ACTION = 'action'
_SMALLEST = 8  # pixels that an image of floats is high and wide, at least
_ENDS = 1 << 20  # episodes


@contextmanager
def open_replay_buffer(path: Path) -> Iterator[ReplayBufferImport]:
    """Open a zarr folder to import it.

    Raises:
        DatasetError: If it is damaged; also for what is noticed later on.
    """
    with reading(path, WHAT):
        yield ReplayBufferImport(path)


class ReplayBufferImport(ImportSource):
    """The episodes of a replay buffer; its features are the arrays in `data`."""

    action = ACTION

    def __init__(self, path: Path) -> None:
        self._path = path
        places = sorted(path.glob(f'data/*/{ARRAY_FILE}'))
        self._arrays = {place.parent.name: ZarrArray(place.parent, path) for place in places}
        if ACTION not in self._arrays:
            raise DatasetError(
                f'no data/{ACTION} in it', where=str(path), allowed=WHAT, fix='check --format'
            )
        self._ends = self._episode_ends()

    def features(self) -> Mapping[str, ForeignFeature]:
        """The arrays by name."""
        return {
            name: ForeignFeature(shape=array.shape[1:], image=_is_image(array))
            for name, array in self._arrays.items()
        }

    def foreign(self, contract: Contract, mapping: FeatureMapping) -> Iterator[EpisodeArrays]:
        """Each episode by a mapping, with stamps made from the contract's rate."""
        used = [part.feature for part in (*mapping.streams.values(), mapping.action)]
        for name in (*used, *mapping.images.values()):
            self._require_rows(name)
        begin = 0
        for number, end in enumerate(self._ends):
            yield self._foreign(contract, mapping, number, begin, end)
            begin = end

    def _foreign(
        self, contract: Contract, mapping: FeatureMapping, number: int, begin: int, end: int
    ) -> EpisodeArrays:
        return foreign_episode(
            contract,
            mapping,
            id=f'episode_{number:06d}',
            bag=self._path,
            numbers=lambda name: self._arrays[name].rows(begin, end),
            images=lambda key, name, swap: tuple(
                self._images(contract.images[key], name, begin, end, swap=swap)
            ),
            stamp=even_stamps(end - begin, contract.rate),
        )

    def _images(
        self, stream: ImageStream, name: str, begin: int, end: int, *, swap: bool
    ) -> Iterator[bytes]:
        array, where = self._arrays[name], self._path / 'data' / name
        require_size(stream, array.shape[1:3], where)
        colours = 3 if stream.encoding == 'rgb8' else 1
        deep = stream.encoding == '16UC1'
        if array.shape[3:] not in ((colours,), () if colours == 1 else (colours,)) or deep != (
            array.dtype == np.uint16
        ):
            raise DatasetError(
                f'{array.dtype} of shape {array.shape}',
                where=str(where),
                allowed=f'images of {stream.encoding}, as the contract has it',
            )
        for block in array.blocks(begin, end):
            for pixels in block:
                yield encoded_as(stream, pixels if deep else _bytes(pixels, where), swap=swap)

    def _require_rows(self, name: str) -> None:
        array = self._arrays[name]
        array.require_stored()
        if array.shape[0] != self._ends[-1]:
            raise DatasetError(
                f'{array.shape[0]} rows',
                where=str(self._path / 'data' / name),
                allowed=f'{self._ends[-1]}, as meta/episode_ends says',
            )

    def _episode_ends(self) -> list[int]:
        place = self._path / 'meta/episode_ends'
        array = ZarrArray(place, self._path)
        array.require_stored()
        if len(array.shape) != 1 or array.dtype.kind not in 'iu' or not 0 < array.shape[0] <= _ENDS:
            raise DatasetError(
                f'{array.dtype} of shape {array.shape}',
                where=str(place),
                allowed=f'whole numbers, 1 to {_ENDS}',
            )
        ends: list[int] = array.rows(0, array.shape[0]).tolist()
        if any(end <= begin for begin, end in zip([0, *ends], ends, strict=False)):
            raise DatasetError('episodes without a frame', where=str(place), fix='get it again')
        return ends


def _is_image(array: ZarrArray) -> bool:
    shape = array.shape[1:]
    if array.dtype in (np.uint8, np.uint16):
        return len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))
    return (
        array.dtype.kind == 'f'
        and len(shape) == 3
        and shape[2] in (1, 3)
        and min(shape[:2]) >= _SMALLEST
    )


def _bytes(pixels: NDArray[Any], where: Path) -> NDArray[np.uint8]:
    """Pixels of 8 bits; floats have to be whole numbers from 0 to 255, as PushT's are."""
    if pixels.dtype == np.uint8:
        return pixels
    made = np.clip(np.nan_to_num(pixels, nan=0.0), 0, 255).astype(np.uint8)
    if not np.array_equal(made, pixels):
        raise DatasetError(
            f'pixels of {np.fmin.reduce(pixels, axis=None):g} to '
            f'{np.fmax.reduce(pixels, axis=None):g}',
            where=str(where),
            allowed='whole numbers from 0 to 255',
            fix='store them as uint8',
        )
    return made
