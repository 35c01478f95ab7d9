"""Blur: a lens out of focus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from il_ros.datasets.augmentation.augmentation_step import Samples, require_fraction, require_within
from il_ros.datasets.augmentation.pixels import Images, changed


@dataclass(frozen=True, kw_only=True)
class Blur:
    """How often and how much.

    Attributes:
        probability: Fraction of the images that are blurred.
        sigma: Largest standard deviation of the Gaussian [pixel], drawn evenly from 0.1 on.
        keys: Images that are blurred; None for all but depth.
    """

    probability: float = 0.5
    sigma: float = 1.0
    keys: tuple[str, ...] | None = None


class BlurImages:
    """Blurs images with a Gaussian. Actions stay as they are.

    Args:
        settings: How often and how much.

    Raises:
        DatasetError: If a setting is out of range.
    """

    def __init__(self, settings: Blur) -> None:
        require_fraction(settings.probability, 'blur.probability')
        require_within(settings.sigma, 0.1, 100.0, 'blur.sigma')
        self._settings = settings

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """Samples with blurred images."""
        keys = self._settings.keys
        return changed(samples, keys, self._blur, rng, depth=False, where='blur')

    def _blur(self, images: Images, rng: np.random.Generator) -> Images:
        import cv2

        chosen = rng.random(len(images)) < self._settings.probability
        sigmas = rng.uniform(0.1, self._settings.sigma, len(images))
        blurred = images.copy()
        for i in np.flatnonzero(chosen):
            blurred[i] = cv2.GaussianBlur(np.ascontiguousarray(images[i]), (0, 0), sigmas[i])
        return blurred
