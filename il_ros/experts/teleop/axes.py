"""From the axes of a device to a twist: mapping, scale, dead zone and response curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from il_ros.core.limits import Array


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of a device.

    Attributes:
        index: Its index in the message.
        scale: Speed at full deflection [m/s or rad/s].
        sign: -1 reverses it.
        deadzone: Deflection, 0 to 1, up to which it counts as centred.
        expo: Response curve: 0 is linear, 1 is cubic.
    """

    index: int
    scale: float
    sign: Literal[1, -1] = 1
    deadzone: float = 0.1
    expo: float = 0.3

    def __post_init__(self) -> None:
        if self.index < 0:
            raise ValueError(f'index is {self.index}; allowed: 0 or more')
        if not (0.0 < self.scale < math.inf):
            raise ValueError(f'scale is {self.scale}; allowed: above 0 (reverse it with sign)')
        for name, most in (('deadzone', 0.9), ('expo', 1.0)):
            if not 0.0 <= getattr(self, name) <= most:
                raise ValueError(f'{name} is {getattr(self, name)}; allowed: 0 to {most}')

    def speed(self, deflection: float) -> float:
        """Speed [m/s or rad/s] for a deflection, which is clipped to -1 to 1."""
        size = min(abs(deflection), 1.0)
        if size <= self.deadzone:
            return 0.0
        # From the edge of the dead zone on, so that there is no step.
        fraction = (size - self.deadzone) / (1.0 - self.deadzone)
        shaped = (1.0 - self.expo) * fraction + self.expo * fraction**3
        return self.sign * math.copysign(self.scale * shaped, deflection)


@dataclass(frozen=True, kw_only=True)
class Axes:
    """The axis for each direction; None where the device has none.

    Attributes:
        x: Along the frame's x axis, linear [m/s].
        y: Along its y axis.
        z: Along its z axis.
        roll: About its x axis [rad/s].
        pitch: About its y axis.
        yaw: About its z axis.
    """

    x: Axis | None = None
    y: Axis | None = None
    z: Axis | None = None
    roll: Axis | None = None
    pitch: Axis | None = None
    yaw: Axis | None = None

    def __post_init__(self) -> None:
        if not self.used:
            raise ValueError('no axis is used; allowed: at least one of x, y, z, roll, pitch, yaw')

    @property
    def used(self) -> dict[str, int]:
        """Index of each direction that has an axis."""
        axes = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: axis.index for name, axis in axes.items() if axis is not None}

    def twist(self, deflections: Sequence[float]) -> Array:
        """Velocity of the tool, linear then angular, shape (6,), from all axes of the device."""
        axes = [getattr(self, field.name) for field in fields(self)]
        return np.array([axis.speed(deflections[axis.index]) if axis else 0.0 for axis in axes])
