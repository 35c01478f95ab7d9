"""A real graph, started once for all tests that need one: random domain, this machine alone."""

import os
from pathlib import Path

import pytest

rclpy = pytest.importorskip('rclpy')

from il_ros.cli.running_graph import graph, isolate  # noqa: E402
from il_ros.core.contract import load_contract  # noqa: E402

CONTRACT = Path(__file__).parents[2] / 'config/contracts/franka_pick_place.yaml'


@pytest.fixture(scope='session', autouse=True)
def domain(worker_id):
    """Free on this machine; workers of one run, which draw at the same time, never share one."""
    workers = min(int(os.environ.get('PYTEST_XDIST_WORKER_COUNT', '1')), 50)
    worker = 0 if worker_id == 'master' else int(worker_id.removeprefix('gw')) % workers
    isolate()
    while int(os.environ['ROS_DOMAIN_ID']) % workers != worker:
        isolate()
    return os.environ['ROS_DOMAIN_ID']


@pytest.fixture(scope='session')
def contract():
    return load_contract(CONTRACT)


@pytest.fixture(scope='session')
def episodes(tmp_path_factory):
    return tmp_path_factory.mktemp('episodes')


@pytest.fixture(scope='module')
def client(domain, episodes):
    """The client of a whole lock-step graph; its recorder writes to `episodes`."""
    with graph(CONTRACT, start=True, directory=episodes) as client:
        client.wait_for('recorder/start', 'policy/load')
        yield client
