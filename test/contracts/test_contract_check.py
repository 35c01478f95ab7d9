"""`contract check` without a graph: each situation with what the table says of it."""

from dataclasses import replace

import numpy as np
import pytest
import yaml
from cdr_messages import joints
from seen_graphs import (
    DRIVERS,
    FINGER,
    FR3_JOINTS,
    JOINTS,
    JTC,
    START,
    camera,
    controller,
    description,
    graph,
    listener,
    poses,
    so101,
    states,
    string,
    topic,
    urdf,
)

from il_ros.contracts.contract_check import check_robot
from il_ros.contracts.contract_draft import draft_contract
from il_ros.contracts.contract_replay import ContractNames
from il_ros.core.contract import load_contract, parse_contract
from il_ros.core.errors import ContractError
from il_ros.core.geometry import quaternion_from_matrix
from il_ros.core.robots.franka import FRANKA
from il_ros.core.seen_graph import CONTROLLER_STATE, SeenEndpoint, SeenSample

NAMES = (*FR3_JOINTS, FINGER)
COMMANDS = '/arm_controller/joint_trajectory'
TRAJECTORY = 'trajectory_msgs/msg/JointTrajectory'
AT = dict(zip(NAMES, FRANKA.home, strict=True))
TEXT = f"""
version: 1
name: arm
arm: franka
base_frame: base
rate: 20.0
clock: arm
observations:
  arm: {{topic: joint_states, type: {JOINTS}, fields: [position], names: [{', '.join(NAMES)}],
        rate: 20.0}}
  speed: {{topic: joint_states, type: {JOINTS}, fields: [velocity], names: [{', '.join(NAMES)}],
          rate: 20.0}}
  tcp_pose: {{topic: tcp_pose, type: geometry_msgs/msg/PoseStamped,
             fields: [pose.position, pose.orientation], rate: 20.0}}
action:
  names: [{', '.join(NAMES)}]
  position: [arm]
  velocity: [speed]
  limits:
    position_min: [-2.7, -1.7, -2.8, -3.0, -2.7, 0.6, -2.9, 0.0]
    position_max: [2.7, 1.7, 2.8, -0.2, 2.7, 4.4, 2.9, 0.04]
    velocity: [2, 2, 2, 2, 2, 2, 2, 0.2]
    acceleration: [1, 1, 1, 1, 1, 1, 1, 1]
    jerk: [1, 1, 1, 1, 1, 1, 1, 1]
  output: {{adapter: joint_trajectory, topic: arm_controller/joint_trajectory}}
workspace: {{min: [-1, -1, -1], max: [1, 1, 1]}}
"""
CONTRACT, PLAIN = parse_contract(TEXT), ContractNames()
ACTIVE = (controller('/arm_controller', JTC, NAMES),)
LIMITS = [*zip(FRANKA.position_min, FRANKA.position_max, FRANKA.velocity, strict=True)]
URDF = urdf(
    'fr3',
    *((name, 'revolute', f'l{i}', f'l{i + 1}', limits)
      for i, (name, limits) in enumerate(zip(NAMES, LIMITS, strict=True))),
)  # fmt: skip


def changed(**changes):
    """The contract with other values, by their dotted paths with `__` for the dots."""
    data = yaml.safe_load(TEXT)
    for path, value in changes.items():
        *above, name = path.split('__')
        at = data
        for key in above:
            at = at[key]
        at[name] = value
    return parse_contract(yaml.safe_dump(data))


def tool(at, **options):
    position, rotation = FRANKA.chain.forward(np.array([at[name] for name in FR3_JOINTS]))
    options = {'frame_id': 'base', 'rate': 100} | options
    return poses(
        '/tcp_pose',
        position=tuple(position),
        quaternion=quaternion_from_matrix(rotation),
        **options,
    )


def robot(*extras, at=AT, controllers=ACTIVE, **changes):
    """A robot that the contract fits, but for the changes: topics by the part that they stand for.

    A change to None leaves the part out.
    """
    parts = {
        'joints': states('/joint_states', 100, NAMES, at),
        'tool': tool(AT),
        'description': description(URDF),
        'commands': listener(COMMANDS, TRAJECTORY),
    } | changes
    topics = [each for each in parts.values() if each is not None]
    return graph(*topics, *extras, controllers=controllers)


