"""`contract init` without a graph: what is written of what six drivers show."""

from dataclasses import replace

import pytest
import yaml
from cdr_messages import joints as joint_message
from seen_graphs import (
    DRIVERS,
    FINGER,
    FR3_AT,
    FR3_JOINTS,
    JTC,
    KNUCKLE,
    ROBOTS,
    SO101_ARM,
    UR_JOINTS,
    chain,
    controller,
    description,
    graph,
    listener,
    placed,
    poses,
    states,
    topic,
    urdf,
)

from il_ros.contracts import command_paths
from il_ros.contracts.contract_check import check_robot
from il_ros.contracts.contract_draft import draft_contract
from il_ros.contracts.contract_replay import ContractNames
from il_ros.contracts.draft_text import MARK, DraftText, flow
from il_ros.contracts.seen_streams import key_of, nominal_rate, tick_rate
from il_ros.core.arms import arm_of
from il_ros.core.contract import load_contract, parse_contract
from il_ros.core.errors import ContractError
from il_ros.core.seen_graph import CONTROLLER_STATE


def drafted(seen, **options):
    draft = draft_contract(seen, name='robot', **options)
    return draft, yaml.safe_load(draft.text)


@pytest.mark.parametrize('name', DRIVERS)
def test_what_is_written_loads_and_each_doubt_is_marked_on_its_line(name, tmp_path):
    draft, _ = drafted(DRIVERS[name](), robot=ROBOTS.get(name, ''))
    (tmp_path / draft.urdf_file).write_text(draft.urdf)
    (tmp_path / 'robot.yaml').write_text(draft.text)
    contract = load_contract(tmp_path / 'robot.yaml')
    assert arm_of(contract).limbs[0].joints == contract.action.names[: len(arm_of(contract).joints)]
    lines = draft.text.splitlines()
    assert [i for i, line in enumerate(lines, 1) if f'# {MARK}: ' in line] == [
        number for number, _, _ in draft.doubts
    ]
    made_up = {line.partition(':')[0] for _, line, _ in draft.doubts}
    assert {'acceleration', 'jerk'} <= made_up  # no driver tells them
    for number, line, why in draft.doubts:
        assert lines[number - 1].strip() == f'{line}  # {MARK}: {why}'


def test_joints_come_in_the_order_of_their_controller_not_of_the_messages():
    _, data = drafted(DRIVERS['ur']())
    assert data['action']['names'][:6] == list(UR_JOINTS)
    assert data['observations']['joint_position']['names'] == list(UR_JOINTS)
    assert data['action']['limits']['position_max'][2] == 3.1415  # the elbow's


def test_an_arm_and_a_gripper_are_taken_from_the_driver_that_measures_them():
    _, data = drafted(DRIVERS['fr3']())
    streams = data['observations']
    assert streams['joint_position']['topic'] == 'franka/joint_states'
    assert streams['joint_position']['rate'] == 1000.0
    assert streams['gripper_position']['topic'] == 'franka_gripper/joint_states'
    assert streams['gripper_position']['names'] == ['fr3_finger_joint1']  # the other one mimics it
    assert streams['tcp_pose']['topic'].endswith('/current_pose')  # not the desired one
    assert data['action']['names'][:7] == list(FR3_JOINTS)


def test_merged_states_are_taken_where_the_driver_is_silent_and_doubted():
    draft, data = drafted(DRIVERS['xarm']())
    assert data['observations']['joint_position']['topic'] == 'xarm/joint_states'
    assert data['observations']['gripper_position']['topic'] == 'joint_states'
    whys = ' | '.join(why for _, _, why in draft.doubts)
    assert 'made up until a driver speaks' in whys
    assert 'no velocity of drive_joint: taken from the positions' in whys
    assert data['observations']['gripper_velocity']['derived'] == 0.3


