"""The way of a reading from the physics to whoever observes: bias, freeze and dropout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.sim.perturbations import Perturbation

Array = NDArray[np.float64]
KINDS = ('sensor_bias', 'sensor_freeze', 'sensor_dropout')


class Sensing:
    """Applies an episode's sensor perturbations to one clean scene after the other.

    Args:
        perturbations: Those of the episode; only the sensors' count.
        scene: The clean scene at the reset, for the names and sizes of its keys.

    Raises:
        UnknownNameError: If a perturbation names no key of the scene.
        IlRosError: If a bias has neither one number nor one for each number of its key.
    """

    def __init__(self, perturbations: Sequence[Perturbation], scene: Mapping[str, Array]) -> None:
        self._perturbations = [p for p in perturbations if p.kind in KINDS]
        self._frozen: dict[str, Array] = {}
        for p in self._perturbations:
            if p.target not in scene:
                raise UnknownNameError(
                    f'unknown observation {p.target!r}',
                    where=f'perturbation {p.kind}',
                    allowed=sorted(scene),
                )
            if p.kind == 'sensor_bias' and len(p.value) not in (1, len(scene[p.target])):
                raise IlRosError(
                    f'{len(p.value)} numbers for {p.target}',
                    where=f'perturbation {p.kind}',
                    allowed=f'1 or {len(scene[p.target])} numbers',
                )

    def observe(self, scene: Mapping[str, Array], time: float) -> dict[str, Array | None]:
        """What is read of `scene` at `time` [s]; None for what has dropped out."""
        seen: dict[str, Array | None] = {key: value.copy() for key, value in scene.items()}
        for p in self._perturbations:
            value = seen[p.target]
            if not p.active(time) or value is None:
                continue
            if p.kind == 'sensor_bias':
                seen[p.target] = value + np.array(p.value)
            elif p.kind == 'sensor_freeze':
                seen[p.target] = self._frozen.setdefault(p.target, value).copy()
            else:
                seen[p.target] = None
        for p in self._perturbations:
            if p.kind == 'sensor_freeze' and not p.active(time):
                self._frozen[p.target] = scene[p.target].copy()
        return seen
