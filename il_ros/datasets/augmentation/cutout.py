"""Cut-out (DeVries & Taylor 2017): a square of the image is hidden, as a hand or a cable does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from il_ros.core.errors import DatasetError
from il_ros.datasets.augmentation.augmentation_step import Samples, require_fraction, require_within
from il_ros.datasets.augmentation.pixels import Images, changed


@dataclass(frozen=True, kw_only=True)
class Cutout:
    """How often and how much is hidden.

    Attributes:
        probability: Fraction of the images that have something hidden.
        size: Side of the square, as a fraction of the image's shorter side, 0 to 1.
        count: Squares in an image.
        keys: Images that it is done to; None for all.
    """

    probability: float = 0.5
    size: float = 0.2
    count: int = 1
    keys: tuple[str, ...] | None = None


class HideSquares:
    """Hides squares, centred anywhere in the image. Actions stay as they are.

    A square has the image's mean colour; in a depth image 0, which says that nothing was measured.

    Args:
        settings: How often and how much.

    Raises:
        DatasetError: If a setting is out of range.
    """

    def __init__(self, settings: Cutout) -> None:
        require_fraction(settings.probability, 'cutout.probability')
        require_within(settings.size, 0.0, 1.0, 'cutout.size')
        if settings.count < 1:
            raise DatasetError(f'got {settings.count}', where='cutout.count', allowed='1 or more')
        self._settings = settings

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """Samples with parts of their images hidden."""
        keys = self._settings.keys
        return changed(samples, keys, self._hide, rng, depth=True, where='cutout')

    def _hide(self, images: Images, rng: np.random.Generator) -> Images:
        import cv2

        count, height, width = images.shape[:3]
        chosen = rng.random(count) < self._settings.probability
        side = round(self._settings.size * min(height, width))
        shape = (count, self._settings.count)
        tops = rng.integers(height, size=shape) - side // 2
        lefts = rng.integers(width, size=shape) - side // 2
        hidden = images.copy()
        for i in np.flatnonzero(chosen):
            depth = images.dtype == np.uint16
            fill = 0.0 if depth else np.rint(cv2.mean(images[i])[: 3 if images.ndim == 4 else 1])
            for top, left in zip(tops[i], lefts[i], strict=True):
                hidden[i, max(top, 0) : top + side, max(left, 0) : left + side] = fill
        return hidden
