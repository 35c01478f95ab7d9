"""The expert of `reach`: straight to the goal, slower as it comes near."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from il_ros.policies.cartesian_expert import CartesianExpert, ExpertScene, ToolCommand, toward


@dataclass(frozen=True, kw_only=True)
class ReachExpert(CartesianExpert):
    """Moves the tool centre point to the goal, pointing down, with an open gripper."""

    grips: ClassVar[bool] = False

    def decide(self, scene: ExpertScene) -> ToolCommand:
        """Toward the goal."""
        linear = toward(scene.goal - scene.tool, self.pace.gain, self.pace.linear)
        return ToolCommand(linear=linear, yaw=0.0, gripper=float(self.arm.home[-1]))
