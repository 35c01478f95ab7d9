"""Kinematics of a serial chain, its description and the capsules that cover it, in plain numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from il_ros.core.geometry import matrix_about, matrix_from_quaternion
from il_ros.core.limits import Array

_PARALLEL = 1e-12  # squared sine of the angle below which two lines count as parallel

MOST_LIMBS, MOST_JOINTS, MOST_PARTS = 8, 64, 500
"""Of one arm: limbs, and joints and parts of each."""

Numbers3 = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class SerialChain:
    """A row of m joints; each turns about, or slides along, the z axis of its own frame.

    A joint with another axis is one whose frame is turned so that its z axis lies along it. Mimic
    joints follow another joint of the row, so the positions are those of the n others.

    Attributes:
        fixed: Transform from each joint's parent frame to its own at position 0, shape (m, 4, 4).
        tool: Pose of the tool centre point in the last joint's frame, shape (4, 4).
        slides: Which joints are prismatic, m of them; none by default.
        follows: Of each joint the position that moves it, as its column among the n positions, a
            factor and an offset [rad or m]; by default each is moved by its own.
        base: Where the chain stands in the base frame, shape (4, 4); at its origin by default.
    """

    fixed: Array
    tool: Array
    slides: tuple[bool, ...] = ()
    follows: tuple[tuple[int, float, float], ...] = ()
    base: Array | None = None
    _placed: Array = field(init=False, repr=False, compare=False)
    _slides: Array | None = field(init=False, repr=False, compare=False)
    _mimic: tuple[NDArray[np.intp], Array, Array] | None = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        placed = self.fixed.copy()
        if self.base is not None:
            placed[0] = self.base @ placed[0]
        slides = np.array(self.slides, float) if any(self.slides) else None
        mimic = None
        if self.follows:
            columns, factors, offsets = zip(*self.follows, strict=True)
            mimic = np.array(columns, np.intp), np.array(factors), np.array(offsets)
        for name, value in (('_placed', placed), ('_slides', slides), ('_mimic', mimic)):
            object.__setattr__(self, name, value)

    @classmethod
    def of_parameters(
        cls,
        *,
        a: Sequence[float],
        d: Sequence[float],
        alpha: Sequence[float],
        tool: Array,
        theta: Sequence[float] = (),
    ) -> Self:
        """Revolute joints in modified Denavit-Hartenberg parameters (Craig 2005, section 3.4).

        Args:
            a: Link lengths a_{i-1}, n of them [m].
            d: Link offsets d_i, n of them [m].
            alpha: Link twists alpha_{i-1}, n of them [rad].
            tool: Pose of the tool centre point in the last joint's frame, shape (4, 4).
            theta: Joint angles theta_i at position 0, n of them [rad]; all 0 by default.
        """
        fixed = np.tile(np.eye(4), (len(a), 1, 1))
        for transform, length, offset, twist in zip(fixed, a, d, alpha, strict=True):
            transform[:3, :3] = matrix_about(0, twist)
            transform[:3, 3] = transform[:3, :3] @ (length, 0.0, offset)
        for transform, angle in zip(fixed, theta, strict=bool(theta)):
            transform[:3, :3] = transform[:3, :3] @ matrix_about(2, angle)
        return cls(fixed=fixed, tool=tool)

    @property
    def size(self) -> int:
        """Number of positions that it takes, n."""
        return 1 + max(column for column, _, _ in self.follows) if self.follows else len(self.fixed)

    def frames(self, q: Array) -> Array:
        """Pose of each joint's frame, then of the tool centre point: shape (..., m + 1, 4, 4).

        Args:
            q: Joint positions, shape (..., n) [rad or m]; many postures at once cost little more.
        """
        if self._mimic is not None:
            columns, factors, offsets = self._mimic
            q = q[..., columns] * factors + offsets
        turn = q if self._slides is None else q * (1.0 - self._slides)
        c, s = np.cos(turn)[..., None], np.sin(turn)[..., None]
        local = np.empty((*q.shape, 4, 4))
        local[...] = self._placed
        x, y = self._placed[:, :, 0], self._placed[:, :, 1]
        local[..., 0] = c * x + s * y
        local[..., 1] = c * y - s * x
        if self._slides is not None:
            local[..., 3] += (q * self._slides)[..., None] * self._placed[:, :, 2]
        frames = np.empty((*q.shape[:-1], q.shape[-1] + 1, 4, 4))
        # Joint by joint: the axis of the joints goes first, without np.moveaxis, which is slow.
        joint_first = (q.ndim - 1, *range(q.ndim - 1), q.ndim, q.ndim + 1)
        each, own = frames.transpose(joint_first), local.transpose(joint_first)
        each[0] = own[0]
        for i in range(1, len(own)):
            np.matmul(each[i - 1], own[i], out=each[i])
        np.matmul(each[-2], self.tool, out=each[-1])
        return frames

    def forward(self, q: Array) -> tuple[Array, Array]:
        """Position (..., 3) [m] and rotation matrix (..., 3, 3) of the tool centre point.

        Args:
            q: Joint positions, shape (..., n) [rad or m].
        """
        tool = self.frames(q)[..., -1, :, :]
        return tool[..., :3, 3], tool[..., :3, :3]

    def jacobian(self, q: Array) -> Array:
        """Geometric Jacobian (6, n) of the tool centre point: linear rows, then angular rows."""
        return self.jacobian_of(self.frames(q))

    def jacobian_of(self, frames: Array) -> Array:
        """Geometric Jacobians (..., 6, n) from frames (..., m + 1, 4, 4) of `frames`."""
        z = frames[..., :-1, :3, 2]
        arm = frames[..., -1:, :3, 3] - frames[..., :-1, :3, 3]
        jacobian = np.empty((*z.shape[:-2], 6, z.shape[-2]))
        # The cross product written out: np.cross costs more than all the rest of this function.
        jacobian[..., 0, :] = z[..., 1] * arm[..., 2] - z[..., 2] * arm[..., 1]
        jacobian[..., 1, :] = z[..., 2] * arm[..., 0] - z[..., 0] * arm[..., 2]
        jacobian[..., 2, :] = z[..., 0] * arm[..., 1] - z[..., 1] * arm[..., 0]
        jacobian[..., 3:, :] = z.swapaxes(-1, -2)
        if self._slides is not None:
            slides = self._slides > 0.0
            jacobian[..., :3, slides] = z[..., slides, :].swapaxes(-1, -2)
            jacobian[..., 3:, slides] = 0.0
        if self._mimic is None:
            return jacobian
        columns, factors, _ = self._mimic
        whole = np.zeros((*jacobian.shape[:-1], self.size))
        for i, column in enumerate(columns):
            whole[..., column] += jacobian[..., i] * factors[i]
        return whole


@dataclass(frozen=True)
class Capsule:
    """A part of an arm: everything within `radius` of a line that a frame carries along.

    Attributes:
        name: The part's name, for messages.
        frame: Which of `SerialChain.frames` it moves with; -1 where it stands at the base.
        radius: Distance from the line that the part reaches [m].
        start: One end of the line in that frame [m].
        end: The other end [m].
    """

    name: str
    frame: int
    radius: float
    start: Numbers3
    end: Numbers3


def _require_finite(values: Sequence[float], what: str) -> None:
    if not all(map(math.isfinite, values)):
        raise ValueError(f'{what}: {list(values)} is not finite')


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a frame is in another one.

    Attributes:
        xyz: Its origin [m].
        quaternion: Its rotation, xyzw.
    """

    xyz: Numbers3 = (0.0, 0.0, 0.0)
    quaternion: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        _require_finite(self.xyz, 'xyz')
        if not abs(math.hypot(*self.quaternion) - 1.0) <= 1e-6:
            raise ValueError(f'quaternion {list(self.quaternion)} is not of length 1')

    @property
    def matrix(self) -> Array:
        """As a transform, shape (4, 4)."""
        result = np.eye(4)
        result[:3, :3] = matrix_from_quaternion(np.array(self.quaternion))
        result[:3, 3] = self.xyz
        return result


