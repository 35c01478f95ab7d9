"""Push: slide a puck over the table to the goal, without gripping it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from il_ros.core.limits import Array
from il_ros.sim.tasks.task import Draw, Flags, draw_in_box, to_goal, upright
from il_ros.sim.tasks.task_bodies import add_goal, add_loose

RADIUS = 0.0425  # of the puck [m]
HEIGHT = 0.04  # of the puck [m]


@dataclass(frozen=True, kw_only=True)
class Push:
    """Push a puck, too wide for the fingers, to the goal on the table.

    Attributes:
        box_min: Lower corner of the training box, from which the puck comes [m].
        box_max: Upper corner of that box [m].
        goal_min: Lower corner of the box that goals come from, to the left of the first [m].
        goal_max: Upper corner of that box [m].
        tolerance: Largest horizontal distance of the puck to the goal at success [m].
        time_limit: Length of an episode that does not succeed [s].
    """

    box_min: tuple[float, float] = (0.44, -0.16)
    box_max: tuple[float, float] = (0.56, -0.04)
    goal_min: tuple[float, float] = (0.44, 0.1)
    goal_max: tuple[float, float] = (0.56, 0.2)
    tolerance: float = 0.02
    time_limit: float = 10.0

    name = 'push'
    observed = ('object',)
    workspace = np.array([0.25, -0.4, 0.005]), np.array([0.8, 0.4, 0.6])

    def build(self, spec: Any) -> None:
        """Add the puck and the mark of the goal."""
        size, blue = [RADIUS, HEIGHT / 2, 0], [0.2, 0.4, 0.8, 1]
        cylinder = mujoco.mjtGeom.mjGEOM_CYLINDER
        add_loose(spec, cylinder, size, mass=0.3, rgba=blue, friction=0.5)
        add_goal(spec, 0.012)

    def draw(self, rng: np.random.Generator, outside: float) -> Draw:
        """Puck and goal in their boxes; only the puck goes outside, never towards the goals."""
        place = draw_in_box(rng, self.box_min, self.box_max, outside)
        goal = draw_in_box(rng, self.goal_min, self.goal_max)
        puck = upright((*place, HEIGHT / 2), 0.0)
        return Draw(goal=np.array([*goal, HEIGHT / 2]), bodies={'object': puck})

    def success(self, scene: Mapping[str, Array]) -> Flags:
        """The puck lies within `tolerance` of the goal."""
        flat = scene['object_pose'][..., 2] < HEIGHT / 2 + 0.005
        return (to_goal(scene) < self.tolerance) & flat

    def progress(self, scene: Mapping[str, Array], first: Mapping[str, Array]) -> Array:
        """Share of the puck's way to the goal that is covered."""
        return np.asarray(1.0 - to_goal(scene) / np.maximum(to_goal(first), self.tolerance))
