"""A contract that is written from the simulated arm fits it, and another arm's does not."""

import time
from pathlib import Path

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from il_ros.cli.launch_command import find, start_node  # noqa: E402
from il_ros.cli.main import main  # noqa: E402
from il_ros.core.arms import arm_of  # noqa: E402
from il_ros.core.contract import load_contract  # noqa: E402
from il_ros.launching.child_process import log_directory  # noqa: E402
from il_ros.launching.launch_xml import evaluate  # noqa: E402
from il_ros.launching.process_supervisor import ProcessSupervisor  # noqa: E402

CONTRACTS = Path(__file__).parents[2] / 'config/contracts'
LONG = 60.0  # s that a loaded machine may need to start it

pytestmark = pytest.mark.slow


@pytest.fixture
def simulator(domain, tmp_path):
    given = {'contract': str(CONTRACTS / 'franka_reach.yaml'), 'task': 'reach'}
    specs = evaluate(find('simulation'), given, scratch=tmp_path / 'scratch')
    (tmp_path / 'scratch').mkdir()
    with ProcessSupervisor(sink=log_directory(tmp_path / 'log')) as supervisor:
        for spec in specs:
            start_node(supervisor, spec)
        yield supervisor


def assert_same_tool(one, other):
    """Wherever the joints are, the tools of both contracts' arms are in the same place."""
    arms = arm_of(one), arm_of(other)
    assert arms[0].joints == arms[1].joints
    n = len(arms[0].joints)
    low, high = arms[1].position_min[:n], arms[1].position_max[:n]
    q = np.random.default_rng(0).uniform(low, high, (100, n))
    for mine, known in zip(*(arm.chain.forward(q) for arm in arms), strict=True):
        np.testing.assert_allclose(mine, known, rtol=0.0, atol=1e-9)


def test_init_then_check_is_clean(simulator, tmp_path, capfd):
    path = tmp_path / 'mine.yaml'
    options = ['--seconds', '2', '--timeout', str(LONG)]
    begin = time.monotonic()
    assert main(['contract', 'init', str(path), *options]) == 0
    assert time.monotonic() - begin < LONG
    contract = load_contract(path)
    shipped = load_contract(CONTRACTS / 'franka.yaml')
    assert_same_tool(contract, shipped)
    assert contract.action.names == shipped.action.names
    assert contract.rate == shipped.rate
    assert {(s.topic, s.type, s.fields, s.names) for s in contract.observations.values()} == {
        (s.topic, s.type, s.fields, s.names) for s in shipped.observations.values()
    }
    assert [output.topic for output in contract.outputs] == [o.topic for o in shipped.outputs]
    capfd.readouterr()
    assert main(['contract', 'check', str(path), *options]) == 0
    assert ' 0 wrong' in capfd.readouterr().out
    assert main(['contract', 'check', str(CONTRACTS / 'ur5e.yaml'), *options]) == 1
    assert 'no joint shoulder_pan_joint' in capfd.readouterr().out
