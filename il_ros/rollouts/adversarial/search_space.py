"""Where the search looks: perturbations whose numbers have bounds, and how large they are."""

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
class Template:
    """A perturbation whose numbers are fixed, or are to be searched between [low, high].

    Attributes:
        kind: As of a perturbation.
        target: As of a perturbation.
        start: When it begins [s since the reset].
        duration: For how long [s].
        value: Its size.
    """

    kind: str
    target: str = ''
    start: Any = 0.0
    duration: Any = math.inf
    value: tuple[Any, ...] = ()

    def numbers(self) -> Iterator[tuple[str, Any]]:
        """Each number with its place: start, duration, value[0], ..."""
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
    """Which scenes are disturbed: seeds that are kept for this search.

    Attributes:
        count: How many.
        first: From which one on.
    """

    count: int = 10
    first: int = 0

    @property
    def seeds(self) -> range:
        """The seeds."""
        return draw_seeds('adversarial', self.count, self.first)


@dataclass(frozen=True, kw_only=True)
class Written:
    """What the YAML file says.

    Attributes:
        scenes: Which scenes are disturbed.
        perturbations: By a name for each.
    """

    perturbations: Mapping[str, Template]
    scenes: Scenes = field(default_factory=Scenes)


class SearchSpace:
    """Every disturbance within the bounds, as a point of the unit cube.

    Args:
        written: What the file says.
        where: Name of the file, for errors.

    Attributes:
        parameters: The numbers that are searched, n of them.
        seeds: Of the scenes.

    Raises:
        IlRosError: With the dotted path of what is wrong, or if nothing is to be searched.
    """

    def __init__(self, written: Written, *, where: str = '') -> None:
        self._templates = dict(written.perturbations)
        self._fixed: dict[str, dict[str, float]] = {name: {} for name in self._templates}
        self._free: dict[str, list[str]] = {name: [] for name in self._templates}
        found: list[Parameter] = []
        for name, template in self._templates.items():
            place = f'{where}.perturbations.{name}'
            found += self._parameters(name, template, place)
        self.parameters = tuple(found)
        if not found:
            raise IlRosError(
                'nothing to search: every number is fixed',
                where=f'{where}.perturbations',
                fix='give one of them bounds, [low, high]',
            )
        self.seeds = written.scenes.seeds
        if not self.seeds:
            raise IlRosError('no scene', where=f'{where}.scenes.count', allowed='at least 1')

    def values(self, point: Sequence[float] | Array) -> dict[str, float]:
        """The searched numbers of a point, shape (n,) in [0, 1], by name."""
        pairs = zip(self.parameters, point, strict=True)
        return {parameter.name: parameter.value(float(share)) for parameter, share in pairs}

    def perturbations(self, values: Mapping[str, float]) -> tuple[Perturbation, ...]:
        """What goes wrong, in the order of the file."""
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
        """How large a disturbance is, 0 to 1: the root mean square over all that have a size.

        A number that is not given disturbs nothing.
        """
        sizes = [
            p.size(values.get(p.name, p.neutral)) for p in self.parameters if p.neutral is not None
        ]
        return math.sqrt(sum(size**2 for size in sizes) / len(sizes)) if sizes else 0.0

    def alone(self, parameter: Parameter, value: float) -> tuple[Perturbation, ...]:
        """One perturbation by itself, with this number, its others neutral, its times half-way."""
        name = parameter.name.rsplit('.', 1)[0]
        resting = self.values([p.resting for p in self.parameters])
        disturbed = self.perturbations({**resting, parameter.name: value})
        return (disturbed[list(self._templates).index(name)],)

    def tells(self, parameter: Parameter) -> bool:
        """Whether a number by itself matters: a duration does where there is no value."""
        name, _, place = parameter.name.rpartition('.')
        return place not in ('start', 'duration') or (
            place == 'duration' and not self._templates[name].value
        )

    def _parameters(self, name: str, template: Template, where: str) -> list[Parameter]:
        if template.kind not in KINDS:
            raise IlRosError(
                f'unknown perturbation {template.kind!r}',
                where=f'{where}.kind',
                allowed=sorted(KINDS),
            )
        kind, found = KINDS[template.kind], []
        ends: tuple[dict[str, float], dict[str, float]] = ({}, {})
        for place, item in template.numbers():
            low, high = bounds_of(item, f'{where}.{place}')
            ends[0][place], ends[1][place] = low, high
            if low == high:
                self._fixed[name][place] = low
            else:
                self._free[name].append(place)
                found.append(make_parameter(name, place, (low, high), kind, where))
        for end in ends:
            try:
                template.filled(end)
            except IlRosError as problem:
                raise IlRosError(
                    problem.problem, where=where, allowed=problem.allowed, fix=problem.fix
                ) from None
        return found


def load_space(path: Path) -> SearchSpace:
    """Read what may be disturbed, how far, and in which scenes.

    Raises:
        IlRosError: With the dotted path of what is wrong.
    """
    return SearchSpace(parse(Written, read_yaml(path), where=path.name), where=path.name)
