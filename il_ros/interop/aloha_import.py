"""ALOHA's HDF5 files, `episode_0.hdf5`, `episode_1.hdf5`, ..., as a source of episodes.

As the recorders of ACT and ALOHA write them: `action`, `base_action`, and in `observations` `qpos`,
`qvel`, `effort` and `images/CAMERA`. Images are pixels (F, H, W, 3) as the camera's topic had them,
rgb8; or JPEG with zeros up to the longest one's length, (F, L). `compress_len` has the lengths, but
not the cameras that they are of, and some writers fill it with other numbers; a JPEG never ends
with a zero, so it is not needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.streams import ImageStream
from il_ros.datasets.episode_arrays import EpisodeArrays
from il_ros.interop import hdf5_files as hdf5
from il_ros.interop.dataset_import import ImportSource, even_stamps, foreign_episode
from il_ros.interop.feature_mapping import FeatureMapping, ForeignFeature
from il_ros.interop.foreign_files import library
from il_ros.interop.foreign_images import kept_image

WHAT = 'an episode of ALOHA'
ACTION = 'action'
IMAGES = 'images'
_LONGEST = 1 << 26  # bytes of an encoded image
_FILE = re.compile(r'episode_(\d{1,9})\.hdf5')


def open_aloha(path: Path) -> AbstractContextManager[AlohaImport]:
    """Open a folder of episodes, or one file, to import it.

    Raises:
        DatasetError: If there is no episode.
    """
    return nullcontext(AlohaImport(path))


class AlohaImport(ImportSource):
    """The episodes of ALOHA in a folder, by number.

    Features are `action` and `base_action`, what is in `observations`, and `images/CAMERA`.
    """

    action = ACTION

    def __init__(self, path: Path) -> None:
        found = [f for f in path.iterdir() if _FILE.fullmatch(f.name)] if path.is_dir() else [path]
        if not found:
            raise DatasetError(
                'no episode_0.hdf5 in it', where=str(path), allowed=WHAT, fix='check --format'
            )
        numbered = _FILE.fullmatch
        self._files = sorted(
            found, key=lambda f: int(match[1]) if (match := numbered(f.name)) else 0
        )

    def feature_of(self, contract: Contract, key: str) -> str:
        """The feature of a key."""
        return f'{IMAGES}/{key}' if key in contract.images else key

    def features(self) -> Mapping[str, ForeignFeature]:
        """Features of the first episode."""
        with hdf5.open_hdf5(self._files[0], WHAT) as file:
            return _features(file)

    def foreign(self, contract: Contract, mapping: FeatureMapping) -> Iterator[EpisodeArrays]:
        """Each episode by a mapping, with stamps made from the contract's rate."""
        features = self.features()
        for path in self._files:
            with hdf5.open_hdf5(path, WHAT) as file:
                yield _foreign(file, path, contract, mapping, features)


def _features(file: Any) -> dict[str, ForeignFeature]:
    observations = hdf5.member(file, 'observations')
    names = [name for name in file if name in (ACTION, 'base_action')]
    names += [name for name in observations if _is_array(observations, name)]
    found = {name: hdf5.feature(hdf5.array(file, _place(name))) for name in names}
    # A row of bytes is no image unless it lies where images do.
    found = {name: replace(feature, image=False) for name, feature in found.items()}
    for camera in hdf5.member(observations, IMAGES) if IMAGES in observations else ():
        stored = hdf5.array(observations, f'{IMAGES}/{camera}')
        shape = tuple(stored.shape[1:])
        found[f'{IMAGES}/{camera}'] = ForeignFeature(shape=shape, image=True)
    return found


def _is_array(group: Any, name: str) -> bool:
    return isinstance(hdf5.member(group, name), library('h5py').Dataset)


def _place(feature: str) -> str:
    return feature if feature in (ACTION, 'base_action') else f'observations/{feature}'


def _foreign(
    file: Any,
    path: Path,
    contract: Contract,
    mapping: FeatureMapping,
    features: Mapping[str, ForeignFeature],
) -> EpisodeArrays:
    frames = len(hdf5.array(file, ACTION)) if hdf5.array(file, ACTION).shape else 0
    if not frames:
        raise hdf5.refused(file, 'an action without frames')

    def numbers(name: str) -> NDArray[Any]:
        values = hdf5.numbers(file, _place(name), frames)
        if values.shape[1:] != features[name].shape:
            problem = f'{name} of shape {values.shape}'
            raise hdf5.refused(file, problem, str((frames, *features[name].shape)))
        return values

    def images(key: str, name: str, swap: bool) -> tuple[bytes, ...]:
        stream, place = contract.images[key], _place(name)
        if len(hdf5.array(file, place).shape) > 2:
            return hdf5.pixel_images(stream, file, place, frames, swap=swap)
        return _packed(stream, file, place, frames, path, swap=swap)

    return foreign_episode(
        contract,
        mapping,
        id=path.stem,
        bag=path,
        numbers=numbers,
        images=images,
        stamp=even_stamps(frames, contract.rate),
    )


def _packed(
    stream: ImageStream, file: Any, place: str, frames: int, path: Path, *, swap: bool
) -> tuple[bytes, ...]:
    """JPEG images, which lie padded with zeros, or in rows of their own length.

    The recorder hands rgb8 to OpenCV, which takes it for bgr8: red and blue of its files are the
    other way round, unless `swap` says that they are not.
    """
    stored = hdf5.array(file, place)
    own_length = library('h5py').vlen_dtype(np.uint8)
    rows = stored.shape[:1] == (frames,)
    if not rows or (len(stored.shape), stored.dtype) not in ((2, np.uint8), (1, own_length)):
        raise hdf5.refused(
            file,
            f'{place} of type {stored.dtype} and shape {stored.shape}',
            f'bytes in {frames} rows',
        )
    if len(stored.shape) == 2 and stored.shape[1] > _LONGEST:
        raise hdf5.refused(file, f'{place} has rows of {stored.shape[1]} bytes', f'{_LONGEST}')
    return tuple(
        kept_image(stream, hdf5.row(stored, i).tobytes().rstrip(b'\0'), path, swap=not swap)
        for i in range(frames)
    )
