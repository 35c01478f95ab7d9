"""Rotations of many samples at once."""

from __future__ import annotations

import numpy as np

from il_ros.core.limits import Array


def from_vector(vector: Array) -> Array:
    """Quaternions xyzw, shape (B, 4), of rotation vectors (axis times angle), (B, 3) [rad]."""
    angle = np.linalg.norm(vector, axis=-1, keepdims=True)
    # np.sinc(x) is sin(pi x) / (pi x), so this is sin(angle / 2) / angle, also at angle 0.
    factor = 0.5 * np.sinc(angle / (2.0 * np.pi))
    return np.concatenate([vector * factor, np.cos(angle / 2.0)], axis=-1)


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
