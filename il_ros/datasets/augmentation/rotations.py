"""Rotations and forward kinematics for many samples at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from il_ros.core.kinematics import SerialChain

Array = NDArray[np.float64]


def tool_poses(chain: SerialChain, q: Array) -> tuple[Array, Array]:
    """Positions (..., 3) [m] and rotation matrices (..., 3, 3) of the tool centre point.

    The same as `SerialChain.forward`, for joint positions of shape (..., n) [rad].
    """
    c, s = np.cos(q)[..., None], np.sin(q)[..., None]
    pose = np.broadcast_to(np.eye(4), (*q.shape[:-1], 4, 4))
    for i, fixed in enumerate(chain.fixed):
        local = np.broadcast_to(fixed, (*q.shape[:-1], 4, 4)).copy()
        local[..., 0] = c[..., i, :] * fixed[:, 0] + s[..., i, :] * fixed[:, 1]
        local[..., 1] = c[..., i, :] * fixed[:, 1] - s[..., i, :] * fixed[:, 0]
        pose = pose @ local
    pose = pose @ chain.tool
    return pose[..., :3, 3], pose[..., :3, :3]


def from_vector(vector: Array) -> Array:
    """Quaternions xyzw, shape (B, 4), of rotation vectors (axis times angle), (B, 3) [rad]."""
    angle = np.linalg.norm(vector, axis=-1, keepdims=True)
    # np.sinc(x) is sin(pi x) / (pi x), so this is sin(angle / 2) / angle, also at angle 0.
    factor = 0.5 * np.sinc(angle / (2.0 * np.pi))
    return np.concatenate([vector * factor, np.cos(angle / 2.0)], axis=-1)


def from_small_matrix(matrix: Array) -> Array:
    """Quaternions xyzw, shape (B, 4), of rotation matrices by less than about 3 rad."""
    w = np.sqrt(np.maximum(1.0 + np.trace(matrix, axis1=-2, axis2=-1), 1e-12)) / 2.0
    skew = matrix - np.swapaxes(matrix, -1, -2)
    vector = np.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], axis=-1)
    return np.concatenate([vector / (4.0 * w[..., None]), w[..., None]], axis=-1)


def turned(quaternion: Array, by: Array) -> Array:
    """Orientations (B, 4) turned by the rotations `by` (B, 4), all xyzw, in the base frame.

    Where the decoders' convention (w >= 0) held before, it holds after; elsewhere the sign is the
    one that lies nearer.
    """
    a, b = by[..., :3], quaternion[..., :3]
    aw, bw = by[..., 3:], quaternion[..., 3:]
    result = np.concatenate(
        [aw * b + bw * a + np.cross(a, b), aw * bw - np.sum(a * b, axis=-1, keepdims=True)], axis=-1
    )
    nearer = np.sum(result * quaternion, axis=-1, keepdims=True)
    flip = np.where(bw >= 0.0, result[..., 3:] < 0.0, nearer < 0.0)
    return np.where(flip, -result, result)
