"""Sensor perturbations between physics and observation: noise, bias, freeze, dropout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.core.limits import Array
from il_ros.sim.perturbations import Perturbation

KINDS = ('sensor_noise', 'sensor_bias', 'sensor_freeze', 'sensor_dropout')


class Sensing:
    """Applies an episode's sensor perturbations to one clean scene after the other.

    Noise comes first: what freezes is a noisy reading. A noisy pose keeps a quaternion of unit
    length, so that its noise is a turn of about twice as many radians.

    Args:
        perturbations: Those of the episode; only the sensors' count.
        scene: The clean scene at the reset, for the names and sizes of its keys.
        rng: Source of the noise.

    Raises:
        UnknownNameError: If a perturbation names no key of the scene.
        IlRosError: If a noise or a bias has neither one number nor one for each of its key.
    """

    def __init__(
        self,
        perturbations: Sequence[Perturbation],
        scene: Mapping[str, Array],
        rng: np.random.Generator,
    ) -> None:
        self._perturbations = [p for p in perturbations if p.kind in KINDS]
        self._rng = rng
        self._frozen: dict[int, Array] = {}  # last reading before each freeze, by its place
        for p in self._perturbations:
            if p.target not in scene:
                raise UnknownNameError(
                    f'unknown observation {p.target!r}',
                    where=f'perturbation {p.kind}',
                    allowed=sorted(scene),
                )
            numbers = p.kind in ('sensor_noise', 'sensor_bias')
            if numbers and len(p.value) not in (1, len(scene[p.target])):
                raise IlRosError(
                    f'{len(p.value)} numbers for {p.target}',
                    where=f'perturbation {p.kind}',
                    allowed=f'1 or {len(scene[p.target])} numbers',
                )

    def observe(self, scene: Mapping[str, Array], time: float) -> dict[str, Array | None]:
        """What is read of `scene` at `time` [s]; None for what has dropped out.

        Readings that nothing disturbs are the arrays of `scene` themselves.
        """
        scene = self._noisy(scene, time)
        seen: dict[str, Array | None] = {**scene}
        for place, p in enumerate(self._perturbations):
            value, active = seen[p.target], p.active(time)
            if value is None:
                continue
            if p.kind == 'sensor_freeze':
                if not (active and place in self._frozen):
                    self._frozen[place] = value.copy()
                if active:
                    seen[p.target] = self._frozen[place].copy()
            elif active and p.kind == 'sensor_bias':
                seen[p.target] = value + np.array(p.value)
            elif active and p.kind == 'sensor_dropout':
                seen[p.target] = None
        return seen

    def _noisy(self, scene: Mapping[str, Array], time: float) -> Mapping[str, Array]:
        noisy = dict(scene)
        for p in self._perturbations:
            if p.kind != 'sensor_noise' or not p.active(time):
                continue
            clean = noisy[p.target]
            value = clean + np.array(p.value) * self._rng.standard_normal(len(clean))
            if p.target.endswith('_pose'):
                value[3:] /= np.linalg.norm(value[3:])
            noisy[p.target] = value
        return noisy
