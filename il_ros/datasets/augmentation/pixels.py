"""What the augmentations of images have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import DatasetError
from il_ros.datasets.augmentation.augmentation_step import Samples

Images = NDArray[Any]
Change = Callable[[Images, np.random.Generator], Images]


def changed(
    samples: Samples,
    keys: tuple[str, ...] | None,
    change: Change,
    rng: np.random.Generator,
    *,
    depth: bool,
    where: str,
) -> Samples:
    """Samples with `change` done to their images, one key after the other.

    Args:
        samples: The samples.
        keys: Images that are meant; None for all that it can be done to.
        change: From images of one key to as many of the same shape and dtype.
        rng: Where `change` draws from.
        depth: Whether it can be done to depth images (uint16).
        where: The setting that errors name.

    Raises:
        DatasetError: If there is no such image, none at all, or a depth image is named for what
            only colours have.
    """
    possible = [key for key, image in samples.images.items() if depth or image.dtype == np.uint8]
    wanted = possible if keys is None else list(keys)
    missing = [key for key in wanted if key not in possible]
    if missing or not wanted:
        raise DatasetError(
            f'the samples have no image {", ".join(missing)}'.rstrip() + ' for it',
            where=where,
            allowed=possible or 'no image: this policy, or this contract, sees none',
            fix='leave it out' if not possible else 'correct its keys',
        )
    images = {key: change(samples.images[key], rng) for key in wanted}
    return replace(samples, images={**samples.images, **images})
