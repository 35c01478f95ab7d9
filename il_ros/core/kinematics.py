"""Forward, differential and inverse kinematics of a serial chain, in plain numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from il_ros.core.geometry import matrix_about
from il_ros.core.limits import Array


@dataclass(frozen=True, kw_only=True)
class SerialChain:
    """Revolute joints in modified Denavit-Hartenberg parameters (Craig 2005, section 3.4).

    Attributes:
        a: Link lengths a_{i-1}, n of them [m].
        d: Link offsets d_i, n of them [m].
        alpha: Link twists alpha_{i-1}, n of them [rad].
        tool: Pose of the tool centre point in the last joint's frame, shape (4, 4).
        theta: Joint angles theta_i at position 0, n of them [rad]; all 0 by default.
        base: Where the chain stands in the base frame, shape (4, 4); at its origin by default.
        fixed: Transform from each joint's parent frame to its own at angle 0, shape (n, 4, 4).
    """

    a: tuple[float, ...]
    d: tuple[float, ...]
    alpha: tuple[float, ...]
    tool: Array
    theta: tuple[float, ...] = ()
    base: Array | None = None
    fixed: Array = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        fixed = np.tile(np.eye(4), (len(self.a), 1, 1))
        for transform, a, d, alpha in zip(fixed, self.a, self.d, self.alpha, strict=True):
            transform[:3, :3] = matrix_about(0, alpha)
            transform[:3, 3] = transform[:3, :3] @ (a, 0.0, d)
        for transform, theta in zip(fixed, self.theta, strict=bool(self.theta)):
            transform[:3, :3] = transform[:3, :3] @ matrix_about(2, theta)
        if self.base is not None:
            fixed[0] = self.base @ fixed[0]
        object.__setattr__(self, 'fixed', fixed)

    def frames(self, q: Array) -> Array:
        """Pose of each joint's frame, then of the tool centre point: shape (..., n + 1, 4, 4).

        Args:
            q: Joint positions, shape (..., n) [rad]; many postures at once cost little more.
        """
        c, s = np.cos(q)[..., None], np.sin(q)[..., None]
        local = np.empty((*q.shape, 4, 4))
        local[...] = self.fixed
        x, y = self.fixed[:, :, 0], self.fixed[:, :, 1]
        local[..., 0] = c * x + s * y
        local[..., 1] = c * y - s * x
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
            q: Joint positions, shape (..., n) [rad].
        """
        tool = self.frames(q)[..., -1, :, :]
        return tool[..., :3, 3], tool[..., :3, :3]

    def jacobian(self, q: Array) -> Array:
        """Geometric Jacobian (6, n) of the tool centre point: linear rows, then angular rows."""
        return jacobian_of(self.frames(q))


@dataclass(frozen=True)
class Capsule:
    """A part of an arm: everything within `radius` of a line that a frame carries along.

    Attributes:
        name: The part's name, for messages.
        frame: Which of `SerialChain.frames` it moves with.
        radius: Distance from the line that the part reaches [m].
        start: One end of the line in that frame [m].
        end: The other end [m].
    """

    name: str
    frame: int
    radius: float
    start: tuple[float, float, float]
    end: tuple[float, float, float]


class Outline:
    """Balls that together cover an arm's parts; a ball of radius 0 is the tool centre point.

    The balls of a capsule are at most `spacing` and at most its radius apart, and larger than the
    capsule by as much as it takes to leave no gap.

    Args:
        capsules: The parts.
        tool: Index of the tool centre point's frame.
        spacing: Largest distance between neighbouring centres [m].

    Attributes:
        names: The part that each ball belongs to, P of them.
        radius: Radius of each ball, shape (P,) [m].
    """

    def __init__(self, capsules: Sequence[Capsule], *, tool: int, spacing: float = 0.05) -> None:
        names, frames, points, radii = ['tool centre point'], [tool], [np.zeros((1, 3))], [0.0]
        for capsule in capsules:
            start, end = np.array(capsule.start), np.array(capsule.end)
            length = float(np.linalg.norm(end - start))
            count = 1 + math.ceil(length / min(spacing, capsule.radius))
            points.append(np.linspace(start, end, count))
            names += count * [capsule.name]
            frames += count * [capsule.frame]
            radii += count * [math.hypot(capsule.radius, length / max(count - 1, 1) / 2)]
        self.names, self.radius = tuple(names), np.array(radii)
        self._frames, self._points = np.array(frames), np.concatenate(points)

    def centres(self, frames: Array) -> Array:
        """Centre of each ball, shape (..., P, 3) [m]; frames as of `SerialChain.frames`."""
        own = frames[..., self._frames, :3, :]
        turned = np.einsum('...pij,pj->...pi', own[..., :3], self._points)
        return np.asarray(turned + own[..., 3])


def jacobian_of(frames: Array) -> Array:
    """Geometric Jacobian (6, n) from the frames (n + 1, 4, 4) of `SerialChain.frames`."""
    z = frames[:-1, :3, 2]
    arm = frames[-1, :3, 3] - frames[:-1, :3, 3]
    jacobian = np.empty((6, len(z)))
    # The cross product written out: np.cross costs more than all the rest of this function.
    jacobian[0] = z[:, 1] * arm[:, 2] - z[:, 2] * arm[:, 1]
    jacobian[1] = z[:, 2] * arm[:, 0] - z[:, 0] * arm[:, 2]
    jacobian[2] = z[:, 0] * arm[:, 1] - z[:, 1] * arm[:, 0]
    jacobian[3:] = z.T
    return jacobian


def resolve(jacobian: Array, twist: Array, *, damping: float, pull: Array) -> Array:
    """Joint motion (n,) for a tool motion: damped least squares plus a nullspace pull.

    Damped least squares keeps joint motion bounded near singularities (Wampler 1986; Nakamura and
    Hanafusa 1986); `pull` acts only where it does not move the tool, up to the damping.

    Args:
        jacobian: Shape (6, n).
        twist: Linear then angular motion of the tool, shape (6,) [m, rad] or per second.
        damping: Damping factor lambda, in the Jacobian's units; larger is slower and safer.
        pull: Joint motion wanted in the nullspace, shape (n,), in the unit of the result.
    """
    gram = jacobian @ jacobian.T
    gram.flat[::7] += damping * damping
    return np.asarray(pull + jacobian.T @ np.linalg.solve(gram, twist - jacobian @ pull))