@dataclass(frozen=True, kw_only=True)
class Mimic:
    """How a joint follows another one: `multiplier` times its position, plus `offset`.

    Attributes:
        joint: The joint that it follows.
        multiplier: Factor.
        offset: Position where the other one is at 0 [rad or m].
    """

    joint: str
    multiplier: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        _require_finite((self.multiplier, self.offset), f'mimic of {self.joint}')


@dataclass(frozen=True, kw_only=True)
class JointDescription:
    """A joint that moves, as in a URDF.

    Attributes:
        name: Its name.
        type: `revolute` and `continuous` turn about the axis, `prismatic` slides along it.
        origin: Its frame at position 0 in that of the joint before, or in the base link's.
        axis: Unit vector in its frame.
        mimic: What it follows; None where it moves by itself.
    """

    name: str
    type: Literal['revolute', 'continuous', 'prismatic']
    origin: Placement = Placement()
    axis: Numbers3 = (0.0, 0.0, 1.0)
    mimic: Mimic | None = None

    def __post_init__(self) -> None:
        if not abs(math.hypot(*self.axis) - 1.0) <= 1e-6:
            raise ValueError(f'the axis {list(self.axis)} of {self.name} is not of length 1')


@dataclass(frozen=True, kw_only=True)
class LimbDescription:
    """One arm from the base to its tool.

    Attributes:
        tip: Link whose frame is the tool centre point.
        side: Of several: what the keys of its observations begin with, followed by `_`.
        joints: Those that move it, from the base on; m of them.
        tool: The tip's frame in that of the last joint.
        gripper: Joint of its gripper; empty where none is commanded.
        home: Posture that it rests at, of the joints that follow no other and of the gripper
            [rad or m].
        parts: What covers its links; `frame` counts the joints from 0 on, m is the tip, and -1 is
            what does not move.
    """

    tip: str
    side: str = ''
    joints: tuple[JointDescription, ...]
    tool: Placement = Placement()
    gripper: str = ''
    home: tuple[float, ...]
    parts: tuple[Capsule, ...] = ()

    def __post_init__(self) -> None:
        names = [joint.name for joint in self.joints]
        free = self.free
        if not free or len({*names, self.gripper}) <= len(names):
            raise ValueError(f'the joints of {self.tip} are {names} and {self.gripper!r}')
        if len(names) > MOST_JOINTS or len(self.parts) > MOST_PARTS:
            raise ValueError(f'more than {MOST_JOINTS} joints or {MOST_PARTS} parts')
        for joint in self.joints:
            if joint.mimic and joint.mimic.joint not in free:
                raise ValueError(f'{joint.name} follows {joint.mimic.joint}, not one of {free}')
        if len(self.home) != len(free) + bool(self.gripper):
            raise ValueError(f'home has {len(self.home)} numbers, not one for each joint')
        _require_finite(self.home, 'home')
        for part in self.parts:
            _require_finite((*part.start, *part.end, part.radius), part.name)
            if not (-1 <= part.frame <= len(names) and part.radius > 0.0):
                raise ValueError(f'{part.name}: frame {part.frame}, radius {part.radius}')

    @property
    def free(self) -> list[str]:
        """Names of the joints that follow no other one, n of them."""
        return [joint.name for joint in self.joints if joint.mimic is None]

    def chain(self) -> tuple[SerialChain, tuple[Capsule, ...]]:
        """Its kinematics, and its parts in the frames of that chain."""
        axes = [_frame_along(joint.axis) for joint in self.joints]
        before = [np.eye(4), *axes[:-1]]
        fixed = [
            last.T @ joint.origin.matrix @ own
            for last, joint, own in zip(before, self.joints, axes, strict=True)
        ]
        free, follows = self.free, []
        for joint in self.joints:
            led = joint.mimic or Mimic(joint=joint.name)
            follows.append((free.index(led.joint), led.multiplier, led.offset))
        chain = SerialChain(
            fixed=np.array(fixed),
            tool=axes[-1].T @ self.tool.matrix,
            slides=tuple(joint.type == 'prismatic' for joint in self.joints),
            follows=tuple(follows) if len(free) < len(self.joints) else (),
        )
        turns = [*axes, np.eye(4), np.eye(4)]  # those of the tip and of what does not move last
        return chain, tuple(_turned(part, turns[part.frame]) for part in self.parts)


