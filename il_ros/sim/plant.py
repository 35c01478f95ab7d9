"""The physics of one model: set-points in, the substeps' log and the clean scene out."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import mujoco
import numpy as np
from mujoco.rollout import Rollout

from il_ros.core.errors import IlRosError
from il_ros.core.geometry import pose
from il_ros.core.limits import Array
from il_ros.sim import variations
from il_ros.sim.perturbations import KINDS, Perturbation
from il_ros.sim.robot import Robot, set_posture
from il_ros.sim.scene import build_model
from il_ros.sim.tasks.task import Draw, Task

STATE = int(mujoco.mjtState.mjSTATE_FULLPHYSICS)
CONTROLS = int(mujoco.mjtState.mjSTATE_CTRL)
FORCES = int(mujoco.mjtState.mjSTATE_XFRC_APPLIED)
SENSORS = 12  # of a limb: force, torque, acceleration of the tool, position of its centre point
# What an episode may change of the model; a reset puts it back.
CHANGED = (
    'body_pos',
    'body_quat',
    'body_mass',
    'body_inertia',
    'body_gravcomp',
    'geom_friction',
    'dof_frictionloss',
    *variations.CHANGED,
)
OF_OBJECT = ('object_moved', 'friction_scale')  # kinds that concern the object and no other body


class Plant:
    """A compiled scene and its state.

    Attributes:
        model: The mujoco.MjModel.
        data: Its mujoco.MjData.
    """

    def __init__(self, task: Task, robot: Robot, timestep: float, substeps: int) -> None:
        self._limbs = robot.limbs
        self.model = build_model(task, robot, timestep)
        self.data = mujoco.MjData(self.model)
        # Hinges and slides before any other joint: positions and speeds are at the same places.
        first = [int(self.model.body(limb.foot).jntadr[0]) for limb in robot.limbs]
        self._places = [
            slice(begin, begin + len(limb.names))
            for begin, limb in zip(first, robot.limbs, strict=True)
        ]
        self._columns = np.concatenate([np.arange(p.start, p.stop) for p in self._places])
        self._grippers = robot.grippers
        self._tcp = [self.model.site(f'{limb.prefix}tcp').id for limb in robot.limbs]
        self._stroke = np.array([limb.stroke for limb in robot.limbs]).T
        self._bodies = {
            'table': self.model.body('table').id,
            'hand': self.model.body(robot.limbs[0].hand).id,
        }
        self._observed = {f'{name}_pose': self.model.body(name).id for name in task.observed}
        if 'object' in task.observed:
            self._bodies['object'] = self.model.body('object').id
        self._nominal = {name: attrgetter(name)(self.model).copy() for name in CHANGED}
        self._last: Array = np.zeros(len(robot.names))
        self._lead = robot.lead / timestep
        self._rollout = Rollout(nthread=0)
        self._start = np.empty((1, mujoco.mj_stateSize(self.model, STATE)))
        self._states = np.empty((1, substeps, self._start.shape[1]))
        self._sensors = np.empty((1, substeps, SENSORS * len(robot.limbs)))

    def body(self, perturbation: Perturbation) -> int:
        """Id of the body that a perturbation concerns.

        Raises:
            IlRosError: If it is the object and the task has none.
        """
        default = 'hand' if perturbation.kind == 'push' else [*self._bodies][-1]
        name = 'object' if perturbation.kind in OF_OBJECT else perturbation.target or default
        if name not in self._bodies:
            surface = KINDS[perturbation.kind].target == 'surface'
            raise IlRosError(
                'the task has no object',
                where=f'perturbation {perturbation.kind}',
                allowed=f'target {"table" if surface else "hand"}',
            )
        return int(self._bodies[name])

    def reset(self, start: Array, draw: Draw, perturbations: Sequence[Perturbation]) -> None:
        """Put the arm at `start`, shape (N,), and the task's things where `draw` says."""
        for name, value in self._nominal.items():
            attrgetter(name)(self.model)[:] = value
        for p in perturbations:
            self._scale(p)
        mujoco.mj_setConst(self.model, self.data)
        mujoco.mj_resetData(self.model, self.data)
        self.model.body_pos[self.model.body('goal').id] = draw.goal
        for name, place in draw.bodies.items():
            self._put(self.model.body(name).id, place)
        set_posture(self.model, self.data.qpos, start, self._columns)
        self.data.ctrl[:] = start
        self._last = start.copy()
        mujoco.mj_forward(self.model, self.data)

    def _scale(self, p: Perturbation) -> None:
        model = self.model
        if p.kind == 'mass_scale':
            body, factor = self.body(p), p.value[0]
            model.body_mass[body] *= factor
            model.body_inertia[body] *= factor
            # The controller compensates the weight that it knows, not the one that it has.
            model.body_gravcomp[body] /= factor
        elif p.kind == 'friction_scale':
            body, factor = self.body(p), p.value[0]
            first, joint = model.body_geomadr[body], model.body_dofadr[body]
            model.geom_friction[first : first + model.body_geomnum[body]] *= factor
            model.dof_frictionloss[joint : joint + model.body_dofnum[body]] *= factor
        elif KINDS[p.kind].target == 'surface':
            variations.paint(model, p, self.body(p))
        else:
            servos = np.flatnonzero(~self._grippers)
            variations.vary(model, p, servos, self._columns[servos])

    def push(self, perturbations: Sequence[Perturbation]) -> None:
        """Replace the external forces by those of these perturbations."""
        self.data.xfrc_applied[:] = 0.0
        for p in perturbations:
            self.data.xfrc_applied[self.body(p), :3] += p.value

    def move_object(self, displacement: tuple[float, ...]) -> None:
        """Shift the object, with what it is mounted on, and leave it at rest."""
        body = int(self.model.body_rootid[self._bodies['object']])
        start = self._free(body)
        if start is None:
            self.model.body_pos[body, : len(displacement)] += displacement
        else:
            self.data.qpos[start : start + len(displacement)] += displacement
            velocity = int(self.model.body_dofadr[body])
            self.data.qvel[velocity : velocity + 6] = 0.0

    def _put(self, body: int, place: Array) -> None:
        """Put a body, with what is mounted on it, at a pose (7,); see `Draw.bodies`."""
        position, quaternion = place[:3], place[[6, 3, 4, 5]]  # MuJoCo's w comes first
        start = self._free(body)
        if start is None:
            self.model.body_pos[body], self.model.body_quat[body] = position, quaternion
        else:
            self.data.qpos[start : start + 7] = *position, *quaternion

    def _free(self, body: int) -> int | None:
        """Where the pose of a body with a free joint begins in `qpos`; None for a mounted one."""
        joint = int(self.model.body_jntadr[body])
        is_free = joint >= 0 and self.model.jnt_type[joint] == int(mujoco.mjtJoint.mjJNT_FREE)
        return int(self.model.jnt_qposadr[joint]) if is_free else None

    def step(self, targets: Array) -> tuple[Array, Array, Array, Array]:
        """Follow the set-points, shape (substeps, N), one physics step for each; see `log`."""
        commands, self._last = self.commands(targets, self._last)
        self._advance(commands)
        return self.log(self._states[0], self._sensors[0])

    def commands(self, targets: Array, last: Array) -> tuple[Array, Array]:
        """What the actuators get for the set-points of a period, and the last of those.

        Args:
            targets: Set-points, shape (..., substeps, N) [rad, m].
            last: The last one of the period before, as this answers it, shape (..., N).
        """
        targets = targets.copy()
        # A gripper knows its stroke: it does not push against its own stops.
        least, most = self._stroke
        grippers = self._grippers
        targets[..., grippers] = np.minimum(np.maximum(targets[..., grippers], least), most)
        speed = targets.copy()
        speed[..., 1:, :] -= targets[..., :-1, :]
        speed[..., 0, :] -= last
        return targets + self._lead * speed, targets[..., -1, :]

    def log(self, states: Array, sensors: Array) -> tuple[Array, Array, Array, Array]:
        """What rows of states and sensors, shape (..., substeps, numbers), mean.

        Returns:
            Positions, velocities, tools and wrenches, as `Violations.motion` takes them.
        """
        each = sensors.reshape(*sensors.shape[:-1], -1, SENSORS)
        wrench = [limb.external_wrench(each[..., i, :]) for i, limb in enumerate(self._limbs)]
        velocity = 1 + self.model.nq  # behind the time and the positions
        return (
            states[..., 1 + self._columns],
            states[..., velocity + self._columns],
            each[..., 9:],
            np.stack(wrench, -2),
        )

    def _advance(self, commands: Array) -> None:
        """One physics step for each row of actuator commands, in one call that needs no lock."""
        spec = CONTROLS
        if self.data.xfrc_applied.any():
            forces = np.tile(self.data.xfrc_applied.ravel(), (len(commands), 1))
            commands, spec = np.hstack([commands, forces]), CONTROLS | FORCES
        mujoco.mj_getState(self.model, self.data, self._start[0], STATE)
        self._rollout.rollout(
            [self.model],
            [self.data],
            self._start,
            commands[None],
            control_spec=spec,
            skip_checks=True,
            nstep=len(commands),
            initial_warmstart=self.data.qacc_warmstart[None],
            state=self._states,
            sensordata=self._sensors,
        )
        mujoco.mj_forward(self.model, self.data)  # what is observed belongs to the end

    def scene(self, data: Any = None) -> dict[str, Array]:
        """The clean scene: every observation but the goal, as it is now.

        Args:
            data: Of which plant, or of how many at once: what has the arrays of a mujoco.MjData
                with leading dimensions, which those of the scene have, too. By default this one's.
        """
        data = self.data if data is None else data
        bodies = [*self._observed.values()]
        at, turn = data.site_xpos.take(self._tcp, -2), data.site_xmat.take(self._tcp, -2)
        if bodies:
            at = np.concatenate([at, data.xpos.take(bodies, -2)], -2)
            turn = np.concatenate([turn, data.xmat.take(bodies, -2)], -2)
        poses = pose(at, turn.reshape(*at.shape, 3))
        scene: dict[str, Array] = {}
        for i, limb in enumerate(self._limbs):
            own = {**self._joints_of(data, i), 'tcp_pose': poses[..., i, :]}
            if limb.feels:
                sensors = data.sensordata[..., None, SENSORS * i : SENSORS * (i + 1)]
                own['wrench'] = limb.external_wrench(sensors)[..., 0, :]
            scene |= {limb.prefix + key: value for key, value in own.items()}
        for i, key in enumerate(self._observed, start=len(self._limbs)):
            scene[key] = poses[..., i, :]
        return scene

    def _joints_of(self, data: Any, index: int) -> dict[str, Array]:
        """What the joints of a limb tell; the last one is its gripper's."""
        place = self._places[index]
        position, velocity = data.qpos[..., place], data.qvel[..., place]
        effort = data.qfrc_actuator[..., place].copy()
        last = np.flatnonzero(self._grippers)[index]
        effort[..., -1] = data.actuator_force[..., last]
        return {
            'joint_position': position[..., :-1].copy(),
            'joint_velocity': velocity[..., :-1].copy(),
            'joint_effort': effort,
            'gripper_position': position[..., -1:].copy(),
            'gripper_velocity': velocity[..., -1:].copy(),
        }
