"""A contract whose arm is a URDF: resolved when it is loaded, whole wherever it travels."""

from __future__ import annotations

import stat

import numpy as np
import pytest
import yaml
from made_urdf import ODD, ODD_NAMES, contract_data, joint, link, robot, write_contract

from il_ros.core.arms import Arm, ArmPair, arm_of, require_gripper, require_single
from il_ros.core.contract import load_contract, parse_contract
from il_ros.core.errors import ContractError, IlRosError

TWO = robot(
    *(link(name) for name in ('base', 'chest', 'l1', 'l_tip', 'r1', 'r_tip', 'l_jaw', 'r_jaw')),
    joint('torso', 'prismatic', 'base', 'chest', xyz='0 0 1'),
    joint('l_turn', 'revolute', 'chest', 'l1', xyz='0 0.3 0'),
    joint('l_end', 'fixed', 'l1', 'l_tip', xyz='0.5 0 0'),
    joint('r_turn', 'revolute', 'chest', 'r1', xyz='0 -0.3 0'),
    joint('r_end', 'fixed', 'r1', 'r_tip', xyz='0.5 0 0'),
    joint('l_grip', 'prismatic', 'l_tip', 'l_jaw', axis='0 1 0'),
    joint('r_grip', 'prismatic', 'r_tip', 'r_jaw', axis='0 1 0'),
    name='two',
)
TWO_NAMES = ('r_grip', 'torso', 'l_turn', 'l_grip', 'r_turn')


def test_the_whole_arm_is_in_the_contract_and_its_text_alone(tmp_path):
    contract = load_contract(write_contract(tmp_path))
    (tmp_path / 'odd.urdf').unlink()
    again = parse_contract(contract.text)
    assert again == contract
    assert again.hash == contract.hash
    assert (again.arm_name, again.arm.continuous) == ('odd', {'turn'})
    one, other = arm_of(again), arm_of(contract)
    q = np.array([0.3, -0.4, 0.2])
    np.testing.assert_array_equal(one.chain.forward(q)[0], other.chain.forward(q)[0])


@pytest.mark.parametrize(('most', 'endless'), [(3.1416, {'turn'}), (3.14, {'turn'}), (3.0, set())])
def test_a_continuous_joint_that_the_limits_keep_within_a_turn_is_an_ordinary_one(
    tmp_path, most, endless
):
    limits = {'position_min': [-most, *[None] * 3], 'position_max': [most, *[None] * 3]}
    contract = load_contract(write_contract(tmp_path, limits=limits))
    assert contract.continuous == parse_contract(contract.text).continuous == endless
    assert arm_of(contract).position_max[0] == (np.inf if endless else most)


def test_a_continuous_joint_is_bounded_by_no_more_than_a_turn_and_named_by_the_urdf_alone(tmp_path):
    """How many turns it has made is not known after a restart."""
    limits = {'position_min': [-6.3, *[None] * 3], 'position_max': [6.3, *[None] * 3]}
    with pytest.raises(
        ContractError, match=r'-6.3 to 6.3 for turn, which turns without end; allow'
    ):
        load_contract(write_contract(tmp_path, limits=limits))
    data = yaml.safe_load(load_contract(write_contract(tmp_path)).text)
    data['action']['continuous'] = ['lean']
    with pytest.raises(ContractError, match=r"got \['lean'\]; allowed: nothing: the URDF"):
        parse_contract(yaml.safe_dump(data))


def test_limits_that_the_contract_leaves_out_are_the_urdfs(tmp_path):
    limits = load_contract(write_contract(tmp_path)).limits
    assert limits.position_min.tolist() == [-3.0, -2.0, 0.0, 0.0]
    assert limits.position_max.tolist() == [3.0, 2.5, 0.4, 0.4]
    assert limits.velocity.tolist() == [1.2, 1.5, 0.25, 0.25]