@dataclass(frozen=True, kw_only=True)
class ArmDescription:
    """An arm, or several from one base, as read from a URDF.

    Attributes:
        name: Of the robot.
        base: Link whose frame is the base frame.
        limbs: The arms, each with a tip.
        near: Pairs of links that may touch: they do so at home.
        notes: What was taken for something else while it was read.
    """

    name: str
    base: str
    limbs: tuple[LimbDescription, ...]
    near: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sides = [limb.side for limb in self.limbs]
        if not sides or len(sides) > MOST_LIMBS or len(set(sides)) < len(sides):
            raise ValueError(f'limbs {sides}, not 1 to {MOST_LIMBS} that differ by their side')
        if len(sides) > 1 and '' in sides:
            raise ValueError('one of several limbs has no side')

    @property
    def continuous(self) -> frozenset[str]:
        """Names of the joints that turn without end."""
        joints = [joint for limb in self.limbs for joint in limb.joints]
        return frozenset(joint.name for joint in joints if joint.type == 'continuous')


def _frame_along(axis: Numbers3) -> Array:
    """A rotation (4, 4) whose z axis is `axis`."""
    result, z = np.eye(4), np.array(axis) / math.hypot(*axis)
    if axis != (0.0, 0.0, 1.0):
        x = np.cross(np.eye(3)[int(np.argmin(np.abs(z)))], z)
        x /= np.linalg.norm(x)
        result[:3, :3] = np.column_stack([x, np.cross(z, x), z])
    return result


