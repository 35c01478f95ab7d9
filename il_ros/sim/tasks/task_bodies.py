"""Bodies that several tasks have: what is handled, and the mark of the goal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco

ORANGE = (0.85, 0.35, 0.15, 1.0)


def add_loose(
    spec: Any,
    shape: Any,
    size: Sequence[float],
    *,
    mass: float,
    rgba: Sequence[float] = ORANGE,
    name: str = 'object',
    friction: float = 1.0,
    priority: int = 1,
) -> Any:
    """Add a body called `name` that lies about freely, of one geometry; returns it.

    Args:
        spec: The specification (mujoco.MjSpec).
        shape: Its mujoco.mjtGeom.
        size: As MuJoCo has it for this shape [m].
        mass: Its mass [kg].
        rgba: Its colour; by default that of what is handled.
        name: Of body, joint and geometry.
        friction: Coefficient of sliding friction.
        priority: Of two things in contact the friction of the one with the higher priority counts,
            else that of the rougher one. The object's is above all others', so that scaling its
            friction acts in every contact.
    """
    body = spec.worldbody.add_body(name=name)
    body.add_freejoint(name=name)
    body.add_geom(
        name=name,
        type=shape,
        size=size,
        mass=mass,
        rgba=rgba,
        condim=4,
        friction=[friction, 0.01, 0.0001],
        priority=priority,
    )
    return body


def add_goal(spec: Any, radius: float) -> None:
    """Add the body `goal`: a ball that is seen but not touched, of `radius` [m]."""
    goal = spec.worldbody.add_body(name='goal')
    goal.add_geom(
        type=mujoco.mjtGeom.mjGEOM_SPHERE,
        size=[radius, 0, 0],
        rgba=[0.1, 0.7, 0.3, 0.5],
        contype=0,
        conaffinity=0,
    )
