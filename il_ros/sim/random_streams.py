"""Random generators of an episode, one for each purpose, all derived from its seed."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class RandomStream(IntEnum):
    """Purposes with a generator of their own, so that none changes the scene or another one."""

    COMMAND_NOISE = 1
    SENSOR_NOISE = 2
    RANDOMISATION = 3


def generator(seed: int, stream: RandomStream) -> np.random.Generator:
    """The generator of one purpose in the episode of `seed`."""
    return np.random.default_rng([seed, int(stream)])