def checked(seen, contract=CONTRACT, names=PLAIN):
    return {finding.subject: finding for finding in check_robot(contract, seen, names)}


def only_wrong(findings, *subjects):
    assert {s for s, finding in findings.items() if finding.state == 'wrong'} == set(subjects)
    for subject in subjects:
        assert findings[subject].fix
    return [findings[subject] for subject in subjects]


def test_a_robot_that_fits_is_clean_and_all_was_looked_at():
    findings = checked(robot())
    only_wrong(findings)
    built_in = findings.pop('arm (robot_description)')
    assert (built_in.state, built_in.text) == ('not looked at', 'it is the built-in franka')
    assert all(finding.state == 'ok' for finding in findings.values())
    assert findings['rate'].text.endswith('ticks at 20.0 Hz')


def test_who_does_not_publish_is_named_with_what_there_is():
    findings = checked(robot(tool=tool(AT, rate=100).__class__(name='/x', type='x')))
    (found,) = (findings['observations.tcp_pose'],)
    assert found.text == 'nobody publishes /tcp_pose'
    assert 'topics of this type: none' in found.fix
    seen = robot(joints=replace(states('/arm/joint_states', 100, NAMES, AT)))
    assert '/arm/joint_states' in checked(seen)['observations.arm'].fix


def test_names_may_be_remapped_and_namespaced():
    seen = robot(joints=states('/arm/joint_states', 100, NAMES, AT))
    names = ContractNames('/', {'joint_states': '/arm/joint_states'})
    only_wrong(checked(seen, names=names))
    parts = robot(
        joints=states('/left/joint_states', 100, NAMES, AT), tool=None,
        commands=listener('/left/arm_controller/joint_trajectory', TRAJECTORY),
        controllers=(controller('/left/arm_controller', JTC, NAMES),),
    )  # fmt: skip
    findings = checked(parts, names=ContractNames('/left', {'tcp_pose': '/tcp_pose'}))
    assert findings['observations.arm'].state == 'ok'
    assert findings['action.output (controller)'].state == 'ok'


def test_another_type_is_wrong():
    seen = robot(joints=topic('/joint_states', 'std_msgs/msg/String', 10, lambda *_: string('x')))
    found = checked(seen)['observations.arm']
    assert found.text == f'/joint_states is std_msgs/msg/String, not {JOINTS}'


def test_joints_of_other_names_are_wrong():
    names = [name.replace('fr3', 'panda') for name in NAMES]
    seen = robot(joints=states('/joint_states', 100, names, {}))
    found = checked(seen)['observations.arm']
    assert found.state == 'wrong'
    assert 'no joint fr3_joint1' in found.text
    assert 'panda_joint1' in found.text


def test_joints_in_the_order_of_the_driver_are_right():
    only_wrong(checked(robot(joints=states('/joint_states', 100, sorted(NAMES), AT))))


def test_another_frame_is_wrong_unless_tf2_knows_both():
    (found,) = only_wrong(checked(robot(tool=tool(AT, frame_id='map'))), 'observations.tcp_pose')
    assert "in frame 'map'" in found.text
    assert 'frame_id: map' in found.fix
    contract = changed(base_frame='l0')
    seen = robot(tool=tool(AT, frame_id='l1'))
    assert 'by tf2' in checked(seen, contract)['observations.tcp_pose'].text


def test_a_slow_stream_is_wrong_and_a_fast_one_is_not():
    seen = robot(joints=states('/joint_states', 10, NAMES, AT, count=40), tool=tool(AT, count=400))
    findings = checked(seen)
    assert findings['observations.arm'].text == '10.0 Hz, the contract expects 20'
    assert findings['observations.arm'].fix == 'set rate: 10, or let the driver publish faster'
    assert findings['rate'].text == 'ticks at 10.0 Hz, the contract wants 20'
    for rate in (20, 30, 125, 1000):
        fast = states('/joint_states', rate, NAMES, AT, count=rate)
        slow = checked(robot(joints=fast, tool=tool(AT, count=100)))
        assert slow['observations.arm'].state == 'ok'
        assert slow['rate'].state == 'ok', slow['rate'].text


def test_degrees_are_told_from_radians():
    degrees = {name: float(np.rad2deg(at)) for name, at in AT.items() if name != FINGER}
    seen = robot(joints=states('/joint_states', 100, NAMES, degrees | {FINGER: 0.04}))
    findings = checked(seen)
    found = findings['action.limits (positions seen)']
    assert found.state == 'wrong'
    assert 'in degrees: let the driver publish radians' in found.fix
    assert findings['tool (forward kinematics)'].state == 'wrong'


