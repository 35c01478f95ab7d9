"""The expert of `stack`: takes the cube to the top of the other one, wherever that stands now."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from il_ros.core.limits import Array
from il_ros.experts.grasping_expert import GraspingExpert, turn_of
from il_ros.policies.cartesian_expert import ExpertScene


@dataclass(frozen=True, kw_only=True)
class StackExpert(GraspingExpert):
    """Stacks the cube, side along side, and grasps it across where the other one is in the way.

    Attributes:
        finger: Farthest that an open finger gets from the tool centre point [m].
        side: Half of a finger's width, across the way in which it closes [m].
    """

    retreat: float = 0.18
    level: float = 0.003
    aligned: float = 0.006
    slack: float = 0.008
    finger: float = 0.057
    side: float = 0.0105

    keys: ClassVar[tuple[str, ...]] = (*GraspingExpert.keys, 'base_pose')

    def read(self, observation: Mapping[str, Array]) -> ExpertScene:
        """The scene, with the goal on top of the base."""
        scene, base = super().read(observation), observation['base_pose']
        scene.goal = base[:3] + np.array([0.0, 0.0, 2 * self.half])
        scene.goal_yaw = turn_of(base[3:])
        if self._obstructed(scene, base[:3]):
            scene.cube_yaw -= math.copysign(math.pi / 2, scene.cube_yaw)
        return scene

    def _obstructed(self, scene: ExpertScene, base: Array) -> bool:
        """Whether a finger that comes down next to the cube would meet the base."""
        x, y, z = (float(value) for value in base - scene.cube)
        c, s = math.cos(scene.cube_yaw), math.sin(scene.cube_yaw)
        along, across = abs(c * y - s * x), abs(c * x + s * y)  # the fingers close along y
        room = 1.2 * self.half  # of a base that is turned a little
        return along < self.finger + room and across < self.side + room and abs(z) < self.half
