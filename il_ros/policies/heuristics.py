"""Floors for evaluation: what a policy must beat to have learnt anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from il_ros.core.arms import AnyArm
from il_ros.core.joint_order import arm_layout
from il_ros.core.limits import Array
from il_ros.policies.cartesian_expert import CartesianExpert, ExpertScene, ToolCommand, toward


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Stays where it is; the only one that needs no arm.

    Attributes:
        arm: The arm, of which it looks only at how many there are; one by default.
    """

    arm: AnyArm | None = None

    def act(self, observation: Mapping[str, Array], *, horizon: int, dt: float) -> Array:
        """The present joint positions, over and over."""
        if self.arm is None:
            keys = ['joint_position', 'gripper_position']
        else:
            keys = [key for key in arm_layout(self.arm.limbs) if key.endswith('_position')]
        return np.tile(np.concatenate([observation[key] for key in keys]), (horizon, 1))


@dataclass(frozen=True, kw_only=True)
class Straight(CartesianExpert):
    """Goes straight to the object, closes on it and pulls straight to the goal.

    Without an object it goes straight to the goal, which is all that `reach` needs.
    """

    def decide(self, scene: ExpertScene) -> ToolCommand:
        """To the object with an open gripper; from there on to the goal with a closed one."""
        error = scene.cube - scene.tool
        near = float(np.linalg.norm(error)) < 0.02
        aim = scene.goal - scene.tool if near else error
        linear = toward(aim, self.pace.gain, self.pace.linear)
        return ToolCommand(
            linear=linear, yaw=0.0, gripper=0.0 if near else float(self.arm.home[-1])
        )