def test_a_joint_outside_of_its_limits_is_no_degree():
    seen = robot(joints=states('/joint_states', 100, NAMES, AT | {'fr3_joint1': 2.9}), tool=None)
    found = checked(seen)['action.limits (positions seen)']
    assert found.text.startswith('fr3_joint1 at 2.90 .. 2.90')
    assert found.fix == 'move the arm inside its limits, or correct them'


def test_speeds_in_degrees_are_wrong():
    seen = robot(joints=states('/joint_states', 100, NAMES, AT, speed=0.1 * 57.3))
    (found,) = only_wrong(checked(seen), 'action.limits.velocity (speeds seen)')
    assert 'limit 2.00' in found.text


def test_a_second_publisher_of_the_same_joints_is_wrong():
    def by_turns(time, number):
        at = AT if number % 2 else dict.fromkeys(AT, 0.0)
        return joints(NAMES, [at[name] for name in NAMES], [0.0] * 8, stamp=time)

    both = topic('/joint_states', JOINTS, 100, by_turns, nodes=('driver', 'joint_state_publisher'))
    findings = checked(robot(joints=both))
    found = findings['one publisher a joint']
    assert '/driver, /joint_state_publisher' in found.text
    assert '2 publishers' in findings['observations.arm'].text
    for sample in both.samples:  # a bag does not say who sent it; the samples contradict
        object.__setattr__(sample, 'publisher', '')
    found = checked(replace(robot(joints=both), live=False))['one publisher a joint']
    assert 'it moves by' in found.text
    assert 'two nodes publish these joints' in found.fix


def test_publishers_with_joints_of_their_own_are_right_where_the_contract_says_so():
    def part(time, number):
        names = NAMES[7:] if number % 2 else NAMES[:7]
        return joints(names, [AT[n] for n in names], [0.0] * len(names), stamp=time)

    both = topic('/joint_states', JOINTS, 200, part, nodes=('arm', 'gripper'))
    data = yaml.safe_load(TEXT)
    streams = data['observations']
    for key, field in (('arm', 'position'), ('speed', 'velocity')):
        streams[key] |= {'names': list(NAMES[:7]), 'publishers': 2}
        streams[f'{key}_g'] = streams[key] | {'names': [FINGER]}
        data['action'][field] = [key, f'{key}_g']
    only_wrong(checked(robot(joints=both), parse_contract(yaml.safe_dump(data))))


def test_one_publisher_may_send_parts_of_the_joints_by_turns():
    def part(time, number):
        names = ('drive',) if number % 10 == 9 else NAMES
        return joints(names, [AT.get(n, 0.0) for n in names], [0.0] * len(names), stamp=time)

    seen = robot(joints=topic('/joint_states', JOINTS, 100, part))
    only_wrong(checked(seen))
    stream = yaml.safe_load(draft_contract(seen, name='a').text)['observations']['joint_position']
    assert stream['publishers'] == 2  # so that no node complains of the other messages


def test_limits_beyond_the_description_are_wrong():
    wide = changed(action__limits__position_max=[2.8, 1.7, 2.8, -0.2, 2.7, 4.4, 2.9, 0.04])
    (found,) = only_wrong(checked(robot(), wide), 'action.limits (URDF)')
    assert found.text == 'fr3_joint1 up to 2.8, there 2.7437'
    fast = changed(action__limits__velocity=[3, 2, 2, 2, 2, 2, 2, 0.2])
    (found,) = only_wrong(checked(robot(), fast), 'action.limits (URDF)')
    assert found.text == 'fr3_joint1 at 3 a second, there 2.62'


def test_a_description_that_has_not_these_joints_is_wrong():
    other = urdf('other', ('a', 'revolute', 'x', 'y', (-1, 1, 1)))
    (found,) = only_wrong(checked(robot(description=description(other))), 'action.limits (URDF)')
    assert 'there is no joint fr3_joint1' in found.text
    broken = checked(robot(description=description('<robot')))['action.limits (URDF)']
    assert broken.state == 'not looked at'
    assert 'not XML' in broken.text


