"""Stack: put a cube onto another one, and let go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from il_ros.core.limits import Array
from il_ros.sim.tasks.pick_place import EDGE, add_cube, is_clear
from il_ros.sim.tasks.task import Draw, Flags, draw_in_box, fetched, length, upright
from il_ros.sim.tasks.task_bodies import add_goal


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Put a cube of 4 cm onto another one, the base, of the same size.

    The goal is on top of the base as it is now; what is observed as the goal's position is where
    that was at the start.

    Attributes:
        box_min: Lower corner of the training box, from which the cube comes [m].
        box_max: Upper corner of that box [m].
        base_min: Lower corner of the box that the base comes from, to the left of the first and
            farther from it than an open finger reaches [m].
        base_max: Upper corner of that box [m].
        yaw: Largest turn of either cube to either side [rad].
        tolerance: Largest horizontal distance of the cube to the base at success [m]; one that
            lies further out would fall.
        retreat: Least height of the tool centre point above the cube at success [m].
        time_limit: Length of an episode that does not succeed [s].
    """

    box_min: tuple[float, float] = (0.42, -0.22)
    box_max: tuple[float, float] = (0.58, 0.0)
    base_min: tuple[float, float] = (0.44, 0.12)
    base_max: tuple[float, float] = (0.56, 0.2)
    yaw: float = 0.35
    tolerance: float = 0.02
    retreat: float = 0.06
    time_limit: float = 10.0

    name = 'stack'
    observed = ('object', 'base')
    workspace = np.array([0.25, -0.4, 0.01]), np.array([0.8, 0.4, 0.6])

    def build(self, spec: Any) -> None:
        """Add both cubes and the mark of the goal."""
        add_cube(spec)
        add_cube(spec, name='base', rgba=(0.2, 0.4, 0.8, 1), priority=0)
        add_goal(spec, 0.012)

    def draw(self, rng: np.random.Generator, outside: float) -> Draw:
        """Both cubes in their boxes; only what is stacked goes outside, never towards the base."""
        place = draw_in_box(rng, self.box_min, self.box_max, outside)
        base = draw_in_box(rng, self.base_min, self.base_max)
        turn, other = rng.uniform(-self.yaw, self.yaw, 2)
        return Draw(
            goal=np.array([*base, 1.5 * EDGE]),
            bodies={
                'object': upright((*place, EDGE / 2), turn),
                'base': upright((*base, EDGE / 2), other),
            },
        )

    def success(self, scene: Mapping[str, Array]) -> Flags:
        """The cube rests on the base and nothing else, the hand is open and above it."""
        aside, above = _to_top(scene)
        low = np.abs(scene['base_pose'][..., 2] - EDGE / 2) < 0.005
        resting = low & (np.abs(above) < 0.005)
        return (aside < self.tolerance) & resting & is_clear(scene, self.retreat)

    def progress(self, scene: Mapping[str, Array], first: Mapping[str, Array]) -> Array:
        """0.3 for the way to the cube, 0.6 for its way to the base's top, 0.1 for letting go."""
        return fetched(scene, first, 1.0 - np.hypot(*_to_top(scene)) / np.hypot(*_to_top(first)))


def _to_top(scene: Mapping[str, Array]) -> tuple[Array, Array]:
    """How far the cube is, horizontally and in height, from lying on the base [m]."""
    way = scene['object_pose'][..., :3] - scene['base_pose'][..., :3]
    return length(way[..., :2]), way[..., 2] - EDGE
