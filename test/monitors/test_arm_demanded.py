"""A workspace that only an arm's kinematics could watch is never lost in silence."""

from dataclasses import replace

import pytest
import yaml
from made_urdf import contract_data

from il_ros.core.contract import ANYWHERE, Workspace, parse_contract
from il_ros.core.errors import ContractError
from il_ros.monitors.monitor_assembly import make_monitor
from il_ros.monitors.monitor_config import MonitorConfig

CONFIG = MonitorConfig(allow_uncalibrated=True)
NUMBERS = {'position_min': [-1.0], 'position_max': [1.0], 'velocity': [1.0]}
BOX = Workspace(min=(0.0, 0.0, 0.0), max=(1.0, 1.0, 1.0))


@pytest.fixture
def contract():
    """Of one joint, without an arm."""
    data = contract_data('', ('a',), **NUMBERS)
    del data['workspace']
    return parse_contract(yaml.safe_dump(data))


def test_a_contract_without_an_arm_demands_no_workspace(contract):
    assert contract.arm == ''
    assert contract.workspace == ANYWHERE
    make_monitor(contract, None, CONFIG)


def test_a_workspace_without_an_arm_is_refused_before_anything_drives(contract):
    with pytest.raises(ContractError, match=r'workspace: it names no arm.*or remove `workspace`'):
        make_monitor(replace(contract, workspace=BOX), None, CONFIG)


def test_so_is_a_tool_check(contract):
    tool = replace(contract.tool, keys=('tcp_pose',))
    with pytest.raises(ContractError, match=r'tool.keys: it names no arm'):
        make_monitor(replace(contract, tool=tool), None, CONFIG)


def test_what_was_recorded_with_such_a_contract_is_still_read(contract):
    text = contract.text + 'workspace: {min: [0, 0, 0], max: [1, 1, 1]}\n'
    assert parse_contract(text).workspace == BOX
    half = contract.text + 'workspace: {min: [0, 0, -.inf], max: [1, 1, 1]}\n'
    with pytest.raises(ContractError, match=r'workspace: not finite'):
        parse_contract(half)


def test_an_arm_wants_its_workspace():
    data = contract_data('franka', ('a',), **NUMBERS)
    del data['workspace']
    with pytest.raises(ContractError, match=r'contract.workspace: missing; .*; to fix: add it'):
        parse_contract(yaml.safe_dump(data))
