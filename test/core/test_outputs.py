"""The outputs of a contract: every joint in exactly one, or one clear error."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from il_ros.core.contract import load_contract, parse_contract
from il_ros.core.errors import ContractError

TEXT = load_contract(Path(__file__).parents[2] / 'config/contracts/franka.yaml').text
NAMES = tuple(yaml.safe_load(TEXT)['action']['names'])
ARM, FINGER = list(NAMES[:7]), [NAMES[7]]


def text(outputs, **action):
    data = yaml.safe_load(TEXT)
    del data['action']['output']
    data['action'] |= {'outputs': outputs, **action}
    return yaml.safe_dump(data)


def arm(**changes):
    return {'joints': ARM, 'topic': 'arm_controller/joint_trajectory', **changes}


def finger(**changes):
    return {'joints': FINGER, 'topic': 'hand_controller/joint_trajectory', **changes}


def test_one_output_is_a_list_of_one_with_all_joints():
    contract = parse_contract(TEXT)
    (output,) = contract.outputs
    assert output.joints == NAMES
    assert output.topic == contract.action.output.topic
    assert contract.part(output) is contract
    assert parse_contract(TEXT).hash == load_contract('config/contracts/franka.yaml').hash


def test_a_controller_sees_its_joints_in_its_order_alone():
    turned = ARM[::-1]
    contract = parse_contract(text([arm(joints=turned), finger()]))
    first, second = map(contract.part, contract.outputs)
    assert (first.action.names, second.action.names) == (tuple(turned), tuple(FINGER))
    np.testing.assert_array_equal(first.limits.velocity, contract.limits.velocity[6::-1])
    np.testing.assert_array_equal(second.limits.position_max, [0.04])
    assert first.action.output.topic == 'arm_controller/joint_trajectory'
    assert (first.hash, first.period) == (contract.hash, contract.period)
    assert first.command_delay == contract.command_delay == 0.5 * contract.period
    assert not contract.setpoints


@pytest.mark.parametrize(
    ('outputs', 'error'),
    [
        ([arm()], r'outputs\[0\].joints: in no output: fr3_finger_joint1; allowed: each of'),
        ([arm(), arm(topic='b')], 'in no output: fr3_finger_joint1; in more than one: fr3_joint1,'),
        ([arm(), finger(joints=['x'])], 'in no output: .*; no joints of the action: x; allowed'),
        ([arm(joints=[*ARM, *FINGER]), finger(joints=[])], 'an output without joints'),
        ([arm(), finger(topic='arm_controller/joint_trajectory')], r'outputs\[0\].topic: got .* t'),
        ([arm(), finger(ahead=0.2)], r'outputs\[1\].ahead: got 0.2; allowed: 0.5, as for the f'),
        ([arm(), finger(ahead=1.0)], r'outputs\[1\].ahead: got 1.0; allowed: 0 or more, below 1'),
        ([arm(), finger(adapter='forwards')], r'outputs\[1\].adapter: got .*allowed: forward_com'),
        (
            [arm(), finger(adapter='forward_command')],
            r"outputs\[1\].adapter: 'forward_command' next to 'joint_trajectory'; allowed: joint_t",
        ),
        ([arm(), finger(adapter='gripper_command', joints=[*FINGER, 'x'])], 'no joints of the act'),
        (
            [arm(joints=ARM[:6]), finger(adapter='gripper_command', joints=[ARM[6], *FINGER])],
            r'outputs\[1\].joints: got 2 joints; allowed: the one joint of a gripper',
        ),
        ([arm(rate=100.0), finger()], r'outputs\[0\].rate: got 100.0; allowed: 0 for joint_traj'),
        (
            [arm(gripper={}), finger()],
            r"outputs\[0\].gripper: 'joint_trajectory' has no goals; all",
        ),
        (
            [arm(), finger(adapter='parallel_gripper_command', rate=-1.0)],
            r'outputs\[1\].rate: got -1.0; allowed: 0 to 1000',
        ),
        (
            [arm(), finger(adapter='parallel_gripper_command', gripper={'scale': 0.0})],
            r'outputs\[1\].gripper.scale: got 0.0; allowed: a finite number, a scale not 0',
        ),
        (
            [arm(), finger(adapter='gripper_command', gripper={'max_effort': -1.0})],
            r'outputs\[1\].gripper.max_effort: got -1.0; allowed: 0 or more',
        ),
        (
            [arm(), finger(adapter='gripper_command', gripper={'aborted': 'fine'})],
            r"outputs\[1\].gripper.aborted: got 'fine'",
        ),
        ([arm(joint=ARM)], r"outputs\[0\]: unknown key 'joint'"),
    ],
)
def test_what_is_wrong_with_a_list_is_one_clear_error(outputs, error):
    with pytest.raises(ContractError, match=error):
        parse_contract(text(outputs))


def test_a_gripper_with_an_action_goes_with_any_arm():
    for adapter in ('joint_trajectory', 'forward_command', 'twist'):
        first = arm(adapter=adapter, topic='arm/commands')
        contract = parse_contract(text([first, finger(adapter='gripper_command')]))
        assert contract.setpoints == (adapter != 'joint_trajectory')
        assert bool(contract.command_delay) == (adapter == 'joint_trajectory')


def test_one_output_and_a_list_are_not_both_there():
    with pytest.raises(ContractError, match=r'action\.outputs: action\.output is there'):
        parse_contract(text([arm(), finger()], output={'topic': 'other'}))


def test_a_gripper_with_goals_has_an_end_to_its_travel():
    data = yaml.safe_load(text([arm(), finger(adapter='gripper_command', topic='hand')]))
    data['action']['continuous'] = FINGER
    for side, turn in (('position_min', -3.1416), ('position_max', 3.1416)):
        data['action']['limits'][side][7] = turn
    with pytest.raises(ContractError, match=r'action.continuous: got .*fr3_finger_joint1'):
        parse_contract(yaml.safe_dump(data))
