"""The descriptions of two arms as one, and of one of them as its own driver has it."""

from pathlib import Path

import pytest

from il_ros.core.contract import load_contract
from il_ros.core.errors import ContractError
from il_ros.core.urdf import differences, read_urdf
from il_ros.core.urdf_parts import PlacedUrdf, joined, one_of_several, placed

CONFIG = Path(__file__).parents[2] / 'config'
TEXT = (CONFIG / 'robots/aloha_pair.urdf').read_text('utf-8')
TIPS = {side: f'follower_{side}/ee_gripper_link' for side in ('left', 'right')}
PLACES = {'left': (0.5, 0.25, 0.0), 'right': (0.5, -0.25, 0.0)}


def arms(**changes):
    return {
        f'{side}_': PlacedUrdf(
            text=one_of_several(TEXT, tip, f'{side}_'), xyz=changes.get(side, PLACES[side])
        )
        for side, tip in TIPS.items()
    }


def test_each_driver_describes_the_same_joints_and_its_own_links():
    left, right = (read_urdf(arm.text, 'arm') for arm in arms().values())
    assert [*left.joints] == [*right.joints]
    assert 'waist' in left.joints
    assert left.joints['right_finger'].mimic.joint == 'gripper'
    assert all(link.startswith('follower_left/') for link in left.collision)
    assert len(left.collision) == len(left.joints) + 1


def test_parts_that_are_put_together_again_are_the_whole():
    contract = load_contract(CONFIG / 'contracts/aloha.yaml')
    whole = read_urdf(joined(arms(), name='pair', base='world'), 'pair')
    assert differences(whole, contract.arm, contract.limits) == []
    moved = read_urdf(joined(arms(right=(0.5, -0.26, 0.0)), name='pair', base='world'), 'pair')
    (text,) = differences(moved, contract.arm, contract.limits)
    assert text.startswith('right_waist is 10.000 mm')


def test_links_that_have_one_name_get_the_prefix_too():
    text = arms()['left_'].text
    twice = {f'{side}_': PlacedUrdf(text=text, rpy=(0.0, 0.0, 1.0)) for side in ('left', 'right')}
    urdf = read_urdf(joined(twice, name='pair', base='world'), 'pair')
    assert {'follower_left/base_link', 'right_follower_left/base_link'} <= urdf.collision.keys()
    assert urdf.joints['right_left_finger'].mimic.joint == 'right_gripper'
    assert urdf.joints_to('right_follower_left/ee_gripper_link')[0].name == 'right_world'
    with pytest.raises(ContractError, match="no link 'x'"):
        one_of_several(TEXT, 'x', 'left_')


def test_a_contract_says_where_an_arm_stands_that_describes_itself():
    contract = load_contract(CONFIG / 'contracts/aloha.yaml')
    own = {
        f'{limb.side}_': placed(arm.text, limb, f'{limb.side}_')
        for limb, arm in zip(contract.arm.limbs, arms().values(), strict=True)
    }
    for side, place in PLACES.items():
        assert own[f'{side}_'].xyz == pytest.approx(place, abs=1e-9)
    whole = joined(own, name='pair', base='world')
    assert differences(read_urdf(whole, 'pair'), contract.arm, contract.limits) == []
    longer = whole.replace('0.05955 0 0.3', '0.05955 0 0.31')
    found = differences(read_urdf(longer, 'pair'), contract.arm, contract.limits)
    assert [text.split(' is ')[0] for text in found] == ['left_elbow', 'right_elbow']
