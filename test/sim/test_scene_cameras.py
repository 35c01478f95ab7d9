"""Images: by rays what the arithmetic says, by OpenGL the same scene, and never by chance."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest

from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.sim import scene_cameras
from il_ros.sim.scene_cameras import CameraConfig, Cameras, OpenGl
from il_ros.sim.world import World

ROOT = Path(__file__).parents[2]

# A camera 2 m above a floor of one colour, with nothing but the light that is asked for.
SCENE = """
<mujoco>
  <visual><headlight {head}/></visual>
  <worldbody>
    <camera name="above" pos="0 0 2" {camera}/>
    <geom type="box" size="5 5 0.1" pos="0 0 -0.1" rgba="0.8 0.4 0.2 1"/>
    {more}
  </worldbody>
</mujoco>
"""
DARK = 'ambient="0 0 0" diffuse="0 0 0" specular="0 0 0"'
FLAT = 'ambient="1 1 1" diffuse="0 0 0" specular="0 0 0"'


def image(more='', *, head=FLAT, camera='fovy="90"', size=(5, 5)):
    model = mujoco.MjModel.from_xml_string(SCENE.format(head=head, camera=camera, more=more))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return Cameras(model, 'rays').render(data, 'above', *size)


def test_a_surface_has_its_own_colour_in_full_light():
    assert (image() == [204, 102, 51]).all()


def test_the_headlight_falls_off_with_the_cosine():
    taken = image(head='ambient="0.1 0.1 0.1" diffuse="0.5 0.5 0.5"')
    # It shines along the camera's axis, so that a floor at right angles to it is lit evenly.
    assert (taken[:, :, 0] == round(0.8 * 0.6 * 255)).all()


def test_a_lamp_is_nearest_straight_below():
    lamp = '<light pos="0 0 1" dir="0 0 -1" type="point" diffuse="1 1 1"/>'
    taken = image(lamp, head=DARK)
    assert taken[2, 2].tolist() == [204, 102, 51]
    # The pixel's centre looks at 1.6 m to the side: 1 m below the lamp the cosine is 1 / 1.887.
    assert taken[2, 4, 0] == round(204 / np.hypot(1, 1.6))
    np.testing.assert_array_equal(taken[2, 0], taken[0, 2])


def test_a_spot_leaves_dark_what_is_outside_of_its_cone():
    spot = '<light pos="0 0 1" dir="0 0 -1" type="spot" cutoff="45" exponent="2" diffuse="1 1 1"/>'
    taken = image(spot, head=DARK)
    assert taken[2, 3, 0] == round(204 / np.hypot(1, 0.8) ** 3)  # cosine, and its square
    assert not taken[2, 4].any()  # 58 degrees off


def test_a_distant_light_is_the_same_everywhere():
    sun = '<light dir="0 -0.6 -0.8" type="directional" diffuse="1 1 1"/>'
    assert (image(sun, head=DARK)[:, :, 0] == round(204 * 0.8)).all()


def test_rows_go_down_and_columns_to_the_right():
    cube = '<geom type="box" size="0.3 0.3 0.3" pos="1 1 0" rgba="0 1 0 1"/>'
    green = image(cube, size=(8, 8))[:, :, 1] == 255
    assert green[:4, 4:].any()
    assert not green[4:].any()
    assert not green[:, :4].any()


def test_what_is_transparent_shows_what_is_behind():
    pane = '<geom type="box" size="5 5 0.1" pos="0 0 1" rgba="0 0 1 0.25"/>'
    assert (image(pane) == [153, 77, 102]).all()  # a quarter blue, three quarters of the floor


def test_a_housing_does_not_hide_what_its_camera_sees():
    housing = '<geom type="sphere" size="0.2" pos="0 0 2" rgba="0 0 1 1"/>'
    np.testing.assert_array_equal(image(housing), image())


def test_nothing_is_black_and_a_hidden_shape_is_nothing():
    hidden = '<geom type="box" size="1 1 1" group="3" rgba="0 1 0 1"/>'
    np.testing.assert_array_equal(image(hidden), image())
    assert not image(camera='fovy="90" xyaxes="1 0 0 0 -1 0"').any()  # looks up


def test_a_camera_that_no_angle_describes_is_refused():
    sensor = 'sensorsize="0.1 0.1" resolution="64 64" focal="0.1 0.1"'
    with pytest.raises(IlRosError, match='camera above: no rays for its projection') as caught:
        image(camera=sensor)
    assert 'choose the renderer opengl' in str(caught.value)


def test_rays_repeat_bit_for_bit_and_change_nothing():
    first, second = (World('pick_place', renderer='rays') for _ in range(2))
    for world in (first, second):
        world.reset(7)
    before = {key: value.copy() for key, value in first.privileged().items()}
    groups = first.plant.model.geom_group.copy()
    one = first.render('wrist', 64, 48)
    np.testing.assert_array_equal(first.render('wrist', 64, 48), one)
    np.testing.assert_array_equal(second.render('wrist', 64, 48), one)
    np.testing.assert_array_equal(first.plant.model.geom_group, groups)
    for key, value in first.privileged().items():
        np.testing.assert_array_equal(value, before[key])


def test_an_unknown_camera_or_renderer_is_refused():
    with pytest.raises(UnknownNameError, match="unknown camera 'left'; allowed: front, wrist"):
        World('reach', renderer='rays').render('left', 8, 8)
    with pytest.raises(
        UnknownNameError, match="unknown renderer 'gl'; allowed: auto, opengl, rays"
    ):
        CameraConfig(renderer='gl')


@pytest.fixture
def no_opengl(monkeypatch):
    monkeypatch.setattr(OpenGl, '_missing', 'no EGL')


def test_without_opengl_auto_casts_rays_and_says_so_once(no_opengl, caplog):
    scene_cameras._say.cache_clear()
    for _ in range(2):
        world = World('reach')
        assert world.renderer == 'rays'
        world.render('front', 8, 8)
        world.close()
    assert [record.message for record in caplog.records] == [
        'images are made by casting rays: OpenGL is missing (no EGL); '
        'install libegl1, libopengl0 and libgl1-mesa-dri and set MUJOCO_GL=egl'
    ]


def test_without_opengl_nothing_else_is_drawn_in_its_place(no_opengl):
    with pytest.raises(IlRosError, match=r'OpenGL is missing \(no EGL\).*set MUJOCO_GL=egl') as e:
        World('reach', renderer='opengl').render('front', 8, 8)
    assert 'or choose the renderer rays' in str(e.value)


def test_both_renderers_show_the_same_scene():
    # MuJoCo reads MUJOCO_GL when it is imported.
    done = subprocess.run(
        [sys.executable, '-c', 'import both_renderers; both_renderers.main()'],
        env={**os.environ, 'MUJOCO_GL': 'egl', 'PYTHONPATH': str(ROOT / 'test/support')},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    if 'missing' in found:
        pytest.skip(f'OpenGL is missing: {found["missing"]}')
    for camera, most in (('front', 2.5), ('wrist', 10.0)):  # of 255; the wrist sees a highlight
        assert found[camera]['other_shape'] < 0.005
        assert found[camera]['colour'] < most
