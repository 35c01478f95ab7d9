"""Reach: bring the tool centre point to a position and stay there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from il_ros.core.limits import Array
from il_ros.sim.tasks.task import Draw, Flags, draw_in_box, length
from il_ros.sim.tasks.task_bodies import add_goal


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Move the tool centre point, of a pair the left arm's, to the goal, a ball in the air.

    Attributes:
        goal_min: Lower corner of the box that goals come from, base frame [m].
        goal_max: Upper corner of that box [m].
        tolerance: Largest distance to the goal at success [m].
        time_limit: Length of an episode that does not succeed [s].
    """

    goal_min: tuple[float, float, float] = (0.35, -0.2, 0.15)
    goal_max: tuple[float, float, float] = (0.6, 0.2, 0.45)
    tolerance: float = 0.02
    time_limit: float = 5.0

    name = 'reach'
    observed = ()
    workspace = np.array([0.2, -0.45, 0.02]), np.array([0.8, 0.45, 0.7])

    def build(self, spec: Any) -> None:
        """Show the goal; nothing else is needed."""
        add_goal(spec, self.tolerance)

    def draw(self, rng: np.random.Generator, outside: float) -> Draw:
        """A goal in the box."""
        return Draw(goal=draw_in_box(rng, self.goal_min, self.goal_max, outside))

    def success(self, scene: Mapping[str, Array]) -> Flags:
        """Within `tolerance` of the goal."""
        return _distance(scene) < self.tolerance

    def progress(self, scene: Mapping[str, Array], first: Mapping[str, Array]) -> Array:
        """Share of the first distance that is covered."""
        way = np.maximum(_distance(first), self.tolerance)
        return np.asarray(1.0 - _distance(scene) / way)


def _distance(scene: Mapping[str, Array]) -> Array:
    key = 'tcp_pose' if 'tcp_pose' in scene else 'left_tcp_pose'
    return length(scene[key][..., :3] - scene['goal_position'])
