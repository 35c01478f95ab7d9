"""The expert of `reach`: straight to the goal, slower as it comes near."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from il_ros.core.arms import AnyArm, ArmPair
from il_ros.core.joint_order import arm_layout
from il_ros.core.limits import Array
from il_ros.policies.cartesian_expert import (
    CartesianExpert,
    Expert,
    ExpertScene,
    ToolCommand,
    require_keys,
    toward,
)


@dataclass(frozen=True, kw_only=True)
class ReachExpert(CartesianExpert):
    """Moves the tool centre point to the goal, pointing down, with an open gripper."""

    grips: ClassVar[bool] = False

    def decide(self, scene: ExpertScene) -> ToolCommand:
        """Toward the goal."""
        linear = toward(scene.goal - scene.tool, self.pace.gain, self.pace.linear)
        return ToolCommand(linear=linear, yaw=0.0, gripper=float(self.arm.home[-1]))


class PairReachExpert:
    """The first arm of a pair moves its tool to the goal; the others stay where they are.

    Args:
        arm: The pair.
    """

    def __init__(self, arm: ArmPair) -> None:
        first, *others = arm.limbs
        self._expert, self._prefix = ReachExpert(arm=first), first.prefix
        self._others = [key for key in arm_layout(others) if key.endswith('_position')]

    def act(self, observation: Mapping[str, Array], *, horizon: int, dt: float) -> Array:
        """See `Expert.act`."""
        require_keys(observation, tuple(self._others), where='the expert of reach')
        own = {key.removeprefix(self._prefix): value for key, value in observation.items()}
        still = np.concatenate([observation[key] for key in self._others])
        chunk = self._expert.act(own, horizon=horizon, dt=dt)
        return np.hstack([chunk, np.tile(still, (horizon, 1))])


def reach_expert(arm: AnyArm | None) -> Expert:
    """The expert for one arm or for several."""
    if isinstance(arm, ArmPair):
        return PairReachExpert(arm)
    return ReachExpert(arm=arm)  # type: ignore[arg-type]  # it refuses to do without one
