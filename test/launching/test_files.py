"""The package's own launch files: which nodes they start, and what the flight recorder is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from il_ros.launching.launch_xml import evaluate

pytest.importorskip('rclpy')  # what a launch file starts has to be installed

FOLDER = Path(__file__).parents[2] / 'launch'
DEMO = ['simulator', 'expert', 'recorder', 'policy', 'monitor']


def nodes(file: str, scratch: Path, **arguments: str) -> dict[str, dict[str, Any]]:
    """Parameters of each node that a launch file starts."""
    specs = evaluate(FOLDER / f'{file}.launch.xml', arguments, scratch=scratch)
    given = {spec.name: yaml.safe_load('\n'.join(spec.files.values())) for spec in specs}
    return {name: files['/**']['ros__parameters'] for name, files in given.items()}


def test_a_robot_gets_a_flight_recorder_unless_somebody_does_without(tmp_path: Path) -> None:
    started = nodes('deploy', tmp_path, contract='arm.yaml')
    assert list(started) == ['policy', 'monitor', 'flight_recorder']
    assert started['flight_recorder'] == {
        'use_sim_time': False,
        'contract': 'arm.yaml',
        'directory': 'runs/flight_recorder',
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
