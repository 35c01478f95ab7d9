"""The way of a command from the robot's interface to its servos: delayed, scaled, disturbed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.sim.perturbations import Perturbation

KINDS = ('action_delay', 'action_scale', 'command_noise')
CORRELATION = 0.3  # time after which the command noise has forgotten itself [s]


class CommandPath:
    """Delays, scales and disturbs the joint set-points of an episode, in this order.

    A scale s lets the servos go s of the way from where they were sent last, x, to the commanded
    end u of each control period: x' = x + s (u - x). Below 1 the arm lags behind, with 0 it is
    stuck, above 1 it overshoots, and from 2 on it swings ever wider.

    The noise is an Ornstein-Uhlenbeck offset of the arm's joints: it is added after the command,
    so that a demonstrator is driven off its path while its commands stay what it meant (DART,
    Laskey et al. 2017). Scale and noise leave the gripper alone.

    Args:
        perturbations: Those of the episode; only `action_delay`, `action_scale` and
            `command_noise` count.
        hold: Set-point before the first command, shape (N,).
        timestep: Physics step [s].
        rng: Source of the noise.
        grippers: Which of the joints are grippers', shape (N,); the last one by default.
    """

    def __init__(
        self,
        perturbations: Sequence[Perturbation],
        hold: Array,
        timestep: float,
        rng: np.random.Generator,
        grippers: NDArray[np.bool_] | None = None,
    ) -> None:
        self._delays = [p for p in perturbations if p.kind == 'action_delay']
        self._scales = [p for p in perturbations if p.kind == 'action_scale']
        self._noises = [p for p in perturbations if p.kind == 'command_noise']
        self._timestep = timestep
        self._rng = rng
        self._grippers = np.arange(len(hold)) == len(hold) - 1 if grippers is None else grippers
        longest = sum(self._rows(p) for p in self._delays)  # they add up
        self._history = np.tile(hold, (longest, 1))
        self._end = hold.copy()  # of the last period, as it was commanded
        self._short: Array = np.zeros(len(hold))  # how far a scale puts the servos off
        self._offset: Array = np.zeros(len(hold))  # how far the noise does

    def apply(self, targets: Array, time: float) -> Array:
        """The set-points that reach the servos in the period from `time` on, shape as `targets`."""
        return self._noisy(self._scaled(self._delayed(targets, time), time), time)

    def _delayed(self, targets: Array, time: float) -> Array:
        if not self._delays:
            return targets
        rows = np.concatenate([self._history, targets])
        self._history = rows[len(targets) :]
        late = sum(self._rows(p) for p in self._delays if p.active(time))
        end = len(rows) - min(late, len(rows) - len(targets))
        return rows[end - len(targets) : end]

    def _scaled(self, targets: Array, time: float) -> Array:
        if not self._scales:
            return targets
        before = self._short
        factor = math.prod(p.value[0] for p in self._scales if p.active(time))
        # x + s (u - x) - u, where x is where the servos were sent last.
        self._short = (1.0 - factor) * (self._end + before - targets[-1])
        self._short[self._grippers] = 0.0
        self._end = targets[-1].copy()
        return _between(targets, before, self._short)

    def _noisy(self, targets: Array, time: float) -> Array:
        if not self._noises:
            return targets
        before = self._offset
        variance = sum(p.value[0] ** 2 for p in self._noises if p.active(time))
        keep = math.exp(-len(targets) * self._timestep / CORRELATION) if variance else 0.0
        self._offset = keep * before
        arm = ~self._grippers
        self._offset[arm] += math.sqrt((1 - keep**2) * variance) * self._rng.standard_normal(
            int(arm.sum())
        )
        return _between(targets, before, self._offset)

    def _rows(self, delay: Perturbation) -> int:
        return round(delay.value[0] / self._timestep)


def _between(targets: Array, before: Array, after: Array) -> Array:
    """`targets`, shape (T, N), plus an offset that goes from `before` to `after`, each (N,)."""
    share = np.arange(1, len(targets) + 1)[:, None] / len(targets)
    return np.asarray(targets + before + share * (after - before))


def checked(values: Array, shape: tuple[int, ...], what: str, where: str) -> Array:
    """What is commanded, as numbers.

    Raises:
        IlRosError: If they have another shape or are not finite.
    """
    values = np.asarray(values, np.float64)
    if values.shape != shape or not np.isfinite(values).all():
        problem = f'shape {values.shape}' if values.shape != shape else 'not finite'
        raise IlRosError(f'{what}: {problem}', where=where, allowed=f'finite, shape {shape}')
    return values