@pytest.mark.parametrize(
    ('follower', 'limits', 'why'),
    [
        ('', 'lower="0" upper="0.8"', ''),  # the leader's range
        ('multiplier="-1"', 'lower="-0.8" upper="0.0"', ''),
        ('multiplier="-1"', 'lower="-3.2" upper="3.2"', ''),  # a wider one binds nobody
        ('', '', ''),
        ('multiplier="-1"', 'lower="0" upper="0.8"', 'at -0.8 to 0, its own limits are 0 to 0.8'),
        ('multiplier="2"', 'lower="0" upper="0.8"', 'at 0 to 1.6, its own limits are 0 to 0.8'),
        ('offset="0.1"', 'lower="0" upper="0.8"', 'at 0.1 to 0.9, its own limits are 0 to 0.8'),
    ],
)
def test_limits_of_a_mimic_joint_that_its_leader_leaves_are_doubted(follower, limits, why):
    seen, name = DRIVERS['ur'](), 'robotiq_85_right_knuckle_joint'
    (text,) = seen.descriptions().values()
    head, mark, rest = text.partition(f'<joint name="{name}"')
    rest = rest.replace(f'<mimic joint="{KNUCKLE}"/>', f'<mimic joint="{KNUCKLE}" {follower}/>', 1)
    rest = rest.replace('lower="0" upper="0.8"', limits, 1)
    draft, data = drafted(seen, urdf=head + mark + rest)
    told = [doubt for _, line, doubt in draft.doubts if line.startswith('position_max')]
    expected = f'{name} mimics {KNUCKLE} and would be {why}'
    assert told == ([expected] if why else [])
    assert data['action']['limits']['position_max'][-1] == 0.8


@pytest.mark.parametrize(('name', 'aborted'), [('fr3', 'grasp'), ('xarm', 'fault')])
def test_a_franka_gripper_is_drafted_with_what_is_peculiar_to_it(name, aborted, tmp_path):
    draft, _ = drafted(DRIVERS[name]())
    (tmp_path / draft.urdf_file).write_text(draft.urdf)
    (tmp_path / 'robot.yaml').write_text(draft.text)
    goals = load_contract(tmp_path / 'robot.yaml').outputs[1].goals
    assert (goals.aborted, goals.replaces) == (aborted, aborted == 'fault')


def test_a_forward_command_controller_gets_its_own_order():
    draft, data = drafted(DRIVERS['so101']())
    assert data['action']['names'] == [*SO101_ARM, 'gripper']
    assert data['action']['output'] == {
        'adapter': 'forward_command',
        'topic': 'follower/forward_controller/commands',
    }
    assert set(data['images']) == {'static_camera', 'follower_cam_gripper'}
    assert data['images']['static_camera']['size'] == [96, 128]
    assert data['action']['limits']['velocity'] == [2.0] * 6  # not the 10 rad/s of the URDF
    assert any('looks made up' in why for _, _, why in draft.doubts)


def test_home_is_where_the_arm_stood_and_inside_its_limits():
    seen = DRIVERS['ur']()
    draft, data = drafted(seen)
    home = data['arm']['home']
    assert set(home) == set(UR_JOINTS)  # without the gripper's
    assert home['elbow_joint'] == pytest.approx(1.2, abs=2e-3)
    assert home['shoulder_lift_joint'] == pytest.approx(-1.57, abs=2e-3)
    assert any(line.startswith('home: ') for _, line, _ in draft.doubts)


def test_what_else_a_policy_could_see_is_a_line_each_that_works_once_it_is_no_comment(tmp_path):
    place = poses('/object_pose', 20, 'base', (0.4, 0.0, 0.1), (0, 0, 0, 1))
    seen = DRIVERS['ur']()
    draft, _ = drafted(replace(seen, topics={**seen.topics, '/object_pose': place}))
    (line,) = [line for line in draft.text.splitlines() if line.startswith('  # object_pose: ')]
    (tmp_path / 'robot.urdf').write_text(draft.urdf)
    (tmp_path / 'robot.yaml').write_text(draft.text.replace(line, line.replace('# ', '', 1)))
    stream = load_contract(tmp_path / 'robot.yaml').observations['object_pose']
    assert (stream.topic, stream.rate) == ('object_pose', 20.0)


