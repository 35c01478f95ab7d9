"""The model of one task: arm, table, objects, cameras and light, as MuJoCo compiles it."""

from __future__ import annotations

from typing import Any

import mujoco

from il_ros.sim.robot import Robot, View
from il_ros.sim.tasks.task import Task
from il_ros.sim.variations import add_patterns


def build_model(task: Task, robot: Robot, timestep: float) -> Any:
    """Compile the scene to a mujoco.MjModel; `timestep` is the physics step [s].

    The table's surface is the plane z = 0 of the base frame. Joints come in this order: limb by
    limb the commanded ones and others of its own, then those of the task.
    """
    spec = mujoco.MjSpec()
    spec.modelname = f'{robot.name}_{task.name}'
    spec.compiler.degree = False
    spec.option.timestep = timestep
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10  # grasps do not creep
    spec.option.iterations = 20
    _add_surroundings(spec, robot.view)
    add_patterns(spec)
    robot.add(spec)
    for limb in robot.limbs:
        spec.add_exclude(bodyname1='table', bodyname2=limb.foot)
    task.build(spec)
    return spec.compile()


def _add_surroundings(spec: Any, view: View) -> None:
    # Lean rendering: an off-screen image costs a tenth of what the default quality costs.
    spec.visual.quality.offsamples = 0
    spec.visual.quality.shadowsize = 0
    # In software most of the time goes into the corners of what is round, far more than pixels.
    spec.visual.quality.numslices, spec.visual.quality.numstacks = 16, 8
    spec.worldbody.add_light(pos=[0.5, -0.5, 2.0], dir=[0, 0.25, -1], castshadow=False)
    spec.worldbody.add_camera(name='front', pos=view.camera, xyaxes=view.axes, fovy=50)
    table = spec.worldbody.add_body(name='table', pos=[*view.table, -0.02])
    table.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.6, 0.7, 0.02], rgba=[0.75, 0.7, 0.62, 1])
