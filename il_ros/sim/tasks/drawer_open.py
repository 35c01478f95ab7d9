"""Drawer: pull the drawer of a small cabinet open by its handle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from il_ros.core.limits import Array
from il_ros.sim.tasks.task import Draw, Flags, draw_in_box, upright
from il_ros.sim.tasks.task_bodies import add_goal

Box = tuple[tuple[float, float, float], tuple[float, float, float]]

# Lower and upper corners [m]. The cabinet's frame lies on the table below the bar of the closed
# drawer's handle, the drawer's is in the middle of the bar; both open along their -x axis.
HEIGHT = 0.07  # of the bar above the table [m]
BAR = 0.005  # half of its thickness [m]
FRONT = 0.06  # from the bar's middle to the drawer's front [m]
STROKE = 0.18  # how far the drawer comes out at most [m]
CABINET: tuple[Box, ...] = (
    ((0.072, -0.11, 0.0), (0.295, -0.1, 0.085)),
    ((0.072, 0.1, 0.0), (0.295, 0.11, 0.085)),
    ((0.285, -0.1, 0.0), (0.295, 0.1, 0.085)),
    ((0.072, -0.11, 0.085), (0.295, 0.11, 0.09)),
)
DRAWER: tuple[Box, ...] = (
    ((FRONT, -0.095, -0.058), (0.072, 0.095, 0.01)),
    ((0.072, -0.09, -0.058), (0.278, 0.09, -0.052)),
    ((0.072, -0.09, -0.052), (0.278, -0.084, -0.01)),
    ((0.072, 0.084, -0.052), (0.278, 0.09, -0.01)),
    ((0.272, -0.084, -0.052), (0.278, 0.084, -0.01)),
)
HANDLE: tuple[Box, ...] = (
    ((-BAR, -0.08, -BAR), (BAR, 0.08, BAR)),
    ((BAR, -0.08, -BAR), (FRONT, -0.07, BAR)),
    ((BAR, 0.07, -BAR), (FRONT, 0.08, BAR)),
)


@dataclass(frozen=True, kw_only=True)
class DrawerOpen:
    """Open the drawer; the goal is where its handle has to get.

    The bar of the handle is as far from the drawer's front as the closed fingers need to hook it
    from above, and the cabinet stays below the hand while they do.

    Attributes:
        box_min: Lower corner of the training box, from which the closed handle comes [m].
        box_max: Upper corner of that box [m].
        yaw: Largest turn of the cabinet to either side; at zero it faces the arm [rad].
        opening: How far the handle at the goal is from the closed one [m].
        tolerance: What may be missing of that way at success [m].
        time_limit: Length of an episode that does not succeed [s].
    """

    box_min: tuple[float, float] = (0.5, -0.12)
    box_max: tuple[float, float] = (0.6, 0.12)
    yaw: float = 0.4
    opening: float = 0.13
    tolerance: float = 0.01
    time_limit: float = 8.0

    name = 'drawer_open'
    observed = ('object',)
    workspace = np.array([0.278, -0.4, 0.01]), np.array([0.8, 0.4, 0.6])

    def build(self, spec: Any) -> None:
        """Add the cabinet, the drawer with its handle, and the mark of the goal."""
        cabinet = spec.worldbody.add_body(name='cabinet')
        _add_boxes(cabinet, CABINET, (0.85, 0.8, 0.7, 1))
        drawer = cabinet.add_body(name='object', pos=[0, 0, HEIGHT])
        drawer.add_joint(
            name='object',
            type=mujoco.mjtJoint.mjJNT_SLIDE,
            axis=[-1, 0, 0],
            range=[0, STROKE],
            limited=True,
            frictionloss=3.0,
            solimp_friction=[0.99, 0.999, 0.001, 0.5, 2.0],  # it sticks, it does not creep
            damping=20.0,
        )
        _add_boxes(drawer, DRAWER, (0.55, 0.42, 0.3, 1))
        _add_boxes(drawer, HANDLE, (0.3, 0.3, 0.32, 1))
        spec.add_exclude(bodyname1='cabinet', bodyname2='object')
        add_goal(spec, 0.012)

    def draw(self, rng: np.random.Generator, outside: float) -> Draw:
        """The handle in its box, or outside; the goal straight in front of it."""
        place = draw_in_box(rng, self.box_min, self.box_max, outside)
        turn = rng.uniform(-self.yaw, self.yaw)
        goal = place - self.opening * np.array([math.cos(turn), math.sin(turn)])
        cabinet = upright((*place, 0.0), turn)
        return Draw(goal=np.array([*goal, HEIGHT]), bodies={'cabinet': cabinet})

    def success(self, scene: Mapping[str, Array]) -> Flags:
        """The drawer is open, up to `tolerance` or further."""
        return _missing(scene) < self.tolerance

    def progress(self, scene: Mapping[str, Array], first: Mapping[str, Array]) -> Array:
        """Share of the handle's way to the goal that is covered."""
        return np.asarray(1.0 - _missing(scene) / np.maximum(_missing(first), self.tolerance))


def _missing(scene: Mapping[str, Array]) -> Array:
    """How much further out the handle has to get [m]; what lies to the side does not count."""
    x, y, z, w = (scene['object_pose'][..., i] for i in range(3, 7))
    c, s = 1 - 2 * (y * y + z * z), 2 * (w * z + x * y)  # the handle's x axis, seen from above
    left = scene['goal_position'] - scene['object_pose'][..., :3]
    return np.asarray(-(c * left[..., 0] + s * left[..., 1]) / np.sqrt(c * c + s * s))


def _add_boxes(body: Any, boxes: tuple[Box, ...], rgba: tuple[float, ...]) -> None:
    for lower, upper in boxes:
        low, high = np.array(lower), np.array(upper)
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=0.5 * (low + high),
            size=0.5 * (high - low),
            rgba=rgba,
            density=500.0,
            priority=1,  # its friction counts in every contact, so that scaling it acts
        )
