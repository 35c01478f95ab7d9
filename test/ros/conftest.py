"""A real graph, started once for all tests that need one: random domain, this machine alone."""

import os
import random
from pathlib import Path

import pytest

rclpy = pytest.importorskip('rclpy')

from il_ros.cli.session import graph  # noqa: E402
from il_ros.core.contract import load_contract  # noqa: E402

CONTRACT = Path(__file__).parents[2] / 'config/contracts/franka_pick_place.yaml'


@pytest.fixture(scope='session', autouse=True)
def domain(testrun_uid, worker_id):
    """Drawn for each run; workers of one run never share one."""
    drawn = random.Random(testrun_uid).sample(range(1, 102), 101)
    worker = 0 if worker_id == 'master' else int(worker_id.removeprefix('gw'))
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ['ROS_DOMAIN_ID'] = str(drawn[worker % len(drawn)])
    return os.environ['ROS_DOMAIN_ID']


@pytest.fixture(scope='session')
def contract():
    return load_contract(CONTRACT)


@pytest.fixture(scope='session')
def episodes(tmp_path_factory):
    return tmp_path_factory.mktemp('episodes')


@pytest.fixture(scope='module')
def client(contract, domain, episodes):
    """The client of a whole lock-step graph; its recorder writes to `episodes`."""
    with graph(contract, start=True, contract=str(CONTRACT), directory=str(episodes)) as client:
        client.wait_for('recorder/start', 'policy/load')
        yield client
