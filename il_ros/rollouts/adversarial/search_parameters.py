"""A number that an adversarial search varies: its bounds, scale and size."""

from __future__ import annotations

import math
from dataclasses import dataclass

from il_ros.core.errors import IlRosError
from il_ros.sim.perturbations import Kind

DIGITS = 4  # significant digits of every number, so that a written list replays exactly


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One number to search.

    Attributes:
        name: Name of the perturbation and place of the number, such as `push.value[0]`.
        low: Lower bound.
        high: Upper bound.
        neutral: The value that disturbs nothing; None for a start, which has no size.
        log: Whether the scale is logarithmic, as for factors.
    """

    name: str
    low: float
    high: float
    neutral: float | None
    log: bool

    def value(self, share: float) -> float:
        """The number at this fraction, 0 to 1, of the way from the lower to the upper bound."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        number = low + share * (high - low)
        rounded = float(f'{math.exp(number) if self.log else number:.{DIGITS}g}')
        return min(max(rounded, self.low), self.high)

    def share(self, value: float) -> float:
        """The number's position between the bounds, clipped to 0 to 1."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        return min(max((self._scaled(value) - low) / (high - low), 0.0), 1.0)

    def size(self, value: float) -> float:
        """Distance from the neutral value, relative to the distance of the farther bound."""
        if self.neutral is None:
            return 0.0
        neutral = self._scaled(self.neutral)
        farthest = max(abs(self._scaled(bound) - neutral) for bound in (self.low, self.high))
        return abs(self._scaled(value) - neutral) / farthest

    @property
    def resting(self) -> float:
        """The position while other numbers are tested: neutral, or half-way for a time."""
        if self.neutral is None or self.name.endswith('.duration'):
            return 0.5
        return self.share(self.neutral)

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log else value


def bounds_of(item: object, where: str) -> tuple[float, float]:
    """Read bounds, [low, high]; a single number is both of them.

    Raises:
        IlRosError: If the item is neither.
    """
    ends = item if isinstance(item, list | tuple) else [item, item]
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends)
    if not numbers or len(ends) != 2:
        raise IlRosError(f'got {item!r}', where=where, allowed='a number, or [low, high]')
    low, high = map(float, ends)
    if isinstance(item, list | tuple) and not -math.inf < low < high < math.inf:
        raise IlRosError(f'got {item!r}', where=where, allowed='[low, high], finite, low < high')
    return low, high


def make_parameter(
    perturbation: str, place: str, bounds: tuple[float, float], kind: Kind, where: str
) -> Parameter:
    """Make the parameter of the number at `place` (start, duration, value[i]).

    Raises:
        IlRosError: If the number has no size to search between these bounds.
    """
    name, (low, high) = f'{perturbation}.{place}', bounds
    if place in ('start', 'duration') and kind.episode:
        raise IlRosError(
            'the perturbation lasts for the whole episode',
            where=f'{where}.{place}',
            fix='leave it out',
        )
    if place == 'start':
        return Parameter(name=name, low=low, high=high, neutral=None, log=False)
    neutral = 0.0 if place == 'duration' else kind.neutral
    if neutral is None:
        raise IlRosError(
            'the number has no size to search', where=f'{where}.{place}', fix='fix the number'
        )
    log = neutral == 1.0
    if log and low <= 0.0:
        raise IlRosError(
            f'got {low:g} as lower bound of a factor',
            where=f'{where}.{place}',
            allowed='above 0: factors are searched on a logarithmic scale',
        )
    return Parameter(name=name, low=low, high=high, neutral=neutral, log=log)
