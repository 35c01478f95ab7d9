"""Rotations and poses: matrices inside, xyzw quaternions at the edges, as in ROS messages.

The last three functions ask of a few numbers what a tick asks: several times quicker than numpy's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.limits import TURN, Array


def nearest_turn(value: Array, near: Array, endless: NDArray[np.bool_]) -> Array:
    """Angles a whole number of turns away, where they are nearest to others.

    Args:
        value: Shape (..., N) [rad].
        near: What they are to be near, (N,) or as `value` [rad].
        endless: Which of them turn without end, (N,); the others stay as they are.
    """
    if not endless.any():
        return value
    turns = np.nan_to_num(np.round((near - value) / TURN), posinf=0.0, neginf=0.0)
    return np.asarray(value + np.where(endless, TURN * turns, 0.0))


def unwrapped(path: Array, near: Array, endless: NDArray[np.bool_]) -> Array:
    """A path on which each step of a joint goes the short way.

    Args:
        path: Positions one after the other, shape (..., H, N) [rad or m].
        near: What the first is to be near, shape (..., N).
        endless: Which joints turn without end, (N,); the others stay as they are.
    """
    if not endless.any():
        return path
    starts = np.concatenate([np.asarray(near)[..., None, :], path[..., :-1, :]], axis=-2)
    turns = np.nan_to_num(np.round((starts - path) / TURN), posinf=0.0, neginf=0.0)
    return np.asarray(path + np.where(endless, TURN * turns.cumsum(axis=-2), 0.0))


def matrix_from_quaternion(quaternion: Array) -> Array:
    """Rotation matrix (3, 3) of a quaternion xyzw, shape (4,), of any norm but zero."""
    x, y, z, w = (float(value) for value in quaternion / np.linalg.norm(quaternion))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion_from_matrix(matrix: Array) -> Array:
    """Unit quaternions xyzw, shape (..., 4), of rotation matrices (..., 3, 3) (Shepperd 1978).

    Of the two signs it takes the one whose largest component is positive: near any one posture,
    a hand that points straight down included, the result then varies without sign flips, which a
    learned policy could not follow.
    """
    # Row i is the quaternion scaled by 4 times its component i: the longest row divides best.
    rows = matrix.reshape(-1, 1, 9) @ _ROWS
    rows += _ONES
    longest = rows[:, 0, ::5].argmax(1) + np.arange(0, 4 * len(rows), 4)
    row = rows.reshape(-1, 4).take(longest, 0)
    row /= np.sqrt(np.add.reduce(row * row, 1, keepdims=True))
    return np.asarray(row.reshape(*matrix.shape[:-2], 4))


def _rows() -> Array:
    """How the four rows, shape (16,), depend on the numbers of a matrix, shape (9,)."""
    rows = np.zeros((3, 3, 4, 4))
    for i, (j, k) in enumerate(((1, 2), (2, 0), (0, 1))):
        rows[i, i] = np.diag([1.0 if place in (i, 3) else -1.0 for place in range(4)])
        rows[j, k, [j, k], [k, j]] = rows[k, j, [j, k], [k, j]] = 1.0
        rows[k, j, [i, 3], [3, i]], rows[j, k, [i, 3], [3, i]] = 1.0, -1.0
    return rows.reshape(9, 16)


_ROWS, _ONES = _rows(), np.eye(4).ravel()


def pose(position: Array, matrix: Array) -> Array:
    """Pose vectors, shape (..., 7): position [m] and unit quaternion xyzw.

    Args:
        position: Shape (..., 3) [m].
        matrix: Rotation matrices, shape (..., 3, 3).
    """
    return np.concatenate([position, quaternion_from_matrix(matrix)], -1)


def rotation_vector(matrix: Array) -> Array:
    """Axis times angle [rad], shape (3,), of a rotation matrix; angles up to pi."""
    x, y, z, w = (float(value) for value in quaternion_from_matrix(matrix))
    if w < 0.0:
        x, y, z, w = -x, -y, -z, -w
    sine = math.sqrt(x * x + y * y + z * z)
    factor = 2.0 * math.atan2(sine, w) / sine if sine > 1e-9 else 2.0
    return np.array([x * factor, y * factor, z * factor])


def matrix_about(axis: int, angle: float) -> Array:
    """Rotation matrix (3, 3) about the x, y or z axis (0, 1, 2) by `angle` [rad]."""
    c, s = math.cos(angle), math.sin(angle)
    matrix = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    return matrix


def transform(position: Sequence[float], turn: float = 0.0) -> Array:
    """Transform (4, 4) to a `position` [m], then about the z axis by `turn` [rad]."""
    result = np.eye(4)
    result[:3, :3] = matrix_about(2, turn)
    result[:3, 3] = position
    return result


def yaw(quaternion: Array) -> float:
    """Rotation about the base frame's z axis [rad] of a quaternion xyzw, in (-pi, pi]."""
    x, y, z, w = (float(value) for value in quaternion)
    return math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))


def every(mask: NDArray[Any]) -> bool:
    """Whether all of `mask`, shape (N,) of bool, is true; so it is where nothing is in it."""
    return False not in mask.tolist()


def finite(values: Array) -> bool:
    """Whether all `values`, shape (N,), are numbers."""
    return all(map(math.isfinite, values.tolist()))


def norm(values: Array) -> float:
    """Euclidean norm of `values`, shape (N,); not a number where one is not."""
    return math.hypot(*values.tolist())
