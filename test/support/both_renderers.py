"""How far the two renderers are apart, or why OpenGL cannot be had; with MUJOCO_GL set."""

import json
import sys

import numpy as np

WIDTH, HEIGHT = 96, 72


def main():
    missing = why_not()
    json.dump({'missing': missing} if missing else distances(), sys.stdout)


def why_not():
    try:
        from il_ros.sim.scene_cameras import OpenGl
        from il_ros.sim.world import World
    except Exception as error:  # the library that MUJOCO_GL names is missing
        return f'{type(error).__name__}: {error}'
    return OpenGl.missing(World('pick_place').plant.model)


def distances():
    return {
        camera: {
            'other_shape': float((difference(camera, flat).max(axis=2) > 3).mean()),
            'colour': float(difference(camera).mean()),
        }
        for camera in ('front', 'wrist')
    }


def difference(camera, change=lambda model: None):
    """The same scene by both; sites, which no ray finds, are out of sight."""
    from il_ros.sim.world import World

    taken = []
    for renderer in ('opengl', 'rays'):
        world = World('pick_place', renderer=renderer)
        assert world.renderer == renderer
        world.reset(3)
        world.plant.model.site_rgba[:, 3] = 0.0
        change(world.plant.model)
        taken.append(world.render(camera, WIDTH, HEIGHT).astype(int))
        world.close()
    return np.abs(taken[0] - taken[1])


def flat(model):
    """Make every shape show its own colour, whatever the light: edges are those of shapes."""
    for kind in ('ambient', 'diffuse', 'specular'):
        getattr(model, f'light_{kind}')[:] = 0.0
        getattr(model.vis.headlight, kind)[:] = float(kind == 'ambient')
