"""Pick and place: take a cube from the table, put it down at the goal, and let go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from il_ros.core.limits import Array
from il_ros.sim.tasks.task import Draw, Flags, draw_in_box, fetched, to_goal, upright
from il_ros.sim.tasks.task_bodies import add_goal, add_loose

EDGE = 0.04  # of the cube [m]


@dataclass(frozen=True, kw_only=True)
class PickPlace:
    """Move a cube of 4 cm to the goal on the table.

    Attributes:
        box_min: Lower corner of the training box, from which the cube comes [m].
        box_max: Upper corner of that box [m].
        goal_min: Lower corner of the box that goals come from, to the left of the first [m].
        goal_max: Upper corner of that box [m].
        yaw: Largest turn of the cube to either side [rad].
        tolerance: Largest horizontal distance of the cube to the goal at success [m].
        retreat: Least height of the tool centre point above the cube at success [m].
        time_limit: Length of an episode that does not succeed [s].
    """

    box_min: tuple[float, float] = (0.42, -0.22)
    box_max: tuple[float, float] = (0.58, 0.02)
    goal_min: tuple[float, float] = (0.44, 0.14)
    goal_max: tuple[float, float] = (0.56, 0.22)
    yaw: float = 0.35
    tolerance: float = 0.03
    retreat: float = 0.06
    time_limit: float = 10.0

    name = 'pick_place'
    observed = ('object',)
    workspace = np.array([0.25, -0.4, 0.01]), np.array([0.8, 0.4, 0.6])

    def build(self, spec: Any) -> None:
        """Add the cube and the mark of the goal."""
        add_cube(spec)
        add_goal(spec, 0.012)

    def draw(self, rng: np.random.Generator, outside: float) -> Draw:
        """Cube and goal in their boxes; only the cube goes outside, never towards the goals."""
        place = draw_in_box(rng, self.box_min, self.box_max, outside)
        goal = draw_in_box(rng, self.goal_min, self.goal_max)
        cube = upright((*place, EDGE / 2), rng.uniform(-self.yaw, self.yaw))
        return Draw(goal=np.array([*goal, EDGE / 2]), bodies={'object': cube})

    def success(self, scene: Mapping[str, Array]) -> Flags:
        """The cube rests within `tolerance` of the goal, the hand is open and above it."""
        resting = scene['object_pose'][..., 2] < EDGE / 2 + 0.005
        return (to_goal(scene) < self.tolerance) & resting & is_clear(scene, self.retreat)

    def progress(self, scene: Mapping[str, Array], first: Mapping[str, Array]) -> Array:
        """0.3 for the way to the cube, 0.6 for the cube's way to the goal, 0.1 for letting go."""
        return fetched(scene, first)


def add_cube(spec: Any, **settings: Any) -> None:
    """Add a free cube of EDGE with these `settings` of `add_loose`."""
    add_loose(spec, mujoco.mjtGeom.mjGEOM_BOX, [EDGE / 2] * 3, mass=0.1, **settings)


def is_clear(scene: Mapping[str, Array], height: float) -> Flags:
    """Whether the hand has let go of the cube: open, and more than `height` [m] above it."""
    is_open = scene['gripper_position'][..., 0] > EDGE / 2 + 0.005
    return is_open & (scene['tcp_pose'][..., 2] - scene['object_pose'][..., 2] > height)
