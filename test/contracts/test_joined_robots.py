"""Two arms whose drivers name their joints alike: one contract, drafted and checked."""

import struct
from dataclasses import replace

import pytest
import yaml

from il_ros.contracts.contract_check import check_robot
from il_ros.contracts.contract_draft import draft_contract
from il_ros.contracts.contract_replay import ContractNames
from il_ros.core.contract import load_contract
from il_ros.core.errors import ContractError
from il_ros.core.seen_graph import SeenEndpoint, SeenSample, SeenTopic
from test.support.seen_graphs import ALOHA_ARM, aloha

PAIR = ('/follower_left', '/follower_right')


def placed(seen, **places):
    """The same graph with /tf_static, each arm's base link at (x, y, 0) of the world."""
    data = bytearray(b'\0\1\0\0') + struct.pack('<I', len(places))

    def put(kind, *values, size=4):
        data.extend(bytes(-(len(data) - 4) % size) + struct.pack(f'<{kind}', *values))

    for name, (x, y) in places.items():
        put('iI', 1, 0)
        for text in ('world', f'{name}/base_link'):
            put('I', len(text) + 1)
            data.extend(text.encode() + b'\0')
        put('7d', x, y, 0.0, 0.0, 0.0, 0.0, 1.0, size=8)
    kind = 'tf2_msgs/msg/TFMessage'
    topic = SeenTopic(
        name='/tf_static', type=kind, publishers=(SeenEndpoint(node='/a', type=kind),)
    )
    topic.take(SeenSample(receive=1, data=bytes(data)))
    return replace(seen, topics={**seen.topics, topic.name: topic})


def drafted(seen, folder, **changes):
    draft = draft_contract(seen, name='pair', robot=PAIR)
    data = {**yaml.safe_load(draft.text), **changes}
    (folder / 'pair.urdf').write_text(draft.urdf)
    (folder / 'pair.yaml').write_text(yaml.safe_dump(data))
    return draft, data, load_contract(folder / 'pair.yaml')


@pytest.mark.parametrize('ros2_control', [False, True])
def test_one_contract_for_two_arms_is_drafted_and_fits(tmp_path, ros2_control):
    seen = placed(aloha(ros2_control), follower_left=(0.5, 0.25), follower_right=(0.5, -0.25))
    draft, _, contract = drafted(seen, tmp_path)
    assert contract.base_frame == 'world'
    assert not any(line.startswith('urdf') for _, line, _ in draft.doubts)
    adapters = (
        ['joint_trajectory'] * 4
        if ros2_control
        else ['joint_group_command', 'joint_single_command'] * 2
    )
    assert [output.adapter for output in contract.outputs] == adapters
    first = contract.outputs[0]
    assert first.joints == tuple(f'left_{name}' for name in ALOHA_ARM)
    assert contract.part(first).action.names == tuple(ALOHA_ARM)
    origins = [limb.joints[0].origin.xyz[:2] for limb in contract.arm.limbs]
    assert origins == [(0.5, 0.25), (0.5, -0.25)]
    wrong = [f for f in check_robot(contract, seen, ContractNames()) if f.state == 'wrong']
    assert wrong == []


def test_where_nobody_says_where_they_stand_it_is_doubted(tmp_path):
    draft, _, contract = drafted(aloha(), tmp_path)
    assert contract.base_frame == 'base'
    (why,) = [why for _, line, why in draft.doubts if line.startswith('urdf')]
    assert 'no /tf_static says where the arms stand' in why


def test_the_other_arm_is_another_arm(tmp_path):
    """Each description is held against its own arm, wherever the contract has it."""
    seen = aloha()
    _, _, contract = drafted(seen, tmp_path)
    name = '/follower_right/robot_description'
    topic = seen.topics[name]
    data = topic.samples[-1].data.replace(b'axis xyz="0 0 1"', b'axis xyz="1 0 0"')
    assert data != topic.samples[-1].data
    changed = SeenTopic(name=name, type=topic.type, publishers=topic.publishers)
    changed.take(SeenSample(receive=1, data=data))
    other = replace(seen, topics={**seen.topics, name: changed})
    (finding,) = [
        each
        for each in check_robot(contract, other, ContractNames())
        if each.subject.startswith('arm (')
    ]
    assert finding.state == 'wrong'
    assert 'right_' in finding.text
    assert 'left_' not in finding.text


def test_a_robot_twice_is_no_pair():
    with pytest.raises(ContractError, match=r'--robot.*namespaces that differ'):
        draft_contract(aloha(), name='pair', robot=('/follower_left', '/follower_left/'))
