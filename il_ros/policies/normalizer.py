"""Features of like size: zero mean and unit spread over the training frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

VARIES = 1e-3
"""Spread below which a feature counts as constant [its own unit]."""


@dataclass(frozen=True, kw_only=True)
class Normalizer:
    """Shifts, scales and clips features.

    Attributes:
        mean: Mean of each feature, shape (...,).
        scale: Standard deviation of each; 1 for a feature that does not vary, whose noise would
            otherwise be blown up to the size of a signal.
        clip: Normalised features are kept within this many standard deviations, so that a sensor
            gone wild cannot drive the network where no training frame ever was.
    """

    mean: Array
    scale: Array
    clip: float = np.inf

    @classmethod
    def fit(cls, samples: NDArray[np.floating], *, varies: float, clip: float) -> Normalizer:
        """Take mean and spread over the first axis, NaN left out.

        Args:
            samples: Shape (F, ...).
            varies: A spread below this is none.
            clip: See the attribute.
        """
        samples = np.asarray(samples, dtype=np.float64)
        known = np.isfinite(samples)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, samples, 0.0).sum(axis=0) / count
        std = np.sqrt(np.where(known, (samples - mean) ** 2, 0.0).sum(axis=0) / count)
        return cls(mean=mean, scale=np.where(std < varies, 1.0, std), clip=clip)

    def normalize(self, features: NDArray[np.floating]) -> Array:
        """Features of shape (..., D), normalised and clipped."""
        return np.clip((features - self.mean) / self.scale, -self.clip, self.clip)

    def restore(self, normalized: NDArray[np.floating]) -> Array:
        """The inverse of `normalize` for what was not clipped."""
        return np.asarray(normalized * self.scale + self.mean)

    def arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """All that is needed to make it again, by name."""
        return {
            f'{prefix}.mean': self.mean,
            f'{prefix}.scale': self.scale,
            f'{prefix}.clip': np.array([self.clip]),
        }

    @classmethod
    def from_arrays(cls, prefix: str, arrays: Mapping[str, NDArray[np.generic]]) -> Normalizer:
        """Make it again from what `arrays` gave."""
        return cls(
            mean=np.asarray(arrays[f'{prefix}.mean'], dtype=np.float64),
            scale=np.asarray(arrays[f'{prefix}.scale'], dtype=np.float64),
            clip=float(np.asarray(arrays[f'{prefix}.clip'], dtype=np.float64)[0]),
        )