def test_another_arm_than_that_of_the_contract_is_wrong(tmp_path):
    seen = DRIVERS['ur']()
    draft = draft_contract(seen, name='ur')
    (tmp_path / 'ur.urdf').write_text(draft.urdf)
    (tmp_path / 'ur.yaml').write_text(draft.text)
    contract = load_contract(tmp_path / 'ur.yaml')
    assert checked(seen, contract)['arm (robot_description)'].text == 'the same arm'
    longer = description(draft.urdf.replace('xyz="0 0 0.1"', 'xyz="0 0 0.2"'))
    other = replace(seen, topics={**seen.topics, '/robot_description': longer})
    found = checked(other, contract)['arm (robot_description)']
    assert found.state == 'wrong'
    assert 'shoulder_lift_joint' in found.text
    none = description(URDF)
    other = replace(seen, topics={**seen.topics, '/robot_description': none})
    assert "no link 'base'" in checked(other, contract)['arm (robot_description)'].text


def test_the_tool_is_compared_with_forward_kinematics():
    seen = robot(tool=tool(AT | {'fr3_joint1': 0.3}))
    (found,) = only_wrong(checked(seen), 'tool (forward kinematics)')
    assert 'm from where the joints put the tool' in found.text
    nothing = checked(robot(), changed(arm=''))['tool (forward kinematics)']
    assert (nothing.state, nothing.text) == ('not looked at', 'the contract names no arm')


@pytest.mark.parametrize(
    ('made', 'text', 'fix'),
    [
        ({'commands': None}, f'nobody subscribes to {COMMANDS}', 'listened to: none'),
        ({'commands': listener(COMMANDS, 'std_msgs/msg/Float64MultiArray')},
         f'{COMMANDS} is std_msgs/msg/Float64MultiArray, not {TRAJECTORY}', 'correct the adapter'),
    ],
)  # fmt: skip
def test_commands_that_nobody_takes_are_wrong(made, text, fix):
    (found,) = only_wrong(checked(robot(**made)), 'action.output')
    assert found.text == text
    assert fix in found.fix


def test_another_commander_is_wrong_and_the_monitor_is_not():
    commands = listener(COMMANDS, TRAJECTORY)
    commands.publishers = (SeenEndpoint(node='/left/monitor', type=TRAJECTORY),)
    only_wrong(checked(robot(commands=commands)))
    commands.publishers += (SeenEndpoint(node='/moveit', type=TRAJECTORY),)
    (found,) = only_wrong(checked(robot(commands=commands)), 'action.output')
    assert found.text == f'{COMMANDS}: /moveit commands the arm, too'


@pytest.mark.parametrize(
    ('controllers', 'text', 'fix'),
    [
        ((), 'no controller manager has /arm_controller', 'active: none'),
        ((controller('/arm_controller', JTC, NAMES, state='inactive'),
          controller('/other', JTC, FR3_JOINTS)), '/arm_controller is inactive',
         'ros2 control switch_controllers --activate arm_controller --deactivate other'),
        ((controller('/arm_controller', JTC, FR3_JOINTS),),
         f'/arm_controller moves not {FINGER}', 'the joints that it moves'),
        ((controller('/arm_controller', JTC, (*NAMES, 'rail')),),
         '/arm_controller moves also rail', 'the joints that it moves'),
    ],
)  # fmt: skip
def test_the_controller_has_to_be_active_with_the_right_joints(controllers, text, fix):
    (found,) = only_wrong(checked(robot(controllers=controllers)), 'action.output (controller)')
    assert found.text == text
    assert fix in found.fix


def test_a_forward_command_controller_has_to_take_the_joints_in_this_order():
    data = yaml.safe_load(TEXT)
    data['action']['output']['adapter'] = 'forward_command'
    contract = parse_contract(yaml.safe_dump(data))
    taken = listener(COMMANDS, 'std_msgs/msg/Float64MultiArray')
    kind = 'forward_command_controller/ForwardCommandController'
    seen = robot(commands=taken, controllers=(controller('/arm_controller', kind, NAMES),))
    only_wrong(checked(seen, contract))
    turned = (controller('/arm_controller', kind, NAMES[::-1]),)
    (found,) = only_wrong(
        checked(replace(seen, controllers=turned), contract), 'action.output (controller)'
    )
    assert 'another order' in found.text
    assert ', '.join(NAMES[::-1]) in found.fix


