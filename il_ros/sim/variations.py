"""Changes of a model other than mass and friction: servos, cameras, light, appearance."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from il_ros.sim.perturbations import PATTERNS, Perturbation

# Fields of the model that are changed here; a reset puts them back. The headlight shines with every
# camera, so a brightness that left it out would change little.
CHANGED = (
    'actuator_gainprm',
    'actuator_biasprm',
    'dof_damping',
    'cam_pos',
    'cam_quat',
    'light_pos',
    'light_ambient',
    'light_diffuse',
    'light_specular',
    'vis.headlight.ambient',
    'vis.headlight.diffuse',
    'vis.headlight.specular',
    'geom_rgba',
    'geom_matid',
)
TILES = 4  # how often a pattern repeats in each direction


def vary(model: Any, p: Perturbation, servos: NDArray[np.intp], joints: NDArray[np.intp]) -> None:
    """Change what `p` names of the arm, the cameras and the lights; other kinds change nothing.

    Args:
        model: The mujoco.MjModel.
        p: What is to be changed.
        servos: Which actuators move an arm; the grippers' are left alone.
        joints: The degrees of freedom that they act on.
    """
    if p.kind == 'gain_scale':
        model.actuator_gainprm[servos, 0] *= p.value[0]
        model.actuator_biasprm[servos, 1:3] *= p.value[0]
    elif p.kind == 'damping_scale':
        model.actuator_biasprm[servos, 2] *= p.value[0]
        model.dof_damping[joints] *= p.value[0]
    elif p.kind == 'camera_offset':
        _move_camera(model, p)
    elif p.kind == 'light_offset':
        model.light_pos += np.array(p.value)
    elif p.kind == 'light_scale':
        _dim(model, p.value[0])


def paint(model: Any, p: Perturbation, body: int) -> None:
    """Give the shapes of a body another colour or pattern."""
    shapes = model.geom_bodyid == body
    if p.kind == 'colour':
        model.geom_rgba[shapes, :3] = p.value
    else:
        pattern = round(p.value[0])
        model.geom_matid[shapes] = model.material(PATTERNS[pattern]).id if pattern else -1


def add_patterns(spec: Any) -> None:
    """Add a material for each pattern but the plain one, for `paint` to choose from."""
    kinds, rgb = mujoco.mjtBuiltin, mujoco.mjtTextureRole.mjTEXROLE_RGB
    for name, builtin in (
        ('checker', kinds.mjBUILTIN_CHECKER),
        ('gradient', kinds.mjBUILTIN_GRADIENT),
        ('speckle', kinds.mjBUILTIN_FLAT),
    ):
        spec.add_texture(
            name=name,
            type=mujoco.mjtTexture.mjTEXTURE_2D,
            builtin=builtin,
            rgb1=[1, 1, 1],
            rgb2=[0.4, 0.4, 0.4],
            mark=mujoco.mjtMark.mjMARK_RANDOM if name == 'speckle' else mujoco.mjtMark.mjMARK_NONE,
            markrgb=[0.3, 0.3, 0.3],
            random=0.1,
            width=64,
            height=64,
        )
        material = spec.add_material(name=name, texrepeat=[TILES, TILES])
        material.textures[int(rgb)] = name


def _move_camera(model: Any, p: Perturbation) -> None:
    camera, turn = model.camera(p.target).id, np.array(p.value[3:])
    shift, quaternion, turned = np.zeros(3), np.zeros(4), np.zeros(4)
    before = model.cam_quat[camera].copy()
    mujoco.mju_rotVecQuat(shift, np.array(p.value[:3]), before)
    model.cam_pos[camera] += shift
    angle = float(np.linalg.norm(turn))
    mujoco.mju_axisAngle2Quat(quaternion, turn / angle if angle else turn, angle)
    mujoco.mju_mulQuat(turned, before, quaternion)
    model.cam_quat[camera] = turned


def _dim(model: Any, factor: float) -> None:
    light = model.vis.headlight
    for colour in ('ambient', 'diffuse', 'specular'):
        getattr(model, f'light_{colour}')[:] *= factor
        getattr(light, colour)[:] *= factor
