"""What an expert is, and how a wish for the tool's motion becomes a chunk of joint positions.

`Hold` and `Straight` are floors for evaluation: a policy must beat them to have learnt anything.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np

from il_ros.core.arms import AnyArm, Arm, arm_of, require_gripper, require_single
from il_ros.core.contract import Contract
from il_ros.core.errors import ContractError, IlRosError
from il_ros.core.geometry import matrix_about, nearest_turn, rotation_vector
from il_ros.core.joint_order import JointRegrouping, arm_layout, indices_of, stream_layout
from il_ros.core.kinematics import resolve
from il_ros.core.limits import Array

DOWN = matrix_about(0, math.pi)  # the tool's rotation when it points straight down
_LEVEL = 0.95  # cosine of the most that a tool that points down leans at home


class Expert(Protocol):
    """Can be asked, at any state of the robot, what to do next.

    An expert has no memory: equal observations give equal answers. Only then can it label states
    that a learner visits (DAgger, Ross et al. 2011), and only then is there a function to clone.
    """

    def act(self, observation: Mapping[str, Array], *, horizon: int, dt: float) -> Array:
        """Joint set-points, shape (horizon, N) [rad, m], row i due (i + 1) * dt [s] from now.

        Raises:
            IlRosError: If the observation lacks a key that the expert reads.
        """


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a scripted expert moves.

    Attributes:
        linear: Largest speed of the tool [m/s].
        angular: Largest turning speed of the tool [rad/s].
        gain: Speed per remaining distance near the goal [1/s].
        gripper: Speed of the gripper joint [m/s].
        velocity: Share of the joints' velocity limits that is used at most.
        acceleration: Share of the joints' acceleration limits that is used at most.
        rest: Rate at which the nullspace is drawn to the home posture [1/s].
        damping: Damping factor of the inverse kinematics.
    """

    linear: float = 0.25
    angular: float = 1.0
    gain: float = 7.0
    gripper: float = 0.1
    velocity: float = 0.6
    acceleration: float = 0.45
    rest: float = 3.0
    damping: float = 0.02


@dataclass(frozen=True, kw_only=True)
class ToolCommand:
    """What the tool should do at one moment.

    Attributes:
        linear: Velocity of the tool centre point in the base frame, shape (3,) [m/s].
        yaw: Turn about the vertical that the tool, pointing down, should have [rad].
        gripper: Where the gripper joint should go [m].
    """

    linear: Array
    yaw: float
    gripper: float


@dataclass(kw_only=True)
class ExpertScene:
    """What a scripted expert looks at, rolled forward along a chunk.

    Attributes:
        tool: Tool centre point in the base frame, shape (3,) [m].
        tilt: Rotation of the tool relative to pointing straight down, as its yaw [rad].
        gripper: Position of the gripper joint [m].
        goal: Goal position in the base frame, shape (3,) [m].
        cube: Position of the object, shape (3,) [m]; the goal's where there is no object.
        cube_yaw: Its turn about the vertical [rad]; a cube's is by symmetry within 45 degrees.
        goal_yaw: The turn that it should have at the goal [rad], by the same symmetry.
        pressed: Force along the tool that holds it up [N], for those who feel their way.
    """

    tool: Array
    tilt: float
    gripper: float
    goal: Array
    cube: Array
    cube_yaw: float
    goal_yaw: float = 0.0
    pressed: float = 0.0


@dataclass(frozen=True, kw_only=True)
class CartesianExpert(ABC):
    """A velocity field for the tool, followed by damped least squares within the joint limits.

    Attributes:
        arm: The arm that it moves.
        pace: How fast it moves.
    """

    arm: Arm
    pace: Pace = field(default_factory=Pace)

    keys: ClassVar[tuple[str, ...]] = (
        'joint_position',
        'joint_velocity',
        'gripper_position',
        'goal_position',
    )
    grips: ClassVar[bool] = True  # whether it needs a gripper

    def __post_init__(self) -> None:
        require_arm(self.arm, where=type(self).__name__)
        require_single(self.arm, where=type(self).__name__)
        if self.grips:
            require_gripper(self.arm, where=type(self).__name__)

    @cached_property
    def upright(self) -> Array:
        """How the tool is turned, shape (3, 3): straight down, or as at home if that is not down.

        A tool's frame need not have its z axis out of the tool, and not every arm reaches down.
        """
        home: Array = self.arm.chain.frames(self.arm.home[: len(self.arm.joints)])
        own = home[-1, :3, :3]
        return DOWN if float(own[:, 2] @ DOWN[:, 2]) > _LEVEL else own

    @abstractmethod
    def decide(self, scene: ExpertScene) -> ToolCommand:
        """What the tool should do in this scene."""

    def read(self, observation: Mapping[str, Array]) -> ExpertScene:
        """The scene of an observation; the tool is filled in from the joints."""
        goal, thing = observation['goal_position'], observation.get('object_pose')
        return ExpertScene(
            tool=goal,
            tilt=0.0,
            gripper=float(observation['gripper_position'][0]) if self.arm.gripper else 0.0,
            goal=goal,
            cube=goal.copy() if thing is None else thing[:3].copy(),
            cube_yaw=0.0,
        )

    def roll(self, scene: ExpertScene, moved: Array, gripper: float) -> None:
        """Change the scene as the tool moves by `moved` [m] and the gripper to `gripper` [m]."""
        scene.gripper = gripper

    def act(self, observation: Mapping[str, Array], *, horizon: int, dt: float) -> Array:
        """See `Expert.act`."""
        keys = [key for key in self.keys if self.arm.gripper or key != 'gripper_position']
        require_keys(observation, tuple(keys), where=type(self).__name__)
        scene = self.read(observation)
        q, speed = observation['joint_position'], observation['joint_velocity']
        n, frames = len(q), self.arm.chain.frames(q)
        chunk = np.empty((horizon, len(self.arm.names)))
        for row in chunk:
            tool = frames[-1]
            scene.tool = tool[:3, 3]
            x, y = tool[:2, :3] @ self.upright[0]
            scene.tilt = math.atan2(y, x)
            wish = self.decide(scene)
            speed = joint_speed(
                self.arm, self.pace, wish, q=q, frames=frames, before=speed, dt=dt,
                upright=self.upright,
            )  # fmt: skip
            q = np.clip(q + speed * dt, self.arm.position_min[:n], self.arm.position_max[:n])
            frames = self.arm.chain.frames(q)
            step = self.pace.gripper * dt
            gripper = scene.gripper + min(max(wish.gripper - scene.gripper, -step), step)
            self.roll(scene, frames[-1, :3, 3] - tool[:3, 3], gripper)
            row[:n], row[n:] = q, gripper
        return chunk


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