def _turned(part: Capsule, turn: Array) -> Capsule:
    ends = (np.array([part.start, part.end]) @ turn[:3, :3]).tolist()
    return replace(part, start=tuple(ends[0]), end=tuple(ends[1]))


def segment_distance(start: Array, end: Array, other_start: Array, other_end: Array) -> Array:
    """Distances between line segments, given by their ends, each (..., 3) [m]; broadcasts.

    Ericson 2005, section 5.1.9: the nearest point on one line, kept within its segment, gives that
    on the other, and that one the first again. Segments may be points.
    """
    along, across, gap = end - start, other_end - other_start, start - other_start
    a, e, b = _dot(along, along), _dot(across, across), _dot(along, across)
    c, f = _dot(along, gap), _dot(across, gap)
    square = a * e - b * b
    skew = square > _PARALLEL * a * e
    s = np.clip(_over(b * f - c * e, np.where(skew, square, 0.0)), 0.0, 1.0)
    t = np.clip(_over(b * s + f, e), 0.0, 1.0)
    s = np.clip(_over(b * t - c, a), 0.0, 1.0)
    apart = gap + s[..., None] * along - t[..., None] * across
    return np.asarray(np.sqrt(_dot(apart, apart)))


def _dot(one: Array, other: Array) -> Array:
    return np.asarray(np.einsum('...i,...i->...', one, other))


def _over(one: Array, other: Array) -> Array:
    """`one / other`, and 0 where `other` is not above 0."""
    return np.divide(one, other, out=np.zeros_like(one), where=other > 0.0)


def resolve(jacobian: Array, twist: Array, *, damping: float, pull: Array) -> Array:
    """Joint motion (n,) for a tool motion: damped least squares plus a nullspace pull.

    Damped least squares keeps joint motion bounded near singularities (Wampler 1986; Nakamura and
    Hanafusa 1986); `pull` acts only where it does not move the tool, up to the damping.

    Args:
        jacobian: Shape (6, n), or fewer rows.
        twist: Linear then angular motion of the tool, shape (6,) [m, rad] or per second; as many
            numbers as the Jacobian has rows.
        damping: Damping factor lambda, in the Jacobian's units; larger is slower and safer.
        pull: Joint motion wanted in the nullspace, shape (n,), in the unit of the result.
    """
    gram = jacobian @ jacobian.T
    gram.flat[:: len(gram) + 1] += damping * damping
    return np.asarray(pull + jacobian.T @ np.linalg.solve(gram, twist - jacobian @ pull))
