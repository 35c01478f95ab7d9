"""Arms of URDFs in the simulator: those of the drivers' files, and what such a file may lack."""

from pathlib import Path

import mujoco
import numpy as np
import pytest

from il_ros.core.driver_description import read_driver
from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.sim.plant import Plant
from il_ros.sim.robot_view import RobotView
from il_ros.sim.tasks import make_task
from il_ros.sim.urdf_robot import read_urdf_robot

CONFIG = Path(__file__).parents[2] / 'config'
DRIVERS = sorted(path.stem for path in (CONFIG / 'drivers').glob('*.yaml'))

# Where a link is at positions of the joints in the order of the arm, [m] and quaternion xyzw: by
# another program (pinocchio 4.1.0) from the makers' own descriptions.
PLACES = {
    'ur': (
        'tool0',
        [0.15, -0.3, 0.45, -0.6, 0.75, -0.9],
        [1.221057782, 0.446919355, 0.202991117],
        [-0.201070445, 0.557965942, 0.504341081, 0.627602388],
    ),
    'franka': (
        'fr3_hand_tcp',
        [0.15, -0.3, 0.45, -0.6, 0.75, -0.9, 1.05],
        [-0.081919696, -0.057870922, 0.891624887],
        [0.692735925, 0.431176189, -0.446008522, 0.36780488],
    ),
    'xarm': (
        'link_tcp',
        [0.15, -0.3, 0.45, -0.6, 0.75, -0.9, 1.05],
        [0.176963958, -0.125438183, 0.075743572],
        [-0.788139047, 0.477419617, -0.38789388, 0.021111354],
    ),
    'kinova': (
        'end_effector_link',
        [0.15, -0.3, 0.45, -0.6, 0.75, -0.9, 1.05],
        [-0.41606297, 0.259444649, 0.890633339],
        [0.192996145, -0.669023803, -0.71037959, 0.102569378],
    ),
    'so101': (
        'gripper_frame_link',
        [0.15, -0.3, 0.45, -0.6, 0.75],
        [0.338592325, -0.050805772, 0.281350328],
        [-0.144673103, 0.511452112, -0.349759603, 0.771462669],
    ),
    'aloha': (  # of the left arm, which stands 0.5 m in front of the world and 0.25 m beside it
        'follower_left/ee_gripper_link',
        [0.15, -0.3, 0.45, -0.6, 0.75, -0.9],
        [0.883936406, 0.239150314, 0.268642785],
        [-0.657502017, 0.363913477, 0.150658394, 0.642308436],
    ),
}


def robot_of(name):
    driver = read_driver(CONFIG / f'drivers/{name}.yaml')
    robot = read_urdf_robot(driver.urdf, tool=driver.tool, home=driver.home)
    return driver, robot


def placed(name):
    """The arm of a driver's file in the task `reach`."""
    driver, robot = robot_of(name)
    task = make_task('reach')
    plant = Plant(task, robot, 0.002, 25)
    plant.reset(robot.home, task.draw(np.random.default_rng(0), 0.0), [])
    return driver, robot, plant, RobotView(robot, plant)


def test_every_driver_has_an_arm_whose_place_is_known():
    assert sorted(PLACES) == DRIVERS


@pytest.mark.parametrize('name', DRIVERS)
def test_the_arm_of_a_driver_has_the_kinematics_of_its_maker(name):
    link, joints, position, quaternion = PLACES[name]
    _, robot, plant, view = placed(name)
    start = robot.home.copy()
    start[: len(joints)] = joints
    plant.reset(start, make_task('reach').draw(np.random.default_rng(0), 0.0), [])
    pose = view.poses((link,), ('world',))[0]
    np.testing.assert_allclose(pose[:3], position, atol=1e-8)
    assert abs(pose[3:] @ quaternion) == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize('name', DRIVERS)
def test_the_arm_of_a_driver_follows_what_it_is_sent(name):
    _, robot, plant, view = placed(name)
    low, high = robot.limbs[0].stroke
    target, columns = robot.home + 0.1, view.columns(robot.names)
    for goal in (low, high):
        target[robot.grippers] = goal
        for part in np.linspace(0.0, 1.0, 20):  # a second, then half of one to settle
            step = robot.home + part * (target - robot.home)
            step[robot.grippers] = goal
            plant.step(np.tile(step, (25, 1)))
        for _ in range(20):
            plant.step(np.tile(target, (25, 1)))
        np.testing.assert_allclose(view.position[columns], target, atol=0.01)
        assert np.abs(view.velocity).max() < 0.05


@pytest.mark.parametrize('name', DRIVERS)
def test_at_home_an_arm_touches_nothing_and_is_within_its_limits(name):
    _, robot, plant, _ = placed(name)
    mujoco.mj_forward(plant.model, plant.data)
    assert plant.data.ncon == 0
    for joint, position in zip(robot.names, robot.home, strict=True):
        bounds = plant.model.joint('robot/' + joint)
        low, high = bounds.range
        assert not plant.model.jnt_limited[bounds.id] or low <= position <= high


def test_joints_that_follow_another_do_so():
    _, robot, plant, view = placed('ur')
    target = robot.home.copy()
    target[-1] = 0.6
    for _ in range(40):
        plant.step(np.tile(target, (25, 1)))
    position = dict(zip(view.joints, view.position, strict=True))
    assert position['robotiq_85_right_knuckle_joint'] == pytest.approx(-0.6, abs=0.01)
    assert position['robotiq_85_right_finger_tip_joint'] == pytest.approx(0.6, abs=0.01)


def test_what_a_urdf_lacks_is_named(tmp_path):
    path = tmp_path / 'arm.urdf'
    path.write_text('<mujoco/>')
    with pytest.raises(IlRosError, match='no URDF'):
        read_urdf_robot(path, tool='tool', home={'a': 0.0})
    path.write_text('<robot name="x"><link name="a"/><joint name="j" type="odd"/></robot>')
    with pytest.raises(IlRosError, match='no URDF that can be simulated'):
        read_urdf_robot(path, tool='tool', home={'a': 0.0})
    ur = CONFIG / 'robots/ur10e_2f85.urdf'
    driver = read_driver(CONFIG / 'drivers/ur.yaml')
    with pytest.raises(IlRosError, match='the joints come as shoulder_pan_joint'):
        read_urdf_robot(ur, tool='tool0', home={'elbow_joint': 0.0})
    with pytest.raises(UnknownNameError, match="no link 'hand'"):
        read_urdf_robot(ur, tool='hand', home=driver.home)
