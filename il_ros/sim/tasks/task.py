"""The interface of a task: its objects, where they start, and what success is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from il_ros.core.limits import Array

Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Draw:
    """What was drawn from the seed.

    Attributes:
        goal: Goal position in the base frame, shape (3,) [m].
        bodies: Where bodies of the task start, by name, shape (7,): position [m] and quaternion
            xyzw in the base frame, or in the frame of the body that they are part of. A body
            without a free joint is mounted there for the episode.
    """

    goal: Array
    bodies: Mapping[str, Array] = field(default_factory=dict)


class Task(Protocol):
    """A task; it is frozen and has no state.

    The scene is the clean observation of a tick, or of many environments at once: then each of its
    arrays, and what `success` and `progress` answer, has leading dimensions, shape (...).
    """

    @property
    def name(self) -> str:
        """Its name in the registry."""

    @property
    def time_limit(self) -> float:
        """Length of an episode that does not succeed [s]."""

    @property
    def workspace(self) -> tuple[Array, Array]:
        """Lower and upper corner of the box for the tool centre point, base frame [m]."""

    @property
    def observed(self) -> tuple[str, ...]:
        """Bodies whose pose is observed, as `<body>_pose`; what is handled is called `object`."""

    def build(self, spec: Any) -> None:
        """Add the task's bodies to the model's specification (mujoco.MjSpec)."""

    def draw(self, rng: np.random.Generator, outside: float) -> Draw:
        """Where objects start; `outside` metres beyond the training box if above zero."""

    def success(self, scene: Mapping[str, Array]) -> Flags:
        """Whether the goal is reached at this moment, shape (...)."""

    def progress(self, scene: Mapping[str, Array], first: Mapping[str, Array]) -> Array:
        """How much of the way is done, 0 to 1, from the episode's first scene on, shape (...)."""


def length(vector: Array) -> Array:
    """Euclidean norm of the last axis, shape (...) for (..., n).

    Unlike np.linalg.norm it adds in the same order for one vector as for many.
    """
    return np.asarray(np.sqrt(np.add.reduce(vector * vector, -1)))


def to_goal(scene: Mapping[str, Array]) -> Array:
    """Horizontal distance from the object to the goal [m], shape (...)."""
    return length(scene['object_pose'][..., :2] - scene['goal_position'][..., :2])


def fetched(
    scene: Mapping[str, Array], first: Mapping[str, Array], carried: Array | None = None
) -> Array:
    """Progress of a task that takes the object somewhere.

    0.3 for the way of the hand to the object, and 0.6 for the way of the object, of which the
    fraction `carried` is done (by default of the horizontal way to the goal).
    """
    near = 1.0 - _to_object(scene) / _to_object(first)
    if carried is None:
        carried = 1.0 - to_goal(scene) / to_goal(first)
    near = np.where(carried > 0.05, 1.0, near)  # the hand may leave what it has moved
    return np.asarray(0.3 * np.maximum(near, 0.0) + 0.6 * np.maximum(carried, 0.0))


def _to_object(scene: Mapping[str, Array]) -> Array:
    return length(scene['object_pose'][..., :3] - scene['tcp_pose'][..., :3])


def upright(position: Sequence[float] | Array, turn: float) -> Array:
    """Pose, shape (7,), at `position` (3,) [m], turned about the vertical by `turn` [rad]."""
    return np.array([*position, 0.0, 0.0, math.sin(turn / 2), math.cos(turn / 2)])


def draw_in_box(
    rng: np.random.Generator,
    lower: Sequence[float],
    upper: Sequence[float],
    outside: float = 0.0,
) -> Array:
    """A uniform point of the box; or one `outside` metres beyond its far or its right side.

    The first two coordinates are x and y. The near side is left out, for there is the arm, and
    the left one, for there another box may lie.
    """
    point = rng.uniform(lower, upper)
    if outside > 0.0:
        if rng.random() < 0.5:
            point[0] = upper[0] + outside
        else:
            point[1] = lower[1] - outside
    return point
