"""The expert of `peg_insertion`: pick the plug, hover over the socket, go down when it is aligned.

How high the plug has to stay is a smooth function of what is still missing sideways and in turn,
so it comes down by itself as it gets aligned. Near the socket it is slow, and slower the more it
is pressed upon: on a rim it waits until it has slid into the hole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from il_ros.core.geometry import matrix_from_quaternion, yaw
from il_ros.core.limits import Array
from il_ros.experts.grasping_expert import GraspingExpert
from il_ros.policies.cartesian_expert import ExpertScene, ToolCommand, ramp, toward


@dataclass(frozen=True, kw_only=True)
class PegInsertionExpert(GraspingExpert):
    """Grips the plug by its handle and inserts it with the turn of the socket.

    Attributes:
        seat: Height of the handle's centre above the socket's origin when it is inserted [m].
        length: Of the peg [m].
        hover: Height of the peg above the socket while it is not aligned [m].
        centred: Distance to the side below which it may go all the way down, and from which on
            not at all [m].
        lever: What a turn counts as a distance to the side [m/rad].
        slow: Largest speed of the insertion [m/s].
        pressing: Force from which on it goes down more slowly, and the one at which it stops [N].
    """

    half: float = 0.015
    press: float = 0.008
    grip: float = -0.002
    seat: float = 0.052
    length: float = 0.03
    hover: float = 0.01
    centred: tuple[float, float] = (0.001, 0.004)
    lever: float = 0.02
    slow: float = 0.04
    pressing: tuple[float, float] = (8.0, 25.0)

    keys: ClassVar[tuple[str, ...]] = (*GraspingExpert.keys, 'socket_pose', 'wrench')

    def read(self, observation: Mapping[str, Array]) -> ExpertScene:
        """The scene, with the place and turn of the socket and the force at the wrist."""
        scene = super().read(observation)
        socket = observation['socket_pose']
        plug = matrix_from_quaternion(observation['object_pose'][3:])
        scene.cube_yaw = math.atan2(plug[1, 0], plug[0, 0])  # a plug fits at one turn only
        # Over the hole it is the peg's end that counts, as it leans in the hand; in the hole the
        # handle has to come upright.
        height = float(observation['object_pose'][2] - socket[2]) - self.seat
        lean = self.seat * plug[:2, 2] * ramp(height, 0.5 * self.length, self.length)
        scene.goal = socket[:3] + np.array([*lean, self.seat])
        scene.goal_yaw = yaw(socket[3:])
        scene.pressed = -float(observation['wrench'][2])
        return scene

    def _carry(self, scene: ExpertScene) -> ToolCommand:
        linear = self._insert(scene.goal - scene.cube, scene)
        return ToolCommand(linear=linear, yaw=scene.goal_yaw, gripper=self.half - self.press)

    def _insert(self, error: Array, scene: ExpertScene) -> Array:
        """Velocity [m/s] of a plug that `error` [m] separates from its seat."""
        height, far = -float(error[2]), math.hypot(error[0], error[1])
        aside = far + self.lever * abs(scene.goal_yaw - scene.tilt)
        missing = error + np.array([0.0, 0.0, self._least(height, far, aside)])
        velocity = toward(missing, self.pace.gain, self.pace.linear)
        velocity[:2] *= 1.0 - ramp(missing[2], *self.gate)
        # Slower than it could be stopped: from the hover on, there may be a rim in the way.
        over = ramp(height, self.length + 0.5 * self.hover, self.length + 3.0 * self.hover)
        fastest = self.slow + over * (self.pace.linear - self.slow)
        fastest *= 1.0 - ramp(scene.pressed, *self.pressing)
        velocity[2] = max(velocity[2], -fastest)
        return velocity

    def _least(self, height: float, far: float, aside: float) -> float:
        """Height above the seat [m] that a plug must keep; nought for one that is in the hole."""
        top = self.length + self.hover
        inside = (1.0 - ramp(height, 0.8 * self.length, self.length)) * (
            1.0 - ramp(far, 0.002, 0.004)
        )
        over = top * ramp(aside, *self.centred) * (1.0 - inside)
        return over + (self.clearance - top) * ramp(aside, *self.funnel)

    def _placed(self, scene: ExpertScene) -> bool:
        """Whether the plug is inserted; once the fingers open, it may be so less exactly."""
        error = scene.goal - scene.cube
        tolerance = 0.0015 if self._closed(scene) else 0.003
        return bool(math.hypot(error[0], error[1]) < 0.004 and error[2] > -tolerance)
