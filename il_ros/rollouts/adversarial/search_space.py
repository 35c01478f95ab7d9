"""The search space: perturbations whose numbers have bounds, and their size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.config import parse, read_yaml
from il_ros.core.errors import IlRosError
from il_ros.evaluation.suites import draw_seeds
from il_ros.rollouts.adversarial.search_parameters import Parameter, bounds_of, make_parameter
from il_ros.sim.perturbations import KINDS, Perturbation

Array = NDArray[np.float64]


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

    def filled(self, numbers: Mapping[str, float]) -> Perturbation:
        """The perturbation with these numbers, by their place."""
        return Perturbation(
            kind=self.kind,
            target=self.target,
            start=numbers['start'],
            duration=numbers['duration'],
            value=tuple(numbers[f'value[{i}]'] for i in range(len(self.value))),
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

    @property
    def seeds(self) -> range:
        """The seeds."""
        return draw_seeds('adversarial', self.count, self.first)


@dataclass(frozen=True, kw_only=True)
class SearchBounds:
    """Contents of the YAML file.

    Attributes:
        scenes: Scenes to disturb.
        perturbations: Perturbations by name.
    """

    perturbations: Mapping[str, PerturbationTemplate]
    scenes: Scenes = field(default_factory=Scenes)


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
        self._fixed: dict[str, dict[str, float]] = {name: {} for name in self._templates}
        self._free: dict[str, list[str]] = {name: [] for name in self._templates}
        parameters: list[Parameter] = []
        for name, template in self._templates.items():
            place = f'{where}.perturbations.{name}'
            parameters += self._parameters(name, template, place)
        self.parameters = tuple(parameters)
        if not parameters:
            raise IlRosError(
                'nothing to search: every number is fixed',
                where=f'{where}.perturbations',
                fix='give one of them bounds, [low, high]',
            )
        self.seeds = bounds.scenes.seeds
        if not self.seeds:
            raise IlRosError('got no scene', where=f'{where}.scenes.count', allowed='at least 1')

    def values(self, point: Sequence[float] | Array) -> dict[str, float]:
        """The numbers of a point, shape (n,) in [0, 1], by name."""
        pairs = zip(self.parameters, point, strict=True)
        return {parameter.name: parameter.value(float(share)) for parameter, share in pairs}

    def perturbations(self, values: Mapping[str, float]) -> tuple[Perturbation, ...]:
        """The perturbations with these numbers, in the order of the file."""
        return tuple(
            template.filled(
                {
                    **self._fixed[name],
                    **{place: values[f'{name}.{place}'] for place in self._free[name]},
                }
            )
            for name, template in self._templates.items()
        )

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
        name = parameter.name.rsplit('.', 1)[0]
        resting = self.values([p.resting for p in self.parameters])
        disturbed = self.perturbations({**resting, parameter.name: value})
        return (disturbed[list(self._templates).index(name)],)

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
        ends: tuple[dict[str, float], dict[str, float]] = ({}, {})
        for place, item in template.numbers():
            low, high = bounds_of(item, f'{where}.{place}')
            ends[0][place], ends[1][place] = low, high
            if low == high:
                self._fixed[name][place] = low
            else:
                self._free[name].append(place)
                parameters.append(make_parameter(name, place, (low, high), kind, where))
        for end in ends:
            try:
                template.filled(end)
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
