"""What a launch file gives a node where nobody says anything is what the node would take itself."""

import re
from dataclasses import fields
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip('rclpy')

from il_ros.experts.teleop.devices import DEVICES
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.nodes.coach_node import ON_DRIFT
from il_ros.nodes.teleop_node import TeleopConfig
from il_ros.ros.command_limits_watch import DEMANDS
from il_ros.ros.graph_teaching import CoachNodeConfig


@pytest.mark.parametrize(
    ('file', 'config', 'least'),
    [('coach', CoachNodeConfig, 6), ('deploy', MonitorConfig, 2), ('teleop', TeleopConfig, 2)],
)
def test_a_default_is_the_nodes_own(file, config, least):
    root = ElementTree.parse(f'launch/{file}.launch.xml').getroot()
    given = {arg.get('name'): arg.get('default') for arg in root.iter('arg')}
    for name, default in given.items():
        old = re.fullmatch(r'\$\(var (\w+)\)', default or '')
        given[name] = given[old[1]] if old else default  # what was given under an old name
    elsewhere = {'contract', 'task', 'directory', 'config'}  # of the installed package, or a place
    own = {field.name: field.default for field in fields(config) if field.name not in elsewhere}
    both = given.keys() & own.keys()
    assert len(both) >= least
    assert {name: given[name] for name in both} == {
        name: str(own[name]).lower() if isinstance(own[name], bool) else str(own[name])
        for name in both
    }


DRIVERS = [path.stem for path in Path('config/drivers').glob('*.yaml')]


@pytest.mark.parametrize(
    ('file', 'argument', 'allowed'),
    [
        ('coach', 'on_drift', ON_DRIFT),
        ('deploy', 'command_limits', DEMANDS),
        ('simulation', 'driver', ['', *DRIVERS]),
        ('teleop', 'device', set(DEVICES) - {'keyboard'}),  # that needs a terminal of its own
    ],
)
def test_the_choices_are_those_of_the_node(file, argument, allowed):
    root = ElementTree.parse(f'launch/{file}.launch.xml').getroot()
    choices = [one.get('value') for one in root.iterfind(f'arg[@name="{argument}"]/choice')]
    assert sorted(choices) == sorted(allowed)


def test_each_driver_has_a_contract_in_the_launch_file():
    root = ElementTree.parse('launch/simulation.launch.xml').getroot()
    robots = {one.get('name'): one.get('value') for one in root.iterfind('let')}
    assert sorted(robots) == sorted(f'robot_{driver}' for driver in ['', *DRIVERS])
    assert all(Path(f'config/contracts/{robot}.yaml').is_file() for robot in robots.values())