def test_without_a_controller_manager_that_was_not_looked_at():
    found = checked(robot(controllers=None))['action.output (controller)']
    assert (found.state, found.text) == ('not looked at', 'there is no controller manager')


def test_a_controller_that_tells_what_it_follows_is_known_without_a_manager():
    def state(names):
        return topic(
            '/arm_controller/controller_state', CONTROLLER_STATE, 50,
            lambda time, _: joints(names, [0.0] * len(names), stamp=time),
        )  # fmt: skip

    found = checked(robot(state(NAMES), controllers=None))['action.output (controller)']
    assert found.state == 'ok'
    found = checked(robot(state(FR3_JOINTS), controllers=None))['action.output (controller)']
    assert found.text == f'/arm_controller moves not {FINGER}'


def clock(speed=1.0):
    def message(time, _):
        now = round((time - START) * speed) + 10**9
        return joints((), (), stamp=now)[:12]  # a stamp is all that a Clock has

    return topic('/clock', 'rosgraph_msgs/msg/Clock', 50, message)


def sim_states(speed=1.0):
    def message(time, _):
        now = round((time - START) * speed) + 10**9
        return joints(NAMES, [AT[name] for name in NAMES], [0.0] * 8, stamp=now)

    return topic('/joint_states', JOINTS, 100, message)


def test_simulated_time_is_told_from_the_machines():
    found = checked(robot(clock(), joints=sim_states(), tool=None))['use_sim_time']
    assert (found.state, 'use_sim_time:=true' in found.text) == ('ok', True)
    (found,) = only_wrong(checked(robot(clock())), 'use_sim_time')
    assert 'the driver stamps by the machine' in found.text
    found = checked(robot(joints=sim_states(), tool=None))['use_sim_time']
    assert found.state == 'wrong'
    assert 'nobody publishes /clock' in found.text


def test_rates_are_by_simulated_time_however_fast_it_goes():
    seen = robot(clock(0.1), joints=sim_states(0.1), tool=None)  # 100 Hz here, 1000 Hz there
    assert seen.speed == pytest.approx(0.1)
    assert len(seen.topics['/clock'].samples) == 2
    assert seen.topics['/clock'].count == 20
    assert '1000.0 Hz' in checked(seen)['observations.arm'].text


def test_latched_streams_need_a_publisher_that_latches():
    contract = changed(observations__tcp_pose__latched=True)
    found = checked(robot(), contract)['observations.tcp_pose']
    assert 'a publisher offers volatile' in found.text


def test_cameras_are_looked_at():
    data = yaml.safe_load(TEXT)
    data['images'] = {'front': {'topic': 'front/image_raw', 'size': [96, 128], 'rate': 30.0,
                                'source_size': [480, 640]}}  # fmt: skip
    contract = parse_contract(yaml.safe_dump(data))
    seen = robot(camera('/front/image_raw', 30))
    assert checked(seen, contract)['images.front'].state == 'ok'
    small = checked(robot(camera('/front/image_raw', 30, 240, 320)), contract)['images.front']
    assert small.state == 'wrong'
    slow = checked(robot(camera('/front/image_raw', 10)), contract)['images.front']
    assert slow.text == '10.0 Hz, the contract expects 30'
    assert checked(robot(), contract)['images.front'].text == 'nobody publishes /front/image_raw'


def test_a_bag_is_not_asked_for_controllers():
    findings = checked(replace(robot(), live=False, controllers=None))
    only_wrong(findings)
    assert findings['action.output'].state == 'not looked at'


def test_damaged_messages_are_counted():
    broken = states('/joint_states', 100, NAMES, AT)
    for i in range(0, len(broken.samples), 4):
        broken.samples[i] = SeenSample(receive=broken.samples[i].receive, data=b'\0\1\0\0\1')
    found = checked(robot(joints=broken))['observations.arm']
    assert found.text.startswith('10 of 40 messages: ')


def test_what_commands_no_joints_is_refused():
    with pytest.raises(ContractError, match='action'):
        checked(
            so101(),
            parse_contract("""
version: 1
name: a
base_frame: b
rate: 1.0
clock: c
observations: {c: {topic: c, type: sensor_msgs/msg/JointState, fields: [position], names: [c]}}
action: {space: normalised, names: [c]}
workspace: {min: [0, 0, 0], max: [1, 1, 1]}
"""),
        )
