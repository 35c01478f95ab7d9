"""An arm of one's own from an MJCF file: it is simulated, and what it lacks is named."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.core.geometry import matrix_from_quaternion
from il_ros.core.limits import Limits
from il_ros.core.robots.franka import FRANKA
from il_ros.experts import make_expert
from il_ros.sim.mjcf import read_robot
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.robot_view import RobotView
from il_ros.sim.robots import make_robot
from il_ros.sim.tasks import make_task
from il_ros.sim.world import World

# Two links of 0.3 m that turn about the vertical and lie flat at zero; an unnamed hand, tool down.
ARM = """
<mujoco>
  <compiler angle="degree"/>
  <worldbody>
    <body name="table" pos="0 0 0.2">
      <joint name="pan" axis="0 0 1" range="-170 170"/>
      <geom type="capsule" fromto="0 0 0 0.3 0 0" size="0.03" mass="2"/>
      <body pos="0.3 0 0">
        <joint name="bend" axis="0 0 1" range="-170 170"/>
        <geom type="capsule" fromto="0 0 0 0.3 0 0" size="0.03" mass="1"/>
        <body pos="0.3 0 0" euler="180 0 0">
          <camera name="eye"/>
          <camera name="front"/>
          <geom type="box" size="0.02 0.05 0.02" mass="0.5" pos="0.01 0.02 0"/>
          <site name="tcp" pos="0 0 0.1"/>
          <body name="left" pos="0 0 0.04">
            <joint name="grip" type="slide" axis="0 1 0" range="0 0.05"/>
            <geom type="box" size="0.005 0.005 0.02" pos="0 0 0.02" mass="0.02"/>
          </body>
          <body name="right" pos="0 0 0.04">
            <joint name="grip2" type="slide" axis="0 1 0" range="-0.05 0.01"/>
            <geom type="box" size="0.005 0.005 0.02" pos="0 0 0.02" mass="0.02"/>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
  <equality><joint joint1="grip2" joint2="grip" polycoef="0.01 -1 0 0 0"/></equality>
  <actuator><motor joint="bend" gear="50"/></actuator>
  <sensor><jointpos joint="pan"/></sensor>
  <keyframe><key name="home" qpos="0.1 0.2 0.05 -0.04"/></keyframe>
