"""Colour jitter: another light, another camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from il_ros.datasets.augmentation.augmentation_step import Array, Samples, require_within
from il_ros.datasets.augmentation.pixels import Images, changed

_GREY = np.array([0.299, 0.587, 0.114])  # luma of ITU-R BT.601
# The YIQ space of NTSC: the luma, and a plane in which hue is an angle.
_TO_YIQ = np.array([_GREY, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)


@dataclass(frozen=True, kw_only=True)
class Colour:
    """How much colours change; each is drawn evenly, and 0 leaves it alone.

    Attributes:
        brightness: Largest change of the factor on all pixels, 0 to 1.
        contrast: Largest change of the factor on the difference to the image's mean grey, 0 to 1.
        saturation: Largest change of the factor on the difference to the pixel's grey, 0 to 1.
        hue: Largest turn of the hue, in turns, 0 to 0.5.
        keys: Images that are changed; None for all but depth.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    keys: tuple[str, ...] | None = None


class JitterColour:
    """Changes brightness, contrast, saturation and hue in this order. Actions stay as they are.

    All four are affine in a pixel, so each image gets one matrix and one offset, and values are
    cut off at 0 and 255 only in the end. Of a mono image brightness and contrast change.

    Args:
        settings: How much.

    Raises:
        DatasetError: If a setting is out of range.
    """

    def __init__(self, settings: Colour) -> None:
        for name in ('brightness', 'contrast', 'saturation'):
            require_within(getattr(settings, name), 0.0, 1.0, f'colour.{name}')
        require_within(settings.hue, 0.0, 0.5, 'colour.hue')
        self._settings = settings

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """Samples with other colours."""
        keys = self._settings.keys
        return changed(samples, keys, self._jitter, rng, depth=False, where='colour')

    def _jitter(self, images: Images, rng: np.random.Generator) -> Images:
        import cv2

        s, count, mono = self._settings, len(images), images.ndim == 3
        most = np.array([s.brightness, s.contrast, s.saturation])
        light, contrast, saturation = 1.0 + rng.uniform(-1.0, 1.0, (count, 3)).T * most[:, None]
        turn = rng.uniform(-1.0, 1.0, count) * s.hue * 2.0 * np.pi
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