class ContractExpert:
    """Sees and answers joints in a contract's order, whatever the order of the arm's own.

    Args:
        expert: The expert, for the contract's arm.
        contract: What the observations are, and which joints are commanded.

    Raises:
        UnknownNameError: If the contract's arm is not known.
        ContractError: If the contract commands a joint that the arm has not.
    """

    def __init__(self, expert: Expert, contract: Contract) -> None:
        self._expert, names = expert, contract.action.names
        arm = arm_of(contract)
        known = names if arm is None else arm.names
        if unknown := [name for name in names if name not in known]:
            raise ContractError(
                f'no expert commands {", ".join(unknown)}',
                where=f'contract {contract.name}.action.names',
                allowed=f'{", ".join(known)}, in any order',
            )
        self._order = None if names == known else indices_of(names, known)
        limbs = () if arm is None else arm.limbs
        self._regroup = JointRegrouping(stream_layout(contract), arm_layout(limbs))

    def act(self, observation: Mapping[str, Array], *, horizon: int, dt: float) -> Array:
        """See `Expert.act`; the observation and the columns are the contract's."""
        seen = {key: x for key, x in self._regroup(observation).items() if x is not None}
        chunk = self._expert.act(seen, horizon=horizon, dt=dt)
        return chunk if self._order is None else chunk[:, self._order]


def require_arm(arm: AnyArm | None, *, where: str) -> None:
    """Refuse to do without an arm, as a contract may that names none.

    Raises:
        IlRosError: If `arm` is None; `where` is who needs it.
    """
    if arm is None:
        raise IlRosError(
            'no arm, whose kinematics it needs', where=where, fix='name the arm in the contract'
        )


def require_keys(observation: Mapping[str, Array], keys: tuple[str, ...], *, where: str) -> None:
    """Refuse an observation that lacks one of these keys; `where` is who reads them.

    Raises:
        IlRosError: With those that it lacks.
    """
    missing = [key for key in keys if observation.get(key) is None]
    if missing:
        raise IlRosError(f'the observation lacks {", ".join(missing)}', where=where, allowed=keys)


def joint_speed(
    arm: Arm, pace: Pace, wish: ToolCommand, *, q: Array, frames: Array, before: Array, dt: float,
    upright: Array = DOWN,
) -> Array:  # fmt: skip
    """Joint velocities, shape (n,) [rad/s], for a wish, eased from `before` (n,) over `dt` [s].

    The joints are at `q` (n,) [rad], the frames of the arm's chain at `frames` (n + 1, 4, 4).
    `upright` (3, 3) is how the tool is turned at a yaw of 0; an arm of fewer than six joints only
    brings its tool to the place.
    """
    n = len(q)
    turn = rotation_vector(matrix_about(2, wish.yaw) @ upright @ frames[-1, :3, :3].T)
    twist = np.concatenate([wish.linear, toward(turn, pace.gain, pace.angular)])
    pull = pace.rest * (nearest_turn(arm.home[:n], q, arm.endless[:n]) - q)
    rows = 6 if n >= 6 else 3
    speed = resolve(
        arm.chain.jacobian_of(frames)[:rows], twist[:rows], damping=pace.damping, pull=pull
    )
    # Slow all joints alike, so that the tool keeps its path.
    speed /= max(1.0, float(np.max(np.abs(speed) / arm.velocity[:n])) / pace.velocity)
    return _eased(speed, before, pace.acceleration * arm.acceleration[:n] * dt)


def _eased(speed: Array, before: Array, most: Array) -> Array:
    """The wished `speed`, or less of it while the arm still gathers speed from `before`.

    Only its size is eased, never its direction, and never beyond the wish: a command that
    followed the measured velocity would amplify a push or a delay.
    """
    size = float(speed @ speed)
    if size < 1e-12:
        return speed
    along = min(max(float(before @ speed) / size, 0.0), 1.0)
    return speed * min(1.0, along + 1.0 / float(np.max(np.abs(speed) / most)))


def toward(error: Array, gain: float, fastest: float) -> Array:
    """Velocity along `error`: proportional to it when near, smoothly bounded when far."""
    distance = math.sqrt(float(error @ error))
    return np.asarray(error * (gain / math.sqrt(1.0 + (gain * distance / fastest) ** 2)))


def ramp(value: float, low: float, high: float) -> float:
    """0 below `low`, 1 above `high`, and smooth in between (cubic Hermite)."""
    x = min(max((value - low) / (high - low), 0.0), 1.0)
    return x * x * (3.0 - 2.0 * x)
