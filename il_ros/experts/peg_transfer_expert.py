"""The expert of `peg_transfer`: pick and place, but above the pegs until it is over its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from il_ros.core.geometry import yaw
from il_ros.core.limits import Array
from il_ros.experts.grasping_expert import GraspingExpert
from il_ros.policies.cartesian_expert import ExpertScene


@dataclass(frozen=True, kw_only=True)
class PegTransferExpert(GraspingExpert):
    """Lifts the ring straight off its peg, and lowers it when its hole is over the other one."""

    grip: float = 0.002
    clearance: float = 0.06
    funnel: tuple[float, float] = (0.003, 0.02)
    gate: tuple[float, float] = (0.004, 0.02)

    keys: ClassVar[tuple[str, ...]] = (*GraspingExpert.keys, 'board_pose')

    def read(self, observation: Mapping[str, Array]) -> ExpertScene:
        """The scene, with the turn of the board, which the ring takes."""
        scene = super().read(observation)
        scene.goal_yaw = yaw(observation['board_pose'][3:])
        return scene