def test_the_tool_is_the_link_that_the_measured_pose_is_of():
    _, data = drafted(DRIVERS['ur']())
    assert (data['arm']['urdf'], data['arm']['tip']) == ('robot.urdf', 'tool0')
    assert data['base_frame'] == 'base'  # of the pose, not base_link
    seen = DRIVERS['ur']()
    text = seen.descriptions()['']
    at = {'shoulder_lift_joint': -1.57, 'elbow_joint': 1.2, 'wrist_1_joint': -1.2}
    name = '/tcp_pose_broadcaster/pose'
    on_the_flange = poses(name, 500, 'base', *placed(text, 'base', 'flange', at))
    _, data = drafted(replace(seen, topics={**seen.topics, name: on_the_flange}))
    assert data['arm']['tip'] == 'flange'
    away = poses(name, 500, 'base', (9.0, 9.0, 9.0), (0, 0, 0, 1))
    draft, data = drafted(replace(seen, topics={**seen.topics, name: away}))
    assert data['arm']['tip'] == 'tool0'
    assert any('has the tool an offset?' in why for _, _, why in draft.doubts)


@pytest.mark.parametrize(
    ('driver', 'base', 'tip'),
    [
        ('fr3', 'base', 'fr3_hand_tcp'),
        ('xarm', 'link_base', 'link_tcp'),
        ('gen3', 'base_link', 'end_effector_link'),
        ('so101', 'base_link', 'gripper_frame_link'),
        ('aloha', 'follower_left/base_link', 'follower_left/ee_gripper_link'),
    ],
)
def test_an_arm_is_from_its_base_to_its_tool(driver, base, tip):
    _, data = drafted(DRIVERS[driver](), robot=ROBOTS.get(driver, ''))
    assert (data['base_frame'], data['arm']['tip']) == (base, tip)


@pytest.mark.parametrize(
    ('driver', 'adapter', 'topic', 'joint'),
    [
        ('ur', 'parallel_gripper_command', 'robotiq_gripper_controller/gripper_cmd', KNUCKLE),
        ('gen3', 'parallel_gripper_command', 'robotiq_gripper_controller/gripper_cmd', KNUCKLE),
        ('fr3', 'gripper_command', 'franka_gripper/gripper_action', 'fr3_finger_joint1'),
        ('xarm', 'gripper_command', 'xarm_gripper/gripper_action', 'drive_joint'),
    ],
)
def test_a_gripper_is_an_output_of_its_own(driver, adapter, topic, joint):
    _, data = drafted(DRIVERS[driver]())
    action = data['action']
    assert action['names'][-1] == joint
    arm, gripper = action['outputs']
    gripper.pop('gripper', None)  # what is peculiar to a driver's
    assert gripper == {'joints': [joint], 'adapter': adapter, 'topic': topic}
    assert arm['joints'] == action['names'][:-1]


def test_what_no_adapter_takes_is_left_out_and_said(monkeypatch):
    monkeypatch.setattr(command_paths, 'OUTPUT_ADAPTERS', ('joint_trajectory',))
    draft, data = drafted(DRIVERS['fr3']())
    assert data['action']['names'] == list(FR3_JOINTS)
    assert data['action']['output']['topic'] == 'fr3_arm_controller/joint_trajectory'
    why = f'{FINGER}: no output for gripper_command here'
    assert any(why in each for _, _, each in draft.doubts)


def controller_state(name, joints):
    return topic(
        f'{name}/controller_state', CONTROLLER_STATE, 50,
        lambda time, _: joint_message(joints, stamp=time, frame_id=''),
    )  # fmt: skip


