"""Datasets as ALOHA's recorder and Diffusion Policy's replay buffer write them, made of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import h5py
import numcodecs
import numpy as np
from numpy.typing import NDArray

from il_ros.datasets.dataset import Dataset

Array = NDArray[Any]


def write_aloha(dataset: Dataset, folder: Path, *, packed: bool) -> None:
    """A file an episode; images `packed` as JPEG with OpenCV, which takes rgb8 for bgr8."""
    folder.mkdir(parents=True)
    for number, entry in enumerate(dataset.episodes):
        rows = slice(entry.start, entry.stop)
        with h5py.File(str(folder / f'episode_{number}.hdf5'), 'w') as file:
            file.attrs['sim'], file.attrs['compress'] = False, packed
            file['action'] = dataset.action[rows].astype(np.float64)
            for key, values in dataset.values.items():
                file[f'observations/{key}'] = values[rows].astype(np.float64)
            lengths = []
            for key in dataset.images:
                pixels = images_of(dataset, key, rows)
                stored, counts = padded_jpegs(pixels) if packed else (pixels, None)
                lengths.append(counts)
                place = f'observations/images/{key}'
                file.create_dataset(place, data=stored, chunks=(1, *stored.shape[1:]))
            if packed and lengths:
                file['compress_len'] = np.array(lengths, np.float32)


def images_of(dataset: Dataset, key: str, rows: slice) -> Array:
    """Pixels of some frames, shape (n, H, W[, 3])."""
    return np.stack([dataset.images[key][i] for i in range(rows.start, rows.stop)])


def padded_jpegs(pixels: Array) -> tuple[NDArray[np.uint8], list[int]]:
    """Each image as a JPEG with zeros up to the longest; and their lengths."""
    blobs = [cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 50])[1] for image in pixels]
    padded = np.zeros((len(blobs), max(map(len, blobs))), np.uint8)
    for row, blob in zip(padded, blobs, strict=True):
        row[: len(blob)] = blob.ravel()
    return padded, [len(blob) for blob in blobs]


def write_replay_buffer(
    dataset: Dataset, folder: Path, *, chunk: int = 7, codec: str | None = 'blosc'
) -> None:
    """A zarr folder; images are floats from 0 to 255, as those of PushT."""
    columns: dict[str, Array] = {'action': dataset.action, **dataset.values}
    every = slice(0, dataset.frames)
    for key in dataset.images:
        columns[key] = images_of(dataset, key, every).astype(np.float32)
    for name, values in columns.items():
        chunks = (chunk, *values.shape[1:])
        write_zarr(folder / 'data' / name, np.asarray(values), chunks=chunks, codec=codec)
    ends = np.array([entry.stop for entry in dataset.episodes])
    write_zarr(folder / 'meta/episode_ends', ends, chunks=(len(ends) + 2,), codec=codec)
    for group in ('.', 'data', 'meta'):
        (folder / group / '.zgroup').write_text('{"zarr_format": 2}')


def write_zarr(
    folder: Path,
    values: Array,
    *,
    chunks: tuple[int, ...],
    codec: str | None = 'blosc',
    order: str = 'C',
    separator: str = '.',
    sparse: bool = False,
    head: Mapping[str, Any] | None = None,
) -> None:
    """An array in zarr's layout of version 2.

    Args:
        folder: Its folder.
        values: The array.
        chunks: Shape of a chunk.
        codec: Id of the compressor; None for none.
        order: Of the numbers in a chunk.
        separator: Between the numbers of a chunk's name.
        sparse: Leave out chunks of zeros.
        head: Entries of `.zarray` in the place of the right ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    packer = None if codec is None else numcodecs.get_codec({'id': codec})
    right: Mapping[str, Any] = {
        'zarr_format': 2, 'shape': values.shape, 'chunks': chunks, 'dtype': values.dtype.str,
        'compressor': None if packer is None else packer.get_config(), 'filters': None,
        'fill_value': 0, 'order': order, 'dimension_separator': separator,
    }  # fmt: skip
    (folder / '.zarray').write_text(json.dumps({**right, **(head or {})}))
    counts = [range(-(-n // c)) for n, c in zip(values.shape, chunks, strict=True)]
    for place in product(*counts):
        part = values[tuple(slice(i * c, (i + 1) * c) for i, c in zip(place, chunks, strict=True))]
        whole = np.zeros(chunks, values.dtype)
        whole[tuple(slice(n) for n in part.shape)] = part
        if sparse and not whole.any():
            continue
        file = folder / separator.join(map(str, place))
        file.parent.mkdir(parents=True, exist_ok=True)
        data = whole.tobytes(order='F' if order == 'F' else 'C')
        file.write_bytes(data if packer is None else bytes(packer.encode(data)))
