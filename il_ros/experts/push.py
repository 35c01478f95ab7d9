"""The expert of `push`: come down behind the puck, seen from the goal, and push it there.

Where it stands is read off the scene at each call: low and behind the puck it pushes, anywhere else
it goes over it. While it pushes it steers sideways, because a puck that is met off its
centre turns away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from il_ros.experts.base import CartesianExpert, Scene, Wish, ramp, toward

Array = NDArray[np.float64]

_NEAR = 0.012  # height above `low` from which on it may push [m]


@dataclass(frozen=True, kw_only=True)
class PushExpert(CartesianExpert):
    """Pushes with closed fingers, their broad side across the way.

    Attributes:
        radius: Of the puck [m].
        tip: Half of the fingers' thickness along the way [m].
        room: Distance of the fingers to the puck when they come down [m].
        low: Height of the tool centre point above the table while it pushes [m].
        clearance: Height of the tool above that while it is far to the side [m].
        speed: Largest speed of the push [m/s].
        steer: Sideways speed per sideways distance [1/s].
        aside: Sideways distance from which on it comes down anew [m].
    """

    radius: float = 0.0425
    tip: float = 0.0105
    room: float = 0.02
    low: float = 0.018
    clearance: float = 0.08
    speed: float = 0.12
    steer: float = 4.0
    aside: float = 0.02

    keys: ClassVar[tuple[str, ...]] = (*CartesianExpert.keys, 'object_pose')

    @property
    def _reach(self) -> float:
        """Distance of the tool to the centre of a puck that touches the fingers [m]."""
        return self.radius + self.tip

    def roll(self, scene: Scene, moved: Array, gripper: float) -> None:
        """A puck that the fingers touch moves with them."""
        scene.gripper = gripper
        way, distance = self._way(scene)
        ahead, beside = self._behind(scene, way)
        if scene.tool[2] < self.low + _NEAR and abs(beside) < self.aside and distance > 0.001:
            depth = self._reach - ahead
            if 0.0 < depth < self.radius:
                scene.cube = scene.cube + np.array([*(depth * way), 0.0])

    def decide(self, scene: Scene) -> Wish:
        """Push where that leads to the goal; else go behind the puck."""
        way, distance = self._way(scene)
        ahead, beside = self._behind(scene, way)
        turn = math.atan2(way[1], way[0]) % math.pi  # the fingers are alike on either side
        is_low = scene.tool[2] < self.low + _NEAR
        if distance < 0.004 and is_low:
            return Wish(linear=np.zeros(3), yaw=scene.tilt, gripper=0.0)
        if is_low and ahead > 0.8 * self._reach and abs(beside) < self.aside:
            return Wish(linear=self._push(scene, way, distance, beside), yaw=turn, gripper=0.0)
        return Wish(linear=self._approach(scene, way), yaw=turn, gripper=0.0)

    def _push(self, scene: Scene, way: Array, distance: float, beside: float) -> Array:
        """Along the way, slower near the goal and where it has to steer."""
        straight = 1.0 - ramp(abs(beside), 0.3 * self.aside, self.aside)
        along = float(toward(np.array([distance]), 4.0, self.speed)[0]) * straight
        across = np.array([-way[1], way[0]])
        height = float(scene.tool[2]) - self.low
        flat = (1.0 - ramp(height, 0.0, _NEAR)) * (along * way - self.steer * beside * across)
        return np.array([*flat, -self.pace.gain * height])

    def _approach(self, scene: Scene, way: Array) -> Array:
        """Velocity [m/s] to the place behind the puck, from above."""
        place = scene.cube[:2] - (self._reach + self.room) * way
        error = np.array([*(place - scene.tool[:2]), self.low - scene.tool[2]])
        aside = math.hypot(error[0], error[1])
        error[2] += self.clearance * ramp(aside, 0.008, 0.03)
        velocity = toward(error, self.pace.gain, self.pace.linear)
        velocity[:2] *= 1.0 - ramp(error[2], 0.015, 0.06)
        return velocity

    def _way(self, scene: Scene) -> tuple[Array, float]:
        """Direction from the puck to the goal, shape (2,), and its distance [m]."""
        error = scene.goal[:2] - scene.cube[:2]
        distance = math.hypot(error[0], error[1])
        return (error / distance if distance > 1e-6 else np.array([0.0, 1.0])), distance

    def _behind(self, scene: Scene, way: Array) -> tuple[float, float]:
        """How far the puck is ahead of the tool, and the tool beside the puck's way [m]."""
        to_puck = scene.cube[:2] - scene.tool[:2]
        return float(to_puck @ way), float(way[1] * to_puck[0] - way[0] * to_puck[1])
