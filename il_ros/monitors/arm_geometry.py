"""Where the tool and the links of an arm are, for one posture or along a motion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from il_ros.core.arms import AnyArm, ArmPair
from il_ros.core.clearance import Clearance
from il_ros.core.kinematics import Outline
from il_ros.core.limits import Array


@dataclass(frozen=True, eq=False)
class Geometry:
    """The tool centre points, points that stand for the links, and how far two arms are apart.

    Attributes:
        tools: Tool centre points of joint positions (T, N): (T, 3) [m, base frame] of one tool, or
            (T, L, 3) of L of them.
        outline: Points all over the arm (T, P, 3) of joint positions (T, N); none where only the
            tool is known.
        parts: What each of the P points belongs to, for messages.
        radius: How far the arm reaches from each of these points, shape (P,), or one for all [m].
        moves: Which of the N joints move the arm; all by default. The others, a gripper's, keep
            what they hold while the arm falls back.
        names: What each tool is called, for messages.
        sides: Of a pair, which of the N joints move which arm, by what the keys of the observations
            that follow this arm begin with.
        clearance: Of a pair, the distances between the arms.
    """

    tools: Callable[[Array], Array]
    outline: Callable[[Array], Array] | None = None
    _: KW_ONLY
    parts: tuple[str, ...] = ()
    radius: Array | float = 0.0
    moves: NDArray[np.bool_] | None = None
    names: tuple[str, ...] = ('tool centre point',)
    sides: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    clearance: Clearance | None = None

    @classmethod
    def of_arm(cls, arm: AnyArm, joints: Sequence[str] | None = None) -> Self:
        """The geometry of an arm or a pair: each tool, and balls that cover each body.

        Args:
            arm: The arm or the pair.
            joints: Commanded joints in the order of the arrays; the arm's own order by default.

        Raises:
            ContractError: If these lack a joint of the arm.
        """
        joints = arm.names if joints is None else joints
        limbs, pair = arm.limbs, arm if isinstance(arm, ArmPair) else None
        columns = [limb.columns(joints) for limb in limbs]
        bodies = [Outline(limb.body, tool=len(limb.joints)) for limb in limbs]
        names = tuple(f'{limb.side} tool centre point'.lstrip() for limb in limbs)

        def tools(q: Array) -> Array:
            own = zip(limbs, columns, strict=True)
            each = [limb.chain.frames(q[:, place])[:, -1, :3, 3] for limb, place in own]
            return np.stack(each, axis=1) if pair else np.asarray(each[0])

        def outline(q: Array) -> Array:
            each = zip(bodies, limbs, columns, strict=True)
            centres = [body.centres(limb.chain.frames(q[:, own])) for body, limb, own in each]
            return np.concatenate(centres, axis=1)

        parts = [(name, *body.names[1:]) for name, body in zip(names, bodies, strict=True)]
        return cls(
            tools,
            outline,
            parts=tuple(part for body in parts for part in body),
            radius=np.concatenate([body.radius for body in bodies]),
            moves=np.isin(joints, arm.joints),
            names=names,
            sides={limb.prefix: np.isin(joints, limb.joints) for limb in limbs if pair},
            clearance=Clearance(pair, joints) if pair else None,
        )
