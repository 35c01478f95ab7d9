"""A leader arm: which joint is which, how far away it is, and that the arm follows it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.config import parse
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.core.robots.franka import FRANKA
from il_ros.core.robots.viperx_pair import VIPERX_PAIR
from il_ros.experts.teleop.device_reading import DeviceReading
from il_ros.experts.teleop.devices import load_config, make_device, make_pilot
from il_ros.experts.teleop.leader import LeaderConfig

from .conftest import CONFIG

CONTRACT = load_contract(CONFIG / 'contracts/franka_reach.yaml')
LIMITS, DT = CONTRACT.limits, CONTRACT.period
PATH = CONFIG / 'teleop/leader.yaml'
SHIPPED = load_config('leader', str(PATH))
NAMES = [*(f'leader_joint{i}' for i in range(1, 8)), 'leader_gripper']


def changed(**changes):
    import yaml

    data = yaml.safe_load(PATH.read_text())
    data.update(changes)
    return parse(LeaderConfig, data, where='leader.yaml')


def at(joints):
    return DeviceReading(read=0.0, held=True, joints=np.array(joints, dtype=float))


def test_joints_are_mapped_by_name_sign_offset_and_range():
    joints = {name: {'leader': joint.leader} for name, joint in SHIPPED.joints.items()}
    joints['fr3_joint2'] = {'leader': 'elbow', 'sign': -1, 'offset': 0.5}
    grip = {'fr3_finger_joint1': {'leader': 'trigger', 'closed': 0.8, 'open': -0.2}}
    device = make_device(changed(joints=joints, gripper=grip), CONTRACT)
    names = ['trigger', 'elbow', *NAMES[2:7], 'leader_joint1', 'unknown']
    reading = device.joint_state(names, [0.3, 0.2, 3, 4, 5, 6, 7, 1, 99], 2.0)
    # Trigger 0.3 is half way between closed and open: half of 0.04 m.
    np.testing.assert_allclose(reading.joints, [1, 0.5 - 0.2, 3, 4, 5, 6, 7, 0.02])


def test_it_is_as_old_as_its_older_part():
    device = make_device(SHIPPED, CONTRACT)
    assert device.joint_state(NAMES, [0.0] * 8, 1.0).read == -np.inf
    reading = device.joy([], [1], 1.5)
    assert (reading.read, reading.held) == (1.0, True)
    assert device.joint_state(NAMES, [0.0] * 8, 2.0).read == 1.5


def test_a_leader_that_lacks_a_joint_is_refused_by_name():
    device = make_device(SHIPPED, CONTRACT)
    with pytest.raises(IlRosError, match=r'leader/joint_states: no finite position of leader_grip'):
        device.joint_state(NAMES[:7], [0.0] * 7, 0.0)
    with pytest.raises(IlRosError, match=r'no finite position of leader_joint3, leader_gripper'):
        device.joint_state(NAMES, [0, 0, float('nan'), 0, 0, 0, 0], 0.0)


JOINTS = ('waist', 'shoulder', 'elbow', 'forearm_roll', 'wrist_angle', 'wrist_rotate')


def two_leaders():
    """The shipped configuration of two leaders for a pair, whose joints have the same names."""
    config = load_config('leader', str(CONFIG / 'teleop/leader_pair.yaml'))
    pair = load_contract(CONFIG / 'contracts/viperx_pair_bimanual_handover.yaml')
    return config, pair, make_device(config, pair)


def test_two_leaders_tell_their_joints_on_topics_of_their_own():
    _, _, device = two_leaders()
    assert device.topics == ('leader_left/joint_states', 'leader_right/joint_states')
    names = [*JOINTS, 'left_finger']
    first = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.015]
    reading = device.joint_state(names, first, 1.0, topic='leader_left/joint_states')
    assert reading.joints is None  # half of an answer is none
    device.joy([], [1], 2.0)
    reading = device.joint_state(names[::-1], [0.037, *range(6)], 1.5, topic=device.topics[1])
    # Each finger from closed to open is 0.002 .. 0.037 m of the follower's.
    wanted = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.002, 5, 4, 3, 2, 1, 0, 0.037]
    np.testing.assert_allclose(reading.joints, wanted)
    assert reading.read == 1.0  # as old as the older leader
    assert device.joint_state(names, first, 3.0, topic=device.topics[0]).read == 1.5


def test_a_leader_of_two_that_lacks_a_joint_is_refused_by_its_topic():
    device = two_leaders()[2]
    with pytest.raises(IlRosError, match=r'leader_right/joint_states: no finite position of elbow'):
        device.joint_state(['waist', 'shoulder'], [0, 0], 0.0, topic='leader_right/joint_states')


def test_both_arms_of_a_pair_follow_their_leaders_within_the_limits():
    config, pair, _ = two_leaders()
    pilot, home, limits = make_pilot(config, pair, 4), VIPERX_PAIR.home, pair.limits
    goal = home + 0.3 * np.array([name.endswith('waist') for name in VIPERX_PAIR.names])
    assert pilot.begin(home, at(home)) == ''
    rows = [home]
    for _ in range(60):
        rows.append(pilot.chunk(rows[-1], at(goal), 1)[0])
    np.testing.assert_allclose(rows[-1], goal, atol=1e-3)
    speed = np.diff(rows, axis=0) / pair.period
    assert np.all(np.abs(speed) <= 0.5 * limits.velocity + 1e-9)
    far = home + 3.0 * np.array([name == 'right_shoulder' for name in VIPERX_PAIR.names])
    for _ in range(60):  # one hand at the end of the workspace holds both back
        rows.append(pilot.chunk(rows[-1], at(far), 1)[0])
    right = VIPERX_PAIR.limbs[1]
    tools = right.chain.frames(np.array(rows)[:, right.columns(VIPERX_PAIR.names)])[:, -1, :3, 3]
    assert np.all(tools >= limits.workspace_min - 1e-9)
    assert np.all(tools <= limits.workspace_max + 1e-9)


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        ({'buttons': {'success': 1}}, r'leader.yaml: buttons.enable is missing; a leader arm'),
        ({'tolerance': 0.0}, r'leader.yaml: tolerance and gripper_tolerance; allowed: above 0'),
        (
            {'gripper': {'fr3_finger_joint1': {'leader': 'a', 'closed': 1.0, 'open': 1.0}}},
            r'leader.yaml.gripper.fr3_finger_joint1: closed and open are both 1.0',
        ),
        ({'joints': {'fr3_joint1': {'link': 'a'}}}, r"joints.fr3_joint1: unknown key 'link'"),
    ],
)
def test_what_cannot_be_is_refused_by_its_path(change, text):
    with pytest.raises(IlRosError, match=text):
        changed(**change)


def test_every_joint_needs_one_of_the_leader():
    with pytest.raises(
        IlRosError, match=r'config: joints and gripper name .*; allowed: each of fr'
    ):
        make_device(changed(gripper={}), CONTRACT)


def test_a_gripper_is_not_one_of_the_arms_joints():
    joints = {name: {'leader': name} for name in CONTRACT.action.names}
    with pytest.raises(IlRosError, match=r'config.joints: got .*; grippers belong under gripper'):
        make_pilot(changed(joints=joints, gripper={}), CONTRACT, 4)


def test_far_away_it_may_not_take_over_and_says_by_how_much():
    pilot = make_pilot(SHIPPED, CONTRACT, 4)
    leader = FRANKA.home + np.array([0.09, 0, 0.42, 0, -0.11, 0, 0, -0.03])
    assert pilot.begin(FRANKA.home, at(leader)) == (
        'the leader is away from the arm: fr3_joint3 +0.420 (allowed 0.100), '
        'fr3_joint5 -0.110 (allowed 0.100), fr3_finger_joint1 -0.030 (allowed 0.010)'
    )
    assert pilot.begin(FRANKA.home, at(FRANKA.home + 0.009)) == ''
    assert 'fr3_joint1 +nan' in pilot.begin(FRANKA.home, at(FRANKA.home * np.nan))


def test_the_arm_follows_closely_and_comes_to_rest_where_the_leader_is():
    pilot, position = make_pilot(SHIPPED, CONTRACT, 4), FRANKA.home
    times = np.arange(1, 81) * DT
    swing = np.where(times < 3.0, 0.3 * (1 - np.cos(2 * np.pi * times / 3.0)), 0.0)
    assert pilot.begin(position, at(position)) == ''
    behind = []
    for tick, angle in enumerate(swing):
        leader = FRANKA.home + angle * np.eye(8)[0]
        position = pilot.chunk(position, at(leader), int(tick > 0))[0]
        behind.append(abs(position[0] - leader[0]))
    assert max(behind) < 0.05
    np.testing.assert_allclose(position, FRANKA.home, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(
    goals=st.lists(
        st.tuples(st.lists(st.floats(-4.0, 4.0), min_size=8, max_size=8), st.integers(1, 30)),
        min_size=1,
        max_size=5,
    )
)
def test_no_leader_leads_out_of_a_limit(goals):
    pilot, position = make_pilot(SHIPPED, CONTRACT, 4), FRANKA.home
    pilot.begin(position, at(position))
    steps = 0
    for goal, ticks in goals:
        for _ in range(ticks):
            chunk = pilot.chunk(position, at(goal), steps)
            speed = np.diff(np.vstack([position, chunk]), axis=0) / DT
            assert (np.abs(speed) <= 0.5 * LIMITS.velocity + 1e-9).all()
            assert (chunk >= LIMITS.position_min - 1e-12).all()
            assert (chunk <= LIMITS.position_max + 1e-12).all()
            tools = FRANKA.chain.frames(chunk[:, :7])[:, -1, :3, 3]
            assert (tools >= LIMITS.workspace_min + 0.02 - 1e-6).all()
            assert (tools <= LIMITS.workspace_max - 0.02 + 1e-6).all()
            position, steps = chunk[0], 1