</mujoco>
"""
LIMITS = Limits(
    names=('pan', 'bend', 'grip'),
    position_min=np.array([-2.9, -2.9, 0.0]),
    position_max=np.array([2.9, 2.9, 0.05]),
    velocity=np.array([2.0, 2.0, 0.2]),
    acceleration=np.array([10.0, 10.0, 4.0]),
    jerk=np.array([1000.0, 1000.0, 1000.0]),
    workspace_min=np.array([-1.0, -1.0, 0.0]),
    workspace_max=np.array([1.0, 1.0, 1.0]),
    force=50.0,
    torque=10.0,
)


def written(tmp_path, text):
    path = tmp_path / 'my_arm.xml'
    path.write_text(text)
    return path


@pytest.fixture
def world(tmp_path):
    return World('reach', limits=LIMITS, arm='', model=written(tmp_path, ARM))


def posture(world):
    scene = world.privileged()
    return np.concatenate([scene['joint_position'], scene['gripper_position']])


def test_its_tool_is_where_its_joints_have_it(world):
    assert world.names == LIMITS.names
    for seed in range(3):
        world.reset(seed)
        pan, bend, _ = posture(world)
        x = 0.3 * np.cos(pan) + 0.3 * np.cos(pan + bend)
        y = 0.3 * np.sin(pan) + 0.3 * np.sin(pan + bend)
        np.testing.assert_allclose(world.observe()['tcp_pose'][:3], [x, y, 0.1], atol=1e-9)
        assert np.all(np.abs([pan - 0.1, bend - 0.2]) <= 0.05)  # around the keyframe


def test_its_cameras_are_there_beside_the_scenes_own(world):
    with pytest.raises(UnknownNameError, match=r"unknown camera 'left'; allowed: front, .*eye"):
        world.render('left', 64, 64)
    assert world.plant.model.camera('front').bodyid[0] == 0


def test_a_joint_that_is_tied_to_a_commanded_one_starts_and_moves_with_it(world):
    world.reset(0)
    for grip in (posture(world)[2], 0.03):
        target = np.append(posture(world)[:2], grip)
        for _ in range(20):
            world.step(np.tile(target, (world.substeps, 1)))
        first, second = world.plant.data.qpos[2:4]
        assert first == pytest.approx(grip, abs=1e-3)
        assert second == pytest.approx(0.01 - grip, abs=1e-3)


def test_it_stands_still_without_a_wrench_and_feels_a_push(world):
    world.reset(0, [Perturbation(kind='push', start=1.0, duration=0.5, value=(0.0, 20.0, 0.0))])
    target = posture(world)
    for _ in range(20):
        world.step(np.tile(target, (world.substeps, 1)))
    np.testing.assert_allclose(posture(world), target, atol=1e-3)
    assert np.abs(world.observe()['wrench']).max() < 0.05
    for _ in range(10):
        world.step(np.tile(target, (world.substeps, 1)))
    assert np.linalg.norm(world.observe()['wrench'][:3]) == pytest.approx(20.0, abs=0.5)


def test_the_simulators_servos_take_the_place_of_its_actuators(world):
    assert world.plant.model.nu == 3
    world.reset(1)
    targets = np.tile(posture(world), (20 * world.substeps, 1))
    share = np.linspace(0, 1, len(targets))
    targets[:, 1] += 0.5 * (3 * share**2 - 2 * share**3)
    worst = 0.0
    for block in targets.reshape(20, world.substeps, -1):
        world.step(block)
        worst = max(worst, float(np.abs(posture(world) - block[-1]).max()))
    assert worst < 0.005
    assert not any(world.state().violations.values())


def without(*pieces):
    text = ARM
    for piece in pieces:
        assert piece in text
        text = text.replace(piece, '')
    return text


HOME = '<keyframe><key name="home" qpos="0.1 0.2 0.05 -0.04"/></keyframe>'


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        (ARM.replace('"bend"', '"elbow"'),
         'my_arm.xml: no joint bend; it has pan, elbow, grip, grip2; to fix: give the joints one'),
        (without('<site name="tcp" pos="0 0 0.1"/>'),
         'my_arm.xml: no site tcp; to fix: add it at the tool centre point, its z out of the tool'),
        (without('<site name="tcp" pos="0 0 0.1"/>').replace(
            '<worldbody>', '<worldbody><site name="tcp"/>'),
         'my_arm.xml: no joint moves the site tcp; to fix: put it on a link'),
        (ARM.replace('"pan"', '"other"').replace('"bend"', '"pan"').replace('"other"', '"bend"'),
         'the joints come as bend, pan, grip, grip2; allowed: in the order of the contract'),
        (ARM.replace('<joint name="bend" axis', '<joint name="bend" type="slide" axis'),
         'joint bend is of another type; allowed: a hinge'),
        (ARM.replace('name="grip" type="slide"', 'name="grip" type="hinge"'),
         'joint grip is of another type; allowed: a slide: the last one moves the gripper'),
        (ARM.replace(' range="0 0.05"', ''), 'joint grip has no range; to fix: give it one'),
        (ARM.replace('qpos="0.1 0.2', 'qpos="3.0 0.2'),
         'at home pan is outside the position limits of the contract; to fix: give the file a key'),
        (ARM.replace('mass="2"', 'mas="2"'),
         "no MJCF that can be read: XML Error: Schema violation: unrecognized attribute: 'mas'"),
        (ARM.replace('size="0.03" mass="1"', 'size="-1" mass="1"'), 'no MJCF that can be read: '),
        ('<mujoco/>', 'no joint pan, bend, grip; it has none'),
        ('', 'no MJCF that can be read: '),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_named(text, says, tmp_path):
    with pytest.raises(IlRosError) as caught:
        World('reach', limits=LIMITS, arm='', model=written(tmp_path, text))
    assert says in str(caught.value)
    assert str(tmp_path / 'my_arm.xml') in str(caught.value)


@given(st.integers(0, len(ARM)), st.integers(1, 80), st.text(max_size=3))
@settings(max_examples=60, deadline=None)
def test_a_damaged_file_is_an_arm_or_a_named_problem(tmp_path_factory, start, length, scribble):
    path = tmp_path_factory.getbasetemp() / 'my_arm.xml'
    path.write_text(ARM[:start] + scribble + ARM[start + length :], encoding='utf-8')
    try:
        robot = read_robot(path, LIMITS)
    except IlRosError as problem:
        assert problem.where == str(path)  # noqa: PT017
    else:
        assert robot.names == LIMITS.names
        (limb,) = robot.limbs
        assert np.isfinite([*robot.home, *robot.lead, *limb.load_at, limb.load]).all()


def test_no_file_and_no_limits_are_named(tmp_path):
    with pytest.raises(IlRosError, match=r'none\.xml: no MJCF that can be read: .*Error opening'):
        World('reach', limits=LIMITS, arm='', model=tmp_path / 'none.xml')
    with pytest.raises(IlRosError, match="a model without limits; to fix: give a contract's"):
        World('reach', arm='', model=written(tmp_path, ARM))


def test_without_a_keyframe_tasks_start_around_the_posture_of_the_file(tmp_path):
    robot = read_robot(written(tmp_path, without(HOME)), LIMITS)
    np.testing.assert_array_equal(robot.home, np.zeros(3))


def drawn_franka(tmp_path, *, aside=0.0):
    """The drawn Franka as a file; `aside` moves it [m]."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    make_robot(FRANKA).add(spec)
    spec.body('fr3_link0').pos[1] = aside
    spec.compile()
    return written(tmp_path, spec.to_xml())


