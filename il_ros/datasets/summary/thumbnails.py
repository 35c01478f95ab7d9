"""Small images of some moments of some episodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.dataset_summary import Thumbnail
from il_ros.core.errors import IlRosError
from il_ros.core.images import encode
from il_ros.datasets.dataset import Dataset

WIDTH = 200
"""Largest width of a thumbnail [pixel]."""


def thumbnails_of(dataset: Dataset, episodes: Iterable[int]) -> Iterator[Thumbnail]:
    """First, middle and last frame of each of `episodes`, of every camera."""
    for index in episodes:
        first, last = dataset.episodes[index].start, dataset.episodes[index].stop - 1
        moments = {'first': first, 'middle': (first + last) // 2, 'last': last}
        for camera, store in dataset.images.items():
            for moment, row in moments.items():
                jpeg = _small(store, row) if dataset.valid[camera][row] else b''
                yield Thumbnail(camera=camera, episode=index, moment=moment, jpeg=jpeg)


def _small(store: Any, row: int) -> bytes:
    """A thumbnail; empty where the image is damaged, which the page shows as missing."""
    import cv2

    try:
        pixels = store[row]
    except IlRosError:
        return b''
    if pixels.dtype != np.uint8:
        pixels = _gray(pixels)
    height, width = pixels.shape[:2]
    scale = min(1.0, WIDTH / width)
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return encode(pixels, 'jpeg', 80)


def _gray(depth: NDArray[Any]) -> NDArray[np.uint8]:
    """Depth as gray from its nearest to its farthest; 0 is no measurement and stays black."""
    known = depth[depth > 0]
    if not len(known):
        return np.zeros(depth.shape, np.uint8)
    low, high = np.percentile(known, (2, 98))
    scaled = 255 - 215 * np.clip((depth - low) / max(high - low, 1.0), 0.0, 1.0)
    return np.where(depth > 0, scaled, 0).astype(np.uint8)
