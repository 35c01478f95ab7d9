"""Which arrays a dataset's folder has: their names, types and shapes follow from its contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.streams import ImageStream
from il_ros.datasets.manifest import ImageFormat

FIXED = ('stamp', 'age', 'action', 'action_raw', 'source')
"""Arrays that every dataset has, whatever its contract."""


@dataclass(frozen=True, kw_only=True)
class ArraySpec:
    """One array of a dataset, a row for each frame.

    Attributes:
        dtype: Type of its numbers.
        shape: Shape of a row.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...] = ()


def array_specs(
    contract: Contract, image_format: ImageFormat, labels: int = 0
) -> dict[str, ArraySpec]:
    """Arrays of a dataset by name; encoded images are not among them.

    Args:
        contract: What they mean.
        image_format: How images are held.
        labels: Steps of the expert's labels; 0 where there are none.

    Raises:
        DatasetError: If a key of the contract is the name of another array.
    """
    taken = [key for key in contract.inputs if key in (*FIXED, 'label')]
    if taken:
        raise DatasetError(
            f'the key {taken[0]!r} is the name of an array that every dataset has',
            where=f'contract {contract.name}',
            allowed=f'keys other than {", ".join((*FIXED, "label"))}',
        )
    floats, joints = np.dtype(np.float32), (len(contract.action.names),)
    found = {key: ArraySpec(dtype=floats, shape=(s.size,)) for key, s in contract.streams.items()}
    found |= {f'{key}.valid': ArraySpec(dtype=np.dtype(np.bool_)) for key in contract.inputs}
    if image_format == 'raw':
        found |= {f'{key}.pixels': pixels_spec(s) for key, s in contract.images.items()}
    if labels:
        found['label'] = ArraySpec(dtype=floats, shape=(labels, *joints))
    return found | {
        'stamp': ArraySpec(dtype=np.dtype(np.int64)),
        'age': ArraySpec(dtype=floats, shape=(len(contract.inputs),)),
        'action': ArraySpec(dtype=floats, shape=joints),
        'action_raw': ArraySpec(dtype=floats, shape=joints),
        'source': ArraySpec(dtype=np.dtype(np.uint8)),
    }


def pixels_spec(stream: ImageStream) -> ArraySpec:
    """Pixels of one image: uint8 (H, W, 3) RGB, uint8 (H, W) gray, or uint16 (H, W) depth [mm]."""
    colours = (3,) if stream.encoding == 'rgb8' else ()
    kind = np.uint16 if stream.encoding == '16UC1' else np.uint8
    return ArraySpec(dtype=np.dtype(kind), shape=(*stream.size, *colours))


def sizes(contract: Contract) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """How many numbers each ordinary and each privileged observation has, by key."""
    return (
        {key: stream.size for key, stream in contract.observations.items()},
        {key: stream.size for key, stream in contract.privileged.items()},
    )
