"""What the scene and the physics need to know of an arm, wherever its model comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Robot:
    """A simulated arm with its gripper.

    Attributes:
        name: For the model's name.
        names: Commanded joints, N of them; the last one is the gripper's.
        home: Posture that tasks start around, shape (N,) [rad, m].
        stroke: Least and largest position of the gripper joint [m].
        lead: How far ahead of the set-point each servo is commanded, shape (N,) [s].
        foot: Body that the first joint moves; it may touch the table.
        hand: Body that carries the tool centre point.
        load: Mass that hangs on the wrist, the hand with all it carries [kg].
        load_at: Centre of that mass in the hand's frame, shape (3,) [m].
        add: Adds it to a specification (mujoco.MjSpec) that has no joints yet: the commanded
            joints first and in their order, one actuator for each, the site `tcp`, and what
            `add_sensors` adds.
    """

    name: str
    names: tuple[str, ...]
    home: Array
    stroke: tuple[float, float]
    lead: Array
    foot: str
    hand: str
    load: float
    load_at: Array
    add: Callable[[Any], None]

    @cached_property
    def compensation(self) -> Array:
        """What force, torque and acceleration at the wrist are worth as an external wrench (9, 6).

        The force on the hand is minus the one measured and m a; its torque r x m a.
        """
        x, y, z = self.load_at
        about = np.array([[0.0, z, -y], [-z, 0.0, x], [y, -x, 0.0]])
        return np.vstack([-np.eye(6), self.load * np.hstack([np.eye(3), about])])


def add_sensors(spec: Any, hand: Any, load_at: Array) -> None:
    """Wrist force and torque, the load's acceleration, and the tool centre point's position.

    Args:
        spec: The specification (mujoco.MjSpec), with a site `tcp`.
        hand: Its body that carries the tool.
        load_at: Centre of mass of what hangs on the wrist, in the hand's frame, shape (3,) [m].
    """
    hand.add_site(name='wrist')
    hand.add_site(name='tool_mass', pos=load_at)
    for name, kind, site in (
        ('force', mujoco.mjtSensor.mjSENS_FORCE, 'wrist'),
        ('torque', mujoco.mjtSensor.mjSENS_TORQUE, 'wrist'),
        ('acceleration', mujoco.mjtSensor.mjSENS_ACCELEROMETER, 'tool_mass'),
        ('tcp_position', mujoco.mjtSensor.mjSENS_FRAMEPOS, 'tcp'),
    ):
        spec.add_sensor(name=name, type=kind, objtype=mujoco.mjtObj.mjOBJ_SITE, objname=site)


def set_posture(model: Any, qpos: Array, posture: Array) -> None:
    """Put the commanded joints at `posture`, shape (N,), and those that an equality ties to them.

    Args:
        model: The mujoco.MjModel.
        qpos: Positions of all its joints, shape (nq,), to write into.
        posture: Where the first N are to be [rad, m].
    """
    n = len(posture)
    qpos[:n] = posture
    for tie in np.flatnonzero(model.eq_type == int(mujoco.mjtEq.mjEQ_JOINT)):
        if model.eq_obj2id[tie] < 0:
            continue
        # one - its zero = offset + slope * (other - its zero), as MuJoCo defines it
        one, other = model.jnt_qposadr[[model.eq_obj1id[tie], model.eq_obj2id[tie]]]
        offset, slope = model.eq_data[tie, :2]
        if other < n <= one:
            qpos[one] = model.qpos0[one] + offset + slope * (qpos[other] - model.qpos0[other])
        elif one < n <= other and slope:
            qpos[other] = model.qpos0[other] + (qpos[one] - model.qpos0[one] - offset) / slope


def external_wrench(sensors: Array, robot: Robot) -> Array:
    """Wrench that the surroundings put on the hand, shape (..., 6) [N, N m], in its frame.

    The tool's own weight and inertia are taken out with its known mass and measured acceleration,
    as a robot's load compensation does; torques are about the wrist.

    Args:
        sensors: Force, torque and acceleration of the tool, shape (..., 9 or more).
        robot: Whose wrist it is.
    """
    return sensors[..., :9] @ robot.compensation