def test_without_a_controller_manager_controllers_tell_what_they_follow():
    whole = DRIVERS['ur']()
    bare = replace(whole, controllers=None, unasked='there is no controller manager')
    draft, data = drafted(bare)
    assert any('also there: /scaled_joint_trajectory_controller' in w for _, _, w in draft.doubts)
    arm = '/scaled_joint_trajectory_controller'
    state = controller_state(arm, UR_JOINTS[::-1])
    draft, data = drafted(replace(bare, topics={**bare.topics, state.name: state}))
    outputs = data['action'].get('outputs') or [data['action']['output']]
    assert outputs[0]['topic'] == 'scaled_joint_trajectory_controller/joint_trajectory'
    assert data['action']['names'][:6] == list(UR_JOINTS[::-1])  # its order
    assert not any('no controller manager' in why for _, _, why in draft.doubts)


def test_two_arms_have_two_outputs_and_keys_of_their_own():
    left, right = ('left_a', 'left_b'), ('right_a', 'right_b')
    text = urdf(
        'pair',
        ('on_left', 'fixed', 'base', 'left_base'), ('on_right', 'fixed', 'base', 'right_base'),
        *chain('left_base', left, [(-1, 1, 1)] * 2, link='left_{}', after=('left_tool',)),
        *chain('right_base', right, [(-1, 1, 1)] * 2, link='right_{}', after=('right_tool',)),
    )  # fmt: skip
    seen = graph(
        states('/joint_states', 100, sorted((*left, *right)), {}),
        description(text),
        controllers=(controller('/left_arm', JTC, left), controller('/right_arm', JTC, right)),
    )
    _, data = drafted(seen)
    assert data['arm']['tip'] == {'left': 'left_tool', 'right': 'right_tool'}
    assert set(data['observations']) == {
        f'{side}_joint_{part}' for side in ('left', 'right') for part in ('position', 'velocity')
    }
    outputs = {output['topic']: output['joints'] for output in data['action']['outputs']}
    assert outputs == {
        'left_arm/joint_trajectory': list(left), 'right_arm/joint_trajectory': list(right)
    }  # fmt: skip


def test_names_are_relative_to_the_namespace():
    _, data = drafted(DRIVERS['so101'](), namespace='/follower')
    assert data['observations']['joint_position']['topic'] == 'joint_states'
    assert data['action']['output']['topic'] == 'forward_controller/commands'
    assert list(data['images']) == ['cam_gripper']  # no relative name leads to the other


def test_several_robots_of_the_same_joints_are_asked_for():
    with pytest.raises(ContractError, match=r'several robots: .*to fix: say which, as --robot'):
        drafted(DRIVERS['aloha']())


def test_without_a_description_joints_of_a_built_in_arm_are_known_whatever_their_order():
    names = (*sorted(FR3_JOINTS, reverse=True), 'fr3_finger_joint1')
    seen = graph(states('/joint_states', 20, names, FR3_AT))
    draft, data = drafted(seen)
    assert data['arm'] == 'franka'
    assert data['action']['names'] == [*FR3_JOINTS, 'fr3_finger_joint1']
    assert any('no robot_description' in why for _, _, why in draft.doubts)


def test_the_rate_divides_what_was_measured():
    assert nominal_rate(499.1) == (500.0, '')
    assert nominal_rate(29.2)[0] == 30.0
    assert nominal_rate(29.2)[1]  # 2.7 % off
    assert nominal_rate(11.1) == (11.1, '11.1 Hz were measured')
    ticks = {rate: tick_rate(rate, 20.0) for rate in (1000, 500, 150, 125, 100, 60, 30, 20, 10, 5)}
    assert ticks == {
        1000: 20.0, 500: 20.0, 150: 25.0, 125: 25.0, 100: 20.0, 60: 20.0, 30: 15.0, 20: 20.0,
        10: 10.0, 5: 5.0,
    }  # fmt: skip
    assert all((rate / tick) % 1 == 0 for rate, tick in ticks.items())


def test_a_slow_stream_may_be_older():
    seen = graph(states('/joint_states', 5, FR3_JOINTS, FR3_AT))
    _, data = drafted(seen)
    assert data['rate'] == 5.0
    assert data['observations']['joint_position']['align'] == {'max_age': 0.5}


def test_a_graph_without_joints_says_what_to_start():
    with pytest.raises(ContractError, match=r'no joints: .*start the driver'):
        drafted(graph())


