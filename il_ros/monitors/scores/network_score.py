"""What scores share whose answer networks give, from standardised features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import nan
from typing import ClassVar, Self

import numpy as np

from il_ros.core.limits import Array
from il_ros.monitors.scores.score import InputPart, ScoreInput
from il_ros.monitors.scores.score_features import Standard
from il_ros.monitors.scores.score_networks import NONE, Activation, Networks
from il_ros.monitors.scores.stored import take


class NetworkScore(ABC):
    """A score that networks give of the standardised features; it has no memory."""

    needs: ClassVar[tuple[InputPart, ...]] = ('features',)
    _where: ClassVar[str]
    _widths: ClassVar[str]  # of the networks, as `Networks.shapes` takes them; D features
    _activation: ClassVar[Activation]

    def __init__(self) -> None:
        self._standard = Standard(np.zeros(0), np.zeros(0), self._where)
        self._networks = NONE

    @abstractmethod
    def _of(self, z: Array) -> float:
        """The score of standardised features (D,)."""

    def score(self, moment: ScoreInput) -> float:
        """See the class.

        Raises:
            IlRosError: If there are not D features.
        """
        z = self._standard.of(moment)
        return nan if z is None else self._of(z)

    def reset(self) -> None:
        """Nothing: it has no memory."""
        return

    def arrays(self) -> dict[str, Array]:
        """'mean' (D,), 'scale' (D,) and the layers of the networks."""
        return {**self._standard.arrays(), **self._networks.arrays()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array]) -> Self:
        """The score whose `arrays` were saved.

        Raises:
            IlRosError: If an array is missing or the shapes do not belong together.
        """
        shapes = Networks.shapes(cls._widths)
        mean, scale, *layers = take(arrays, cls._where, mean='D', scale='D', **shapes)
        score = cls()
        score._standard = Standard(mean, scale, cls._where)
        score._networks = Networks.of(layers, cls._activation)
        return score
