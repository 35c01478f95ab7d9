"""Plugs and the sockets they fit, five geometries of them, from primitive shapes.

Seen from above, a hole is where half-planes meet, so its walls are boxes, however wide, that lie
outside of one half-plane each; one that has two parts has a core between them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

LENGTH = 0.03  # of a plug's peg [m]
HANDLE = (0.015, 0.015, 0.02)  # half edges of the block above the peg, which the fingers grip [m]
HOUSING = 0.022  # half edge of a socket, seen from above [m]
HEIGHT = 0.032  # of a socket: the handle comes to rest on it before the peg meets the table [m]
LEAD = 0.0025  # width and depth of the bevel around a hole's upper edge, which leads a peg in [m]

SEATED = HEIGHT + HANDLE[2]  # height of a handle's centre above the table, its peg inserted [m]
STANDING = LENGTH + HANDLE[2]  # and of one that stands on the table on its peg [m]


@dataclass(frozen=True, kw_only=True)
class PegPart:
    """A part of a peg.

    Attributes:
        size: Half edges of a box along x and y, or the radius of an upright cylinder [m].
        at: Its centre, x and y from the plug's axis [m].
    """

    size: tuple[float, ...]
    at: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Connector:
    """A geometry: the peg, and what bounds its hole where there is no clearance.

    Attributes:
        pieces: What the peg is made of.
        half: Half of the hole's width along x and y [m].
        bevels: Further walls, across the corners: direction [deg] and distance from the axis [m].
        core: Half of the width of a wall along x that parts the hole in two [m]; 0.0 for none.
    """

    pieces: tuple[PegPart, ...]
    half: tuple[float, float]
    bevels: tuple[tuple[float, float], ...] = ()
    core: float = 0.0


def _bevels(radius: float, *quadrants: int) -> tuple[tuple[float, float], ...]:
    """Three walls in each quadrant, tangent to a circle: with the sides, 16 to a whole one."""
    return tuple((90.0 * q + turn, radius) for q in quadrants for turn in (22.5, 45.0, 67.5))


# The D is a half disc with a square behind it, so that its flat is as wide as its disc.
CONNECTORS = {
    'round': Connector(
        pieces=(PegPart(size=(0.01,)),), half=(0.01, 0.01), bevels=_bevels(0.01, 0, 1, 2, 3)
    ),
    'square': Connector(pieces=(PegPart(size=(0.009, 0.009)),), half=(0.009, 0.009)),
    'rectangular': Connector(pieces=(PegPart(size=(0.012, 0.007)),), half=(0.012, 0.007)),
    'd_shaped': Connector(
        pieces=(PegPart(size=(0.0096,)), PegPart(size=(0.0048, 0.0096), at=(-0.0048, 0.0))),
        half=(0.0096, 0.0096),
        bevels=_bevels(0.0096, 0, 3),
    ),
    'two_pronged': Connector(
        pieces=(
            PegPart(size=(0.007, 0.003), at=(0.0, -0.008)),
            PegPart(size=(0.007, 0.003), at=(0.0, 0.008)),
        ),
        half=(0.007, 0.011),
        core=0.005,
    ),
}


def add_peg(plug: Any, name: str) -> Any:
    """Mount the peg of the connector `name` under the handle `plug`, as a body without mass."""
    peg = plug.add_body(name=f'plug_{name}')
    for piece in CONNECTORS[name].pieces:
        is_round = len(piece.size) == 1
        peg.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CYLINDER if is_round else mujoco.mjtGeom.mjGEOM_BOX,
            size=[*piece.size, LENGTH / 2, 0][:3],
            pos=[*piece.at, -HANDLE[2] - LENGTH / 2],
            mass=0.0,  # the handle has all of the mass, so that all plugs weigh the same
            rgba=[0.75, 0.75, 0.8, 1],
            friction=[0.3, 0.005, 0.0001],
            priority=1,  # smooth metal, whatever it touches
        )
    return peg


def add_hole(socket: Any, name: str, clearance: float) -> Any:
    """Mount walls around the hole of the connector `name` on the body `socket`.

    They are `clearance` metres off the peg. The socket's origin is on the table, on the hole's
    axis.
    """
    connector = CONNECTORS[name]
    hole = socket.add_body(name=f'socket_{name}')
    for quarter in range(4):
        near = connector.half[quarter % 2] + clearance
        _add_wall(hole, 90.0 * quarter, near, HOUSING - near, HOUSING)
    for direction, distance in connector.bevels:
        _add_wall(hole, direction, distance + clearance, 0.0065, 0.005)
    if connector.core:
        half = connector.core - clearance
        for direction in (90.0, -90.0):
            _add_wall(hole, direction, -half, half, HOUSING)
    return hole


def _add_wall(hole: Any, direction: float, near: float, thickness: float, width: float) -> None:
    """A wall whose inner face is `near` metres from the axis in `direction` [deg].

    It is `width` metres wide to each side. Its upper inner edge is bevelled, by a tilted box
    between the one below it and the one behind it.
    """
    turn = math.radians(direction)
    slope = LEAD / math.sqrt(2)  # half of the bevel's length
    about_z = np.array([math.cos(turn / 2), 0.0, 0.0, math.sin(turn / 2)])
    for middle, height, size, tilt in (
        (thickness / 2, (HEIGHT - LEAD) / 2, (thickness / 2, (HEIGHT - LEAD) / 2), 0.0),
        ((thickness + LEAD) / 2, HEIGHT - LEAD / 2, ((thickness - LEAD) / 2, LEAD / 2), 0.0),
        (0.75 * LEAD, HEIGHT - 0.75 * LEAD, (slope, slope / 2), -math.pi / 4),
    ):
        about_y = np.array([math.cos(tilt / 2), 0.0, math.sin(tilt / 2), 0.0])
        quaternion = np.empty(4)
        mujoco.mju_mulQuat(quaternion, about_z, about_y)
        hole.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[size[0], width, size[1]],
            pos=[(near + middle) * math.cos(turn), (near + middle) * math.sin(turn), height],
            quat=quaternion,
            rgba=[0.25, 0.3, 0.4, 1],
        )
