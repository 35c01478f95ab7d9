"""Nodes and verbs as processes: how they end, and what they say to bad input."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

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
def waiter(domain):
    """A node that sees the nodes under test from outside."""
    import rclpy
    from rclpy.node import Node
    from rclpy.signals import SignalHandlerOptions

    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node('waiter')
    yield node
    node.destroy_node()
    rclpy.shutdown()


@pytest.fixture
def wait_until_active(waiter):
    """Wait for a node's lifecycle state by its own service, not by the clock."""
    import rclpy
    from lifecycle_msgs.msg import State
    from lifecycle_msgs.srv import GetState

    def wait(name):
        client = waiter.create_client(GetState, f'/{name}/get_state')
        assert client.wait_for_service(20)
        state = None
        while state != State.PRIMARY_STATE_ACTIVE:
            future = client.call_async(GetState.Request())
            rclpy.spin_until_future_complete(waiter, future, timeout_sec=2)
            # An answer can be lost while the two are still finding one another: ask again.
            state = future.result().current_state.id if future.done() else None

    return wait


@pytest.mark.real_time
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=['SIGINT', 'SIGTERM'])
@pytest.mark.parametrize('node', NODES)
def test_a_node_ends_within_three_seconds(node, number, tmp_path, waiter, wait_until_active):
    process = start(node, **parameters(node, tmp_path))
    try:
        wait_until_active(node)
        used = processor_time(process.pid)
        begin = time.monotonic()
        process.send_signal(number)
        while not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
            assert time.monotonic() - begin < 3.0
            time.sleep(0.01)
        # Unlike the clock, this does not depend on what else the machine does.
        used = processor_time(process.pid) - used
        assert process.wait() == 0
        assert used < 0.4
        # It takes its leave: otherwise others would see it for 20 s more.
        while any(name.startswith(node) for name in waiter.get_node_names()):
            assert time.monotonic() - begin < 5.0
            time.sleep(0.02)
    finally:
        process.kill()
        print(process.communicate()[0])


@pytest.mark.real_time
def test_a_node_works_and_ends_where_rclpy_has_no_events_executor(waiter, wait_until_active):
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray
    from il_ros.srv import SetMode

    code = "import sys; sys.modules['rclpy.experimental'] = None\n"
    code += 'from il_ros.nodes.monitor_node import main; main()'
    line = [sys.executable, '-c', code, '--ros-args', '-p', f'contract:={CONTRACT}']
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    try:
        wait_until_active('monitor')
        heard = []
        waiter.create_subscription(DiagnosticArray, '/diagnostics', heard.append, 10)
        client = waiter.create_client(SetMode, '/monitor/set_mode')
        assert client.wait_for_service(20)
        answer = client.call_async(SetMode.Request(mode=99))
        deadline = time.monotonic() + 20
        while not (answer.done() and heard):
            assert time.monotonic() < deadline
            rclpy.spin_once(waiter, timeout_sec=0.1)
        assert 'mode 99' in answer.result().message
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert time.monotonic() - begin < 3.0
    finally:
        process.kill()
        print(process.communicate()[1])


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=['SIGINT', 'SIGTERM'])
def test_a_signal_while_a_node_is_imported_ends_it_without_a_traceback(number, tmp_path):
    """It reads a module that waits for ever, in place of one that it imports."""
    (tmp_path / 'hang').mkdir()
    wait = 'import time\nprint("importing", flush=True)\ntime.sleep(60)\n'
    (tmp_path / 'hang/rclpy.py').write_text(wait)
    path = os.pathsep.join([str(tmp_path / 'hang'), os.environ.get('PYTHONPATH', '')])
    process = subprocess.Popen(
        [packages.executable('il_ros', 'monitor', os.environ, 'test')],
        env={**os.environ, 'PYTHONPATH': path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == 'importing\n'
        process.send_signal(number)
        assert process.communicate(timeout=20)[1] == ''
        assert process.returncode == -number
    finally:
        process.kill()


def processor_time(pid):
    """What a process has used so far [s] (proc_pid_stat(5), fields 14 and 15)."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


END = """
import atexit, tempfile, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from il_ros.ros.spin import end_process

class Late:
    def __del__(self):
        print('module taken apart', flush=True)

def work():
    time.sleep(0.2)
    print('thread ended')

if __name__ == '__main__':
    late = Late()
    atexit.register(print, 'exit handler')
    folder = tempfile.TemporaryDirectory(dir='.')
    threads, processes = ThreadPoolExecutor(1), ProcessPoolExecutor(1)
    processes.submit(print, 'process ended')
    threads.submit(work)
    end_process(7)
"""


def test_the_end_of_a_process_waits_cleans_up_and_flushes_before_it_cuts_short(tmp_path):
    script = tmp_path / 'end.py'
    script.write_text(END)
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        env=os.environ | {'PYTHONUNBUFFERED': ''},  # so that only a flush writes it
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (7, '')
    lines = done.stdout.splitlines()
    assert sorted(lines) == ['exit handler', 'process ended', 'thread ended']
    assert lines.index('thread ended') < lines.index('exit handler')
    assert os.listdir(tmp_path) == ['end.py']  # no temporary folder is left


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
