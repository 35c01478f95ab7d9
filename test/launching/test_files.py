"""The package's own launch files: which nodes they start, and what the flight recorder is told."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from il_ros.launching.launch_xml import evaluate
from il_ros.ros.output_folder import output_folder

pytest.importorskip('rclpy')  # what a launch file starts has to be installed

FOLDER = Path(__file__).parents[2] / 'launch'
DEMO = ['simulator', 'expert', 'recorder', 'policy', 'monitor']


def nodes(file: str, scratch: Path, **arguments: str) -> dict[str, dict[str, Any]]:
    """Parameters of each node that a launch file starts."""
    specs = evaluate(FOLDER / f'{file}.launch.xml', arguments, scratch=scratch)
    given = {spec.name: yaml.safe_load('\n'.join(spec.files.values())) for spec in specs}
    return {name: files[f'/{name}']['ros__parameters'] for name, files in given.items()}


def test_a_robot_gets_a_flight_recorder_unless_somebody_does_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv('ROS_HOME', raising=False)
    monkeypatch.setenv('HOME', '/home/robot')
    started = nodes('deploy', tmp_path, contract='arm.yaml')
    assert list(started) == ['policy', 'monitor', 'flight_recorder']
    assert started['flight_recorder'] == {
        'use_sim_time': False,
        'contract': 'arm.yaml',
        'directory': '/home/robot/.ros/il_ros/flight_recorder',
    }
    assert list(nodes('deploy', tmp_path, with_flight_recorder='false')) == ['policy', 'monitor']


def test_the_old_names_of_the_flight_recorder_count(tmp_path: Path) -> None:
    assert list(nodes('deploy', tmp_path, with_black_box='false')) == ['policy', 'monitor']
    for file in ('deploy', 'demo'):
        started = nodes(file, tmp_path, with_black_box='true', black_box='there')
        assert started['flight_recorder']['directory'] == 'there'


def test_a_demo_gets_one_on_request(tmp_path: Path) -> None:
    assert list(nodes('demo', tmp_path)) == DEMO
    started = nodes(
        'demo', tmp_path, with_flight_recorder='true', flight_recorder='here', task='reach'
    )
    assert list(started) == [*DEMO, 'flight_recorder']
    flight_recorder = started['flight_recorder']
    assert (flight_recorder['directory'], flight_recorder['use_sim_time']) == ('here', True)
    assert flight_recorder['contract'] == started['monitor']['contract']


def test_the_other_files(tmp_path: Path) -> None:
    assert list(nodes('simulation', tmp_path)) == ['simulator', 'expert']
    assert list(nodes('record', tmp_path)) == ['recorder']
    assert list(nodes('teleop', tmp_path)) == ['teleop']


@pytest.mark.parametrize('file', sorted(path.name for path in FOLDER.glob('*.xml')))
def test_each_file_takes_a_namespace_a_file_of_parameters_and_a_log_level(
    file: str, tmp_path: Path
) -> None:
    mine = tmp_path / 'mine.yaml'
    mine.write_text('/**/monitor:\n  ros__parameters:\n    least_command_lead: 0.1\n')
    given = {'namespace': 'left', 'params_file': str(mine), 'log_level': 'debug'}
    specs = evaluate(FOLDER / file, given, scratch=tmp_path)
    assert specs
    for spec in specs:
        line = ' '.join(spec.argv)
        assert spec.name.startswith('left/')
        assert '-r __ns:=/left ' in line
        assert '--log-level debug ' in line
        # The last file counts, whatever names the nodes have in it: see rclpy's node.cpp.
        files = [after for before, after in pairwise(spec.argv) if before == '--params-file']
        assert files == [str(path) for path in spec.files] + [str(mine)]


def test_no_folder_of_output_depends_on_where_a_launch_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('ROS_HOME', '/data')
    for file, node in (('record', 'recorder'), ('deploy', 'flight_recorder'), ('coach', 'coach')):
        directory = nodes(file, tmp_path)[node]['directory']
        assert directory.startswith('/data/il_ros/')
        assert directory == output_folder(Path(directory).name)
    monkeypatch.delenv('ROS_HOME')
    monkeypatch.setenv('HOME', '/home/robot')
    assert nodes('record', tmp_path)['recorder']['directory'] == output_folder('episodes')
    assert output_folder('episodes') == '/home/robot/.ros/il_ros/episodes'
