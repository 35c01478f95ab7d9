"""The same joints in another order."""

import numpy as np
import pytest

from il_ros.core.arms import get_arm, require_commanded
from il_ros.core.errors import ContractError
from il_ros.core.joint_order import JointRegrouping, arm_layout
from il_ros.core.robots.franka import FRANKA
from il_ros.core.robots.viperx_pair import VIPERX_PAIR

ARM = arm_layout(FRANKA.limbs)
MINE = {
    'hand': [('position', FRANKA.gripper), ('velocity', FRANKA.gripper)],
    'joint_position': [('position', joint) for joint in FRANKA.joints[::-1]],
}
VALUES = {
    'joint_position': np.arange(7.0),
    'gripper_position': np.array([10.0]),
    'gripper_velocity': np.array([20.0]),
    'goal_position': np.zeros(3),
}


def test_arrays_are_laid_out_by_joint_and_back():
    there = JointRegrouping(ARM, MINE)(VALUES)
    assert there['joint_position'].tolist() == [6, 5, 4, 3, 2, 1, 0]
    assert there['hand'].tolist() == [10, 20]
    assert there['goal_position'] is VALUES['goal_position']
    mine = {key: there[key] for key in MINE}
    back = JointRegrouping(MINE, ARM)(mine)
    assert {key: back[key].tolist() for key in ARM if key in back} == {
        key: VALUES[key].tolist() for key in VALUES if key in ARM
    }
    batch = JointRegrouping(ARM, MINE)({k: np.tile(x, (3, 1)) for k, x in VALUES.items()})
    assert batch['hand'].shape == (3, 2)


def test_what_was_lost_stays_lost_and_what_lacks_a_joint_is_left_out():
    there = JointRegrouping(ARM, MINE)(VALUES | {'gripper_velocity': None})
    assert there['hand'] is None
    there = JointRegrouping(MINE, ARM)({'joint_position': np.zeros(7), 'wrench': np.zeros(6)})
    assert set(there) == {'joint_position', 'wrench'}
    less = {'joint_position': MINE['joint_position'][:-1]}
    assert JointRegrouping(less, ARM)({'joint_position': np.zeros(6)}) == {}


@pytest.mark.parametrize('arm', [FRANKA, VIPERX_PAIR])
def test_what_is_laid_out_alike_is_passed_on_untouched(arm):
    layout = arm_layout(arm.limbs)
    values = {key: np.zeros(len(numbers)) for key, numbers in layout.items()}
    passed = JointRegrouping(layout, layout)(values)
    assert all(passed[key] is value for key, value in values.items())


@pytest.mark.parametrize(
    ('name', 'change', 'fine'),
    [
        ('franka', lambda names: names[::-1], True),
        ('franka', lambda names: names[:-1], True),  # no gripper
        ('franka', lambda names: (*names[:-1], 'robotiq_85_left_knuckle_joint'), True),
        ('franka', lambda names: names[1:], False),
        ('franka', lambda names: (*names, 'rail'), False),
        ('viperx_pair', lambda names: names[7:] + names[:7], True),
        ('viperx_pair', lambda names: names[:6] + names[7:13], True),
        ('viperx_pair', lambda names: names[:7], False),
        ('viperx_pair', lambda names: (*names, 'lift'), False),
    ],
)
def test_an_arm_is_commanded_with_all_its_joints_in_any_order_and_its_grippers(name, change, fine):
    arm = get_arm(name)
    names = change(arm.names)
    if fine:
        require_commanded(arm, names, where='here')
        assert [names[i] for i in arm.columns(names)] == list(arm.joints)
        return
    with pytest.raises(ContractError, match=r'^here: it commands .*, in any order, and at most'):
        require_commanded(arm, names, where='here')


def test_a_joint_that_is_missing_is_named():
    with pytest.raises(ContractError, match=r'^joints of the arm franka: no joint fr3_joint1 amon'):
        FRANKA.columns(FRANKA.names[1:])
