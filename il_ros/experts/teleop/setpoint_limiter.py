"""Keeps set-points inside a contract's limits, one step after the other."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from il_ros.core.arms import AnyArm, require_commanded
from il_ros.core.contract import Contract
from il_ros.core.limits import Array, Limits

_SHARES = (1.0, 0.5, 0.25, 0.1)  # of a step that are tried when all of it would leave the box
_ROUNDING = 1e-9  # m


@dataclass(frozen=True, kw_only=True)
class MotionConfig:
    """How set-points follow an operator.

    Attributes:
        velocity: Largest fraction of the contract's velocity limits.
        acceleration: Largest fraction of its acceleration limits.
        margin: How far inside the workspace box the tool stays [m].
        leash: How far the set-point may be ahead of the measured arm: the way of each joint in this
            time at its velocity limit [s].
    """

    velocity: float = 0.5
    acceleration: float = 0.4
    margin: float = 0.02
    leash: float = 0.15

    def __post_init__(self) -> None:
        bounds = {'velocity': 0.9, 'acceleration': 0.9, 'margin': 0.2, 'leash': 1.0}
        for field in fields(self):
            value, most = getattr(self, field.name), bounds[field.name]
            if not (0.0 < value <= most or (value == 0.0 and field.name == 'margin')):
                raise ValueError(f'{field.name} is {value}; allowed: above 0, at most {most}')


def arm_joints(contract: Contract, arm: AnyArm) -> NDArray[np.bool_]:
    """Which of a contract's joints are the arm's, shape (N,); the others are grippers'.

    Raises:
        ContractError: If it does not command all of them, or more than them and grippers.
    """
    names = contract.action.names
    require_commanded(arm, names, where=f'contract {contract.name}.action.names')
    return np.array([name in arm.joints for name in names])


def stoppable(distance: Array, deceleration: Array | float, dt: float) -> Array:
    """The fastest velocities that come to rest within `distance`, in steps of `dt` [s]."""
    reserve = deceleration * dt / 2
    return np.asarray(np.sqrt(2 * deceleration * distance + reserve**2) - reserve)


class SetpointLimiter:
    """Turns desired joint velocities into the next set-point.

    The joints of the arm are slowed by one factor, so that the tool keeps its path; a gripper is
    slowed by itself.

    Args:
        limits: The contract's.
        arm: Kinematics of the tool, or of both of a pair; None when the contract has none; the
            workspace is then not checked.
        moves: Which of the joints move the arm, shape (N,); the others are grippers'.
        config: Fraction of the limits that is used.
        dt: Time of a step [s].
    """

    def __init__(
        self,
        limits: Limits,
        arm: AnyArm | None,
        moves: NDArray[np.bool_],
        config: MotionConfig,
        dt: float,
    ) -> None:
        self._limits, self._moves, self._dt = limits, moves, dt
        limbs = () if arm is None else arm.limbs
        self._limbs = [(limb.chain, limb.columns(limits.names)) for limb in limbs]
        self.velocity = config.velocity * limits.velocity
        self.acceleration = config.acceleration * limits.acceleration
        self._leash = config.leash * limits.velocity
        self.box_min = limits.workspace_min + config.margin
        self.box_max = limits.workspace_max - config.margin

    def step(self, position: Array, before: Array, wish: Array) -> tuple[Array, Array]:
        """The next set-point and the velocity to it, both (N,).

        Args:
            position: The current set-point, shape (N,) [rad, m].
            before: The velocity that led to it, shape (N,).
            wish: The desired velocity, shape (N,).
        """
        room = self._room(position, wish)
        most = np.minimum(self.velocity, self.stoppable(room))
        change = self._alike(self._alike(wish, most) - before, self.acceleration * self._dt)
        speed = before + change
        speed = self._alike(speed, self._room(position, speed) / self._dt)
        return self._in_the_box(position, speed)

    def stoppable(self, distance: Array) -> Array:
        """The fastest velocities (N,) from which the joints come to rest within `distance` (N,)."""
        return stoppable(distance, self.acceleration, self._dt)

    def drawn_back(self, position: Array, measured: Array) -> Array:
        """The set-point (N,), limited to the leash ahead of the measured joints (N,).

        A gripper is not limited: it holds an object by being commanded beyond it.
        """
        ahead = np.where(self._moves, position - measured, 0.0)
        return np.asarray(position - ahead + self._alike(ahead, self._leash))

    def _room(self, position: Array, speed: Array) -> Array:
        """How far each joint may still move in the direction of `speed`, shape (N,)."""
        limits = self._limits
        up, down = limits.position_max - position, position - limits.position_min
        return np.asarray(np.maximum(np.where(speed > 0, up, down), 0.0))

    def _alike(self, values: Array, most: Array) -> Array:
        """`values` (N,), the arm's shrunk by one factor until none is larger than `most` (N,)."""
        size = np.abs(values)
        share = np.divide(most, size, out=np.ones_like(size), where=size > most)
        arm = float(share[self._moves].min(initial=1.0))
        return np.asarray(values * np.where(self._moves, arm, share))

    def _in_the_box(self, position: Array, speed: Array) -> tuple[Array, Array]:
        if not self._limbs:
            return position + speed * self._dt, speed
        outside = max(self._outside(position), 0.0)
        for share in _SHARES:
            slower = np.where(self._moves, share * speed, speed)
            there = position + slower * self._dt
            if self._outside(there) <= outside + _ROUNDING:
                return there, slower
        rest = np.where(self._moves, 0.0, speed)
        return position + rest * self._dt, rest

    def _outside(self, position: Array) -> float:
        """How far a tool is outside the box [m]; negative while all are inside."""
        far = -np.inf
        for chain, columns in self._limbs:
            tool = chain.forward(position[columns])[0]
            far = max(far, float(np.maximum(self.box_min - tool, tool - self.box_max).max()))
        return far
