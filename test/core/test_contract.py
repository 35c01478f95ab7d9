from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.contract import load_contract, parse_contract, require_same
from il_ros.core.errors import ContractError

FRANKA = Path(__file__).parents[2] / 'config' / 'contracts' / 'franka_pick_place.yaml'
TEXT = load_contract(FRANKA).text


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


def test_keep_out_zones_and_the_fallback_are_read():
    posture = [0.0, -0.2, 0.0, -2.4, 0.0, 2.2, 0.8, 0.04]
    contract = parse_contract(
        changed(
            workspace__keep_out=[{'name': 'post', 'min': [0, 0, 0], 'max': [0.1, 0.1, 1]}],
            fallback={'kind': 'posture', 'posture': posture},
        )
    )
    (zone,) = contract.limits.keep_out
    assert (zone.name, zone.max) == ('post', (0.1, 0.1, 1.0))
    assert contract.fallback.posture == tuple(posture)
    assert parse_contract(TEXT).fallback.kind == 'hold'


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
            {'observations__wrench__type': 'sensor_msgs/msg/Range'},
            "c.observations.wrench.type: got 'sensor_msgs/msg/Range'; "
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
            'c.observations.wrench.rate: got -1.0; allowed: zero or more, finite',
        ),
        (
            {'observations__wrench__publishers': 0},
            'c.observations.wrench.publishers: got 0; allowed: 1 or more',
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
        (
            {'observations__goal_position__topic': 'tcp_pose'},
            'c.observations.goal_position.type: geometry_msgs/msg/PointStamped on tcp_pose; allow',
        ),
        ({'workspace__min': [0, 0, 1.0]}, 'c.workspace.min: not below workspace.max'),
        ({'workspace__min': [0, 0, float('nan')]}, 'c.workspace: not finite'),
        (
            {'workspace__keep_out': [{'name': 'p', 'min': [0, 0, 0], 'max': [1, 1, 0]}]},
            'c.workspace.keep_out[0].min: not below workspace.keep_out[0].max',
        ),
        (
            {'workspace__keep_out': [{'min': [0, 0, 0], 'max': [1, 1, 1]}]},
            'c.workspace.keep_out[0]',
        ),
        (
            {'arm': '', 'workspace__keep_out': [{'name': 'p', 'min': [0] * 3, 'max': [1] * 3}]},
            'c.workspace.keep_out: the contract names no arm',
        ),
        (
            {'workspace__separation': -0.1},
            'c.workspace.separation: got -0.1; allowed: 0 or more',
        ),
        (
            {'arm': '', 'workspace__separation': 0.1},
            'c.workspace.separation: the contract names no arm',
        ),
        (
            {'arm': '', 'action__output': {'adapter': 'twist', 'topic': 'servo'}},
            "c.action.output.adapter: 'twist' without an arm",
        ),
        (
            {'action__output': {'adapter': 'joint_trajectroy'}},
            "c.action.output.adapter: got 'joint_trajectroy'; allowed: forward_command, ",
        ),
        (
            {'action__output': {'ahead': 1.0}},
            'c.action.output.ahead: got 1.0; allowed: 0 or more, below 1',
        ),
        ({'fallback': {'kind': 'run'}}, "c.fallback.kind: got 'run'"),
        ({'fallback': {'speed': 0.0}}, 'c.fallback.speed: got 0.0; allowed: 0 < speed <= 1'),
        ({'fallback': {'seconds': -1.0}}, 'c.fallback.seconds: got -1.0; allowed: a positive'),
        ({'fallback': {'kind': 'posture', 'posture': [0.0]}}, 'c.fallback.posture: got 1 entries'),
        (
            {'fallback': {'kind': 'posture', 'posture': [9.0] * 8}},
            'c.fallback.posture: outside the position limits',
        ),
        ({'fallback': {'posture': [0.0] * 8}}, 'c.fallback.posture: not used by hold'),
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


NORMALISED = load_contract(FRANKA.with_name('metaworld.yaml')).text
LIMITS = yaml.safe_load(TEXT)['action']['limits']


def test_a_normalised_action_goes_from_minus_one_to_one_and_knows_no_joints():
    contract = parse_contract(NORMALISED)
    low, high = contract.action_range
    assert low.tolist() == [-1.0] * 4
    assert high.tolist() == [1.0] * 4
    with pytest.raises(ContractError) as caught:
        _ = contract.limits
    assert str(caught.value) == (
        "contract 'metaworld': its action.space is normalised: nothing is known of joints; "
        'allowed: a contract of an arm, whose action.space is joints'
    )


def test_the_range_of_an_arms_action_is_that_of_its_joints():
    contract = parse_contract(TEXT)
    for bound, name in zip(contract.action_range, ('position_min', 'position_max'), strict=True):
        np.testing.assert_array_equal(bound, getattr(contract.limits, name))


@pytest.mark.parametrize(
    ('text', 'place', 'value', 'error'),
    [
        (NORMALISED, 'action', {'position': ['gripper_opening']}, 'c.action.position: got ('),
        (NORMALISED, 'action', {'velocity': ['gripper_opening']}, 'c.action.velocity: got ('),
        (NORMALISED, 'action', {'limits': LIMITS}, 'c.action.limits: got JointBounds'),
        (NORMALISED, 'action', {'demonstration': {}}, 'c.action.demonstration: got Demonstr'),
        (NORMALISED, 'action', {'output': {'topic': 'a'}}, 'c.action.output: got OutputConfig('),
        (NORMALISED, 'fallback', {'kind': 'slow'}, 'c.fallback: got Fallback('),
        (NORMALISED, 'action', {'space': 'joints'}, 'c.action.limits: missing; allowed: bounds'),
        (NORMALISED, 'action', {'space': 'tool'}, "c.action.space: got 'tool'; allowed: joints, "),
        (TEXT, 'action', {'space': 'normalised'}, 'c.action.position: got ('),
        (TEXT, 'action', {'limits': None}, 'c.action.limits: missing; allowed: bounds of the'),
    ],
)
def test_an_action_says_what_goes_with_its_space(text, place, value, error):
    data = yaml.safe_load(text)
    data[place] = data.get(place, {}) | value
    with pytest.raises(ContractError) as caught:
        parse_contract(yaml.safe_dump(data), source='c')
    assert str(caught.value).startswith(error)


def test_no_arm_goes_with_a_normalised_action():
    data = yaml.safe_load(NORMALISED) | {'arm': 'franka'}
    with pytest.raises(ContractError) as caught:
        parse_contract(yaml.safe_dump(data), source='c')
    assert str(caught.value) == "c.arm: got 'franka'; allowed: nothing: no arm is commanded"


def test_a_key_cannot_be_both_seen_and_privileged():
    data = yaml.safe_load(TEXT)
    data['privileged'] = {'wrench': data['observations']['wrench']}
    with pytest.raises(ContractError, match=r'privileged\.wrench: a key that is there already'):
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


CAMERA = {'topic': 'front/image_raw', 'size': [24, 32]}


def filmed(**changes):
    data = yaml.safe_load(TEXT)
    data['images'] = {'front': CAMERA | changes}
    return yaml.safe_dump(data, sort_keys=False)


def test_cameras_are_read_with_their_defaults():
    contract = parse_contract(filmed())
    front = contract.images['front']
    assert (front.size, front.encoding, front.record, front.quality) == (
        (24, 32), 'rgb8', 'raw', 95
    )  # fmt: skip
    assert front.compressed_topic == 'front/image_raw/compressed'
    assert list(contract.inputs) == [*contract.streams, 'front']
    assert parse_contract(TEXT).images == {}


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        ({'size': [0, 32]}, 'c.images.front.size: got [0, 32]; allowed: 1 to 8192 pixels a side'),
        ({'source_size': [9999, 1]}, 'c.images.front.source_size: got [9999, 1]; allowed: 1 to'),
        ({'quality': 0}, 'c.images.front.quality: got 0; allowed: 1 to 100'),
        ({'encoding': 'yuv'}, "c.images.front.encoding: got 'yuv'; allowed: rgb8, mono8, 16UC1"),
        ({'topic': '/front'}, "c.images.front.topic: got '/front'; allowed: a relative name"),
        (
            {'align': {'strategy': 'interpolate'}},
            'c.images.front.align.strategy: an image cannot be interpolated; allowed: hold, asof',
        ),
        (
            {'record': 'jpeg', 'encoding': '16UC1'},
            'c.images.front.record: JPEG of 16UC1 from sensor_msgs/msg/Image; allowed: raw, or',
        ),
    ],
)
def test_what_is_wrong_with_a_camera_is_named(changes, text):
    with pytest.raises(ContractError) as caught:
        parse_contract(filmed(**changes), source='c')
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        ({'topic': '/leader'}, "demonstration.topic: got '/leader'; allowed: a relative name"),
        ({'names': ['a']}, 'demonstration.names: got 1 names; allowed: 8, one a joint'),
        (
            {'type': 'std_msgs/msg/Float64MultiArray', 'time': 'header'},
            'demonstration.time: the type has no header; allowed: receive',
        ),
        ({'max_age': 0.0}, 'demonstration: got a number out of range; allowed: max_age > 0'),
    ],
)
def test_what_is_wrong_with_a_demonstration_is_named(changes, text):
    with pytest.raises(ContractError) as caught:
        parse_contract(changed(action__demonstration=changes), source='c')
    assert str(caught.value).startswith(f'c.action.{text}')


