"""The chain's kinematics against MuJoCo's, against differences, and back again."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inverse_kinematics import solve_ik

from il_ros.core.arm_geometry import Outline
from il_ros.core.geometry import (
    matrix_about,
    matrix_from_quaternion,
    pose,
    quaternion_from_matrix,
    rotation_vector,
    yaw,
)
from il_ros.core.kinematics import Capsule, resolve
from il_ros.core.robots.franka import FRANKA
from il_ros.core.robots.ur5e import UR5E
from il_ros.core.robots.viperx_pair import VIPERX_PAIR
from il_ros.sim.robots import make_robot
from il_ros.sim.scene import build_model
from il_ros.sim.tasks import make_task

LOWER, UPPER = FRANKA.position_min[:-1], FRANKA.position_max[:-1]
postures = st.integers(0, 2**31).map(lambda seed: np.random.default_rng(seed).uniform(LOWER, UPPER))


LIMBS = (FRANKA, UR5E, *VIPERX_PAIR.limbs)


@pytest.fixture(scope='module', params=LIMBS[:2], ids=['franka', 'ur5e'])
def arm(request):
    return request.param


@pytest.fixture(scope='module', params=LIMBS, ids=['franka', 'ur5e', 'left', 'right'])
def limb(request):
    return request.param


@pytest.fixture(scope='module')
def model(limb):
    robot = make_robot(VIPERX_PAIR if limb.side else limb)
    return build_model(make_task('reach'), robot, 0.002)


def test_many_postures_have_the_tool_poses_of_each(limb):
    q = np.random.default_rng(0).uniform(-2.0, 2.0, (3, 4, len(limb.joints)))
    positions, rotations = limb.chain.forward(q)
    assert positions.shape == (3, 4, 3)
    for i in np.ndindex(3, 4):
        position, rotation = limb.chain.forward(q[i])
        np.testing.assert_allclose(positions[i], position, atol=1e-12)
        np.testing.assert_allclose(rotations[i], rotation, atol=1e-12)


def test_forward_kinematics_are_mujocos(limb, model):
    data, rng = mujoco.MjData(model), np.random.default_rng(0)
    site = data.site(f'{limb.prefix}tcp')
    for _ in range(50):
        q = rng.uniform(limb.position_min, limb.position_max)[:-1]
        for name, angle in zip(limb.joints, q, strict=True):
            data.joint(name).qpos = angle
        mujoco.mj_kinematics(model, data)
        position, rotation = limb.chain.forward(q)
        np.testing.assert_allclose(position, site.xpos, atol=1e-9)
        np.testing.assert_allclose(rotation.ravel(), site.xmat, atol=1e-9)


def test_the_franka_ready_posture_has_its_published_tool_pose():
    q = np.array([0, -math.pi / 4, 0, -3 * math.pi / 4, 0, math.pi / 2, math.pi / 4])
    position, rotation = FRANKA.chain.forward(q)
    np.testing.assert_allclose(position, [0.3069, 0.0, 0.5903 - 0.1034], atol=1e-4)
    np.testing.assert_allclose(rotation, np.diag([1.0, -1.0, -1.0]), atol=1e-9)


# Universal Robots' table for the UR5e, in standard Denavit-Hartenberg parameters: a row a joint.
PUBLISHED = [  # d [m], a [m], alpha [rad]
    (0.1625, 0.0, math.pi / 2),
    (0.0, -0.425, 0.0),
    (0.0, -0.3922, 0.0),
    (0.1333, 0.0, math.pi / 2),
    (0.0997, 0.0, -math.pi / 2),
    (0.0996, 0.0, 0.0),
]


def standard(theta, d, a, alpha):
    """One joint as Denavit and Hartenberg have it: Rot_z(theta) Trans(0, 0, d) Trans(a) Rot_x."""
    c, s, ca, sa = math.cos(theta), math.sin(theta), math.cos(alpha), math.sin(alpha)
    return np.array([
        [c, -s * ca, s * sa, a * c],
        [s, c * ca, -c * sa, a * s],
        [0, sa, ca, d],
        [0, 0, 0, 1],
    ])  # fmt: skip


@given(st.lists(st.floats(-2 * math.pi, 2 * math.pi), min_size=6, max_size=6))
@settings(max_examples=50, deadline=None)
def test_the_ur5e_is_where_its_published_parameters_have_it(q):
    flange = np.eye(4)
    for theta, row in zip(q, PUBLISHED, strict=True):
        flange = flange @ standard(theta, *row)
    position, rotation = UR5E.chain.forward(np.array(q))
    np.testing.assert_allclose(rotation, flange[:3, :3], atol=1e-12)
    np.testing.assert_allclose(position - 0.1034 * rotation[:, 2], flange[:3, 3], atol=1e-12)


def test_a_ur5e_at_zero_lies_along_minus_x_as_on_its_pendant():
    position, rotation = UR5E.chain.forward(np.zeros(6))
    # -0.425 - 0.3922; -(0.1333 + 0.0996) and the tool; 0.1625 - 0.0997
    np.testing.assert_allclose(position, [-0.8172, -0.2329 - 0.1034, 0.0628], atol=1e-9)
    np.testing.assert_allclose(rotation[:, 2], [0, -1, 0], atol=1e-9)


@given(postures)
@settings(max_examples=25, deadline=None)
def test_the_jacobian_is_the_derivative(q):
    jacobian, step = FRANKA.chain.jacobian(q), 1e-6
    for i in range(7):
        ahead, behind = q.copy(), q.copy()
        ahead[i] += step
        behind[i] -= step
        (p1, r1), (p0, r0) = FRANKA.chain.forward(ahead), FRANKA.chain.forward(behind)
        np.testing.assert_allclose(jacobian[:3, i], (p1 - p0) / (2 * step), atol=1e-6)
        np.testing.assert_allclose(
            jacobian[3:, i], rotation_vector(r1 @ r0.T) / (2 * step), atol=1e-6
        )


def test_many_postures_at_once_are_the_same_as_one_by_one():
    q = np.random.default_rng(0).uniform(LOWER, UPPER, (4, 3, 7))
    frames = FRANKA.chain.frames(q)
    assert frames.shape == (4, 3, 8, 4, 4)
    for index in np.ndindex(4, 3):
        np.testing.assert_allclose(frames[index], FRANKA.chain.frames(q[index]), atol=1e-14)


def test_balls_leave_no_gap_in_a_capsule_and_reach_little_further():
    part = Capsule('rod', 0, 0.03, (0, 0, 0), (0, 0, 0.2))
    outline = Outline([part], tool=1)
    assert outline.names == ('tool centre point', *8 * ['rod'])  # 0.2 / 0.03: seven gaps
    frames = np.stack([np.eye(4), np.eye(4)])
    frames[0, :3, 3], frames[1, :3, 3] = [1.0, 2.0, 3.0], [0.0, 0.0, 9.0]
    centres = outline.centres(frames)
    np.testing.assert_array_equal(centres[0], [0.0, 0.0, 9.0])
    np.testing.assert_allclose(centres[[1, -1]], [[1, 2, 3], [1, 2, 3.2]])
    rng = np.random.default_rng(0)
    turn = rng.uniform(0, 2 * math.pi, 2000)
    skin = np.stack([0.03 * np.cos(turn), 0.03 * np.sin(turn), rng.uniform(0, 0.2, 2000)], axis=1)
    gap = np.linalg.norm(skin[:, None] + [1.0, 2.0, 3.0] - centres[1:], axis=-1)
    assert (gap - outline.radius[1:]).min(axis=1).max() <= 1e-12
    assert outline.radius[0] == 0.0
    assert outline.radius[1:].max() < 1.12 * 0.03  # half a gap of 0.03 / 2: sqrt(1 + 1 / 4) at most


def skin(model, data, geom, rng):
    """Points (200, 3) on the surface of a capsule, or the corners of a box, in the world."""
    size = model.geom_size[geom]
    if model.geom_type[geom] == int(mujoco.mjtGeom.mjGEOM_CAPSULE):
        way = rng.standard_normal((200, 3))
        local = size[0] * way / np.linalg.norm(way, axis=1)[:, None]
        local[:, 2] += rng.uniform(-size[1], size[1], 200)
    else:
        local = size * np.array(list(np.ndindex(2, 2, 2))) * 2 - size
    return local @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]


def test_the_body_of_an_arm_covers_the_simulated_one(limb, model):
    data, rng, n = mujoco.MjData(model), np.random.default_rng(0), len(limb.joints)
    body, names = Outline(limb.body, tool=n), [model.body(i).name for i in range(model.nbody)]
    foot = model.body_parentid[model.jnt_bodyid[model.joint(limb.joints[0]).id]]
    bodies = set(np.flatnonzero(model.body_rootid == foot))
    moving = [  # the base is welded to the world
        geom
        for geom, body_id in enumerate(model.geom_bodyid)
        if body_id in bodies and model.body_weldid[body_id] != 0
    ]
    assert len(moving) >= n + 3  # every link, the hand and two fingers
    first = model.joint(limb.joints[0]).qposadr[0]
    for q in rng.uniform(limb.position_min[:-1], limb.position_max[:-1], (10, n)):
        data.qpos[first : first + n] = q
        data.qpos[first + n : first + n + 2] = limb.position_max[-1]
        mujoco.mj_kinematics(model, data)
        centres = body.centres(limb.chain.frames(q))
        for geom in moving:
            points = skin(model, data, geom, rng)
            gap = np.linalg.norm(points[:, None] - centres, axis=-1) - body.radius
            assert gap.min(axis=1).max() <= 1e-6, names[model.geom_bodyid[geom]]


def test_inverse_kinematics_converge_near_the_table(arm):
    rng, lower, upper = np.random.default_rng(1), arm.position_min[:-1], arm.position_max[:-1]
    for _ in range(50):
        position = rng.uniform([0.35, -0.25, 0.02], [0.65, 0.25, 0.45])
        rotation = matrix_about(2, rng.uniform(-0.5, 0.5)) @ matrix_about(0, math.pi)
        q, error = solve_ik(
            arm.chain, position, rotation, start=arm.home[:-1], lower=lower, upper=upper
        )
        assert error <= 1e-5
        reached, turned = arm.chain.forward(q)
        np.testing.assert_allclose(reached, position, atol=1e-5)
        np.testing.assert_allclose(turned, rotation, atol=3e-5)
        assert np.all((q >= lower) & (q <= upper))


def test_out_of_reach_is_said_and_stays_within_the_limits():
    q, error = solve_ik(
        FRANKA.chain, np.array([2.0, 0, 0.5]), np.eye(3), start=FRANKA.home[:-1],
        lower=LOWER, upper=UPPER,
    )  # fmt: skip
    assert error > 1.0
    assert np.all((q >= LOWER) & (q <= UPPER))


@given(postures)
@settings(max_examples=25, deadline=None)
def test_the_nullspace_pull_moves_joints_and_not_the_tool(q):
    jacobian = FRANKA.chain.jacobian(q)
    if np.linalg.svd(jacobian)[1][-1] < 0.05:
        return  # near a singularity the damping wins over exactness
    step = resolve(jacobian, np.zeros(6), damping=1e-4, pull=np.ones(7))
    np.testing.assert_allclose(jacobian @ step, 0.0, atol=1e-4)
    assert np.linalg.norm(step) <= np.linalg.norm(np.ones(7)) + 1e-9


def test_damping_keeps_the_step_small_at_a_singularity():
    straight = FRANKA.chain.jacobian(np.zeros(7))  # the elbow stretched out
    twist = np.array([0.0, 0.0, 0.1, 0.0, 0.0, 0.0])
    step = resolve(straight, twist, damping=0.05, pull=np.zeros(7))
    assert np.linalg.norm(step) <= np.linalg.norm(twist) / (2 * 0.05) + 1e-9


@given(st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_quaternions_and_matrices_are_inverse(seed):
    quaternion = np.random.default_rng(seed).standard_normal(4)
    matrix = matrix_from_quaternion(quaternion)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    back = quaternion_from_matrix(matrix)
    np.testing.assert_allclose(matrix_from_quaternion(back), matrix, atol=1e-9)
    assert back[np.argmax(np.abs(back))] > 0


def test_a_hand_pointing_down_has_no_sign_flip():
    signs = {
        float(np.sign(quaternion_from_matrix(matrix_about(1, tilt) @ matrix_about(0, math.pi))[0]))
        for tilt in (-0.1, -1e-9, 0.0, 1e-9, 0.1)
    }
    assert signs == {1.0}


def test_rotation_vectors_and_yaw():
    np.testing.assert_allclose(rotation_vector(matrix_about(2, 0.7)), [0, 0, 0.7], atol=1e-12)
    np.testing.assert_allclose(rotation_vector(matrix_about(0, -3.0)), [-3.0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(rotation_vector(np.eye(3)), 0.0)
    assert yaw(pose(np.zeros(3), matrix_about(2, -0.4))[3:]) == pytest.approx(-0.4)
