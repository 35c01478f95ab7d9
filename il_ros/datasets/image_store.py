"""The images of a dataset by frame: encoded ones in one file, or an array of pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import DatasetError, IlRosError
from il_ros.core.images import decode, encode
from il_ros.core.regular_files import require_regular
from il_ros.core.streams import ImageStream
from il_ros.datasets.dataset_arrays import ArraySpec, open_array, pixels_spec
from il_ros.datasets.manifest import damaged_dataset

Pixels = NDArray[Any]

_BLOCK = 64  # images that are in memory at a time where all are gone through


class EncodedImages:
    """Images of one key, one for each frame, in one file, each encoded for itself.

    Args:
        stream: What the contract says of them.
        blob: All bytes, uint8 of shape (B,).
        offsets: Where each image begins, int64 of shape (F + 1,); the last one is B.
        where: Names them in errors.
    """

    def __init__(
        self, stream: ImageStream, blob: NDArray[np.uint8], offsets: NDArray[np.int64], where: str
    ) -> None:
        self.stream = stream
        # A view that is no memmap: indexing it costs a tenth.
        self.blob, self.offsets = blob.view(np.ndarray), offsets.view(np.ndarray)
        self._where, self._shape = where, pixels_spec(stream).shape

    @classmethod
    def of(cls, stream: ImageStream, images: Sequence[bytes], where: str) -> EncodedImages:
        """Encoded images in memory; empty where a frame has none."""
        offsets = np.concatenate([[0], np.cumsum([len(image) for image in images])])
        blob = np.frombuffer(b''.join(images), np.uint8)
        return cls(stream, blob, offsets.astype(np.int64), where)

    @property
    def suffix(self) -> str:
        """Ending of a file that has what `encoded` gives, by the first image that there is."""
        there = np.flatnonzero(np.diff(self.offsets))
        start = int(self.offsets[there[0]]) if len(there) else 0
        return '.png' if bytes(self.blob[start : start + 4]) == b'\x89PNG' else '.jpg'

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, frame: int) -> Pixels:
        """Pixels: uint8 (H, W, 3) RGB, uint8 (H, W) gray, or uint16 (H, W) depth [mm].

        Raises:
            DatasetError: If the frame has no image, or a damaged one.
        """
        start, stop = self._range(frame)
        if start == stop:
            raise DatasetError(f'no image at frame {frame}', where=self._where)
        try:
            pixels = decode(self.blob[start:stop].data, self.stream.encoding)
        except IlRosError as problem:
            raise damaged_dataset(f'frame {frame}: {problem.problem}', self._where) from None
        if pixels.shape != self._shape:
            raise damaged_dataset(
                f'frame {frame} of shape {pixels.shape}', self._where, allowed=str(self._shape)
            )
        return pixels

    def encoded(self, frame: int) -> bytes:
        """The image as it was put in; empty where the frame has none."""
        start, stop = self._range(frame)
        return self.blob[start:stop].tobytes()

    def _range(self, frame: int) -> tuple[int, int]:
        if not 0 <= frame < len(self):
            raise IndexError(f'frame {frame} of {len(self)}')
        return int(self.offsets[frame]), int(self.offsets[frame + 1])


class RawImages:
    """Images of one key, one for each frame, as one array of pixels.

    Args:
        stream: What the contract says of them.
        pixels: Shape (F, H, W) or (F, H, W, 3).
        valid: Which frames have one, bool of shape (F,).
        where: Names them in errors.
    """

    suffix = '.png'

    def __init__(
        self, stream: ImageStream, pixels: Pixels, valid: NDArray[np.bool_], where: str = 'images'
    ) -> None:
        self.stream = stream
        self.pixels = pixels.view(np.ndarray)
        self._valid, self._where = valid, where

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, frame: int) -> Pixels:
        """Pixels, as of `EncodedImages`."""
        if not self._valid[frame]:
            raise DatasetError(f'no image at frame {frame}', where=self._where)
        image: Pixels = self.pixels[frame]
        return image

    def encoded(self, frame: int) -> bytes:
        """The image as PNG, which loses nothing; empty where the frame has none."""
        return encode(self.pixels[frame], 'png') if self._valid[frame] else b''


ImageStore = EncodedImages | RawImages


def open_images(
    folder: Path, key: str, stream: ImageStream, valid: NDArray[np.bool_], *, raw: bool
) -> ImageStore:
    """Open the images of a key, memory-mapped; `valid` says which frames have one.

    Raises:
        DatasetError: If a file is missing or damaged.
    """
    frames = len(valid)
    if raw:
        pixels = open_array(folder, f'{key}.pixels', pixels_spec(stream), frames)
        return RawImages(stream, pixels, valid, str(folder / f'{key}.pixels.npy'))
    offsets = open_array(folder, f'{key}.offsets', ArraySpec(dtype=np.dtype(np.int64)), frames + 1)
    path = folder / f'{key}.images'
    try:
        size = require_regular(path)
        blob = np.memmap(path, np.uint8, mode='r') if size else np.empty(0, np.uint8)
    except (OSError, ValueError) as problem:
        raise damaged_dataset(f'cannot be opened: {problem}', str(path)) from None
    lengths = np.diff(offsets)
    if offsets[0] != 0 or offsets[-1] != size or (lengths < 0).any():
        raise damaged_dataset(
            f'{size} bytes, but its offsets go from {offsets[0]} to {offsets[-1]}', str(path)
        )
    if not np.array_equal(lengths > 0, valid):
        frame = int(np.flatnonzero((lengths > 0) != valid)[0])
        raise damaged_dataset(
            f'frame {frame} is marked {"valid" if valid[frame] else "invalid"}, but its image has '
            f'{lengths[frame]} bytes',
            str(path),
        )
    return EncodedImages(stream, blob, offsets, str(path))


def pixel_blocks(stream: ImageStream, images: tuple[bytes, ...], where: str) -> Iterator[Pixels]:
    """Encoded images as blocks of pixels, shape (n, H, W[, 3]); zeros where there is none.

    Raises:
        DatasetError: If one is damaged or of another size.
    """
    column = pixels_spec(stream)
    for start in range(0, len(images), _BLOCK):
        chosen = images[start : start + _BLOCK]
        store = EncodedImages.of(stream, chosen, where)
        block = np.zeros((len(chosen), *column.shape), column.dtype)
        for i, image in enumerate(chosen):
            if image:
                block[i] = store[i]
        yield block
