"""Nodes and verbs as processes: how they end, and what they say to bad input."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml

from il_ros.core.contract import load_contract
from il_ros.launching import packages

from .conftest import CONTRACT

NODES = (
    'simulator', 'expert', 'recorder', 'policy', 'monitor', 'trainer', 'flight_recorder', 'teleop',
    'coach',
)  # fmt: skip


def start(node, **parameters):
    path = packages.executable('il_ros', node, os.environ, 'test')
    arguments = [f'{name}:={value}' for name, value in parameters.items()]
    line = [str(path), '--ros-args', *(word for text in arguments for word in ('-p', text))]
    return subprocess.Popen(
        line,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def parameters(node, tmp_path):
    if node == 'trainer':
        return {'root': tmp_path}
    extra = {'directory': tmp_path} if node in ('recorder', 'flight_recorder', 'coach') else {}
    if node == 'teleop':
        extra = {'device': 'twist'}
    return {'contract': CONTRACT, **extra}


@pytest.fixture
def wait_until_active(domain):
    """Wait for a node's lifecycle state by its own service, not by the clock."""
    import rclpy
    from lifecycle_msgs.msg import State
    from lifecycle_msgs.srv import GetState
    from rclpy.node import Node
    from rclpy.signals import SignalHandlerOptions

    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node('waiter')

    def wait(name):
        client = node.create_client(GetState, f'/{name}/get_state')
        assert client.wait_for_service(20)
        state = None
        while state != State.PRIMARY_STATE_ACTIVE:
            future = client.call_async(GetState.Request())
            rclpy.spin_until_future_complete(node, future, timeout_sec=2)
            # An answer can be lost while the two are still finding one another: ask again.
            state = future.result().current_state.id if future.done() else None

    yield wait
    node.destroy_node()
    rclpy.shutdown()


@pytest.mark.real_time
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=['SIGINT', 'SIGTERM'])
@pytest.mark.parametrize('node', NODES)
def test_a_node_ends_within_three_seconds(node, number, tmp_path, wait_until_active):
    process = start(node, **parameters(node, tmp_path))
    try:
        wait_until_active(node)
        begin = time.monotonic()
        process.send_signal(number)
        assert process.wait(timeout=3.0) == 0
        assert time.monotonic() - begin < 3.0
    finally:
        process.kill()
        print(process.communicate()[0])


def bad_contract(tmp_path, change):
    data = yaml.safe_load(load_contract(CONTRACT).text)
    change(data)
    path = tmp_path / 'bad.yaml'
    path.write_text(yaml.safe_dump(data))
    return path


def an_unknown_key(data):
    data['observations']['wrench']['colour'] = 'red'


def an_unknown_arm(data):
    data['arm'] = 'octopus'


def an_observation_the_simulator_lacks(data):
    data['observations']['sonar'] = data['observations']['goal_position'] | {'topic': 'sonar'}


@pytest.mark.parametrize(
    ('node', 'change', 'extra', 'texts'),
    [
        ('simulator', an_unknown_key, {}, ("bad.yaml.observations.wrench: unknown key 'colour'",
                                           'allowed: topic, type, rate', 'to fix: correct or')),
        ('simulator', an_observation_the_simulator_lacks, {}, ('sonar: the simulator has no such',
                                                               'allowed: joint_position')),
        ('simulator', None, {'task': 'juggle'}, ("unknown task 'juggle'", 'pick_place, push')),
        ('simulator', None, {'renderer': 'pencil'}, ("unknown renderer 'pencil'; allowed: auto",)),
        ('simulator', None, {'speed': -1.0}, ('/simulator parameter speed', 'min 0.0')),
        ('simulator', an_unknown_arm, {}, ("unknown arm 'octopus'; allowed: franka, ur5e",)),
        ('simulator', None, {'model': '/no_arm.xml'}, ('/no_arm.xml: no MJCF that can be read',)),
        ('monitor', an_unknown_arm, {}, ("unknown arm 'octopus'; allowed: franka, ur5e",)),
        ('expert', None, {'expert': 'juggle'}, ("unknown expert 'juggle'", 'pick_place')),
        ('recorder', None, {'contract': '/nowhere.yaml'}, ('/nowhere.yaml: no such file',)),
        ('policy', None, {'bundle': '/nowhere'}, ('/nowhere',)),
        (
            'flight_recorder',
            None,
            {'events': "['alarm']"},
            ('parameter events: got alarm', 'fallback'),
        ),
        ('flight_recorder', None, {'keep': 0}, ('/flight_recorder parameter keep', 'min 1')),
        ('teleop', None, {'device': 'wheel'}, ("unknown device 'wheel'; allowed: joy, twist",)),
        ('teleop', None, {'device': 'joy'}, ('config.axes: missing',)),
        ('teleop', None, {'device': 'keyboard'}, ('keyboard: standard input is no terminal',)),
        ('teleop', None, {'timeout': 9.0}, ('/teleop parameter timeout', 'max 2.0')),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error_and_a_bad_exit(node, change, extra, texts, tmp_path):
    given = {'contract': bad_contract(tmp_path, change) if change else CONTRACT, **extra}
    process = start(node, **given)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 2, output
    assert 'Traceback' not in output
    for text in texts:
        assert text in output


@pytest.mark.real_time
def test_ctrl_c_in_a_launch_ends_every_process_and_keeps_finished_episodes(
    contract, domain, tmp_path
):
    """Record one episode, interrupt the second one, then read the first."""
    script = f"""
from il_ros.cli.record_command import record
from pathlib import Path
raise SystemExit(record(Path({str(CONTRACT)!r}), Path({str(tmp_path)!r}), episodes=50, start=True))
"""
    process = subprocess.Popen(
        [sys.executable, '-c', script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    deadline = time.monotonic() + 60
    while not (finished := [*tmp_path.glob('[!.]*/episode.json')]):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        os.sched_yield()
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=10)
    assert time.monotonic() - begin < 3.5, output
    assert process.returncode != 0
    for path in finished:
        assert json.loads(path.read_text())['state'] == 'complete'
    left = subprocess.run(
        ['pgrep', '-f', str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert left.stdout == ''
