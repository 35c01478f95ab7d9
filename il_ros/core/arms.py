"""What an arm is to the package, and which ones are known: a file of numbers and a line each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import ContractError, IlRosError
from il_ros.core.kinematics import ArmDescription, Capsule, LimbDescription, SerialChain
from il_ros.core.limits import Array, JointLimits, Limits
from il_ros.core.registry import lookup

if TYPE_CHECKING:
    from il_ros.core.contract import Contract

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
    """An arm: n joints, then that of its gripper, where it has one that is commanded.

    Attributes:
        gripper: Name of the gripper joint, empty where there is none; the position of a built-in
            arm's is half of the opening [m].
        chain: Kinematics from the base to the tool centre point.
        torque: Largest torques or forces of the commanded joints, shape (N,) [N m, N]; infinite
            where they are not known.
        body: What moves of the arm, the gripper fully open or in any position; together these parts
            cover it.
        feels: Whether it measures the wrench at its wrist.
        side: Of a pair: `left` or `right`, with which its observations begin.
        near: Pairs of links that may touch; None where the arm is not held apart from itself.
    """

    gripper: str
    chain: SerialChain
    torque: Array
    body: tuple[Capsule, ...]
    feels: bool = True
    side: str = ''
    near: frozenset[frozenset[str]] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Commanded joints: the arm's, then the gripper's."""
        return (*self.joints, self.gripper) if self.gripper else self.joints

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
    """Two arms, or more, that are commanded as one: all joints of the first, then of the next.

    Attributes:
        limbs: The left and the right arm, or as many as a description has tips.
    """

    limbs: tuple[Arm, ...]

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
        """Commanded joints: the left arm's, its gripper's, the right arm's, its gripper's.

        One that moves both, as a torso's, is there once.
        """
        return tuple(dict.fromkeys(name for limb in self.limbs for name in limb.names))


AnyArm = Arm | ArmPair


def get_arm(name: str) -> AnyArm:
    """The arm, or the pair of arms, called `name`.

    Raises:
        UnknownNameError: If no arm has this name; it lists those that do.
    """
    arm: AnyArm = lookup('arm', name, ARMS)
    return arm


def arm_of(contract: Contract) -> AnyArm | None:
    """The arm, or the pair of arms, of a contract; None where it names none.

    Raises:
        UnknownNameError: If it names one that is not known.
        ContractError: If it describes one and does not command all of its joints.
    """
    if isinstance(contract.arm, str):
        return get_arm(contract.arm) if contract.arm else None
    return _described(contract.arm, contract)


def _described(description: ArmDescription, contract: Contract) -> AnyArm:
    feels = contract.wrench is not None and len(description.limbs) == 1
    near = frozenset(frozenset(pair) for pair in description.near)
    limbs = tuple(_limb(description, limb, contract, feels, near) for limb in description.limbs)
    if len(limbs) == 1:
        return limbs[0]
    names = tuple(dict.fromkeys(name for limb in limbs for name in limb.names))
    home = {name: q for limb in limbs for name, q in zip(limb.names, limb.home, strict=True)}
    return ArmPair(
        name=description.name,
        limbs=limbs,
        joints=tuple(dict.fromkeys(joint for limb in limbs for joint in limb.joints)),
        home=np.array([home[name] for name in names]),
        **contract.limits.ordered(names).bounds(),
    )


def _limb(
    description: ArmDescription,
    limb: LimbDescription,
    contract: Contract,
    feels: bool,
    near: frozenset[frozenset[str]],
) -> Arm:
    names = (*limb.free, limb.gripper) if limb.gripper else tuple(limb.free)
    if missing := [name for name in names if name not in contract.action.names]:
        raise ContractError(
            f'it lacks {", ".join(missing)}',
            where=f'contract {contract.name}.action.names',
            allowed=f'{", ".join(names)}, in any order: the joints of {limb.tip}',
        )
    chain, body = limb.chain()
    return Arm(
        name=description.name,
        joints=tuple(limb.free),
        gripper=limb.gripper,
        chain=chain,
        home=np.array(limb.home),
        torque=np.full(len(names), np.inf),
        body=body,
        feels=feels,
        side=limb.side,
        near=near,
        **contract.limits.ordered(names).bounds(),
    )


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


def require_gripper(arm: AnyArm, *, where: str) -> None:
    """Refuse an arm without a gripper; `where` is what works with one.

    Raises:
        IlRosError: If a limb has none.
    """
    if not all(limb.gripper for limb in arm.limbs):
        raise IlRosError(
            f'{arm.name} has no gripper', where=where, allowed='an arm with a gripper each'
        )


def require_single(arm: AnyArm | None, *, where: str) -> Arm:
    """Refuse several arms, and none; `where` is what works with one tool.

    Raises:
        IlRosError: If `arm` is a pair or None.
    """
    if arm is None:
        raise IlRosError(
            'the contract names no arm', where=where, allowed='one arm', fix='name it under `arm`'
        )
    if isinstance(arm, ArmPair):
        raise IlRosError(f'{arm.name} is a pair of arms', where=where, allowed='one arm')
    return arm
