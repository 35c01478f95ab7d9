"""How alike the episodes of a dataset are, and where in the space of states they lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from il_ros.core.dataset_summary import Coverage
from il_ros.core.limits import Array

Indices = NDArray[np.int64]

_MOST = 5.0  # standard deviations that one number of a state may be from its mean


EPISODES = 2000
"""Largest number of episodes that are compared; a seeded choice of more."""

POINTS = 3000
"""Largest number of states in the projection."""

DUPLICATE = 0.05
"""Two episodes closer than this many standard deviations are the same."""

_PHASES = 24  # states taken of each episode, evenly over its frames


def choose(count: int, most: int, seed: int) -> Indices:
    """Indices of at most `most` of `count` things, in order, chosen by `seed`."""
    if count <= most:
        return np.arange(count, dtype=np.int64)
    chosen = np.random.default_rng(seed).choice(count, max(most, 0), replace=False)
    return np.sort(chosen).astype(np.int64)


def coverage_of(
    columns: Sequence[NDArray[np.float32]],
    borders: Sequence[tuple[int, int]],
    *,
    seed: int = 0,
    episodes: int = EPISODES,
    points: int = POINTS,
) -> Coverage | None:
    """Compare the episodes state by state at the same fraction of their length.

    The distance of two episodes is the root mean square difference of their states, each number of
    a state divided by its standard deviation over the dataset. What is not valid counts as the
    mean, so that a sensor that fails does not make an episode unlike all others.

    Args:
        columns: Observations side by side, each of shape (F, size).
        borders: First frame and number of frames of each episode.
        seed: Of the choice of episodes and of points.
        episodes: Largest number of episodes to compare.
        points: Largest number of states in the projection.

    Returns:
        None if there is no episode, or no number that changes.
    """
    chosen = choose(len(borders), episodes, seed)
    if not len(chosen) or not columns:
        return None
    states = _standardised(_states(columns, [borders[i] for i in chosen]))
    if not states.shape[2]:
        return None
    nearest, distance = _nearest(states)
    projected, explained = _principal(states)
    shown = choose(projected[..., 0].size, points, seed)
    progress = np.tile(np.linspace(0.0, 1.0, _PHASES), len(chosen))
    return Coverage(
        episodes=chosen,
        nearest=np.where(nearest < 0, -1, chosen[nearest]),
        distance=distance,
        points=projected.reshape(-1, 2)[shown],
        progress=progress[shown],
        starts=projected[:, 0],
        ends=projected[:, -1],
        explained=explained,
        duplicate=DUPLICATE,
    )


def _states(columns: Sequence[NDArray[np.float32]], borders: Sequence[tuple[int, int]]) -> Array:
    """States at the same phases of each episode, shape (E, P, D)."""
    fractions = np.linspace(0.0, 1.0, _PHASES)
    rows = np.array([start + np.rint(fractions * (length - 1)) for start, length in borders])
    taken = rows.astype(np.int64)
    parts = [np.asarray(column[taken.ravel()], dtype=np.float64) for column in columns]
    return np.concatenate(parts, axis=1).reshape(*taken.shape, -1)


def _standardised(states: Array) -> Array:
    """Mean 0 and standard deviation 1 over the dataset; numbers that never change are dropped.

    A blow on a force sensor is a hundred deviations and would hide all else: it counts as `_MOST`.
    """
    flat: Array = states.reshape(-1, states.shape[2])
    known = np.isfinite(flat)
    flat = np.where(known, flat, np.nan)[:, known.any(axis=0)]
    mean, std = np.nanmean(flat, axis=0), np.nanstd(flat, axis=0)
    # Rounding makes a constant of 0.7 spread by 1e-8; that is no motion.
    moves = std > 1e-6 * np.maximum(1.0, np.abs(mean))
    scaled: Array = np.nan_to_num((flat[:, moves] - mean[moves]) / std[moves])
    return np.clip(scaled, -_MOST, _MOST).reshape(*states.shape[:2], int(moves.sum()))


def _nearest(states: Array) -> tuple[Indices, Array]:
    """Place and distance of the most similar other episode of each."""
    from scipy.spatial import cKDTree

    count = len(states)
    if count < 2:
        return np.full(count, -1, dtype=np.int64), np.full(count, np.nan)
    paths = states.reshape(count, -1) / np.sqrt(states[0].size)
    found = cKDTree(paths).query(paths, k=2)
    distances, neighbours = np.asarray(found[0]), np.asarray(found[1])
    row = np.arange(count)
    # An episode's copy is as near as itself, and may come first.
    other = np.where(neighbours[:, 0] == row, 1, 0)
    return neighbours[row, other].astype(np.int64), distances[row, other]


def _principal(states: Array) -> tuple[Array, tuple[float, float]]:
    """Two leading principal components, shape (E, P, 2), and their fractions of the variance."""
    flat = states.reshape(-1, states.shape[2])
    values, vectors = np.linalg.eigh(np.cov(flat, rowvar=False).reshape(flat.shape[1], -1))
    axes = vectors[:, ::-1][:, :2]
    # The sign of an eigenvector is arbitrary: the largest number of each is made positive.
    signs = np.sign(axes[np.argmax(np.abs(axes), axis=0), np.arange(axes.shape[1])])
    projected = flat @ (axes * signs)
    fractions = np.maximum(values[::-1], 0.0) / max(float(np.maximum(values, 0.0).sum()), 1e-12)
    if projected.shape[1] < 2:
        projected = np.pad(projected, ((0, 0), (0, 1)))
        fractions = np.append(fractions, 0.0)
    return projected.reshape(*states.shape[:2], 2), (float(fractions[0]), float(fractions[1]))