def test_keys_name_files_and_so_cannot_lead_anywhere():
    data = yaml.safe_load(TEXT)
    data['observations']['../escape'] = data['observations']['wrench']
    with pytest.raises(ContractError, match=r"observations: got '\.\./escape'; allowed: keys of"):
        parse_contract(yaml.safe_dump(data))


# Whatever YAML can hold; numbers beyond what a float takes too.
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


def contract_or_error(text):
    try:
        return parse_contract(text, source='c')
    except ContractError as problem:
        return problem


def paths(data, prefix=()):
    for key, value in data.items():
        yield (*prefix, key)
        if isinstance(value, dict):
            yield from paths(value, (*prefix, key))


FILMED = yaml.safe_load(filmed())


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_value_anywhere_is_a_contract_or_one_clear_error(data):
    tree = deepcopy(FILMED)
    path = data.draw(st.sampled_from(sorted(paths(tree), key=str)))
    place = tree
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = data.draw(VALUES)
    text = yaml.safe_dump(tree, allow_unicode=True)
    contract = contract_or_error(text)
    if isinstance(contract, ContractError):
        assert str(contract).startswith('c')
        return
    assert len(contract.hash) == 64
    assert all(stream.size > 0 for stream in contract.streams.values())
    assert contract.limits.position_min.shape == (len(contract.action.names),)


