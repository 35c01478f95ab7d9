"""Peg transfer: lift a ring off one peg of a board and put it over another, as surgeons practise.

After the peg transfer of the Fundamentals of Laparoscopic Surgery (Peters et al. 2004), with one
arm and square rings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from il_ros.core.limits import Array
from il_ros.sim.tasks.task import Draw, Flags, draw_in_box, fetched, to_goal, upright
from il_ros.sim.tasks.task_bodies import ORANGE, add_goal

EDGE = 0.04  # of the ring, seen from above [m]
HOLE = 0.024  # its inner edge [m]
THICK = 0.026  # its height [m]
BOARD = 0.01  # thickness of the board [m]
RADIUS = 0.005  # of a peg [m]
PEG = 0.035  # height of a peg above the board [m]
# Pegs on the board [m]: open fingers are 11.4 cm across y and 2.1 cm along x.
PEGS = tuple((x, y) for y in (-0.06, 0.06) for x in (-0.06, 0.0, 0.06))

RESTING = BOARD + THICK / 2  # height of the ring's centre when it lies on the board [m]


@dataclass(frozen=True, kw_only=True)
class PegTransfer:
    """Move a ring from the peg that it lies around to another peg of the board.

    Attributes:
        box_min: Lower corner of the training box, from which the board's centre comes [m].
        box_max: Upper corner of that box [m].
        yaw: Largest turn of the board, and of the ring on it, to either side [rad].
        retreat: Least height of the tool centre point above the ring at success [m].
        time_limit: Length of an episode that does not succeed, twice what the expert takes [s].
    """

    box_min: tuple[float, float] = (0.46, -0.08)
    box_max: tuple[float, float] = (0.54, 0.08)
    yaw: float = 0.3
    retreat: float = 0.06
    time_limit: float = 10.0

    name = 'peg_transfer'
    observed = ('object', 'board')
    # At its lower side the finger tips, 9 mm below the tool centre point, touch the board.
    workspace = np.array([0.25, -0.4, BOARD + 0.009]), np.array([0.8, 0.4, 0.6])

    def build(self, spec: Any) -> None:
        """Add the board with its pegs, the ring, and the mark of the goal."""
        board = spec.worldbody.add_body(name='board')
        box = mujoco.mjtGeom.mjGEOM_BOX
        board.add_geom(
            type=box, size=[0.09, 0.09, BOARD / 2], pos=[0, 0, BOARD / 2], rgba=[0.3, 0.35, 0.4, 1]
        )
        for x, y in PEGS:
            board.add_geom(
                type=mujoco.mjtGeom.mjGEOM_CYLINDER,
                size=[RADIUS, PEG / 2, 0],
                pos=[x, y, BOARD + PEG / 2],
                rgba=[0.85, 0.85, 0.8, 1],
            )
        ring = spec.worldbody.add_body(name='object')
        ring.add_freejoint(name='object')
        wall, middle = (EDGE - HOLE) / 4, (EDGE + HOLE) / 4
        for size, at in (
            ((wall, EDGE / 2), (middle, 0.0)),
            ((wall, EDGE / 2), (-middle, 0.0)),
            ((HOLE / 2, wall), (0.0, middle)),
            ((HOLE / 2, wall), (0.0, -middle)),
        ):
            ring.add_geom(
                type=box,
                size=[*size, THICK / 2],
                pos=[*at, 0],
                mass=0.0125,
                rgba=ORANGE,
                condim=4,
                friction=[1.0, 0.01, 0.0001],
                priority=1,  # the ring's friction counts, so that scaling it acts
            )
        add_goal(spec, RADIUS + 0.002)

    def draw(self, rng: np.random.Generator, outside: float) -> Draw:
        """The board with the ring on it, which go outside together, and two of its pegs."""
        place = draw_in_box(rng, self.box_min, self.box_max, outside)
        turn, twist = rng.uniform(-self.yaw, self.yaw, 2)
        first, last = rng.choice(len(PEGS), 2, replace=False)
        ring = _on_board(place, turn, PEGS[first])
        return Draw(
            goal=_on_board(place, turn, PEGS[last]),
            bodies={'board': upright((*place, 0.0), turn), 'object': upright(ring, turn + twist)},
        )

    def success(self, scene: Mapping[str, Array]) -> Flags:
        """The ring lies around the goal's peg, the hand is open and above it."""
        ring, tool = scene['object_pose'][..., 2], scene['tcp_pose'][..., 2]
        resting = ring - scene['goal_position'][..., 2] < 0.003
        # As far as a peg lets a ring go that lies flat, in a corner of its hole.
        around = to_goal(scene) < math.sqrt(2) * (HOLE / 2 - RADIUS) + 0.001
        is_open = scene['gripper_position'][..., 0] > EDGE / 2 + 0.005
        return around & resting & is_open & (tool - ring > self.retreat)

    def progress(self, scene: Mapping[str, Array], first: Mapping[str, Array]) -> Array:
        """0.9 for the way to the ring and with it to the other peg, 0.1 for letting go."""
        return fetched(scene, first)


def _on_board(place: Array, turn: float, at: tuple[float, float]) -> Array:
    """Centre of a ring around the peg `at`, shape (3,), base frame [m]."""
    c, s = math.cos(turn), math.sin(turn)
    return np.array([place[0] + c * at[0] - s * at[1], place[1] + s * at[0] + c * at[1], RESTING])
