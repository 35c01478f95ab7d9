from pathlib import Path

import numpy as np
import pytest
import yaml

from il_ros.core.contract import load_contract, parse_contract, require_same
from il_ros.core.errors import ContractError

FRANKA = Path(__file__).parents[2] / 'config' / 'contracts' / 'franka_pick_place.yaml'
TEXT = FRANKA.read_text(encoding='utf-8')


def changed(**changes):
    """The contract's text with the values at these dotted paths (dots as __) replaced."""
    data = yaml.safe_load(TEXT)
    for path, value in changes.items():
        *groups, leaf = path.split('__')
        place = data
        for group in groups:
            place = place[group]
        place[leaf] = value
    return yaml.safe_dump(data, sort_keys=False)


def test_the_contract_that_ships_is_read_with_sizes_and_limits():
    contract = load_contract(FRANKA)
    assert contract.period == 0.05
    assert contract.observations['joint_position'].size == 7
    assert contract.observations['tcp_pose'].size == 7
    assert contract.observations['wrench'].size == 6
    assert contract.limits.names == contract.action.names
    assert contract.limits.position_max.shape == (8,)
    assert np.all(contract.limits.workspace_min < contract.limits.workspace_max)
    assert contract.limits.force == contract.wrench.force


def test_layout_and_comments_are_not_part_of_the_hash_but_values_are():
    contract = parse_contract(TEXT)
    assert parse_contract(changed()).hash == contract.hash
    assert parse_contract('# a comment\n' + TEXT).hash == contract.hash
    assert parse_contract(changed(rate=25.0)).hash != contract.hash


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        ({'version': 2}, 'c.version: got 2; allowed: 1'),
        ({'rate': 0.0}, 'c.rate: got 0.0; allowed: a positive number'),
        ({'grace': float('inf')}, 'c.grace: got inf; allowed: a positive number'),
        ({'rate': 'fast'}, "c.rate: got 'fast'; allowed: float"),
        ({'clock': 'camera'}, "c.clock: got 'camera'; allowed: joint_position, joint_velocity"),
        ({'colour': 'red'}, "c: unknown key 'colour'; allowed: version, name"),
        (
            {'observations__wrench__topik': 'wrench'},
            "c.observations.wrench: unknown key 'topik'; allowed: topic, type",
        ),
        (
            {'observations__wrench__topic': '/wrench'},
            "c.observations.wrench.topic: got '/wrench'; allowed: a relative name; "
            'to fix: remove the leading slash and remap or namespace the node',
        ),
        (
            {'observations__wrench__type': 'std_msgs/msg/String'},
            "c.observations.wrench.type: got 'std_msgs/msg/String'; "
            'allowed: sensor_msgs/msg/JointState, ',
        ),
        (
            {'observations__wrench__fields': ['wrench.push']},
            "c.observations.wrench.fields: got ['wrench.push']; "
            'allowed: wrench.force, wrench.torque',
        ),
        (
            {'observations__wrench__names': ['a']},
            "c.observations.wrench.names: got ['a']; allowed: none for this type",
        ),
        (
            {'observations__joint_position__names': []},
            'c.observations.joint_position.names: got []; allowed: one or more joint names',
        ),
        (
            {'observations__wrench__align': {'strategy': 'guess'}},
            "c.observations.wrench.align.strategy: got 'guess'; allowed: hold, asof, drop",
        ),
        (
            {'observations__wrench__rate': -1.0},
            'c.observations.wrench: rate and align.max_age cannot be negative',
        ),
        ({'action__names': ['a', 'a']}, "c.action.names: got ['a', 'a']; allowed: one or more"),
        (
            {'action__position': ['joint_position']},
            "c.action.position: measures ['fr3_joint1'",
        ),
        ({'action__velocity': ['speed']}, "c.action.velocity: got 'speed'; allowed: joint_pos"),
        (
            {'action__limits__jerk': [1.0]},
            'c.action.limits.jerk: got 1 entries; allowed: 8, one a joint',
        ),
        ({'action__limits__velocity': 8 * [0.0]}, 'c.action.limits.velocity: got [0.0, 0.0'),
        (
            {'action__limits__position_min': 8 * [9.0]},
            'c.action.limits.position_min: not below position_max',
        ),
        (
            {'action__limits__position_max': 8 * [float('nan')]},
            'c.action.limits.position_max: got [nan',
        ),
        ({'workspace__min': [0, 0, 1.0]}, 'c.workspace.min: not below workspace.max'),
        ({'workspace__min': [0, 0]}, 'c.workspace.min: got 2 entries; allowed: 3 entries'),
        (
            {'wrench__key': 'tcp_pose'},
            "c.wrench.key: got 'tcp_pose'; allowed: an observation of six numbers",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_path(changes, text):
    with pytest.raises(ContractError) as caught:
        parse_contract(changed(**changes), source='c')
    assert str(caught.value).startswith(text)


def test_a_key_cannot_be_both_seen_and_privileged():
    data = yaml.safe_load(TEXT)
    data['privileged'] = {'wrench': data['observations']['wrench']}
    with pytest.raises(ContractError, match='privileged: a key that observations have too'):
        parse_contract(yaml.safe_dump(data))


@pytest.mark.parametrize('name', ['version', 'rate', 'observations', 'action', 'workspace'])
def test_what_is_missing_is_named(name):
    data = yaml.safe_load(TEXT)
    del data[name]
    with pytest.raises(ContractError, match=f'c.{name}: missing; .*; to fix: add it'):
        parse_contract(yaml.safe_dump(data), source='c')


def test_files_that_are_missing_or_no_yaml(tmp_path):
    with pytest.raises(ContractError, match=r'none\.yaml: no such file; to fix: check the path'):
        load_contract(tmp_path / 'none.yaml')
    (tmp_path / 'bad.yaml').write_text('a: [1')
    with pytest.raises(ContractError, match=r'bad\.yaml: not YAML: '):
        load_contract(tmp_path / 'bad.yaml')
    with pytest.raises(ContractError, match=r'contract: not YAML: '):
        parse_contract('a: [1')
    with pytest.raises(ContractError, match='contract: got None; allowed: a mapping with version'):
        parse_contract('')


def test_two_contracts_that_differ_are_told_apart_by_their_lines():
    mine, theirs = parse_contract(TEXT), parse_contract(changed(rate=10.0))
    require_same(mine, parse_contract(changed()), where='here')
    with pytest.raises(ContractError) as caught:
        require_same(mine, theirs, where='bag')
    text = str(caught.value)
    assert text.startswith(f"bag: made for contract 'franka_pick_place' ({theirs.hash[:12]}), not")
    assert '\n  -rate: 10.0' in text
    assert '\n  +rate: 20.0' in text
