"""The expert of `bimanual_handover`: the left hand lifts the bar, the right one takes it over.

The phase is read off the scene at each call: who holds the bar, and where it is. Between phases
the motion is blended as in `il_ros.experts.grasping_expert`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from il_ros.core.arms import AnyArm, Arm, ArmPair, require_gripper
from il_ros.core.errors import IlRosError
from il_ros.core.geometry import matrix_from_quaternion
from il_ros.core.limits import Array
from il_ros.policies.cartesian_expert import (
    Pace,
    ToolCommand,
    joint_speed,
    ramp,
    require_arm,
    require_keys,
    toward,
)


@dataclass(kw_only=True)
class HandState:
    """One of the two hands, rolled forward along a chunk.

    Attributes:
        arm: Whose it is.
        q: Joint positions, shape (n,) [rad].
        speed: Joint velocities, shape (n,) [rad/s].
        gripper: Position of the gripper joint [m].
        frames: Of the arm's chain, shape (n + 1, 4, 4).
        end: 1 if its end of the bar is the one towards positive x, else -1.
    """

    arm: Arm
    q: Array
    speed: Array
    gripper: float
    frames: Array
    end: int

    @property
    def tool(self) -> Array:
        """Tool centre point in the base frame, shape (3,) [m]."""
        return np.asarray(self.frames[-1, :3, 3])

    @property
    def yaw(self) -> float:
        """Turn of the tool relative to pointing straight down [rad]."""
        return math.atan2(self.frames[-1, 1, 0], self.frames[-1, 0, 0])


@dataclass(kw_only=True)
class HandoverScene:
    """What the expert looks at, rolled forward along a chunk.

    Attributes:
        left: The hand that picks the bar up.
        right: The hand that takes it over.
        bar: Middle of the bar in the base frame, shape (3,) [m].
        turn: Turn of the bar about the vertical [rad], within a quarter.
        goal: Where its middle should be in the end, shape (3,) [m].
    """

    left: HandState
    right: HandState
    bar: Array
    turn: float
    goal: Array


@dataclass(frozen=True, kw_only=True)
class BimanualHandoverExpert:
    """Moves both hands: while one carries the bar, the other gets ready or withdraws.

    Attributes:
        arm: The pair that it moves.
        pace: How fast either moves.
        half: Half of the bar's width, where the fingers meet it [m].
        press: How far beyond the bar's side the fingers are commanded [m].
        end: From the bar's middle to where a hand takes it [m].
        meeting: Where the middle of the bar is when it changes hands [m].
        clearance: Height of a tool above its target while it is far to the side [m].
        funnel: Distance to the side below which it is all the way down, and from which on it
            is all the way up [m].
        gate: Missing height up to which it may move sideways freely, and from which on it may
            not at all [m].
        near: Distance of the bar to the meeting place below which the right hand goes down to it,
            and from which on it waits above [m].
        lifted: Height of the bar at which it may begin to be moved sideways, and from which on it
            may freely [m].
        apart: Height of the left tool above the bar at which both may begin to part, and from
            which on they may freely [m].
        park: Where the left tool goes afterwards, and the right one waits before, relative to the
            middle between the arms: distance and height [m].
    """

    arm: AnyArm
    pace: Pace = field(default_factory=Pace)
    half: float = 0.012
    press: float = 0.004
    end: float = 0.09
    meeting: tuple[float, float, float] = (0.0, 0.0, 0.2)
    clearance: float = 0.07
    funnel: tuple[float, float] = (0.01, 0.05)
    gate: tuple[float, float] = (0.01, 0.05)
    near: tuple[float, float] = (0.01, 0.04)
    lifted: tuple[float, float] = (0.02, 0.1)
    apart: tuple[float, float] = (0.025, 0.06)
    park: tuple[float, float] = (0.22, 0.28)

    default_arm: ClassVar[str] = 'viperx_pair'
    keys: ClassVar[tuple[str, ...]] = (
        *('left_joint_position', 'left_joint_velocity', 'left_gripper_position'),
        *('right_joint_position', 'right_joint_velocity', 'right_gripper_position'),
        *('object_pose', 'goal_position'),
    )

    def __post_init__(self) -> None:
        require_arm(self.arm, where=type(self).__name__)
        require_gripper(self.arm, where=type(self).__name__)
        if not isinstance(self.arm, ArmPair):
            raise IlRosError(
                f'{self.arm.name} is one arm', where=type(self).__name__, allowed='a pair of arms'
            )

    def act(self, observation: Mapping[str, Array], *, horizon: int, dt: float) -> Array:
        """See `Expert.act`."""
        require_keys(observation, self.keys, where=type(self).__name__)
        scene = self._read(observation)
        names = self.arm.names
        chunk = np.empty((horizon, len(names)))
        for row in chunk:
            wishes = self.decide(scene)
            hands = scene.right, scene.left
            held = next((hand for hand in hands if self._holds(scene, hand)), None)
            for hand, wish in zip((scene.left, scene.right), wishes, strict=True):
                before, turned = hand.tool, hand.yaw
                gripper = self._move(hand, wish, scene, dt)
                if hand is held:
                    scene.bar = scene.bar + hand.tool - before
                    scene.turn += _within(hand.yaw - turned, math.pi)
                row[hand.arm.columns(names)] = hand.q
                row[names.index(hand.arm.gripper)] = gripper
        return chunk

    def decide(self, scene: HandoverScene) -> tuple[ToolCommand, ToolCommand]:
        """What the left and the right tool should do now, by phase."""
        left, right = self._holds(scene, scene.left), self._holds(scene, scene.right)
        if right:
            return self._let_go(scene), self._bring(scene)
        if left:
            return self._offer(scene), self._take(scene)
        return self._pick(scene), self._wait(scene)

    def _pick(self, scene: HandoverScene) -> ToolCommand:
        """The left hand comes down onto its end of the bar and closes."""
        return self._reach(scene, scene.left, self._to_end(scene, scene.left), 0.0)

    def _wait(self, scene: HandoverScene) -> ToolCommand:
        hand = scene.right
        return ToolCommand(
            linear=self._to_park(hand), yaw=self._along(hand, 0.0), gripper=self._open(hand)
        )

    def _to_park(self, hand: HandState) -> Array:
        aim = np.array([hand.end * self.park[0], 0.0, self.park[1]])
        return toward(aim - hand.tool, self.pace.gain, self.pace.linear)

    def _offer(self, scene: HandoverScene) -> ToolCommand:
        """The left hand brings the bar to where it changes hands, and keeps it there."""
        return self._carry(
            scene, scene.left, np.array(self.meeting), ramp(scene.bar[2], *self.lifted)
        )

    def _take(self, scene: HandoverScene) -> ToolCommand:
        """The right hand waits above where its end of the bar will be, then comes down onto it."""
        off = float(np.linalg.norm(scene.bar - self.meeting)) + 0.1 * abs(scene.turn)
        early = ramp(off, *self.near)
        there = np.add(self.meeting, (self.end * scene.right.end, 0.0, 0.0)) - scene.right.tool
        error = early * there + (1.0 - early) * self._to_end(scene, scene.right)
        return self._reach(scene, scene.right, error, early)

    def _let_go(self, scene: HandoverScene) -> ToolCommand:
        """The left hand opens, rises off the bar, and withdraws."""
        hand = scene.left
        free = ramp(hand.gripper, self.half + 0.004, self.half + 0.012)
        velocity = free * self._to_park(hand)
        velocity[:2] *= self._parted(scene)
        return ToolCommand(
            linear=velocity, yaw=self._along(hand, scene.turn), gripper=self._open(hand)
        )

    def _bring(self, scene: HandoverScene) -> ToolCommand:
        """The right hand brings the bar to the goal as soon as the left one is off it."""
        return self._carry(scene, scene.right, scene.goal, self._parted(scene))

    def _parted(self, scene: HandoverScene) -> float:
        """How freely the hands may move apart: 0 while the left fingers are around the bar."""
        above = ramp(scene.left.tool[2] - scene.bar[2], *self.apart)
        aside = ramp(float(np.linalg.norm(self._to_end(scene, scene.left)[:2])), 0.06, 0.1)
        return max(above, aside)

    def _carry(
        self, scene: HandoverScene, hand: HandState, aim: Array, share: float
    ) -> ToolCommand:
        """The bar moves towards `aim` and straight, sideways by no more than a share of it."""
        velocity = toward(aim - scene.bar, self.pace.gain, self.pace.linear)
        if hand.end > 0:
            velocity = share * velocity
        velocity[:2] *= share
        turn = hand.yaw - share * scene.turn
        return ToolCommand(linear=velocity, yaw=turn, gripper=self.half - self.press)

    def _reach(
        self, scene: HandoverScene, hand: HandState, error: Array, early: float
    ) -> ToolCommand:
        """Down onto a place `error` [m] away, and closed there; it stays above while `early`."""
        yaw = self._along(hand, (1.0 - early) * scene.turn)
        if early < 0.5 and self._around(scene, hand):
            linear = toward(error, self.pace.gain, self.pace.linear)
            return ToolCommand(linear=linear, yaw=yaw, gripper=self.half - self.press)
        aside = math.hypot(error[0], error[1]) + 0.1 * abs(_within(yaw - hand.yaw, math.pi))
        error = error.copy()
        error[2] += self.clearance * max(ramp(aside, *self.funnel), early)
        velocity = toward(error, self.pace.gain, self.pace.linear)
        velocity[:2] *= 1.0 - ramp(error[2], *self.gate)
        return ToolCommand(linear=velocity, yaw=yaw, gripper=self._open(hand))

    def _to_end(self, scene: HandoverScene, hand: HandState) -> Array:
        """From a tool centre point to its end of the bar [m]."""
        way = np.array([math.cos(scene.turn), math.sin(scene.turn), 0.0])
        return np.asarray(scene.bar + hand.end * self.end * way - hand.tool)

    def _around(self, scene: HandoverScene, hand: HandState) -> bool:
        """Whether the bar is where the fingers meet; once they close it may be less exactly."""
        tolerance = 0.012 if hand.gripper > 0.034 else 0.02
        error = self._to_end(scene, hand)
        return bool(math.hypot(error[0], error[1]) < tolerance and abs(error[2]) < tolerance)

    def _holds(self, scene: HandoverScene, hand: HandState) -> bool:
        error = self._to_end(scene, hand)
        return float(np.linalg.norm(error)) < 0.03 and hand.gripper < self.half + 0.0015

    def _along(self, hand: HandState, turn: float) -> float:
        """Turn of a tool [rad] whose fingers close across a bar that is turned by `turn`."""
        return turn if hand.end < 0 else turn + math.pi

    def _open(self, hand: HandState) -> float:
        return float(hand.arm.home[-1])

    def _read(self, observation: Mapping[str, Array]) -> HandoverScene:
        left, right = (
            HandState(
                arm=limb,
                q=(q := observation[f'{limb.prefix}joint_position']),
                speed=observation[f'{limb.prefix}joint_velocity'],
                gripper=float(observation[f'{limb.prefix}gripper_position'][0]),
                frames=limb.chain.frames(q),
                end=end,
            )
            for limb, end in zip(self.arm.limbs, (-1, 1), strict=True)
        )
        bar = observation['object_pose']
        along = matrix_from_quaternion(bar[3:])[:, 0]
        turn = _within(math.atan2(along[1], along[0]), math.pi / 2)
        return HandoverScene(
            left=left, right=right, bar=bar[:3], turn=turn, goal=observation['goal_position']
        )

    def _move(self, hand: HandState, wish: ToolCommand, scene: HandoverScene, dt: float) -> float:
        """Roll a hand forward by one step; returns the command of its gripper."""
        arm, step = hand.arm, self.pace.gripper * dt
        around = self._around(scene, hand)
        hand.speed = joint_speed(
            arm, self.pace, wish, q=hand.q, frames=hand.frames, before=hand.speed, dt=dt
        )
        q = hand.q + hand.speed * dt
        hand.q = np.clip(q, arm.position_min[:-1], arm.position_max[:-1])
        hand.frames = arm.chain.frames(hand.q)
        gripper = hand.gripper + min(max(wish.gripper - hand.gripper, -step), step)
        hand.gripper = max(gripper, self.half) if around else gripper
        return gripper


def _within(angle: float, half: float) -> float:
    """The angle within `half` to either side [rad], give or take whole periods of twice that."""
    return angle - 2 * half * round(angle / (2 * half))