@settings(max_examples=100, deadline=None)
@given(cut=st.integers(0, len(TEXT)), noise=st.text(max_size=20))
def test_any_text_is_a_contract_or_one_clear_error(cut, noise):
    contract_or_error(TEXT[:cut] + noise + TEXT[cut:])


def extending(folder, **files):
    """The path of the first of these contract files, written to a folder."""
    for name, data in files.items():
        (folder / f'{name}.yaml').write_text(yaml.safe_dump(data, sort_keys=False))
    return folder / f'{next(iter(files))}.yaml'


def test_a_contract_that_extends_another_says_only_what_is_different(tmp_path):
    own = {
        'extends': 'base.yaml',
        'name': 'own',
        'observations': {'wrench': None, 'tcp_pose': {'rate': 40.0}},
        'wrench': None,
        'workspace': {'min': [0.0, 0.0, 0.0]},
    }
    contract = load_contract(extending(tmp_path, own=own, base=yaml.safe_load(TEXT)))
    base = parse_contract(TEXT)
    assert contract.name == 'own'
    assert 'wrench' not in contract.observations
    assert contract.wrench is None
    assert contract.observations['tcp_pose'].rate == 40.0
    assert contract.observations['tcp_pose'].topic == base.observations['tcp_pose'].topic
    assert contract.workspace.min == (0.0, 0.0, 0.0)
    assert contract.workspace.max == base.workspace.max
    assert contract.action == base.action
    # What travels is the whole, and says the same anywhere.
    whole = parse_contract(contract.text)
    assert whole == contract
    assert whole.hash == contract.hash


def test_a_contract_may_extend_one_that_extends_another(tmp_path):
    first = {'extends': 'second.yaml', 'name': 'first'}
    second = {'extends': 'third.yaml', 'rate': 10.0, 'name': 'second'}
    path = extending(tmp_path, first=first, second=second, third=yaml.safe_load(TEXT))
    contract = load_contract(path)
    assert (contract.name, contract.rate) == ('first', 10.0)


@pytest.mark.parametrize(
    ('base', 'text'),
    [
        ('none.yaml', 'none.yaml: no such file'),
        ('../base.yaml', "own.yaml.extends: got '../base.yaml'; allowed: a file next to it"),
        ('', "own.yaml.extends: got ''; allowed: a file next to it"),
        ('..', 'cannot be read: Is a directory'),
        (3, 'own.yaml.extends: got 3; allowed: a file next to it'),
        ('own.yaml', 'own.yaml.extends: own.yaml > own.yaml; allowed: no circle'),
        ('back.yaml', 'back.yaml.extends: own.yaml > back.yaml > own.yaml; allowed: no circle'),
        ('list.yaml', 'list.yaml: not a mapping'),
        ('base.yaml', "own.yaml: unknown key 'colour'"),
    ],
)
def test_a_contract_that_extends_what_it_cannot_is_refused(tmp_path, base, text):
    own = {'extends': base, 'name': 'own', 'colour': 'red'} if base == 'base.yaml' else {}
    own = own or {'extends': base, 'name': 'own'}
    back = {'extends': 'own.yaml'}
    data = yaml.safe_load(TEXT)
    path = extending(tmp_path, own=own, base=data, back=back, list=[1])
    with pytest.raises(ContractError) as caught:
        load_contract(path)
    assert text in str(caught.value)


def test_a_text_that_travels_extends_nothing():
    with pytest.raises(ContractError, match="unknown key 'extends'"):
        parse_contract('extends: franka.yaml')


def test_a_limit_that_is_there_twice_is_refused_and_neither_wins():
    """Were the last in force, a workspace made smaller in the first place would not be."""
    with pytest.raises(ContractError, match="contract: not YAML: the key 'workspace' is there aga"):
        parse_contract(TEXT + '\nworkspace: {min: [-9, -9, -9], max: [9, 9, 9]}\n')
