"""Perturbations of an episode, by name, so that a suite is a YAML file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np

from il_ros.core.config import parse, read_yaml
from il_ros.core.errors import IlRosError, UnknownNameError

BODIES = ('hand', 'object')
SURFACES = ('table', 'object')
PATTERNS = ('plain', 'checker', 'gradient', 'speckle')


class RandomStream(IntEnum):
    """Purposes with a random generator of their own, so that none changes the scene or another."""

    COMMAND_NOISE = 1
    SENSOR_NOISE = 2
    RANDOMISATION = 3

    def generator(self, seed: int) -> np.random.Generator:
        """The generator of this purpose in the episode of `seed`."""
        return np.random.default_rng([seed, int(self)])


@dataclass(frozen=True)
class Kind:
    """What a perturbation of one kind means by its value and its target.

    Attributes:
        value: The value in words, with its unit.
        sizes: How many numbers the value may have; empty when any number of them may be given.
        target: What the target names: an `observation` key, a `body` (hand or object, where
            the empty target means the first that fits), a `surface` (table or object), a `camera`
            or nothing.
        episode: Whether it holds for the whole episode, regardless of start and duration.
        neutral: The number with which it changes nothing: 1 for a factor; none where each value
            is merely another one.
        low: Least number of the value.
        high: Largest number of the value.
    """

    value: str
    sizes: tuple[int, ...]
    _: KW_ONLY
    target: str = ''
    episode: bool = False
    neutral: float | None = 0.0
    low: float = -math.inf
    high: float = math.inf

    @property
    def bounds(self) -> str:
        """The least and the largest number in words; empty where there are no bounds."""
        if math.isinf(self.low):
            return ''
        return f' from {self.low:g}' + (f' to {self.high:g}' if math.isfinite(self.high) else '')


def _factor(value: str, target: str = '', low: float = -math.inf) -> Kind:
    return Kind(value, (1,), target=target, episode=True, neutral=1.0, low=low)


_NUMBERED_PATTERNS = ', '.join(f'{i} {name}' for i, name in enumerate(PATTERNS))
KINDS = {
    'push': Kind('force on the body in the base frame [N]', (3,), target='body'),
    'object_moved': Kind('displacement in the base frame [m]', (2, 3)),
    'object_outside': Kind('distance beyond the training box [m]', (0, 1), episode=True),
    'sensor_bias': Kind('what is added to the reading', (), target='observation'),
    'sensor_noise': Kind(
        'standard deviation of what is added to each reading anew',
        (),
        target='observation',
        low=0.0,
    ),
    'sensor_dropout': Kind('none', (0,), target='observation'),
    'sensor_freeze': Kind('none', (0,), target='observation'),
    'action_delay': Kind('delay of the command [s]', (1,), low=0.0),
    'action_scale': Kind("factor on each period's commanded motion", (1,), neutral=1.0),
    'command_noise': Kind('standard deviation of the joint offset [rad]', (1,), low=0.0),
    'friction_scale': _factor("factor on the object's friction", low=0.0),
    # Without mass a body flies apart.
    'mass_scale': _factor("factor on the body's mass", target='body', low=0.001),
    'gain_scale': _factor("factor on the servos' stiffness and damping", low=0.0),
    'damping_scale': _factor(
        "factor on the joints' damping, unknown to the servos' feed-forward", low=0.0
    ),
    'camera_offset': Kind(
        "shift [m] and turn [rad] in the camera's own frame", (6,), target='camera', episode=True
    ),
    'light_offset': Kind('displacement of the lights [m]', (3,), episode=True),
    'light_scale': _factor('factor on the brightness', low=0.0),
    'colour': Kind(
        'red, green and blue, 0 to 1',
        (3,),
        target='surface',
        episode=True,
        neutral=None,
        low=0.0,
        high=1.0,
    ),
    'texture': Kind(
        f'pattern, rounded: {_NUMBERED_PATTERNS}',
        (1,),
        target='surface',
        episode=True,
        neutral=None,
        low=0.0,
        high=len(PATTERNS) - 1.0,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Perturbation:
    """One thing that goes wrong, for a while.

    Attributes:
        kind: A name in KINDS.
        start: When it begins [s since the reset].
        duration: For how long [s]; `object_moved` happens once, at its start.
        value: Its size; see `KINDS` for its meaning.
        target: The observation key, body, surface or camera that it concerns; KINDS says which.

    Raises:
        UnknownNameError: If the kind, the body or the surface is unknown.
        IlRosError: If the value or the times do not fit the kind.
    """

    kind: str
    start: float = 0.0
    duration: float = math.inf
    value: tuple[float, ...] = ()
    target: str = ''

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownNameError(
                f'unknown perturbation {self.kind!r}', allowed=sorted(KINDS), fix='use one of these'
            )
        kind, where = KINDS[self.kind], f'perturbation {self.kind}'
        if (kind.sizes and len(self.value) not in kind.sizes) or not all(
            math.isfinite(number) and kind.low <= number <= kind.high for number in self.value
        ):
            raise IlRosError(
                f'value {tuple(self.value)}',
                where=where,
                allowed=f'{" or ".join(map(str, kind.sizes)) or "some"} finite numbers'
                f'{kind.bounds}: {kind.value}',
            )
        if not (self.start >= 0.0 and self.duration > 0.0):
            raise IlRosError(
                f'start {self.start} s, duration {self.duration} s',
                where=where,
                allowed='start >= 0, duration > 0',
            )
        if kind.target == 'body' and self.target not in ('', *BODIES):
            raise UnknownNameError(f'unknown body {self.target!r}', where=where, allowed=BODIES)
        if kind.target == 'surface' and self.target not in SURFACES:
            raise UnknownNameError(
                f'unknown surface {self.target!r}', where=where, allowed=SURFACES
            )

    def active(self, time: float) -> bool:
        """Whether it acts at `time` [s since the reset]."""
        return KINDS[self.kind].episode or self.start <= time < self.start + self.duration


def load_perturbations(path: Path) -> dict[str, tuple[Perturbation, ...]]:
    """Read the named perturbations of a suite from a YAML file.

    Raises:
        IlRosError: With the dotted path of what is wrong.
    """
    data = read_yaml(path)
    if not isinstance(data, Mapping) or not all(isinstance(item, list) for item in data.values()):
        raise IlRosError('not a mapping of names to lists', where=path.name)
    return {
        str(name): tuple(
            parse(Perturbation, item, where=f'{path.name}.{name}[{i}]')
            for i, item in enumerate(items)
        )
        for name, items in data.items()
    }