def test_a_known_arm_from_a_file_does_what_its_expert_wants(tmp_path):
    limits = FRANKA.limits(*make_task('pick_place').workspace, force=60.0, torque=15.0)
    world = World('pick_place', limits=limits, model=drawn_franka(tmp_path))
    expert = make_expert('pick_place')
    for seed in range(2):
        world.reset(seed)
        last = posture(world)
        share = np.arange(1, world.substeps + 1)[:, None] / world.substeps
        while not world.state().done:
            target = expert.act(world.observe(), horizon=1, dt=world.period)[0]
            world.step(last + share * (target - last))
            last = target
        assert world.state().success
        assert not any(world.state().violations.values())


def test_a_file_that_disagrees_with_the_contracts_arm_is_refused(tmp_path):
    limits = FRANKA.limits(*make_task('reach').workspace, force=60.0, torque=15.0)
    with pytest.raises(IlRosError, match=r'the site tcp is 0\.100 m and 0\.00 rad from where the '):
        read_robot(drawn_franka(tmp_path, aside=0.1), limits, FRANKA)


@pytest.mark.parametrize(
    ('tool', 'link'),
    [
        ('<site name="tcp" pos="0 0 0.1" euler="90 0 45"/>', 'hand_tcp'),
        ('<site name="tcp" euler="0 0 30"/><body name="hand_tcp"/>', 'hand_tcp_'),
        ('<site name="tcp"/>', 'hand'),
    ],
)
def test_the_tool_of_a_file_is_a_link_of_the_robot(tmp_path, tool, link):
    text = ARM.replace('<body pos="0.3 0 0" euler', '<body name="hand" pos="0.3 0 0" euler')
    path = written(tmp_path, text.replace('<site name="tcp" pos="0 0 0.1"/>', tool))
    world = World('reach', limits=LIMITS, arm='', model=path)
    world.reset(seed=0)
    view, site = RobotView(world.robot, world.plant), world.plant.data.site('tcp')
    assert link in view.links
    place = view.poses((link,), ('world',))[0]
    np.testing.assert_allclose(place[:3], site.xpos, atol=1e-12)
    np.testing.assert_allclose(
        matrix_from_quaternion(place[3:]), site.xmat.reshape(3, 3), atol=1e-9
    )