def test_an_odd_description_is_one_error():
    seen = graph(states('/joint_states', 20, FR3_JOINTS, FR3_AT))
    for text in ('<robot', '<!DOCTYPE a [<!ENTITY b "c">]><robot/>', '<mujoco/>', 'x' * (9 << 20)):
        with pytest.raises(ContractError, match='robot description: '):
            drafted(seen, urdf=text)


def test_names_that_yaml_takes_for_something_else_stay_names():
    names = ('1', '2', 'on', 'a: b', '-', 'ü')
    parts = [(name, 'revolute', f'l{i}', f'l{i + 1}', (-1, 1, 1)) for i, name in enumerate(names)]
    seen = graph(
        states('/joint_states', 50, names, {}),
        listener('/arm/joint_trajectory', 'trajectory_msgs/msg/JointTrajectory'),
        controllers=(controller('/arm', JTC, names),),
    )
    _, data = drafted(seen, urdf=urdf('odd', *parts))
    assert data['action']['names'] == list(names)


def test_a_joint_that_says_speeds_its_position_has_not_is_doubted():
    names = ('a', 'b')
    seen = graph(
        states('/joint_states', 100, names, {}, speed=51.0),
        controllers=(controller('/arm', JTC, names),),
    )
    draft, data = drafted(seen)
    assert any('51 rad/s, and its position does not change' in why for _, _, why in draft.doubts)
    assert data['observations']['joint_velocity']['derived'] == 0.1


def test_speeds_that_no_driver_measures_are_derived():
    names, rates = ('a', 'b'), {100: 0.1, 20: 0.15, 5: 0.6}
    for rate, seconds in rates.items():
        seen = graph(
            states('/joint_states', rate, names, {}, nan=('b',)),
            controllers=(controller('/arm', JTC, names),),
        )
        draft, data = drafted(seen)
        assert data['observations']['joint_velocity']['derived'] == seconds
        assert any('no velocity of b' in why for _, _, why in draft.doubts)
        findings = check_robot(parse_contract(draft.text), seen, ContractNames())
        (speed,) = (each for each in findings if each.subject == 'observations.joint_velocity')
        assert speed.state == 'ok', speed


def test_keys_come_of_the_telling_words():
    assert key_of('cam_high/camera/color/image_raw', 'camera') == 'cam_high'
    assert key_of('camera/color/image_raw', 'camera') == 'camera'
    assert key_of('camera/depth/image_rect_raw', 'camera') == 'depth'
    assert key_of('2/image', 'camera') == 'camera_2'
    assert key_of('a/image', 'camera', ['a']) == 'a_2'


def test_a_mark_has_one_line():
    text = DraftText()
    text.put('a', [1.0, 0.123456], doubt='two\nlines')
    assert str(text) == f'a: [1.0, 0.1235]  # {MARK}: two lines\n'
    assert flow({'a': [True, 'x']}) == '{a: [true, x]}'


@pytest.mark.parametrize(
    'text', ['a\nb', '-\n- x', 'a\x85b', 'x\u2028  y', '\n', 'a\r\nb', '\ud800', '\x1b[2J', 'a\tb']
)
def test_no_text_breaks_out_of_its_line(text):
    line = flow({'k': [text, (text,)], text: 1})
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert yaml.safe_load(line) == {'k': [text, [text]], text: 1}


def test_what_a_message_says_adds_no_line_to_a_contract():
    def shown(text):
        seen = DRIVERS['ur']()
        more = [poses(f'/p{i}', 20, text, (0, 0, 0), (0, 0, 0, 1)) for i in range(2)]
        topics = {**seen.topics, **{each.name: each for each in more}}
        return drafted(replace(seen, topics=topics, source=f'bags/{text}'))

    plain, _ = shown('camera')
    odd, data = shown('a\nx\n\nevil:\n  topic')
    assert len(odd.text.splitlines()) == len(plain.text.splitlines())
    assert 'evil' not in data['observations']
