"""Where the tool and the links of an arm are, for one posture or along a motion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np
from numpy.typing import NDArray

from il_ros.core.arms import Arm
from il_ros.core.kinematics import Outline
from il_ros.core.limits import Array


class Geometry:
    """The tool centre point, and points that stand for the links.

    Args:
        tools: Tool centre points (T, 3) [m, base frame] of joint positions (T, N).
        outline: Points all over the arm (T, P, 3) of joint positions (T, N); none where only the
            tool is known.
        parts: What each of the P points belongs to, for messages.
        radius: How far the arm reaches from each of these points, shape (P,), or one for all [m].
        moves: Which of the N joints move the arm; all by default. The others, a gripper's, keep
            what they hold while the arm falls back.
    """

    def __init__(
        self,
        tools: Callable[[Array], Array],
        outline: Callable[[Array], Array] | None = None,
        *,
        parts: tuple[str, ...] = (),
        radius: Array | float = 0.0,
        moves: NDArray[np.bool_] | None = None,
    ) -> None:
        self.tools, self.outline = tools, outline
        self.parts, self.radius, self.moves = parts, radius, moves

    @classmethod
    def of_arm(cls, arm: Arm) -> Self:
        """The geometry of an arm: its tool, and balls that cover its body."""
        n = len(arm.joints)
        body = Outline(arm.body, tool=n)

        def tools(q: Array) -> Array:
            return np.asarray(arm.chain.frames(q[:, :n])[:, -1, :3, 3])

        def outline(q: Array) -> Array:
            return body.centres(arm.chain.frames(q[:, :n]))

        moves = np.array([name in arm.joints for name in arm.names])
        return cls(tools, outline, parts=body.names, radius=body.radius, moves=moves)
