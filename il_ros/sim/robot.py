"""What the scene and the physics need to know of an arm, wherever its model comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from il_ros.core.limits import Array


@dataclass(frozen=True, kw_only=True)
class Limb:
    """One arm of a simulated robot, with its gripper.

    Attributes:
        names: Commanded joints; the last one is the gripper's.
        stroke: Least and largest position of the gripper joint [m].
        foot: Body that the first joint moves; it may touch the table.
        hand: Body that carries the tool centre point.
        load: Mass that hangs on the wrist, the hand with all it carries [kg].
        load_at: Centre of that mass in the hand's frame, shape (3,) [m].
        prefix: What its observations and what belongs to its tool begin with.
        feels: Whether the wrench at its wrist is observed.
    """

    names: tuple[str, ...]
    stroke: tuple[float, float]
    foot: str
    hand: str
    load: float
    load_at: Array
    prefix: str = ''
    feels: bool = True

    def external_wrench(self, sensors: Array) -> Array:
        """Wrench that the surroundings put on the hand, shape (..., 6) [N, N m], in its frame.

        The tool's own weight and inertia are taken out with its known mass and measured
        acceleration, as a robot's load compensation does; torques are about the wrist.

        Args:
            sensors: Force, torque and acceleration of the tool, shape (..., 9 or more).
        """
        return sensors[..., :9] @ self._compensation

    @cached_property
    def _compensation(self) -> Array:
        """The force on the hand is minus the one measured and m a; its torque r x m a (9, 6)."""
        x, y, z = self.load_at
        about = np.array([[0.0, z, -y], [-z, 0.0, x], [y, -x, 0.0]])
        return np.vstack([-np.eye(6), self.load * np.hstack([np.eye(3), about])])

    @property
    def gripper(self) -> str:
        """Its gripper's joint, the last one."""
        return self.names[-1]


@dataclass(frozen=True, kw_only=True)
class View:
    """Where the table stands, and where the camera `front` does.

    Attributes:
        table: Middle of the table [m].
        camera: Position of the camera [m].
        axes: Its x and y axes.
    """

    table: tuple[float, float] = (0.4, 0.0)
    camera: tuple[float, float, float] = (1.3, 0.0, 0.7)
    axes: tuple[float, float, float, float, float, float] = (0.0, 1.0, 0.0, -0.5, 0.0, 0.8660254)


@dataclass(frozen=True, kw_only=True)
class Robot:
    """A simulated arm with its gripper, or a pair of them.

    Attributes:
        name: For the model's name.
        limbs: Its arms, one or two.
        home: Posture that tasks start around, shape (N,) [rad, m].
        lead: How far ahead of the set-point each servo is commanded, shape (N,) [s].
        add: Adds it to a specification (mujoco.MjSpec) that has no joints yet: limb by limb the
            commanded joints in their order, one actuator for each, the site `<prefix>tcp`, and what
            `add_sensors` adds. Other joints come behind those of their limb.
        view: Where the table and the camera are.
        prefix: What the names of its bodies and joints begin with in the scene alone.
    """

    name: str
    limbs: tuple[Limb, ...]
    home: Array
    lead: Array
    add: Callable[[Any], None]
    view: View = field(default_factory=View)
    prefix: str = ''

    @property
    def names(self) -> tuple[str, ...]:
        """Commanded joints, N of them; the last one of each limb is its gripper's."""
        return tuple(name for limb in self.limbs for name in limb.names)

    @property
    def grippers(self) -> NDArray[np.bool_]:
        """Which of the commanded joints are grippers', shape (N,)."""
        last = [limb.names[-1] for limb in self.limbs]
        return np.array([name in last for name in self.names])


def add_sensors(spec: Any, hand: Any, load_at: Array, prefix: str = '') -> None:
    """Wrist force and torque, the load's acceleration, and the tool centre point's position.

    Args:
        spec: The specification (mujoco.MjSpec), with a site `<prefix>tcp`.
        hand: Its body that carries the tool.
        load_at: Centre of mass of what hangs on the wrist, in the hand's frame, shape (3,) [m].
        prefix: What the limb's names begin with.
    """
    hand.add_site(name=f'{prefix}wrist')
    hand.add_site(name=f'{prefix}tool_mass', pos=load_at)
    for name, kind, site in (
        ('force', mujoco.mjtSensor.mjSENS_FORCE, 'wrist'),
        ('torque', mujoco.mjtSensor.mjSENS_TORQUE, 'wrist'),
        ('acceleration', mujoco.mjtSensor.mjSENS_ACCELEROMETER, 'tool_mass'),
        ('tcp_position', mujoco.mjtSensor.mjSENS_FRAMEPOS, 'tcp'),
    ):
        spec.add_sensor(
            name=prefix + name, type=kind, objtype=mujoco.mjtObj.mjOBJ_SITE, objname=prefix + site
        )


def set_posture(model: Any, qpos: Array, posture: Array, columns: NDArray[np.intp]) -> None:
    """Put the commanded joints at `posture`, shape (N,), and those that an equality ties to them.

    Args:
        model: The mujoco.MjModel.
        qpos: Positions of all its joints, shape (nq,), to write into.
        posture: Where the commanded ones are to be [rad, m].
        columns: Where these are in `qpos`, shape (N,).
    """
    qpos[columns] = posture
    for tie in np.flatnonzero(model.eq_type == int(mujoco.mjtEq.mjEQ_JOINT)):
        if model.eq_obj2id[tie] < 0:
            continue
        # one - its zero = offset + slope * (other - its zero), as MuJoCo defines it
        one, other = model.jnt_qposadr[[model.eq_obj1id[tie], model.eq_obj2id[tie]]]
        offset, slope = model.eq_data[tie, :2]
        if other in columns and one not in columns:
            qpos[one] = model.qpos0[one] + offset + slope * (qpos[other] - model.qpos0[other])
        elif one in columns and other not in columns and slope:
            qpos[other] = model.qpos0[other] + (qpos[one] - model.qpos0[one] - offset) / slope
