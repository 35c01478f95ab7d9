"""Domain randomisation: what differs between episodes besides the scene.

A randomisation draws perturbations that hold for a whole episode, from the episode's seed and with
a generator of its own: the scene stays what the seed alone makes of it, and the same seed and
settings give the same episode wherever it runs (Tobin et al. 2017 for what is seen, Peng et al.
2018 for the dynamics).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from il_ros.core.config import parse, read_yaml
from il_ros.sim.perturbations import PATTERNS, SURFACES, Perturbation, RandomStream

Pattern = Literal['plain', 'checker', 'gradient', 'speckle']

FACTORS, COLOURS, NOT_NEGATIVE = (0.01, 100.0), (0.0, 1.0), (0.0, math.inf)  # what makes sense


@dataclass(frozen=True, kw_only=True)
class Range:
    """Where a number comes from.

    Attributes:
        distribution: `uniform`, or `log_uniform`, whose logarithm is uniform: as often below as
            above the geometric mean of both ends.
        low: Least number.
        high: Largest number.

    Raises:
        ValueError: If the ends do not fit the distribution.
    """

    distribution: Literal['uniform', 'log_uniform']
    low: float
    high: float

    def __post_init__(self) -> None:
        log = self.distribution == 'log_uniform'
        bounded = math.isfinite(self.low) and math.isfinite(self.high)
        if not bounded or self.low > self.high or (log and self.low <= 0.0):
            raise ValueError(
                f'{self.distribution} from {self.low} to {self.high}; allowed: finite numbers, '
                f'low <= high{", low > 0" if log else ""}'
            )

    def draw(self, rng: np.random.Generator, count: int = 1) -> tuple[float, ...]:
        """A number of independent draws."""
        if self.distribution == 'uniform':
            return tuple(rng.uniform(self.low, self.high, count).tolist())
        numbers = np.exp(rng.uniform(math.log(self.low), math.log(self.high), count))
        return tuple(np.clip(numbers, self.low, self.high).tolist())


@dataclass(frozen=True, kw_only=True)
class Pose:
    """How far a camera is from where it should be, in its own frame.

    Attributes:
        shift: Along each axis [m].
        turn: About each axis, as a rotation vector [rad].
    """

    shift: Range
    turn: Range


@dataclass(frozen=True, kw_only=True)
class Light:
    """How the light differs.

    Attributes:
        shift: Displacement of the lights along each axis of the base frame [m].
        brightness: Factor on the brightness of the lights and of the headlight.
    """

    shift: Range | None = None
    brightness: Range | None = None


@dataclass(frozen=True, kw_only=True)
class Surface:
    """What a thing looks like.

    Attributes:
        colour: Red, green and blue, each for itself, 0 to 1.
        textures: Patterns that one is chosen from; none leaves it as it is.
    """

    colour: Range | None = None
    textures: tuple[Pattern, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Surfaces:
    """What table and object look like.

    Attributes:
        table: The table.
        object: The object.
    """

    table: Surface | None = None
    object: Surface | None = None


@dataclass(frozen=True, kw_only=True)
class Randomisation:
    """What an episode draws; what has no range stays as it is.

    Attributes:
        object_mass: Factor on the object's mass.
        object_friction: Factor on the object's friction.
        joint_damping: Factor on the damping of the arm's joints.
        servo_gains: Factor on the stiffness and damping of the arm's servos.
        latency: Delay of every command, rounded to physics steps [s].
        cameras: Poses, by name of the camera.
        light: The light.
        surfaces: Looks of table and object.
        sensor_noise: Standard deviation of the noise of every reading, by observation key, in the
            observation's unit.

    Raises:
        ValueError: If a range is beyond what makes sense: factors from 0.01 to 100, colours from 0
            to 1, no negative delay or standard deviation.
    """

    object_mass: Range | None = None
    object_friction: Range | None = None
    joint_damping: Range | None = None
    servo_gains: Range | None = None
    latency: Range | None = None
    cameras: Mapping[str, Pose] = field(default_factory=dict)
    light: Light | None = None
    surfaces: Surfaces | None = None
    sensor_noise: Mapping[str, Range] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, given, (least, most) in self._bounded():
            if given is not None and (given.low < least or given.high > most):
                raise ValueError(
                    f'{name} from {given.low:g} to {given.high:g}; allowed: {least:g} to {most:g}'
                )

    def draw(self, seed: int) -> tuple[Perturbation, ...]:
        """What the episode of `seed` gets, for `World.reset` and `~/reset`.

        Every range draws in its turn, so that a range that is added or removed changes those
        behind it in the order of the fields.
        """
        return tuple(self._drawn(RandomStream.RANDOMISATION.generator(seed)))

    @property
    def hash(self) -> str:
        """SHA-256 of the settings (hex)."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def _drawn(self, rng: np.random.Generator) -> Iterator[Perturbation]:
        for kind, target, given in (
            ('mass_scale', 'object', self.object_mass),
            ('friction_scale', '', self.object_friction),
            ('damping_scale', '', self.joint_damping),
            ('gain_scale', '', self.servo_gains),
            ('action_delay', '', self.latency),
        ):
            if given is not None:
                yield Perturbation(kind=kind, target=target, value=given.draw(rng))
        for name, pose in self.cameras.items():
            value = (*pose.shift.draw(rng, 3), *pose.turn.draw(rng, 3))
            yield Perturbation(kind='camera_offset', target=name, value=value)
        if self.light is not None and self.light.shift is not None:
            yield Perturbation(kind='light_offset', value=self.light.shift.draw(rng, 3))
        if self.light is not None and self.light.brightness is not None:
            yield Perturbation(kind='light_scale', value=self.light.brightness.draw(rng))
        for name, surface in self._surfaces():
            if surface.colour is not None:
                yield Perturbation(kind='colour', target=name, value=surface.colour.draw(rng, 3))
            if surface.textures:
                pattern = surface.textures[int(rng.integers(len(surface.textures)))]
                number = float(PATTERNS.index(pattern))
                yield Perturbation(kind='texture', target=name, value=(number,))
        for key, given in self.sensor_noise.items():
            yield Perturbation(kind='sensor_noise', target=key, value=given.draw(rng))

    def _surfaces(self) -> Iterator[tuple[str, Surface]]:
        for name in SURFACES:
            surface = getattr(self.surfaces, name, None)
            if surface is not None:
                yield name, surface

    def _bounded(self) -> Iterator[tuple[str, Range | None, tuple[float, float]]]:
        for name in ('object_mass', 'object_friction', 'joint_damping', 'servo_gains'):
            yield name, getattr(self, name), FACTORS
        yield 'latency', self.latency, NOT_NEGATIVE
        if self.light is not None:
            yield 'light.brightness', self.light.brightness, FACTORS
        for name, surface in self._surfaces():
            yield f'surfaces.{name}.colour', surface.colour, COLOURS
        for key, given in self.sensor_noise.items():
            yield f'sensor_noise.{key}', given, NOT_NEGATIVE


NOTHING = Randomisation()
"""Every episode is what its seed alone makes of it."""


def load_randomisation(path: Path) -> Randomisation:
    """Read the ranges of a YAML file.

    Raises:
        IlRosError: With the dotted path of what is wrong.
    """
    return parse(Randomisation, read_yaml(path), where=path.name)
