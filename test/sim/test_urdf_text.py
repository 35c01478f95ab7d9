"""The URDF of a drawn arm is the arm: read again by MuJoCo, everything is where it was."""

import mujoco
import numpy as np
import pytest

from il_ros.core.arms import get_arm
from il_ros.core.geometry import matrix_from_quaternion
from il_ros.core.urdf import arm_description, read_urdf
from il_ros.sim.plant import Plant
from il_ros.sim.robot_view import RobotView
from il_ros.sim.robots import make_robot
from il_ros.sim.tasks import make_task
from il_ros.sim.urdf_text import urdf_text

KEEP = '<mujoco><compiler fusestatic="false"/></mujoco></robot>'


def models(name):
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    make_robot(get_arm(name)).add(spec)
    drawn = spec.compile()
    text = urdf_text(drawn, name)
    return drawn, mujoco.MjSpec.from_string(text.replace('</robot>', KEEP)).compile()


@pytest.mark.parametrize('name', ['franka', 'ur5e', 'viperx_pair'])
def test_a_description_is_where_the_arm_is(name):
    drawn, read = models(name)
    joints = [drawn.joint(i).name for i in range(drawn.njnt)]
    assert joints == [read.joint(i).name for i in range(read.njnt)]
    rng = np.random.default_rng(0)
    for _ in range(20):
        one, other = mujoco.MjData(drawn), mujoco.MjData(read)
        for joint in joints:
            low, high = drawn.joint(joint).range
            one.joint(joint).qpos[0] = other.joint(joint).qpos[0] = rng.uniform(low, high)
        mujoco.mj_kinematics(drawn, one)
        mujoco.mj_kinematics(read, other)
        for i in range(1, drawn.nbody):
            body = drawn.body(i).name
            np.testing.assert_allclose(one.body(body).xpos, other.body(body).xpos, atol=1e-9)
            assert abs(one.body(body).xquat @ other.body(body).xquat) == pytest.approx(1.0)


@pytest.mark.parametrize('name', ['franka', 'ur5e', 'viperx_pair'])
def test_a_description_has_the_masses_the_limits_and_the_ties(name):
    drawn, read = models(name)
    moving = [i for i in range(1, drawn.nbody) if drawn.body(i).weldid[0]]
    for i in moving:
        body = drawn.body(i)
        assert read.body(body.name).mass[0] == pytest.approx(body.mass[0])
    np.testing.assert_allclose(read.jnt_range, drawn.jnt_range, atol=1e-9)
    assert read.neq == drawn.neq
    for tie in range(read.neq):
        follower = read.joint(int(read.eq_obj1id[tie])).name
        led = read.joint(int(read.eq_obj2id[tie])).name
        assert read.eq_data[tie, :2] == pytest.approx([0.0, 1.0]), (follower, led)


def test_what_an_arm_stands_on_may_be_a_link_of_its_own():
    drawn, _ = models('franka')
    text = urdf_text(drawn, 'franka', world='fr3_link0')
    read = mujoco.MjSpec.from_string(text.replace('</robot>', KEEP)).compile()
    assert 'world' not in text
    assert read.njnt == drawn.njnt


TOOLS = {
    'franka': {'': 'fr3_hand_tcp'},
    'ur5e': {'': 'gripper_hand_tcp'},
    'viperx_pair': {'left': 'left_gripper_base_tcp', 'right': 'right_gripper_base_tcp'},
}


def view_of(name):
    task = make_task('bimanual_handover' if name == 'viperx_pair' else 'reach')
    robot = make_robot(get_arm(name))
    plant = Plant(task, robot, 0.002, 25)
    plant.reset(robot.home, task.draw(np.random.default_rng(0), 0.0), [])
    return plant, RobotView(robot, plant)


@pytest.mark.parametrize('name', TOOLS)
def test_the_tool_link_of_a_description_is_where_the_kinematics_have_the_tool(name):
    _, view = view_of(name)
    urdf = read_urdf(urdf_text(view.alone, name, world='base'), 'robot_description')
    described = arm_description(urdf, base='base', tips=TOOLS[name], grippers={}, home={})
    rng = np.random.default_rng(0)
    for limb, known in zip(described.limbs, get_arm(name).limbs, strict=True):
        assert tuple(limb.free) == known.joints
        n = len(known.joints)
        q = rng.uniform(known.position_min[:n], known.position_max[:n], (100, n))
        position, rotation = limb.chain()[0].forward(q)
        expected, turned = known.chain.forward(q)
        np.testing.assert_allclose(position, expected, rtol=0.0, atol=1e-9)
        np.testing.assert_allclose(rotation, turned, rtol=0.0, atol=1e-9)


@pytest.mark.parametrize('name', TOOLS)
def test_the_transforms_of_the_tool_link_are_where_the_simulated_tool_is(name):
    plant, view = view_of(name)
    for side, tool in TOOLS[name].items():
        place = view.poses((tool,), ('world',))[0]
        site = plant.data.site(f'{side}_tcp' if side else 'tcp')
        np.testing.assert_allclose(place[:3], site.xpos, rtol=0.0, atol=1e-12)
        rotation = matrix_from_quaternion(place[3:])
        np.testing.assert_allclose(rotation, site.xmat.reshape(3, 3), rtol=0.0, atol=1e-9)
        row = view.links.index(tool)
        assert (view.parents[row], view.moves[row]) == (tool.removesuffix('_tcp'), False)
