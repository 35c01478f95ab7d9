"""Gaps between the frames of an episode, and the speeds of its joints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.frames import GAP, NS
from il_ros.core.limits import Array
from il_ros.datasets.episode_arrays import EpisodeArrays

Range = tuple[int, int]
"""Rows from the first number up to, but without, the second."""


def gripper_joints(contract: Contract, words: Iterable[str]) -> NDArray[np.bool_]:
    """Which commanded joints have one of `words` in their name, in any case; shape (N,)."""
    names = [name.lower() for name in contract.action.names]
    known = [word.lower() for word in words]
    return np.array([any(word in name for word in known) for name in names], dtype=bool)


def measured_positions(contract: Contract, values: Mapping[str, NDArray[np.float32]]) -> Array:
    """Measured positions of the commanded joints, shape (F, N) [rad or m]; NaN where invalid."""
    contract.require_joints()
    columns = [values[key] for key in contract.action.position]
    return np.concatenate(columns, axis=1).astype(np.float64)


def contiguous(contract: Contract, stamp: NDArray[np.int64], gap: float = GAP) -> list[Range]:
    """The ranges in which no frame comes more than `gap` periods after the one before it.

    Time that does not go forward ends a range too.
    """
    if not len(stamp):
        return []
    steps = np.diff(stamp)
    broken = (steps > gap * NS / contract.rate) | (steps <= 0)
    edges = [0, *(np.flatnonzero(broken) + 1).tolist(), len(stamp)]
    return list(pairwise(edges))


def frames_in(contract: Contract, seconds: float) -> int:
    """How many periods it takes for `seconds` to pass."""
    return int(np.ceil(seconds * contract.rate - 1e-6))


def speeds(positions: Array, stamp: NDArray[np.int64], half: int) -> Array:
    """Speed of each joint over the `half` frames before and after each frame, shape (F, N).

    At the ends the window is cut short. A wide window keeps a sensor's noise out.
    """
    last = len(stamp) - 1
    if last < 1:
        return np.zeros_like(positions)
    rows = np.arange(last + 1)
    early, late = np.maximum(rows - half, 0), np.minimum(rows + half, last)
    times = (stamp[late] - stamp[early]) / NS
    return np.asarray(np.abs(positions[late] - positions[early]) / times[:, None])


def relative_speed(
    contract: Contract, episode: EpisodeArrays, joints: NDArray[np.bool_], window: float
) -> Array:
    """How fast the fastest joint is, as a fraction of its own velocity limit; shape (F,).

    The faster of what was measured and what was commanded counts. The frames have to follow one
    another.

    Args:
        contract: Rate and velocity limits.
        episode: Frames without gaps.
        joints: Which joints count, shape (N,); at least one.
        window: Time over which a speed is taken [s].
    """
    half = max(1, round(window * contract.rate / 2))
    limit = contract.limits.velocity[joints]
    measured = speeds(measured_positions(contract, episode.values)[:, joints], episode.stamp, half)
    commanded = speeds(episode.action[:, joints].astype(np.float64), episode.stamp, half)
    # fmax takes the number that is not NaN: an invalid reading does not count as standing still.
    return np.asarray((np.fmax(measured, commanded) / limit).max(axis=1))
