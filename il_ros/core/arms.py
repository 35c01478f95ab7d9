"""What an arm is to the package, and which ones are known: a file of numbers and a line each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import ContractError, IlRosError
from il_ros.core.kinematics import Capsule, SerialChain
from il_ros.core.limits import Array, JointLimits, Limits
from il_ros.core.registry import lookup

ARMS = {
    'franka': 'il_ros.core.robots.franka:FRANKA',
    'ur5e': 'il_ros.core.robots.ur5e:UR5E',
    'viperx_pair': 'il_ros.core.robots.viperx_pair:VIPERX_PAIR',
}

DEFAULT_ARM = 'franka'  # used if neither the user nor a contract names one


@dataclass(frozen=True, kw_only=True)
class _Commanded(JointLimits, ABC):
    """What an arm and a pair of arms have in common: N commanded joints and their bounds.

    A contract may list them in another order: its columns are found by name.

    Attributes:
        name: Its name in the registry.
        joints: Names of the joints that move an arm, from the base on, without the grippers'.
        home: Posture that tasks start around, shape (N,) [rad, m].
    """

    name: str
    joints: tuple[str, ...]
    home: Array

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Commanded joints in its own order."""

    @property
    def moves(self) -> NDArray[np.bool_]:
        """Which of the commanded joints move an arm, shape (N,); the others are grippers'."""
        return np.array([name in self.joints for name in self.names])

    def columns(self, names: Sequence[str]) -> NDArray[np.intp]:
        """Where its joints are among `names`, without the grippers', shape (n,), in its own order.

        Raises:
            ContractError: If one of them is not there.
        """
        if missing := [joint for joint in self.joints if joint not in names]:
            raise ContractError(
                f'no joint {", ".join(missing)} among {", ".join(names)}',
                where=f'joints of the arm {self.name}',
                allowed=f'{", ".join(self.joints)} in any order',
                fix="name the arm's joints as its kinematic model does",
            )
        return np.array([names.index(joint) for joint in self.joints], dtype=np.intp)

    def limits(
        self,
        workspace_min: Array,
        workspace_max: Array,
        *,
        force: float,
        torque: float,
        separation: float = 0.0,
    ) -> Limits:
        """The joint limits, with a task's workspace box [m] and wrist bounds [N, N m].

        Args:
            workspace_min: Lower corner of the box, shape (3,) [m].
            workspace_max: Upper corner of the box, shape (3,) [m].
            force: Largest force at a wrist [N].
            torque: Largest torque at a wrist [N m].
            separation: Least distance between two arms [m].
        """
        return Limits(
            names=self.names,
            workspace_min=workspace_min,
            workspace_max=workspace_max,
            force=force,
            torque=torque,
            separation=separation,
            **self.bounds(),
        )


@dataclass(frozen=True, kw_only=True)
class Arm(_Commanded):
    """An arm with a one-degree-of-freedom gripper: n revolute joints, then the gripper joint.

    Attributes:
        gripper: Name of the gripper joint; its position is half of the opening [m].
        chain: Kinematics from the base to the tool centre point.
        torque: Largest joint torques and gripper force, shape (n + 1,) [N m, N].
        body: What moves of the arm, the gripper fully open; together these parts cover it.
        feels: Whether it measures the wrench at its wrist.
        side: Of a pair: `left` or `right`, with which its names and observations begin.
    """

    gripper: str
    chain: SerialChain
    torque: Array
    body: tuple[Capsule, ...]
    feels: bool = True
    side: str = ''

    @property
    def names(self) -> tuple[str, ...]:
        """Commanded joints: the arm's, then the gripper's."""
        return (*self.joints, self.gripper)

    @property
    def limbs(self) -> tuple[Arm, ...]:
        """Itself: an arm is one limb."""
        return (self,)

    @property
    def prefix(self) -> str:
        """What its observations' keys begin with; empty unless it is one of a pair."""
        return f'{self.side}_' if self.side else ''

    def placed(self, side: str, base: Array) -> Arm:
        """The same arm as one of a pair, its names prefixed with the side.

        Args:
            side: `left` or `right`.
            base: Where it stands in the pair's base frame, shape (4, 4).
        """
        return replace(
            self,
            joints=tuple(f'{side}_{name}' for name in self.joints),
            gripper=f'{side}_{self.gripper}',
            chain=replace(self.chain, base=base),
            body=tuple(replace(part, name=f'{side}_{part.name}') for part in self.body),
            side=side,
        )


@dataclass(frozen=True, kw_only=True)
class ArmPair(_Commanded):
    """Two arms that are commanded as one: all joints of the left one, then all of the right one.

    Attributes:
        limbs: The left and the right arm.
    """

    limbs: tuple[Arm, Arm]

    @classmethod
    def of(cls, name: str, arm: Arm, left: Array, right: Array) -> ArmPair:
        """Two arms of the same build, each at a pose (4, 4) in the pair's base frame."""
        limbs = arm.placed('left', left), arm.placed('right', right)
        return cls(
            name=name,
            limbs=limbs,
            joints=tuple(joint for limb in limbs for joint in limb.joints),
            home=np.tile(arm.home, 2),
            **{bound: np.tile(value, 2) for bound, value in arm.bounds().items()},
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Commanded joints: the left arm's, its gripper's, the right arm's, its gripper's."""
        return tuple(name for limb in self.limbs for name in limb.names)


AnyArm = Arm | ArmPair


def get_arm(name: str) -> AnyArm:
    """The arm, or the pair of arms, called `name`.

    Raises:
        UnknownNameError: If no arm has this name; it lists those that do.
    """
    arm: AnyArm = lookup('arm', name, ARMS)
    return arm


def require_commanded(arm: AnyArm, names: Sequence[str], *, where: str) -> None:
    """Refuse to command an arm without all of its joints, or more than it and its grippers.

    What moves no joint of the kinematic model is taken for a gripper. A further joint, as of a
    lift or a rail, would carry the tool away unseen.

    Raises:
        ContractError: With what is allowed; `where` is where `names` are written.
    """
    others = [name for name in names if name not in arm.joints]
    if len(names) - len(others) == len(arm.joints) and len(others) <= len(arm.limbs):
        return
    grippers = 'one gripper' if len(arm.limbs) == 1 else 'one gripper an arm'
    raise ContractError(
        f'it commands {", ".join(names)}',
        where=where,
        allowed=f'{", ".join(arm.joints)}, in any order, and at most {grippers}',
    )


def require_single(arm: AnyArm, *, where: str) -> Arm:
    """Refuse a pair of arms; `where` is what works with one tool.

    Raises:
        IlRosError: If `arm` is a pair.
    """
    if isinstance(arm, ArmPair):
        raise IlRosError(f'{arm.name} is a pair of arms', where=where, allowed='one arm')
    return arm
