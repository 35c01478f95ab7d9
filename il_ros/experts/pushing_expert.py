"""The expert of `push`: come down behind the object, seen from the goal, and push it there.

Where the tool stands is read off the scene at each call: low and behind the object it pushes,
anywhere else it goes over it. While it pushes it steers sideways, because a puck that is met off
its centre turns away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from il_ros.core.limits import Array
from il_ros.policies.cartesian_expert import CartesianExpert, ExpertScene, ToolCommand, ramp, toward

_NEAR = 0.012  # height above `low` from which on it may push [m]


@dataclass(frozen=True, kw_only=True)
class PushingExpert(CartesianExpert):
    """Pushes the object, a puck, with closed fingers, their broad side across the way.

    It pushes straight at the goal, regardless of what lies behind it.

    Attributes:
        half: Half of the object's thickness along the way, a puck's radius [m].
        low: Height of the tool centre point above the table while it pushes [m].
        tip: Half of the fingers' thickness along the way [m].
        room: Distance of the fingers to the object when they come down [m].
        behind: Largest distance of the fingers to the object at which they push it [m].
        clearance: Height of the tool above `low` while it is far to the side [m].
        funnel: Sideways distances between which it gains that height [m].
        speed: Largest speed of the push [m/s].
        steer: Sideways speed per sideways distance [1/s].
        aside: Sideways distance from which on it comes down anew [m].
    """

    half: float = 0.0425
    low: float = 0.018
    tip: float = 0.0105
    room: float = 0.02
    behind: float = math.inf
    clearance: float = 0.08
    funnel: tuple[float, float] = (0.008, 0.03)
    speed: float = 0.12
    steer: float = 4.0
    aside: float = 0.02

    keys: ClassVar[tuple[str, ...]] = (*CartesianExpert.keys, 'object_pose')

    def way(self, scene: ExpertScene) -> tuple[Array, float]:
        """Direction in which the object has to move, shape (2,), and how far [m]."""
        error = scene.goal[:2] - scene.cube[:2]
        distance = math.hypot(error[0], error[1])
        return (error / distance if distance > 1e-6 else np.array([0.0, 1.0])), distance

    def turn(self, way: Array) -> float:
        """The tool's turn [rad] for a way; the fingers are symmetric."""
        return math.atan2(way[1], way[0]) % math.pi

    @property
    def _reach(self) -> float:
        """Distance of the tool to the centre of an object that touches the fingers [m]."""
        return self.half + self.tip

    def roll(self, scene: ExpertScene, moved: Array, gripper: float) -> None:
        """What the fingers touch moves with them."""
        scene.tool, scene.gripper = scene.tool + moved, gripper
        way, distance = self.way(scene)
        ahead, offset = self._behind(scene, way)
        touches = 0.0 < ahead < self._reach and abs(offset) < self.aside
        if touches and scene.tool[2] < self.low + _NEAR and distance > 0.001:
            scene.cube = scene.cube + np.array([*((self._reach - ahead) * way), 0.0])

    def decide(self, scene: ExpertScene) -> ToolCommand:
        """Push where that leads to the goal; else go behind the object."""
        way, distance = self.way(scene)
        ahead, offset = self._behind(scene, way)
        turn = self.turn(way)
        is_low = scene.tool[2] < self.low + _NEAR
        if distance < 0.004 and is_low:
            return ToolCommand(linear=np.zeros(3), yaw=scene.tilt, gripper=0.0)
        is_behind = 0.5 * self._reach < ahead < self._reach + self.behind
        if is_low and is_behind and abs(offset) < self.aside:
            return ToolCommand(
                linear=self._push(scene, way, distance, offset), yaw=turn, gripper=0.0
            )
        return ToolCommand(linear=self._approach(scene, way), yaw=turn, gripper=0.0)

    def _push(self, scene: ExpertScene, way: Array, distance: float, offset: float) -> Array:
        """Along the way, slower near the goal and where it has to steer; first down, in place."""
        straight = 1.0 - ramp(abs(offset), 0.3 * self.aside, self.aside)
        along = float(toward(np.array([distance]), 4.0, self.speed)[0]) * straight
        across = np.array([-way[1], way[0]])
        height = float(scene.tool[2]) - self.low
        high = ramp(height, 0.0, _NEAR)
        settle = toward(self._place(scene, way) - scene.tool[:2], self.pace.gain, self.pace.linear)
        flat = (1.0 - high) * (along * way - self.steer * offset * across) + high * settle
        return np.array([*flat, -self.pace.gain * height])

    def _approach(self, scene: ExpertScene, way: Array) -> Array:
        """Velocity [m/s] to the place behind the object, from above; open fingers keep it up."""
        error = np.array([*(self._place(scene, way) - scene.tool[:2]), self.low - scene.tool[2]])
        aside = math.hypot(error[0], error[1]) + scene.gripper
        error[2] += self.clearance * ramp(aside, *self.funnel)
        velocity = toward(error, self.pace.gain, self.pace.linear)
        velocity[:2] *= 1.0 - ramp(error[2], 0.015, 0.06)
        return velocity

    def _place(self, scene: ExpertScene, way: Array) -> Array:
        """Where the tool comes down, behind the object, shape (2,) [m]."""
        return np.asarray(scene.cube[:2] - (self._reach + self.room) * way)

    def _behind(self, scene: ExpertScene, way: Array) -> tuple[float, float]:
        """How far the object is ahead of the tool, and the tool off the object's way [m]."""
        ahead = scene.cube[:2] - scene.tool[:2]
        return float(ahead @ way), float(way[1] * ahead[0] - way[0] * ahead[1])
