"""Training that resumes from a policy although its data, and so its normalisers, have changed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.core.observation_features import Normalizer

Normalizers = tuple[Normalizer, Normalizer]
"""Of the inputs and of the outputs of a network."""


def renormalised(
    weights: Sequence[NDArray[np.floating]],
    biases: Sequence[NDArray[np.floating]],
    before: Normalizers,
    now: Normalizers,
) -> tuple[list[Array], list[Array]]:
    """Layers that compute between the normalisers `now` what they did between those `before`.

    The change goes into the first and the last layer. Where an input was clipped, the function
    does change.

    Args:
        weights: Of each layer, shape (..., out, in).
        biases: Of each layer, shape (..., out).
        before: Normalisers that the layers were trained with.
        now: Normalisers that training resumes with.
    """
    moved_weights = [np.asarray(weight, np.float64) for weight in weights]
    moved_biases = [np.asarray(bias, np.float64) for bias in biases]
    (old_in, old_out), (new_in, new_out) = before, now
    first = moved_weights[0]
    moved_biases[0] = moved_biases[0] + first @ ((new_in.mean - old_in.mean) / old_in.scale)
    moved_weights[0] = first * (new_in.scale / old_in.scale)
    scale, mean = new_out.scale.reshape(-1), new_out.mean.reshape(-1)
    gain = old_out.scale.reshape(-1) / scale
    moved_weights[-1] = moved_weights[-1] * gain[:, None]
    moved_biases[-1] = moved_biases[-1] * gain + (old_out.mean.reshape(-1) - mean) / scale
    return moved_weights, moved_biases


def require_same_shapes(shapes: object, expected: object) -> None:
    """Refuse to resume from a network of other shapes.

    Raises:
        IlRosError: If they differ.
    """
    if shapes != expected:
        raise IlRosError(
            f'networks of shapes {shapes}',
            where='warm start',
            allowed=str(expected),
            fix='start from scratch, or keep the shape of the policy',
        )
