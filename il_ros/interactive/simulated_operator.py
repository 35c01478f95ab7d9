"""A person at the dead-man's switch, simulated: who watches, takes over, and lets go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SimulatedOperatorConfig:
    """How somebody watches; differences are root mean squares, in the action's own unit.

    Attributes:
        worried: Mean difference from what he would have done at which he takes over.
        reaction: Steps that the mean is taken over: nobody sees a single wrong step.
        least: Steps that he drives at least.
    """

    worried: float = 0.3
    reaction: int = 5
    least: int = 20


class SimulatedOperator:
    """Compares what is done with what he would do. What he thinks while he watches is no label.

    Args:
        expert: What he would do, shape (A,), where this is seen, shape (D,).
        config: How he watches.
    """

    def __init__(self, expert: Callable[[Array], Array], config: SimulatedOperatorConfig) -> None:
        self._expert, self._config = expert, config
        self.reset()

    def reset(self) -> None:
        """A new episode: he lets the learner begin."""
        self._differences: list[float] = []
        self._driving = 0

    @property
    def drives(self) -> bool:
        """Whether he holds the switch and wants to drive the next step."""
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
