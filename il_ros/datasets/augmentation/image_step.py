"""What the augmentations of images have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import DatasetError
from il_ros.datasets.augmentation.augmentation_step import Samples

Images = NDArray[Any]


class ImageStep(ABC):
    """An augmentation of images alone, one key after the other; actions stay as they are.

    Args:
        keys: Images to change; None for all that it can change.

    Attributes:
        setting: The setting that errors name.
        depth: Whether it can change depth images (uint16).
    """

    setting: ClassVar[str]
    depth: ClassVar[bool]

    def __init__(self, keys: tuple[str, ...] | None) -> None:
        self._keys = keys

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """Samples with changed images.

        Raises:
            DatasetError: If there is no such image, none at all, or a depth image is named for
                what only colours have.
        """
        images = samples.images
        possible = [key for key, image in images.items() if self.depth or image.dtype == np.uint8]
        chosen = possible if self._keys is None else list(self._keys)
        missing = [key for key in chosen if key not in possible]
        if missing or not chosen:
            raise DatasetError(
                f'the samples have no image {", ".join(missing)}'.rstrip() + ' for it',
                where=self.setting,
                allowed=possible or 'no image: this policy, or this contract, sees none',
                fix='leave it out' if not possible else 'correct its keys',
            )
        changed = {key: self.change(images[key], rng) for key in chosen}
        return replace(samples, images={**images, **changed})

    @abstractmethod
    def change(self, images: Images, rng: np.random.Generator) -> Images:
        """Images of one key, (B, ...), to as many of the same shape and dtype; draws from `rng`."""
