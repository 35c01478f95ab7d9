"""Launch files of the package with their nodes, in two namespaces: how they come up and end."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

pytest.importorskip('rclpy')

from il_ros.cli.launch_command import has_ros_launch

from .conftest import CONTRACT

ROBOT = """
  <include file="{launch}/deploy.launch.xml">
    <arg name="namespace" value="{name}"/>
    <arg name="params_file" value="{parameters}"/>
  </include>
  <include file="{launch}/record.launch.xml">
    <arg name="namespace" value="{name}"/>
    <arg name="params_file" value="{parameters}"/>
  </include>"""
NODES = ('policy', 'monitor', 'flight_recorder', 'recorder')
PATIENCE = 300.0  # s


@contextmanager
def busy(count):
    """So many processes that take all that a processor has."""
    line = [sys.executable, '-c', 'while True: pass']
    burners = [subprocess.Popen(line) for _ in range(count)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.timeout(400)
def test_two_robots_come_up_and_one_interrupt_ends_them_on_a_loaded_machine(domain, tmp_path):
    parameters = tmp_path / 'mine.yaml'
    parameters.write_text(f'/**:\n  ros__parameters:\n    contract: {CONTRACT}\n')
    launch = CONTRACT.parents[2] / 'launch'
    robots = [
        ROBOT.format(launch=launch, name=name, parameters=parameters) for name in ('left', 'right')
    ]
    file = tmp_path / 'two.launch.xml'
    file.write_text(f'<launch>{"".join(robots)}\n</launch>\n')
    line = [sys.executable, '-m', 'il_ros.cli.main', 'launch', str(file)]
    process = subprocess.Popen(
        line,
        cwd=tmp_path,
        env={**os.environ, 'ROS_HOME': str(tmp_path / 'home')},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    waited = {f'[{name}.{node}]: active' for name in ('left', 'right') for node in NODES}
    said, deadline = [], time.monotonic() + PATIENCE
    try:
        while waited:
            said.append(process.stdout.readline())
            assert said[-1], ''.join(said)  # else it has ended
            assert time.monotonic() < deadline, ''.join(said)
            waited = {text for text in waited if text not in said[-1]}
        with busy(2 * (os.cpu_count() or 1)):
            begin = time.monotonic()
            process.send_signal(signal.SIGINT)
            rest = process.communicate(timeout=20)[0]
            assert time.monotonic() - begin <= 3.0 + 0.5, rest  # Python starts to leave then
        assert process.returncode == 130 or has_ros_launch()
        assert 'Traceback' not in rest
        left = ['pgrep', '-f', str(parameters)]
        assert not subprocess.run(left, check=False, capture_output=True, text=True).stdout
        assert not (tmp_path / 'runs').exists()  # nothing goes into the working directory
    finally:
        process.kill()
        process.communicate()
