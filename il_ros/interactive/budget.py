"""What the expert may be asked for, and what the expert was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from il_ros.algorithms.transitions import EXPERT, Transitions
from il_ros.core.config import require_ranges


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What the expert was asked for after the demonstrations.

    Attributes:
        labels: Steps that the expert was asked about.
        takeovers: Times that the expert took over from the learner.
        minutes: Time in which the expert drove or was asked [min].
    """

    labels: int = 0
    takeovers: int = 0
    minutes: float = 0.0

    @classmethod
    def of(cls, episodes: Iterable[Transitions], period: float) -> Spent:
        """Counted from the record, so that nothing is forgotten and nothing counted twice.

        Args:
            episodes: All there are; demonstrations (round 0) do not count.
            period: Time of one step [s].
        """
        labels = takeovers = busy = 0
        for steps in episodes:
            later = steps.round > 0
            labels += int((steps.asked & later).sum())
            takeovers += int((steps.takeovers & later).sum())
            busy += int(((steps.asked | (steps.source == EXPERT)) & later).sum())
        return cls(labels=labels, takeovers=takeovers, minutes=busy * period / 60.0)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The most that the expert may be asked for, after the demonstrations.

    Attributes:
        labels: Steps that the expert may be asked about.
        takeovers: Times that the expert may take over.
        minutes: Time in which the expert may drive or be asked [min].
    """

    labels: float = inf
    takeovers: float = inf
    minutes: float = inf

    def __post_init__(self) -> None:
        names = ('labels', 'takeovers', 'minutes')
        require_ranges(self, 'budget', dict.fromkeys(names, '0 or more'))

    def used_up(self, spent: Spent) -> bool:
        """Whether one more step with the expert would be too much."""
        return (
            spent.labels >= self.labels
            or spent.takeovers >= self.takeovers
            or spent.minutes >= self.minutes
        )
