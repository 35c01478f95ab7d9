"""The expert of `pick_place`: approach from above, close, carry over, put down, let go, retreat.

The phase is read off the scene at each call. Between phases the motion is blended: height is a
smooth function of the horizontal distance (a funnel above cube and goal), and horizontal speed
one of the height that is still missing, so a policy that clones it meets few corners.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from il_ros.core.geometry import matrix_from_quaternion
from il_ros.core.limits import Array
from il_ros.policies.cartesian_expert import CartesianExpert, ExpertScene, ToolCommand, ramp, toward

# How far off the tool a held cube may be [m]; fingers do not begin to close that far off, or they
# would follow for ever what moves with them.
_HELD = 0.024


@dataclass(frozen=True, kw_only=True)
class GraspingExpert(CartesianExpert):
    """Takes the object, a cube, with its sides between the fingers, and puts it at the goal.

    Attributes:
        half: Half of the cube's edge, where the fingers meet it [m].
        press: How far beyond the cube's side the fingers are commanded [m].
        grip: Height of the tool centre point above the cube's centre when the fingers close [m];
            the finger tips then stay clear of the table.
        clearance: Height of the tool above its target while it is far to the side [m].
        funnel: Distance to the side below which it is all the way down, and from which on it
            is all the way up [m].
        gate: Missing height up to which it may move sideways freely, and from which on it may
            not at all [m].
        retreat: Height of the tool above the table after the release [m].
        level: Largest height above the goal at which it lets go [m].
        aligned: Largest horizontal distance to the goal at which it lets go [m].
        slack: How much further away the cube may lie once the fingers open [m].
    """

    half: float = 0.02
    press: float = 0.004
    grip: float = 0.006
    clearance: float = 0.08
    funnel: tuple[float, float] = (0.012, 0.06)
    gate: tuple[float, float] = (0.01, 0.06)
    retreat: float = 0.14
    level: float = 0.008
    aligned: float = 0.016
    slack: float = 0.01

    keys: ClassVar[tuple[str, ...]] = (*CartesianExpert.keys, 'object_pose')

    def read(self, observation: Mapping[str, Array]) -> ExpertScene:
        """The scene, with the turn of the cube."""
        scene = super().read(observation)
        scene.cube_yaw = turn_of(observation['object_pose'][3:])
        return scene

    def roll(self, scene: ExpertScene, moved: Array, gripper: float) -> None:
        """The cube stops the fingers, and a held cube moves with the tool."""
        if self._around(scene, _HELD):
            if self._closed(scene):
                scene.cube = scene.cube + moved
            gripper = max(gripper, self.half)
        scene.gripper = gripper

    def decide(self, scene: ExpertScene) -> ToolCommand:
        """What to do now, by phase."""
        if self._placed(scene):
            return self._let_go(scene)
        if self._closed(scene) and self._around(scene, _HELD):
            return self._carry(scene)
        if self._around(scene, 0.016 if scene.gripper > 0.037 else 0.022):
            return self._grasp(scene)
        return self._approach(scene)

    def _approach(self, scene: ExpertScene) -> ToolCommand:
        twisted = abs(scene.cube_yaw - scene.tilt)
        linear = self._hop(self._to_grip(scene), twisted)
        return ToolCommand(linear=linear, yaw=scene.cube_yaw, gripper=float(self.arm.home[-1]))

    def _grasp(self, scene: ExpertScene) -> ToolCommand:
        linear = toward(self._to_grip(scene), self.pace.gain, self.pace.linear)
        return ToolCommand(linear=linear, yaw=scene.cube_yaw, gripper=self.half - self.press)

    def _carry(self, scene: ExpertScene) -> ToolCommand:
        twisted = abs(scene.goal_yaw - scene.tilt)
        linear = self._hop(scene.goal - scene.cube, twisted)
        return ToolCommand(linear=linear, yaw=scene.goal_yaw, gripper=self.half - self.press)

    def _let_go(self, scene: ExpertScene) -> ToolCommand:
        free = ramp(scene.gripper, self.half + 0.004, 0.036)
        up = free * toward(
            np.array([0.0, 0.0, self.retreat - scene.tool[2]]), self.pace.gain, self.pace.linear
        )
        return ToolCommand(linear=up, yaw=scene.goal_yaw, gripper=float(self.arm.home[-1]))

    def _hop(self, error: Array, twisted: float) -> Array:
        """Velocity [m/s] that closes `error` [m] from above; `twisted` [rad] keeps it up too."""
        aside = math.hypot(error[0], error[1]) + 0.1 * twisted
        error = error.copy()
        error[2] += self.clearance * ramp(aside, *self.funnel)
        velocity = toward(error, self.pace.gain, self.pace.linear)
        velocity[:2] *= 1.0 - ramp(error[2], *self.gate)
        return velocity

    def _to_grip(self, scene: ExpertScene) -> Array:
        """From the tool centre point to where it should be when the fingers close [m]."""
        return np.asarray(scene.cube - scene.tool + (0.0, 0.0, self.grip))

    def _around(self, scene: ExpertScene, tolerance: float) -> bool:
        """Whether the cube is where the fingers meet."""
        error = self._to_grip(scene)
        return bool(math.hypot(error[0], error[1]) < tolerance and abs(error[2]) < tolerance)

    def _closed(self, scene: ExpertScene) -> bool:
        return scene.gripper < self.half + 0.0015

    def _placed(self, scene: ExpertScene) -> bool:
        """Whether the cube lies at the goal; once the fingers open, it may lie less exactly."""
        error = scene.goal - scene.cube
        tolerance = self.aligned + (0.0 if self._closed(scene) else self.slack)
        return bool(math.hypot(error[0], error[1]) < tolerance and abs(error[2]) < self.level)


def turn_of(quaternion: Array) -> float:
    """Turn of a cube about the vertical [rad], within 45 degrees, whichever side it lies on."""
    quarter = math.pi / 2
    matrix = matrix_from_quaternion(quaternion)
    edge = matrix[:, 0] if abs(matrix[2, 0]) < 0.7 else matrix[:, 1]  # one that is not upright
    angle = math.atan2(edge[1], edge[0])
    return angle - quarter * round(angle / quarter)
