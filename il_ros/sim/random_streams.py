"""Random generators of an episode beside its scene's: one for each purpose, all from its seed."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class RandomStream(IntEnum):
    """What draws random numbers of its own, so that it changes neither the scene nor the others."""

    COMMAND_NOISE = 1
    SENSOR_NOISE = 2
    RANDOMISATION = 3


def generator(seed: int, stream: RandomStream) -> np.random.Generator:
    """The generator of one purpose in the episode of `seed`."""
    return np.random.default_rng([seed, int(stream)])
