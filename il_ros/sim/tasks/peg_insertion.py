"""Peg insertion: take a plug from the table and push it into the socket that it fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from il_ros.core.errors import UnknownNameError
from il_ros.core.limits import Array
from il_ros.sim.tasks.connectors import (
    CONNECTORS,
    HANDLE,
    LENGTH,
    SEATED,
    STANDING,
    add_hole,
    add_peg,
)
from il_ros.sim.tasks.task import Draw, Flags, draw_in_box, fetched, to_goal, upright
from il_ros.sim.tasks.task_bodies import add_goal, add_loose

STORE = -3.0  # height at which the connectors of other episodes are out of everybody's way [m]


@dataclass(frozen=True, kw_only=True)
class PegInsertion:
    """Insert a plug, which stands on the table on its peg, into a socket on the table.

    All connectors are in the model; the seed decides which one an episode mounts, and the others
    are stored far below the table. They have one length and are inserted at one turn, so the
    policy need not know which one it is.

    Attributes:
        connector: Name of the one connector, or `any` for one of all by the seed.
        clearance: Between peg and hole, on each side [m].
        box_min: Lower corner of the training box, from which the plug comes [m].
        box_max: Upper corner of that box [m].
        goal_min: Lower corner of the box that sockets come from, to the left of the first [m].
        goal_max: Upper corner of that box [m].
        yaw: Largest turn of plug and socket to either side [rad].
        depth: Share of the peg that is inserted at success.
        tolerance: Largest horizontal distance of the plug to the socket's axis at success [m].
        time_limit: Length of an episode that does not succeed, twice what the expert takes [s].

    Raises:
        UnknownNameError: If no connector has this name.
    """

    connector: str = 'any'
    clearance: float = 0.0005
    box_min: tuple[float, float] = (0.42, -0.22)
    box_max: tuple[float, float] = (0.58, 0.0)
    goal_min: tuple[float, float] = (0.44, 0.12)
    goal_max: tuple[float, float] = (0.56, 0.2)
    yaw: float = 0.5
    depth: float = 0.9
    tolerance: float = 0.002
    time_limit: float = 12.0

    name = 'peg_insertion'
    observed = ('object', 'socket')
    # A plug is gripped 5 cm above the table: fingers that come lower have missed it.
    workspace = np.array([0.25, -0.4, 0.03]), np.array([0.8, 0.4, 0.6])

    def __post_init__(self) -> None:
        """Check the connector's name."""
        if self.connector != 'any' and self.connector not in CONNECTORS:
            raise UnknownNameError(
                f'unknown connector {self.connector!r}',
                where=self.name,
                allowed=('any', *CONNECTORS),
            )

    @property
    def _connectors(self) -> tuple[str, ...]:
        return tuple(CONNECTORS) if self.connector == 'any' else (self.connector,)

    def build(self, spec: Any) -> None:
        """Add the plug and the socket, each with every connector, and the mark of the goal."""
        plug = add_loose(spec, mujoco.mjtGeom.mjGEOM_BOX, HANDLE, mass=0.1)
        socket = spec.worldbody.add_body(name='socket')
        for name in self._connectors:
            add_peg(plug, name)
            add_hole(socket, name, self.clearance)
        add_goal(spec, 0.004)

    def draw(self, rng: np.random.Generator, outside: float) -> Draw:
        """Plug, socket and connector; only the plug goes outside, never towards the sockets."""
        place = draw_in_box(rng, self.box_min, self.box_max, outside)
        goal = draw_in_box(rng, self.goal_min, self.goal_max)
        turns = rng.uniform(-self.yaw, self.yaw, 2)
        drawn = str(rng.choice([*CONNECTORS]))
        bodies = {
            'object': upright((*place, STANDING), turns[0]),
            'socket': upright((*goal, 0.0), turns[1]),
        }
        for name in self._connectors:
            away = 0.0 if name in (drawn, self.connector) else STORE
            bodies[f'plug_{name}'] = upright((0.0, 0.0, away), 0.0)
            bodies[f'socket_{name}'] = upright((0.0, 0.0, 2 * away), 0.0)
        return Draw(goal=np.array([*goal, SEATED]), bodies=bodies)

    def success(self, scene: Mapping[str, Array]) -> Flags:
        """Inserted to `depth`, within `tolerance` of the socket's axis."""
        return (_inserted(scene) >= self.depth) & (to_goal(scene) < self.tolerance)

    def progress(self, scene: Mapping[str, Array], first: Mapping[str, Array]) -> Array:
        """0.9 for the way to the plug and with it to the socket, 0.1 for the insertion."""
        over = to_goal(scene) < self.tolerance
        return fetched(scene, first) + 0.1 * np.where(over, np.maximum(_inserted(scene), 0.0), 0.0)


def _inserted(scene: Mapping[str, Array]) -> Array:
    """Share of the peg that is below the socket's upper face, if it is over the hole."""
    return 1.0 - (scene['object_pose'][..., 2] - scene['goal_position'][..., 2]) / LENGTH
