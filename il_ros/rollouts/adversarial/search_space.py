"""The search space: perturbations whose numbers have bounds, and their size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from il_ros.core.config import parse, read_yaml
from il_ros.core.errors import IlRosError, require
from il_ros.core.limits import Array
from il_ros.evaluation.suites import draw_seeds
from il_ros.sim.perturbations import KINDS, Kind, Perturbation

DIGITS = 4  # significant digits of every number, so that a written list replays exactly


@dataclass(frozen=True, kw_only=True)
class PerturbationTemplate:
    """A perturbation whose numbers are either fixed or searched between [low, high].

    Attributes:
        kind: Kind of perturbation.
        target: Target of the perturbation.
        start: When it begins [s since the reset].
        duration: How long it lasts [s].
        value: Numbers that the kind needs.
    """

    kind: str
    target: str = ''
    start: Any = 0.0
    duration: Any = math.inf
    value: tuple[Any, ...] = ()

    def numbers(self) -> Iterator[tuple[str, Any]]:
        """Yield each number with its place: start, duration, value[0], ..."""
        yield 'start', self.start
        yield 'duration', self.duration
        for i, item in enumerate(self.value):
            yield f'value[{i}]', item

    def filled(self, name: str, numbers: Mapping[str, float]) -> Perturbation:
        """The perturbation of this name with its numbers, by name and place: `push.start`."""
        return Perturbation(
            kind=self.kind,
            target=self.target,
            start=numbers[f'{name}.start'],
            duration=numbers[f'{name}.duration'],
            value=tuple(numbers[f'{name}.value[{i}]'] for i in range(len(self.value))),
        )


@dataclass(frozen=True, kw_only=True)
class Scenes:
    """Scenes to disturb, from the seeds reserved for this search.

    Attributes:
        count: Number of scenes.
        first: Index of the first seed.
    """

    count: int = 10
    first: int = 0


@dataclass(frozen=True, kw_only=True)
class SearchBounds:
    """Contents of the YAML file.

    Attributes:
        scenes: Scenes to disturb.
        perturbations: Perturbations by name.
    """

    perturbations: Mapping[str, PerturbationTemplate]
    scenes: Scenes = field(default_factory=Scenes)


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
    require(numbers and len(ends) == 2, item, where, 'a number, or [low, high]')
    low, high = map(float, ends)
    ordered = item is not ends or -math.inf < low < high < math.inf
    require(ordered, item, where, '[low, high], finite, low < high')
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


class SearchSpace:
    """Maps points of the unit cube to disturbances within the bounds.

    Args:
        bounds: Contents of the file.
        where: Name of the file, for errors.

    Attributes:
        parameters: The n numbers to search.
        seeds: Seeds of the scenes.

    Raises:
        IlRosError: With the dotted path of the fault, or if every number is fixed.
    """

    def __init__(self, bounds: SearchBounds, *, where: str = '') -> None:
        self._templates = dict(bounds.perturbations)
        self._fixed: dict[str, float] = {}
        self.parameters = tuple(
            parameter
            for name, template in self._templates.items()
            for parameter in self._parameters(name, template, f'{where}.perturbations.{name}')
        )
        if not self.parameters:
            raise IlRosError(
                'nothing to search: every number is fixed',
                where=f'{where}.perturbations',
                fix='give one of them bounds, [low, high]',
            )
        self.seeds = draw_seeds('adversarial', bounds.scenes.count, bounds.scenes.first)
        if not self.seeds:
            raise IlRosError('got no scene', where=f'{where}.scenes.count', allowed='at least 1')

    def values(self, point: Sequence[float] | Array) -> dict[str, float]:
        """The numbers of a point, shape (n,) in [0, 1], by name."""
        pairs = zip(self.parameters, point, strict=True)
        return {parameter.name: parameter.value(float(share)) for parameter, share in pairs}

    def perturbations(self, values: Mapping[str, float]) -> tuple[Perturbation, ...]:
        """The perturbations with these numbers, in the order of the file."""
        numbers = {**self._fixed, **values}
        return tuple(template.filled(name, numbers) for name, template in self._templates.items())

    def size(self, values: Mapping[str, float]) -> float:
        """Size of a disturbance, 0 to 1: root mean square over the numbers that have a size.

        A missing number disturbs nothing.
        """
        sizes = [
            p.size(values.get(p.name, p.neutral)) for p in self.parameters if p.neutral is not None
        ]
        return math.sqrt(sum(size**2 for size in sizes) / len(sizes)) if sizes else 0.0

    def alone(self, parameter: Parameter, value: float) -> tuple[Perturbation, ...]:
        """One perturbation with this number; its other numbers are neutral, its times half-way."""
        name = parameter.name.rpartition('.')[0]
        resting = self.values([p.resting for p in self.parameters])
        numbers = {**self._fixed, **resting, parameter.name: value}
        return (self._templates[name].filled(name, numbers),)

    def has_effect(self, parameter: Parameter) -> bool:
        """Whether a number has an effect by itself; a duration does if there is no value."""
        name, _, place = parameter.name.rpartition('.')
        return place not in ('start', 'duration') or (
            place == 'duration' and not self._templates[name].value
        )

    def _parameters(self, name: str, template: PerturbationTemplate, where: str) -> list[Parameter]:
        if template.kind not in KINDS:
            raise IlRosError(
                f'unknown perturbation {template.kind!r}',
                where=f'{where}.kind',
                allowed=sorted(KINDS),
            )
        kind, parameters = KINDS[template.kind], []
        lowest: dict[str, float] = {}
        highest: dict[str, float] = {}
        for place, item in template.numbers():
            low, high = bounds_of(item, f'{where}.{place}')
            lowest[f'{name}.{place}'], highest[f'{name}.{place}'] = low, high
            if low == high:
                self._fixed[f'{name}.{place}'] = low
            else:
                parameters.append(make_parameter(name, place, (low, high), kind, where))
        for end in (lowest, highest):
            try:
                template.filled(name, end)
            except IlRosError as problem:
                raise IlRosError(
                    problem.problem, where=where, allowed=problem.allowed, fix=problem.fix
                ) from None
        return parameters


def load_space(path: Path) -> SearchSpace:
    """Read a search space from a YAML file.

    Raises:
        IlRosError: With the dotted path of the fault.
    """
    return SearchSpace(parse(SearchBounds, read_yaml(path), where=path.name), where=path.name)
