"""Sensor noise: Gaussian, independent in every number, in the observation's own unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.datasets.augmentation.augmentation_step import (
    Samples,
    from_vector,
    observed_key,
    parts,
    turned,
)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How much noise each observation gets.

    Attributes:
        std: Standard deviation by key and field of the contract, for example
            `tcp_pose: {pose.position: 0.002, pose.orientation: 0.01}`, in the field's unit; of an
            orientation that of a small rotation about each axis of the base frame [rad].
    """

    std: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


class AddNoise:
    """Adds noise to observations. Actions stay as they are: what is wrong is the reading.

    Args:
        contract: Says what the observations are.
        settings: How much.

    Raises:
        DatasetError: If it names a key or field that the contract lacks, or a negative deviation.
    """

    def __init__(self, contract: Contract, settings: Noise) -> None:
        self._parts: list[tuple[str, str, slice, float]] = []
        for key, fields in settings.std.items():
            places = dict(parts(observed_key(contract, key, 'noise.std')))
            for name, std in fields.items():
                where = f'noise.std.{key}.{name}'
                if name not in places:
                    raise DatasetError('no such field', where=where, allowed=places)
                if not 0.0 <= std < np.inf:
                    raise DatasetError(f'got {std}', where=where, allowed='0 or more')
                self._parts.append((key, name, places[name], std))

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """Samples with noise on their observations."""
        noisy = {key: samples.values[key].copy() for key, *_ in self._parts}
        for key, name, place, std in self._parts:
            values = noisy[key][:, place]
            if name in ('pose.orientation', 'orientation'):
                turn = from_vector(rng.normal(0.0, std, (len(values), 3)))
                values[:] = turned(values.astype(np.float64), turn)
            else:
                values += rng.normal(0.0, std, values.shape).astype(np.float32)
        return replace(samples, values={**samples.values, **noisy})
