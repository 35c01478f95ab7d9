"""What scores of action chunks share: the spread of the training actions as the unit."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.monitors.scores.score import NominalData
from il_ros.monitors.scores.score_features import training_spread
from il_ros.monitors.scores.stored import take


class SpreadUnits:
    """Measures differences of chunks, each joint in units of the training actions' spread."""

    _where: ClassVar[str]

    def __init__(self) -> None:
        self._spread: Array = np.zeros(0)

    def fit(self, normal: NominalData) -> Self:
        """Take the spread of the training actions.

        Raises:
            IlRosError: If chunks and positions are not finite or do not belong together.
        """
        self._spread = training_spread(normal)
        return self

    def arrays(self) -> dict[str, Array]:
        """'spread' (N,)."""
        return {'spread': self._spread}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array]) -> Self:
        """The score whose `arrays` were saved.

        Raises:
            IlRosError: If an array is missing or has a wrong shape.
        """
        score = cls()
        (score._spread,) = take(arrays, cls._where, spread='N')
        return score

    def _require_chunk(self, name: str, array: Array) -> None:
        """Refuse what is not of N joints and one or more steps."""
        if array.ndim != 2 or array.shape[1] != len(self._spread) or not len(array):
            raise IlRosError(
                f'{name} has shape {array.shape}',
                where=self._where,
                allowed=f'(H, {len(self._spread)})',
            )

    def _apart(self, one: Array, other: Array) -> float:
        """Root mean square difference of two chunks (H, N), in spreads."""
        apart = ((one - other) / self._spread).ravel()
        return float(np.sqrt(apart @ apart / len(apart)))
