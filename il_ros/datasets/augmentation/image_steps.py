"""What only images go through: crops, other colours, blur, hidden squares.

Each class holds the settings of its step, and does it. Actions stay as they are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import DatasetError, require
from il_ros.core.limits import Array
from il_ros.datasets.augmentation.augmentation_step import Samples, require_within

Images = NDArray[Any]

_GREY = np.array([0.299, 0.587, 0.114])  # luma of ITU-R BT.601
# The YIQ space of NTSC: the luma, and a plane in which hue is an angle.
_TO_YIQ = np.array([_GREY, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)


class ImageStep(ABC):
    """Changes the images of samples, one key after the other.

    Attributes:
        depth: Whether it can be done to depth images (uint16), too.
        keys: Images that are changed; None for all that it can be done to.
    """

    depth: ClassVar[bool]
    keys: tuple[str, ...] | None

    @abstractmethod
    def _change(self, images: Images, rng: np.random.Generator) -> Images:
        """Changed images of one key: as many, of the same shape and dtype."""

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """Samples with changed images.

        Raises:
            DatasetError: If there is no such image, none at all, or a depth image is named for
                what only colours have.
        """
        images = samples.images
        possible = [key for key in images if self.depth or images[key].dtype == np.uint8]
        wanted = possible if self.keys is None else list(self.keys)
        missing = [key for key in wanted if key not in possible]
        if missing or not wanted:
            raise DatasetError(
                f'the samples have no image {", ".join(missing)}'.rstrip() + ' for it',
                where=type(self).__name__.lower(),  # its name in the settings
                allowed=possible or 'no image: this policy, or this contract, sees none',
                fix='leave it out' if not possible else 'correct its keys',
            )
        changed = {key: self._change(images[key], rng) for key in wanted}
        return replace(samples, images={**images, **changed})


@dataclass(frozen=True, kw_only=True)
class Crop(ImageStep):
    """The image shifted, or a part of it at full size; zoom comes first.

    Attributes:
        shift: Largest shift along each axis [pixel]; the edge is repeated (the random shift of
            Kostrikov et al. 2021, DrQ: pad by this much, crop back to the size).
        zoom: Largest fraction of the sides that is cut off, at a random place, before the rest is
            resized to the old size; 0 to 0.9.
        keys: Images that are cropped; None for all.
    """

    depth: ClassVar[bool] = True
    shift: int = 4
    zoom: float = 0.0
    keys: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        require(self.shift >= 0, self.shift, 'crop.shift', '0 or more', DatasetError)
        require_within(self.zoom, 0.0, 0.9, 'crop.zoom')

    def _change(self, images: Images, rng: np.random.Generator) -> Images:
        zoomed = self._zoomed(images, rng) if self.zoom > 0.0 else images
        return self._shifted(zoomed, rng)

    def _shifted(self, images: Images, rng: np.random.Generator) -> Images:
        count, height, width = images.shape[:3]
        edges = [(0, 0), (self.shift, self.shift), (self.shift, self.shift), (0, 0)]
        padded = np.pad(images, edges[: images.ndim], mode='edge')
        tops, lefts = rng.integers(0, 2 * self.shift, (2, count), endpoint=True)
        shifted = np.empty_like(images)
        for new, old, top, left in zip(shifted, padded, tops, lefts, strict=True):
            new[:] = old[top : top + height, left : left + width]
        return shifted

    def _zoomed(self, images: Images, rng: np.random.Generator) -> Images:
        import cv2

        count, height, width = images.shape[:3]
        keep = 1.0 - self.zoom * rng.random(count)
        rows, columns = np.rint(keep * height).astype(int), np.rint(keep * width).astype(int)
        tops, lefts = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
        # Depths are not mixed: between two surfaces there is none.
        how = cv2.INTER_NEAREST if images.dtype == np.uint16 else cv2.INTER_LINEAR
        zoomed = np.empty_like(images)
        places = zip(tops, lefts, rows, columns, strict=True)
        for new, old, (top, left, h, w) in zip(zoomed, images, places, strict=True):
            part = np.ascontiguousarray(old[top : top + h, left : left + w])
            new[:] = cv2.resize(part, (width, height), interpolation=how)
        return zoomed


@dataclass(frozen=True, kw_only=True)
class Colour(ImageStep):
    """Another light, another camera: brightness, contrast, saturation and hue, in this order.

    All four are affine in a pixel, so each image gets one matrix and one offset, and values are
    cut off at 0 and 255 only in the end. Of a mono image brightness and contrast change. Each is
    drawn evenly, and 0 leaves it alone.

    Attributes:
        brightness: Largest change of the factor on all pixels, 0 to 1.
        contrast: Largest change of the factor on the difference to the image's mean grey, 0 to 1.
        saturation: Largest change of the factor on the difference to the pixel's grey, 0 to 1.
        hue: Largest turn of the hue, in turns, 0 to 0.5.
        keys: Images that are changed; None for all but depth.
    """

    depth: ClassVar[bool] = False
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    keys: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in ('brightness', 'contrast', 'saturation'):
            require_within(getattr(self, name), 0.0, 1.0, f'colour.{name}')
        require_within(self.hue, 0.0, 0.5, 'colour.hue')

    def _change(self, images: Images, rng: np.random.Generator) -> Images:
        import cv2

        count, mono = len(images), images.ndim == 3
        most = np.array([self.brightness, self.contrast, self.saturation])
        light, contrast, saturation = 1.0 + rng.uniform(-1.0, 1.0, (count, 3)).T * most[:, None]
        turn = rng.uniform(-1.0, 1.0, count) * self.hue * 2.0 * np.pi
        mean = np.array([cv2.mean(image) for image in images])[:, : 1 if mono else 3]
        grey: Array = np.ones((count, 1, 1))
        matrix = grey if mono else _hue(turn) @ _saturation(saturation)
        # Hue and saturation leave grey alone, so the offset, which is grey, passes through them.
        offset = (1.0 - contrast) * light * (mean @ (np.ones(1) if mono else _GREY))
        matrix = matrix * (light * contrast)[:, None, None]
        columns = np.broadcast_to(offset[:, None, None], (*matrix.shape[:2], 1))
        jittered = np.empty_like(images)
        for new, old, affine in zip(jittered, images, np.dstack([matrix, columns]), strict=True):
            new[:] = cv2.transform(old, affine)
        return jittered


def _saturation(factor: Array) -> Array:
    """Matrices (B, 3, 3) that scale the difference of a pixel to its grey."""
    scale = factor[:, None, None]
    return np.asarray(scale * np.eye(3) + (1.0 - scale) * np.tile(_GREY, (3, 1)))


def _hue(turn: Array) -> Array:
    """Matrices (B, 3, 3) that turn the hue [rad]."""
    rotation = np.tile(np.eye(3), (len(turn), 1, 1))
    c, s = np.cos(turn), np.sin(turn)
    rotation[:, 1, 1], rotation[:, 1, 2], rotation[:, 2, 1], rotation[:, 2, 2] = c, -s, s, c
    return np.asarray(_FROM_YIQ @ rotation @ _TO_YIQ)


@dataclass(frozen=True, kw_only=True)
class Blur(ImageStep):
    """A lens out of focus: a Gaussian.

    Attributes:
        probability: Fraction of the images that are blurred.
        sigma: Largest standard deviation of the Gaussian [pixel], drawn evenly from 0.1 on.
        keys: Images that are blurred; None for all but depth.
    """

    depth: ClassVar[bool] = False
    probability: float = 0.5
    sigma: float = 1.0
    keys: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        require_within(self.probability, 0.0, 1.0, 'blur.probability')
        require_within(self.sigma, 0.1, 100.0, 'blur.sigma')

    def _change(self, images: Images, rng: np.random.Generator) -> Images:
        import cv2

        chosen = rng.random(len(images)) < self.probability
        sigmas = rng.uniform(0.1, self.sigma, len(images))
        blurred = images.copy()
        for i in np.flatnonzero(chosen):
            blurred[i] = cv2.GaussianBlur(np.ascontiguousarray(images[i]), (0, 0), sigmas[i])
        return blurred


@dataclass(frozen=True, kw_only=True)
class Cutout(ImageStep):
    """Hidden squares (DeVries & Taylor 2017), as a hand or a cable hides a part of the image.

    They are centred anywhere in it. A square has the image's mean colour; in a depth image 0,
    which says that nothing was measured.

    Attributes:
        probability: Fraction of the images that have something hidden.
        size: Side of the square, as a fraction of the image's shorter side, 0 to 1.
        count: Squares in an image.
        keys: Images that it is done to; None for all.
    """

    depth: ClassVar[bool] = True
    probability: float = 0.5
    size: float = 0.2
    count: int = 1
    keys: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        require_within(self.probability, 0.0, 1.0, 'cutout.probability')
        require_within(self.size, 0.0, 1.0, 'cutout.size')
        require(self.count >= 1, self.count, 'cutout.count', '1 or more', DatasetError)

    def _change(self, images: Images, rng: np.random.Generator) -> Images:
        import cv2

        count, height, width = images.shape[:3]
        chosen = rng.random(count) < self.probability
        side = round(self.size * min(height, width))
        tops = rng.integers(height, size=(count, self.count)) - side // 2
        lefts = rng.integers(width, size=(count, self.count)) - side // 2
        hidden = images.copy()
        for i in np.flatnonzero(chosen):
            depth = images.dtype == np.uint16
            fill = 0.0 if depth else np.rint(cv2.mean(images[i])[: 3 if images.ndim == 4 else 1])
            for top, left in zip(tops[i], lefts[i], strict=True):
                hidden[i, max(top, 0) : top + side, max(left, 0) : left + side] = fill
        return hidden
