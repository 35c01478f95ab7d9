"""What nodes cost that have nothing to do: at most 15 % of a core each on a live graph at 20 Hz."""

import os
import signal
import subprocess
import time

import pytest

rclpy = pytest.importorskip('rclpy')

from lifecycle_msgs.msg import State  # noqa: E402
from lifecycle_msgs.srv import GetState  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from small_policies import REACH  # noqa: E402

from il_ros.core.thread_pools import bound_thread_pools  # noqa: E402
from il_ros.launching import packages  # noqa: E402

LIMIT = 0.15
SETTLE, WINDOW = 2.0, 5.0  # s
WINDOWS = 4
NODES = (
    'simulator', 'expert', 'recorder', 'policy', 'monitor', 'trainer', 'flight_recorder', 'teleop',
    'coach',
)  # fmt: skip
POOLS = ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS')


def parameters(node, folder, bundle):
    own = {
        'policy': {'bundle': bundle},
        'monitor': {'bundle': bundle},
        'simulator': {'speed': 1.0, 'task': 'reach'},
        'expert': {'expert': 'reach'},
        'recorder': {'directory': folder / 'episodes'},
        'flight_recorder': {'directory': folder / 'snapshots'},
        'coach': {'directory': folder / 'coach', 'task': 'reach'},
        'teleop': {'device': 'twist'},
    }.get(node, {})
    if node == 'trainer':
        return {'root': folder}
    clock = {} if node == 'simulator' else {'use_sim_time': 'true'}
    return {'contract': REACH, **clock, **own}


def start(node, folder, bundle, environment):
    path = packages.executable('il_ros', node, os.environ, 'test')
    given = [f'{name}:={value}' for name, value in parameters(node, folder, bundle).items()]
    return subprocess.Popen(
        [str(path), '--ros-args', *(word for text in given for word in ('-p', text))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )


def cpu_time(process):
    """Seconds of processor time that a process has used."""
    with open(f'/proc/{process.pid}/stat') as file:
        fields = file.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


@pytest.fixture
def nodes(domain, tmp_path, reach_bundle):
    """Every node as a process, by the clock; BLAS and OpenMP are bounded by nobody else.

    Policy and monitor have a calibrated bundle: its products of matrices wake the pools of threads.
    """
    environment = {name: value for name, value in os.environ.items() if name not in POOLS}
    processes = {name: start(name, tmp_path, reach_bundle, environment) for name in NODES}
    yield processes
    for process in processes.values():
        process.send_signal(signal.SIGTERM)
    for process in processes.values():
        process.wait(20)


def wait_until_active(names):
    """Wait until every node is up, by its own service."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node('waiter')
    try:
        for name in names:
            client = node.create_client(GetState, f'/{name}/get_state')
            assert client.wait_for_service(60), name
            state = None
            while state != State.PRIMARY_STATE_ACTIVE:
                future = client.call_async(GetState.Request())
                rclpy.spin_until_future_complete(node, future, timeout_sec=2)
                state = future.result().current_state.id if future.done() else None
    finally:
        node.destroy_node()
        rclpy.shutdown()


@pytest.mark.real_time
def test_an_idle_node_leaves_the_machine_to_others(nodes):
    wait_until_active(nodes)
    time.sleep(SETTLE)
    least = dict.fromkeys(nodes, 1.0)
    for _ in range(WINDOWS):  # what shares a core with others needs more of its time
        before = {name: cpu_time(process) for name, process in nodes.items()}
        time.sleep(WINDOW)
        for name, node in nodes.items():
            least[name] = min(least[name], (cpu_time(node) - before[name]) / WINDOW)
        if max(least.values()) <= LIMIT:
            break
    assert {name: node.poll() for name, node in nodes.items()} == dict.fromkeys(nodes)  # alive
    print({name: f'{used:.1%}' for name, used in least.items()})
    assert {name: used for name, used in least.items() if used > LIMIT} == {}


def test_the_user_s_own_bound_counts(monkeypatch):
    for name in POOLS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    bound_thread_pools()
    assert [os.environ[name] for name in POOLS] == ['3', '1', '1']
