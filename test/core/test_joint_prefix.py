"""Two drivers that name their joints alike: each joint has a name of its own in the contract."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from il_ros.core.contract import load_contract, parse_contract
from il_ros.core.errors import ContractError
from il_ros.core.frames import TopicDecoder
from test.support.cdr_messages import joints

TEXT = load_contract(Path(__file__).parents[2] / 'config/contracts/viperx_pair.yaml').text
RAW = ('waist', 'shoulder', 'elbow', 'forearm_roll', 'wrist_angle', 'wrist_rotate', 'left_finger')


def data():
    """The pair with a topic of joints, and controllers, for each arm."""
    content = yaml.safe_load(TEXT)
    for key, stream in content['observations'].items():
        side = key.split('_')[0]
        if 'names' in stream:
            stream |= {'topic': f'{side}/joint_states', 'prefix': f'{side}_'}
    names = content['action']['names']
    del content['action']['output']
    content['action']['outputs'] = [
        {'joints': names[i : i + 7], 'prefix': f'{side}_', 'topic': f'{side}/joint_trajectory'}
        for i, side in ((0, 'left'), (7, 'right'))
    ]
    return content


def pair(change=lambda content: None):
    content = data()
    change(content)
    return parse_contract(yaml.safe_dump(content, sort_keys=False))


def decoder(contract, side):
    streams = {k: s for k, s in contract.observations.items() if s.topic == f'{side}/joint_states'}
    return TopicDecoder(streams, contract.base_frame)


def test_the_same_message_is_the_left_arm_on_one_topic_and_the_right_one_on_another():
    contract = pair()
    message = joints(name=RAW[::-1], position=np.arange(7.0)[::-1], velocity=np.arange(7.0)[::-1])
    for side in ('left', 'right'):
        _, values, errors = decoder(contract, side).decode(message, 0)
        assert not errors
        np.testing.assert_array_equal(values[f'{side}_joint_position'], np.arange(6.0))
        np.testing.assert_array_equal(values[f'{side}_gripper_velocity'], [6.0])
        assert len(values) == 4


def test_a_message_with_the_names_of_the_contract_is_not_one_of_that_driver():
    message = joints(name=[f'left_{name}' for name in RAW], position=np.arange(7.0))
    _, values, errors = decoder(pair(), 'left').decode(message, 0)
    assert not values
    assert 'no joint waist, shoulder' in str(errors['left_joint_position'])


def test_a_controller_sees_its_own_names_and_the_limits_of_the_joints_that_they_are():
    contract = pair(lambda c: c['action']['limits']['velocity'].__setitem__(8, 1.5))
    for output, at in zip(contract.outputs, (0, 7), strict=True):
        part = contract.part(output)
        assert part.action.names == RAW
        assert output.joints == contract.action.names[at : at + 7]
        np.testing.assert_array_equal(part.limits.velocity, contract.limits.velocity[at : at + 7])
        assert (part.hash, part.outputs[0].joints) == (contract.hash, RAW)


def test_a_joint_that_turns_without_end_does_so_under_its_other_name():
    def endless(content):
        content['action']['continuous'] = ['right_waist']
        for bound, value in (('position_min', -3.1416), ('position_max', 3.1416)):
            content['action']['limits'][bound][7] = value

    contract = pair(endless)
    left, right = map(contract.part, contract.outputs)
    assert (left.continuous, right.continuous) == (frozenset(), {'waist'})
    assert list(right.endless) == [True] + [False] * 6


@pytest.mark.parametrize(
    ('change', 'error'),
    [
        (
            lambda c: c['observations']['left_joint_position'].update(prefix='right_'),
            r'observations.left_joint_position.names: .*left_waist.* begin with the prefix',
        ),
        (
            lambda c: c['observations']['left_tcp_pose'].update(prefix='left_'),
            r'left_tcp_pose.prefix: .* none but for sensor_msgs/msg/JointState',
        ),
        (
            lambda c: c['observations']['right_joint_position'].update(topic='left/joint_states'),
            r'right_joint_position.topic: waist on left/joint_states is left_waist and right_waist',
        ),
        (
            lambda c: c['action']['outputs'][1].update(prefix='left_'),
            r'action.outputs\[1\].joints: .*right_waist.* begin with the prefix',
        ),
        (
            lambda c: c['action']['outputs'][1].update(adapter='pose'),
            r"action.outputs\[1\].prefix: got 'right_'; allowed: none for twist and pose",
        ),
        (
            lambda c: c['action']['outputs'][1].update(adapter='joint_single_command'),
            r'action.outputs\[1\].joints: got 7 joints; allowed: one joint',
        ),
    ],
)
def test_what_cannot_be_is_one_clear_error(change, error):
    with pytest.raises(ContractError, match=error):
        pair(change)


def test_no_prefix_changes_nothing():
    contract = parse_contract(TEXT)
    assert all(each.sent_names == each.names for each in contract.streams.values())
    assert contract.part(replace(contract.outputs[0], prefix='')) is contract
