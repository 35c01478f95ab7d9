"""A simulated operator with the enable switch: watches, takes over, and lets go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SimulatedOperatorConfig:
    """How the operator watches; differences are root mean squares, in the action's own unit.

    Attributes:
        worried: Mean difference from the operator's own action above which the operator takes over.
        reaction: Steps that the mean is taken over: nobody sees a single wrong step.
        least: Steps that the operator drives at least.
    """

    worried: float = 0.3
    reaction: int = 5
    least: int = 20


class SimulatedOperator:
    """Compares the executed action with the operator's own. While watching it gives no labels.

    Args:
        expert: The operator's own action, shape (A,), for an observation, shape (D,).
        config: When the operator takes over, and for how long.
    """

    def __init__(self, expert: Callable[[Array], Array], config: SimulatedOperatorConfig) -> None:
        self._expert, self._config = expert, config
        self.reset()

    def reset(self) -> None:
        """A new episode: the learner begins."""
        self._differences: list[float] = []
        self._driving = 0

    @property
    def drives(self) -> bool:
        """Whether the operator holds the switch and wants to drive the next step."""
        return self._driving > 0

    def see(self, observation: Array, executed: Array) -> None:
        """One step has been done: what was seen before it, and what was executed."""
        if self._driving:
            self._driving -= 1
            self._differences.clear()
            return
        wanted = self._expert(observation)
        self._differences.append(float(np.sqrt(np.mean((wanted - executed) ** 2))))
        recent = self._differences[-self._config.reaction :]
        if len(recent) == self._config.reaction and np.mean(recent) > self._config.worried:
            self._driving = self._config.least