def test_the_arm_has_the_contracts_limits_in_its_own_order(tmp_path):
    names = ('grip', 'rise', 'turn', 'lean')
    limits = {'position_min': [None, None, -1.0, -1.5], 'position_max': [None, None, 1.0, 1.5]}
    arm = arm_of(load_contract(write_contract(tmp_path, names=names, limits=limits)))
    assert isinstance(arm, Arm)
    assert arm.names == ('turn', 'lean', 'rise', 'grip')
    assert (arm.joints, arm.gripper) == (('turn', 'lean', 'rise'), 'grip')
    assert arm.position_max.tolist() == [1.0, 1.5, 0.4, 0.4]
    assert arm.moves.tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    ('limits', 'problem'),
    [
        ({}, r'action.limits.position_min: the URDF has none for turn; to fix: write a list'),
        (
            {'position_min': [-9.0] * 4, 'position_max': [0.3] * 4},
            r'position_min: -9.0 for lean; allowed: -2.0 of the URDF, or narrower',
        ),
        (
            {'position_min': [-3.0, None, None, None], 'position_max': [3.0, 2.6, None, None]},
            r'position_max: 2.6 for lean; allowed: 2.5 of the URDF',
        ),
        (
            {'position_min': [0.0] * 4, 'position_max': [0.3] * 4, 'velocity': [1.0] * 4},
            r'velocity: 1.0 for rise; allowed: 0.25 of the URDF',
        ),
        ({'position_min': [0.0]}, r'the URDF has none for turn'),
    ],
)
def test_limits_that_are_missing_or_too_wide_are_asked_for(tmp_path, limits, problem):
    with pytest.raises(ContractError, match=problem):
        load_contract(write_contract(tmp_path, limits=limits))


def test_no_gripper_is_as_good_as_one(tmp_path):
    limits = {'position_min': [-3.0, None, None], 'position_max': [3.0, None, None]}
    path = write_contract(tmp_path, names=ODD_NAMES[:3], limits=limits)
    arm = arm_of(load_contract(path))
    assert (arm.gripper, arm.names) == ('', ('turn', 'lean', 'rise'))
    assert arm.moves.all()
    with pytest.raises(IlRosError, match='reach: odd has no gripper'):
        require_gripper(arm, where='reach')


def test_several_tips_are_several_arms_and_what_moves_both_is_commanded_once(tmp_path):
    path = write_contract(
        tmp_path, text=TWO, names=TWO_NAMES, limits={}, tip={'left': 'l_tip', 'right': 'r_tip'}
    )
    pair = arm_of(load_contract(path))
    assert isinstance(pair, ArmPair)
    assert pair.names == ('torso', 'l_turn', 'l_grip', 'r_turn', 'r_grip')
    assert pair.joints == ('torso', 'l_turn', 'r_turn')
    assert [limb.prefix for limb in pair.limbs] == ['left_', 'right_']
    assert [limb.gripper for limb in pair.limbs] == ['l_grip', 'r_grip']
    left, right = pair.limbs
    np.testing.assert_allclose(left.chain.forward(np.array([0.2, 0.0]))[0], [0.5, 0.3, 1.2])
    np.testing.assert_allclose(right.chain.forward(np.array([0.2, 0.0]))[0], [0.5, -0.3, 1.2])
    with pytest.raises(IlRosError, match='two is a pair of arms'):
        require_single(pair, where='mirror')


def test_tips_of_a_list_are_called_after_their_links(tmp_path):
    path = write_contract(tmp_path, text=TWO, names=TWO_NAMES, limits={}, tip=['l_tip', 'r_tip'])
    assert [limb.side for limb in arm_of(load_contract(path)).limbs] == ['l_tip', 'r_tip']


def test_an_arm_whose_joints_are_not_all_commanded_is_refused(tmp_path):
    limits = {'position_min': [-3.0, None], 'position_max': [3.0, None]}
    path = write_contract(tmp_path, names=('turn', 'lean'), limits=limits)
    with pytest.raises(ContractError, match=r'it lacks rise; allowed: turn, lean, rise'):
        arm_of(load_contract(path))


@pytest.mark.parametrize(
    ('arm', 'problem'),
    [
        ({'urdf': 'none.urdf'}, r'made.yaml.arm.urdf: .*none.urdf: cannot be read'),
        ({'urdf': 'package://nowhere/a.urdf'}, r"unknown package 'nowhere'.*ROS_PACKAGE_PATH"),
        ({'urdf': 'http://a/b.urdf'}, r'allowed: package://, file://, or a path'),
        ({'tip': 'hand'}, r"odd.urdf: no link 'hand'"),
        ({'base': 'world'}, r"made.yaml.arm.base: got 'world'; allowed: the base_frame 'base'"),
        ({'gripper': {'right': 'grip'}}, r"arm.gripper: got \['right'\]"),
        ({'reach': 1.0}, r"made.yaml.arm: unknown key 'reach'; allowed: urdf, base, tip"),
        ({'arguments': {'name': 'x'}}, r'odd.urdf is no xacro'),
    ],
)
def test_what_is_wrong_with_an_arm_is_said_with_its_place(tmp_path, arm, problem):
    with pytest.raises(ContractError, match=problem):
        load_contract(write_contract(tmp_path, **arm))


