"""What the arm may do: the bounds that the monitor enforces and the simulator measures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


TURN = 2 * math.pi


def is_whole_turn(low: float, high: float) -> bool:
    """Whether limits of an angle [rad] are -pi and pi, to a few digits: all that it can be."""
    return abs(low + math.pi) < 0.01 and abs(high - math.pi) < 0.01


@dataclass(frozen=True, kw_only=True)
class Box:
    """An axis-aligned box in the base frame.

    Attributes:
        min: Lower corner [m].
        max: Upper corner [m].
    """

    min: tuple[float, float, float]
    max: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Zone(Box):
    """A box that no part of the arm may enter.

    Attributes:
        name: What is there, for messages.
    """

    name: str


@dataclass(frozen=True, kw_only=True)
class JointLimits:
    """Bounds of N commanded joints in the contract's order.

    Attributes:
        position_min: Lower position bound, shape (N,) [rad or m]; -inf for a joint that turns
            without end, whose upper one is inf.
        position_max: Upper position bound, shape (N,) [rad or m].
        velocity: Largest speed, shape (N,) [rad/s or m/s].
        acceleration: Largest acceleration, shape (N,) [rad/s^2 or m/s^2].
        jerk: Largest jerk, shape (N,) [rad/s^3 or m/s^3].
    """

    position_min: Array
    position_max: Array
    velocity: Array
    acceleration: Array
    jerk: Array

    @property
    def endless(self) -> NDArray[np.bool_]:
        """Which joints turn without end, shape (N,)."""
        return np.isposinf(self.position_max)

    def bounds(self) -> dict[str, Any]:
        """The bounds alone, by name."""
        return {field.name: getattr(self, field.name) for field in fields(JointLimits)}


@dataclass(frozen=True, kw_only=True)
class Limits(JointLimits):
    """Bounds of one arm, or of a pair, in one task.

    Attributes:
        names: Joint names, N of them.
        workspace_min: Lower corner of the box the tool centre point stays in, shape (3,) [m],
            in the arm's base frame.
        workspace_max: Upper corner of that box, shape (3,) [m].
        force: Largest norm of the wrist force [N].
        torque: Largest norm of the wrist torque [N m].
        keep_out: Boxes that no part of the arm may enter.
        separation: Least distance between the two arms of a pair [m].
    """

    names: tuple[str, ...]
    workspace_min: Array
    workspace_max: Array
    force: float
    torque: float
    keep_out: tuple[Zone, ...] = ()
    separation: float = 0.0

    def ordered(self, names: Sequence[str]) -> Self:
        """The same limits, with the same joints in the order of `names`."""
        order = [self.names.index(name) for name in names]
        bounds = {name: values[order] for name, values in self.bounds().items()}
        return replace(self, names=tuple(names), **bounds)
