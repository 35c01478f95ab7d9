"""Bimanual handover: one arm picks a bar up, the other takes it in the air, over to the goal.

After the transfer task of ALOHA (Zhao et al. 2023), with a bar long enough for two hands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from il_ros.core.limits import Array
from il_ros.sim.tasks.task import Draw, Flags, draw_in_box, length, upright
from il_ros.sim.tasks.task_bodies import add_goal, add_loose

LENGTH = 0.26  # of the bar [m]
EDGE = 0.024  # its width and height [m]
GRIP = 0.09  # from the middle of the bar to where a hand takes it [m]
MEETING = np.array([0.0, 0.0, 0.2])  # about where the bar changes hands, for the progress [m]


@dataclass(frozen=True, kw_only=True)
class BimanualHandover:
    """The left arm lifts the bar from the table, the right one takes it over to the goal.

    Attributes:
        box_min: Lower corner of the training box, from which the middle of the bar comes [m].
        box_max: Upper corner of that box [m].
        goal_min: Lower corner of the box that goals come from, before the right arm [m].
        goal_max: Upper corner of that box [m].
        yaw: Largest turn of the bar, away from the line between the arms, to either side [rad].
        tolerance: Largest distance of the bar's middle to the goal at success [m].
        clear: Least distance of the left tool to its end of the bar at success [m].
        time_limit: Length of an episode that does not succeed, twice what the expert takes [s].
    """

    box_min: tuple[float, float] = (-0.2, -0.1)
    box_max: tuple[float, float] = (-0.1, 0.1)
    goal_min: tuple[float, float, float] = (0.08, -0.1, 0.12)
    goal_max: tuple[float, float, float] = (0.18, 0.1, 0.2)
    yaw: float = 0.4
    tolerance: float = 0.03
    clear: float = 0.1
    time_limit: float = 10.0

    name = 'bimanual_handover'
    observed = ('object',)
    workspace = np.array([-0.4, -0.35, 0.006]), np.array([0.4, 0.35, 0.45])

    def build(self, spec: Any) -> None:
        """Add the bar and the mark of the goal."""
        size = [LENGTH / 2, EDGE / 2, EDGE / 2]
        add_loose(spec, mujoco.mjtGeom.mjGEOM_BOX, size, mass=0.06)
        add_goal(spec, 0.012)

    def draw(self, rng: np.random.Generator, outside: float) -> Draw:
        """Bar and goal in their boxes; only the bar goes outside."""
        place = draw_in_box(rng, self.box_min, self.box_max, outside)
        goal = rng.uniform(self.goal_min, self.goal_max)
        bar = upright((*place, EDGE / 2), rng.uniform(-self.yaw, self.yaw))
        return Draw(goal=goal, bodies={'object': bar})

    def success(self, scene: Mapping[str, Array]) -> Flags:
        """The bar is at the goal, in the right hand alone: the left one is open and away."""
        free = (_to_grip(scene, 'left') > self.clear) & ~_closed(scene, 'left')
        there = length(scene['object_pose'][..., :3] - scene['goal_position']) < self.tolerance
        return there & free & _holds(scene, 'right')

    def progress(self, scene: Mapping[str, Array], first: Mapping[str, Array]) -> Array:
        """0.2 for the left hand's way to the bar, 0.7 for the bar's; the rest for letting go."""
        carried = 1.0 - _to_go(scene) / _to_go(first)
        near = 1.0 - _to_grip(scene, 'left') / _to_grip(first, 'left')
        near = np.where(carried > 0.05, 1.0, near)  # the hand may leave what it has handed over
        return np.asarray(0.2 * np.maximum(near, 0.0) + 0.7 * np.maximum(carried, 0.0))


def _to_go(scene: Mapping[str, Array]) -> Array:
    """The bar's way to the goal, by the place where it changes hands if it has not yet [m]."""
    bar, goal = scene['object_pose'][..., :3], scene['goal_position']
    both = length(bar - MEETING) + length(MEETING - goal)
    return np.where(_holds(scene, 'right'), length(bar - goal), both)


def _holds(scene: Mapping[str, Array], side: str) -> Flags:
    return (_to_grip(scene, side) < 0.04) & _closed(scene, side)


def _closed(scene: Mapping[str, Array], side: str) -> Flags:
    return np.asarray(scene[f'{side}_gripper_position'][..., 0] < EDGE / 2 + 0.003)


def _to_grip(scene: Mapping[str, Array], side: str) -> Array:
    """Distance from a tool centre point to its end of the bar [m]."""
    bar = scene['object_pose']
    x, y, z, w = (bar[..., i] for i in (3, 4, 5, 6))
    # The first column of the rotation matrix; whichever end is the right one is the right hand's.
    along = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)], -1)
    end = np.where((along[..., :1] > 0.0) == (side == 'right'), GRIP, -GRIP)
    return length(scene[f'{side}_tcp_pose'][..., :3] - bar[..., :3] - end * along)