def test_a_text_that_names_a_urdf_is_refused(tmp_path):
    text = write_contract(tmp_path).read_text()
    with pytest.raises(ContractError, match=r'contract.arm.urdf: it names a URDF, which only'):
        parse_contract(text)


def test_a_contract_that_extends_one_has_its_urdf_too(tmp_path):
    write_contract(tmp_path)
    task = tmp_path / 'task.yaml'
    task.write_text('extends: made.yaml\nname: task\narm: {home: {lean: 1.0}}\n')
    assert arm_of(load_contract(task)).home.tolist() == [0.0, 1.0, 0.0, 0.0]


def test_packages_are_found_as_ros_finds_them(tmp_path, monkeypatch):
    path = write_contract(tmp_path)
    for variable, folder in [('AMENT_PREFIX_PATH', 'a/share/odd_description'),
                             ('ROS_PACKAGE_PATH', 'b/odd_description')]:  # fmt: skip
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / 'it.urdf').write_text(ODD)
        with monkeypatch.context() as patch:
            patch.setenv(variable, str(tmp_path / folder.split('/')[0]))
            data = yaml.safe_load(path.read_text())
            data['arm']['urdf'] = 'package://odd_description/it.urdf'
            path.write_text(yaml.safe_dump(data))
            assert load_contract(path).arm_name == 'odd'


def test_xacro_is_expanded_by_what_is_installed_or_refused_with_the_way_out(tmp_path, monkeypatch):
    path = write_contract(tmp_path, urdf='odd.xacro', arguments={'side': 'left'})
    (tmp_path / 'odd.urdf').rename(tmp_path / 'odd.xacro')
    monkeypatch.setattr('il_ros.core.urdf_files.importlib.util.find_spec', lambda _: None)
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(ContractError, match=r'no xacro here; to fix: install it'):
        load_contract(path)
    tool = tmp_path / 'xacro'
    (tmp_path / 'expanded').write_text(ODD)
    tool.write_text(
        f'#!/bin/sh\n[ "$2" = side:=left ] || exit 3\nexec /bin/cat {tmp_path}/expanded\n'
    )
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    assert load_contract(path).arm_name == 'odd'
    tool.write_text('#!/bin/sh\necho no such macro >&2\nexit 2\n')
    with pytest.raises(ContractError, match='xacro failed: no such macro'):
        load_contract(path)


def test_xacro_runs_nothing_of_the_current_folder_and_takes_no_option(tmp_path, monkeypatch):
    path = write_contract(tmp_path, urdf='odd.xacro', arguments={'side': 'left'})
    (tmp_path / 'odd.urdf').rename(tmp_path / 'odd.xacro')
    here, installed = tmp_path / 'here', tmp_path / 'installed'
    for folder, text in (
        (here, 'raise SystemExit(7)'),
        (installed, f'main = lambda: print({ODD!r})'),
    ):
        folder.mkdir()
        (folder / 'xacro.py').write_text(text)
    monkeypatch.chdir(here)
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.syspath_prepend(installed)
    assert load_contract(path).arm_name == 'odd'
    path.write_text(path.read_text().replace('side: left', '-o/tmp/there: left'))
    with pytest.raises(ContractError, match=r"argument '-o/tmp/there'; allowed: a name of letters"):
        load_contract(path)


def test_a_built_in_arm_needs_no_urdf():
    data = contract_data('franka', ('a',), position_min=[0.0], position_max=[1.0], velocity=[1.0])
    contract = parse_contract(yaml.safe_dump(data))
    assert (contract.arm_name, contract.continuous) == ('franka', frozenset())
    assert arm_of(contract).name == 'franka'
    assert arm_of(parse_contract(contract.text.replace('arm: franka', "arm: ''"))) is None
