"""Servos, cameras, light and looks of one episode: each acts as it says, and for it alone."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.sim.perturbations import PATTERNS, Perturbation
from il_ros.sim.variations import CHANGED
from il_ros.sim.world import World

LOOKS = [
    Perturbation(kind='camera_offset', target='front', value=(0.05, 0, 0, 0, 0, 0.1)),
    Perturbation(kind='light_offset', value=(0.5, 0.0, 0.0)),
    Perturbation(kind='light_scale', value=(0.4,)),
    Perturbation(kind='colour', target='table', value=(0.2, 0.5, 0.2)),
    Perturbation(kind='colour', target='object', value=(0.2, 0.5, 0.2)),
    *(Perturbation(kind='texture', target='table', value=(i,)) for i in range(1, len(PATTERNS))),
]


@pytest.fixture(scope='module')
def place():
    return World('pick_place')


def fields(world):
    """Every number of the model that a variation may change."""
    from operator import attrgetter

    return {name: attrgetter(name)(world.plant.model).copy() for name in CHANGED}


def lag(world, *perturbations):
    """How far the first joint is behind a set-point that moves with 0.5 rad/s [rad]."""
    world.reset(0, perturbations)
    truth = world.privileged()
    target = np.concatenate([truth['joint_position'], truth['gripper_position']])
    for _ in range(20):
        rows = np.tile(target, (world.substeps, 1))
        rows[:, 0] += 0.5 * world.period * np.arange(1, world.substeps + 1) / world.substeps
        world.step(rows)
        target = rows[-1]
    return target[0] - world.privileged()['joint_position'][0]


def test_damping_that_the_servo_does_not_know_makes_the_arm_lag(place):
    # Beside the gain, the lag is (f - 1) kv / kp times the speed.
    one, twice = (lag(place, Perturbation(kind='damping_scale', value=(f,))) for f in (1.0, 2.0))
    assert abs(one) < 1e-3
    np.testing.assert_allclose(twice - one, 200.0 / 4500.0 * 0.5, rtol=0.05)
    assert lag(place, Perturbation(kind='damping_scale', value=(0.5,))) < one - 0.005


def test_weak_servos_give_way_under_a_push_in_proportion(place):
    def yields(factor):
        push = Perturbation(kind='push', target='hand', value=(0.0, 20.0, 0.0))
        place.reset(0, [push, Perturbation(kind='gain_scale', value=(factor,))])
        truth = place.privileged()
        target = np.concatenate([truth['joint_position'], truth['gripper_position']])
        for _ in range(40):
            place.step(np.tile(target, (place.substeps, 1)))
        return np.linalg.norm(place.privileged()['joint_position'] - target[:7])

    np.testing.assert_allclose(yields(0.5) / yields(1.0), 2.0, rtol=0.05)


def test_the_gripper_is_left_alone(place):
    before = fields(place)
    place.reset(0, [Perturbation(kind=f'{k}_scale', value=(2.0,)) for k in ('gain', 'damping')])
    after = fields(place)
    for name in ('actuator_gainprm', 'actuator_biasprm'):
        np.testing.assert_array_equal(after[name][-1], before[name][-1])
        assert not np.array_equal(after[name][0], before[name][0])


def test_a_camera_moves_and_turns_in_its_own_frame(place):
    place.reset(0)
    before = fields(place)
    offset = (0.0, 0.0, -0.1, 0.0, np.pi / 2, 0.0)
    place.reset(0, [Perturbation(kind='camera_offset', target='front', value=offset)])
    after, axes = fields(place), np.zeros(9)
    camera = place.plant.model.camera('front').id
    mujoco.mju_quat2Mat(axes, before['cam_quat'][camera])
    looking = -axes.reshape(3, 3)[:, 2]
    np.testing.assert_allclose(
        after['cam_pos'][camera] - before['cam_pos'][camera], 0.1 * looking, atol=1e-9
    )
    mujoco.mju_quat2Mat(axes, after['cam_quat'][camera])
    # A turn to the left about its upward axis: what was to the left (-x) is ahead (-z) now.
    was, now = np.zeros(9), axes.reshape(3, 3)
    mujoco.mju_quat2Mat(was, before['cam_quat'][camera])
    np.testing.assert_allclose(now[:, 2], was.reshape(3, 3)[:, 0], atol=1e-6)


def test_everything_is_back_after_a_reset(place):
    place.reset(0)
    before = fields(place)
    for kind in (*LOOKS, Perturbation(kind='gain_scale', value=(0.5,))):
        place.reset(0, [kind])
        changed = fields(place)
        assert any(not np.array_equal(changed[name], before[name]) for name in CHANGED)
        place.reset(0)
        for name, value in fields(place).items():
            np.testing.assert_array_equal(value, before[name])


@pytest.mark.filterwarnings('ignore:.*GLFW')
@pytest.mark.filterwarnings('ignore:.*X11')
def test_every_look_is_seen_but_patterns_by_rays(place):
    place.reset(0)
    plain = place.render('front', 96, 72)
    for look in LOOKS:
        place.reset(0, [look])
        same = np.array_equal(place.render('front', 96, 72), plain)
        assert same == (look.kind == 'texture' and place.renderer == 'rays')
    place.reset(0)
    np.testing.assert_array_equal(place.render('front', 96, 72), plain)
    place.close()


def test_an_unknown_camera_or_surface_is_refused(place):
    with pytest.raises(
        UnknownNameError, match=r"camera_offset: unknown camera 'side'; allowed: front, wrist"
    ):
        place.reset(
            0, [Perturbation(kind='camera_offset', target='side', value=(0, 0, 0, 0, 0, 0))]
        )
    with pytest.raises(UnknownNameError, match=r"colour: unknown surface ''; allowed: table"):
        Perturbation(kind='colour', value=(0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    'p',
    [
        Perturbation(kind='colour', target='object', value=(0.0, 0.0, 0.0)),
        Perturbation(kind='texture', target='object', value=(1.0,)),
        Perturbation(kind='friction_scale', value=(0.5,)),
    ],
    ids=lambda p: p.kind,
)
def test_what_has_no_object_has_no_looks_of_one(p):
    with pytest.raises(IlRosError, match=f'perturbation {p.kind}: the task has no object'):
        World('reach').reset(0, [p])


def test_noise_is_drawn_anew_and_repeats_with_its_seed(place):
    noise = Perturbation(kind='sensor_noise', target='object_pose', value=(0.002,))

    def readings(*perturbations):
        place.reset(1, perturbations)
        truth, rows = place.privileged(), []
        target = np.concatenate([truth['joint_position'], truth['gripper_position']])
        for _ in range(60):
            place.step(np.tile(target, (place.substeps, 1)))
            rows.append(place.observe()['object_pose'])
        return np.array(rows), place.privileged()['object_pose']

    rows, truth = readings(noise)
    np.testing.assert_array_equal(rows, readings(noise)[0])
    errors = (rows - truth)[:, :3]
    assert 0.0015 < errors.std() < 0.0025
    assert abs(errors.mean()) < 0.0005
    np.testing.assert_allclose(np.linalg.norm(rows[:, 3:], axis=1), 1.0)
    assert len(np.unique(errors[:, 0])) == 60


def test_a_noisy_reading_that_freezes_stays(place):
    place.reset(
        1,
        [
            Perturbation(kind='sensor_noise', target='object_pose', value=(0.002,)),
            Perturbation(kind='sensor_freeze', target='object_pose', start=0.1),
        ],
    )
    truth, rows = place.privileged(), []
    target = np.concatenate([truth['joint_position'], truth['gripper_position']])
    for _ in range(6):
        place.step(np.tile(target, (place.substeps, 1)))
        rows.append(place.observe()['object_pose'])
    assert not np.array_equal(rows[0], truth['object_pose'])
    for row in rows[1:]:
        np.testing.assert_array_equal(row, rows[0])


def test_a_noise_must_fit_its_reading(place):
    noise = Perturbation(kind='sensor_noise', target='wrench', value=(0.1, 0.2))
    with pytest.raises(IlRosError, match='sensor_noise: 2 numbers for wrench; allowed: 1 or 6'):
        place.reset(0, [noise])
