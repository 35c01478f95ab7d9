"""Random crops: the image shifted, or a part of it at full size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from il_ros.core.errors import DatasetError
from il_ros.datasets.augmentation.augmentation_step import Samples, require_within
from il_ros.datasets.augmentation.pixels import Images, changed


@dataclass(frozen=True, kw_only=True)
class Crop:
    """How much of an image may be lost.

    Attributes:
        shift: Largest shift along each axis [pixel]; the edge is repeated (the random shift of
            Kostrikov et al. 2021, DrQ: pad by this much, crop back to the size).
        zoom: Largest fraction of the sides that is cut off, at a random place, before the rest is
            resized to the old size; 0 to 0.9.
        keys: Images that are cropped; None for all.
    """

    shift: int = 4
    zoom: float = 0.0
    keys: tuple[str, ...] | None = None


class CropImages:
    """Crops images, zoom first. Actions stay as they are.

    Args:
        settings: How much.

    Raises:
        DatasetError: If a setting is out of range.
    """

    def __init__(self, settings: Crop) -> None:
        if settings.shift < 0:
            raise DatasetError(f'got {settings.shift}', where='crop.shift', allowed='0 or more')
        require_within(settings.zoom, 0.0, 0.9, 'crop.zoom')
        self._settings = settings

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """Samples with cropped images."""
        keys = self._settings.keys
        return changed(samples, keys, self._crop, rng, depth=True, where='crop')

    def _crop(self, images: Images, rng: np.random.Generator) -> Images:
        if self._settings.zoom > 0.0:
            images = _zoomed(images, self._settings.zoom, rng)
        return _shifted(images, self._settings.shift, rng)


def _shifted(images: Images, most: int, rng: np.random.Generator) -> Images:
    count, height, width = images.shape[:3]
    edges = [(0, 0), (most, most), (most, most), (0, 0)]
    padded = np.pad(images, edges[: images.ndim], mode='edge')
    tops, lefts = rng.integers(0, 2 * most, (2, count), endpoint=True)
    shifted = np.empty_like(images)
    for new, old, top, left in zip(shifted, padded, tops, lefts, strict=True):
        new[:] = old[top : top + height, left : left + width]
    return shifted


def _zoomed(images: Images, most: float, rng: np.random.Generator) -> Images:
    import cv2

    count, height, width = images.shape[:3]
    keep = 1.0 - most * rng.random(count)
    rows, columns = np.rint(keep * height).astype(int), np.rint(keep * width).astype(int)
    tops, lefts = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
    # Depths are not mixed: between two surfaces there is none.
    how = cv2.INTER_NEAREST if images.dtype == np.uint16 else cv2.INTER_LINEAR
    zoomed = np.empty_like(images)
    for new, old, top, left, h, w in zip(zoomed, images, tops, lefts, rows, columns, strict=True):
        part = np.ascontiguousarray(old[top : top + h, left : left + w])
        new[:] = cv2.resize(part, (width, height), interpolation=how)
    return zoomed
