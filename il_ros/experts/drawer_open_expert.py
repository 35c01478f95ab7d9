"""The expert of `drawer_open`: closed fingers come down behind the handle and pull it out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from il_ros.core.geometry import yaw
from il_ros.core.limits import Array
from il_ros.experts.pushing_expert import PushingExpert
from il_ros.policies.cartesian_expert import ExpertScene


@dataclass(frozen=True, kw_only=True)
class DrawerOpenExpert(PushingExpert):
    """Pushes the bar of the handle outwards, from between the bar and the drawer's front."""

    half: float = 0.005
    low: float = 0.06
    room: float = 0.017
    behind: float = 0.036
    funnel: tuple[float, float] = (0.005, 0.025)
    steer: float = 6.0
    aside: float = 0.045

    def read(self, observation: Mapping[str, Array]) -> ExpertScene:
        """The scene, with the turn of the drawer."""
        scene = super().read(observation)
        scene.cube_yaw = yaw(observation['object_pose'][3:])
        return scene

    def way(self, scene: ExpertScene) -> tuple[Array, float]:
        """Out of the cabinet, whatever the sideways offset of the goal; negative beyond it."""
        way = -np.array([math.cos(scene.cube_yaw), math.sin(scene.cube_yaw)])
        return way, float((scene.goal - scene.cube)[:2] @ way)

    def turn(self, way: Array) -> float:
        """The tool's turn [rad], within a quarter: drawers are pulled towards the arm."""
        return (super().turn(way) + 0.5 * math.pi) % math.pi - 0.5 * math.pi
