"""What the drivers of a simulated robot read: every joint it has, and every link."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import mujoco
import numpy as np

from il_ros.core.geometry import matrix_from_quaternion, pose
from il_ros.core.limits import Array
from il_ros.sim.plant import Plant
from il_ros.sim.robot import Robot

_WORLD = 'world'


class RobotView:
    """The joints and links of a robot in a plant, by the names that its description has.

    Args:
        robot: The robot.
        plant: Where it is.

    Attributes:
        joints: Every joint that it has, also those that follow another.
        links: Every link, but what it stands on; the tool centre point of a limb is one, too.
        parents: The link that each of `links` hangs on; `world` is what it stands on.
        moves: Of each of `links`, whether a joint moves it.
    """

    def __init__(self, robot: Robot, plant: Plant) -> None:
        self._plant, self._hand = plant, robot.limbs[0].hand
        self.alone, tools = _alone(robot)
        own, prefix = self.alone, robot.prefix

        def plain(name: str) -> str:
            return name.removeprefix(prefix)

        joints = [own.joint(i).name for i in range(own.njnt)]
        self.joints = tuple(map(plain, joints))
        found = [plant.model.joint(name) for name in joints]
        self._position = np.array([joint.qposadr[0] for joint in found], dtype=np.intp)
        self._velocity = np.array([joint.dofadr[0] for joint in found], dtype=np.intp)
        bodies = [own.body(i) for i in range(1, own.nbody)]
        self.links = tuple(plain(body.name) for body in bodies)
        self.parents = tuple(
            plain(own.body(int(body.parentid[0])).name) if body.parentid[0] else _WORLD
            for body in bodies
        )
        self.moves = tuple(bool(body.jntnum[0]) for body in bodies)
        self._ids = {
            plain(name): plant.model.nbody + plant.model.site(tools[name]).id
            if name in tools
            else plant.model.body(name).id
            for name in (body.name for body in bodies)
        }  # of a body, or behind all the bodies of a site
        self._ids[_WORLD] = 0

    def columns(self, names: tuple[str, ...]) -> list[int]:
        """Where these joints are in what is read.

        Raises:
            ValueError: If one is not there.
        """
        return [self.joints.index(name) for name in names]

    @property
    def position(self) -> Array:
        """Of each joint [rad or m]."""
        return np.asarray(self._plant.data.qpos[self._position])

    @property
    def velocity(self) -> Array:
        """Of each joint [rad/s or m/s]."""
        return np.asarray(self._plant.data.qvel[self._velocity])

    @property
    def effort(self) -> Array:
        """Of the servo of each joint [N m or N]."""
        return np.asarray(self._plant.data.qfrc_actuator[self._velocity])

    def poses(self, links: tuple[str, ...], frames: tuple[str, ...]) -> Array:
        """Pose of each link in the frame of another, shape (n, 7) [m, quaternion xyzw]."""
        data = self._plant.data
        one = [self._ids[link] for link in links]
        other = [self._ids[frame] for frame in frames]
        at = np.concatenate((data.xpos, data.site_xpos))
        axes = np.concatenate((data.xmat, data.site_xmat)).reshape(-1, 3, 3)
        turned = axes[other].transpose(0, 2, 1)
        offset = (turned @ (at[one] - at[other])[:, :, None])[:, :, 0]
        return pose(offset, turned @ axes[one])

    def wrench_shift(self, link: str) -> Array:
        """What turns a wrench of the first arm's wrist into one at a link that it carries, (6, 6).

        In the axes of the link, and about its origin.
        """
        self._ids.setdefault('', self._plant.model.body(self._hand).id)
        place = self.poses((link,), ('',))[0]
        turn = matrix_from_quaternion(place[3:]).T
        x, y, z = place[:3]
        shift = np.zeros((6, 6))
        shift[:3, :3] = shift[3:, 3:] = turn
        shift[3:, :3] = -turn @ np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
        return shift

    @cached_property
    def known(self) -> frozenset[str]:
        """Every link, and the world."""
        return frozenset(self._ids)


def _alone(robot: Robot) -> tuple[Any, dict[str, str]]:
    """The robot's model without a task, a mujoco.MjModel, with a body at each tool centre point.

    Where the tool is a body already, as of a URDF, none is added.

    Returns:
        The model, and by the name of each added body the site that it is at.
    """
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    robot.add(spec)
    drawn, tools = spec.compile(), dict[str, str]()
    for limb in robot.limbs:
        site = drawn.site(f'{limb.prefix}tcp')
        if any(site.pos) or abs(site.quat[0]) < 1.0:
            hand = drawn.body(int(site.bodyid[0])).name
            name = _unused(f'{hand}_tcp', [body.name for body in spec.bodies])
            spec.body(hand).add_body(name=name, pos=site.pos, quat=site.quat)
            tools[name] = site.name
    return spec.compile() if tools else drawn, tools


def _unused(name: str, taken: list[str]) -> str:
    while name in taken:
        name += '_'
    return name
